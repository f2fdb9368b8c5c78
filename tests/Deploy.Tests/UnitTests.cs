using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Tacit.Deploy.Tests;

/// <summary>The units under a real systemd, and what it makes of them.</summary>
public sealed class UnitTests : IDisposable
{
    private readonly Script _script = new();

    public void Dispose() => _script.Dispose();

    [Fact]
    public async Task Every_unit_scores_two_or_better()
    {
        Assert.SkipUnless(Script.HasTool("systemd-analyze"), "systemd-analyze is not installed");
        Outcome outcome = await _script.RunAsync("deploy/units-score.sh", "2.0");
        Assert.True(outcome.Code == 0, outcome.Out + outcome.Error);
        Assert.Equal(5, outcome.Out.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);

        // The test can fail: nothing scores that well.
        Assert.Equal(1, (await _script.RunAsync("deploy/units-score.sh", "0.1")).Code);
    }

    /// <summary>Boots systemd as the first process of namespaces of its own; see the script for what is shown there.</summary>
    [Fact]
    public async Task Roles_run_in_their_sandboxes_under_a_systemd_of_their_own()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can make the namespaces");
        Assert.SkipUnless(File.Exists("/lib/systemd/systemd"), "systemd is not installed");
        Assert.SkipUnless(Script.HasTool("adduser") && Script.HasTool("openssl") && Script.HasTool("curl"), "adduser, openssl or curl is not installed");
        Assert.SkipUnless(await CanMountAsync(), "this machine lets nobody mount a cgroup or an overlay");
        Outcome outcome = await _script.RunAsync("deploy/try-units.sh", Script.Program);
        Assert.True(outcome.Code == 0, outcome.Out + outcome.Error);
        Assert.Contains("all stopped in order", outcome.Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Signer_answers_on_a_socket_that_was_passed_to_it()
    {
        Assert.SkipUnless(Script.HasTool("systemd-socket-activate"), "systemd-socket-activate is not installed");
        CancellationToken token = TestContext.Current.CancellationToken;
        await File.WriteAllTextAsync(_script["key"], Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), token);
        await File.WriteAllTextAsync(_script["signer.json"], $$"""
            { "Listen": "systemd:signer", "KeyFile": "file:{{_script["key"]}}", "InternalKey": "file:{{_script["key"]}}",
              "Plans": [{ "Id": "chat", "Models": ["m"], "MaxInputBytes": 262144, "MaxOutputTokens": 4096, "Price": 1, "Period": "month" }] }
            """, token);
        string socket = _script["s.sock"];
        // A Unix socket: no port can be taken between choosing and using it.
        ProcessStartInfo start = new("systemd-socket-activate", ["-l", socket, "--fdname=signer", Script.Program, "signer", "--config", _script["signer.json"], "--data", _script["data"]])
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync(token);
        Task<string> output = process.StandardOutput.ReadToEndAsync(token);
        try
        {
            while (!File.Exists(socket) && !process.HasExited)
            {
                await Task.Delay(20, token);
            }

            using HttpMessageInvoker client = new(new SocketsHttpHandler
            {
                ConnectCallback = async (_, cancel) =>
                {
                    while (true)
                    {
                        Socket connection = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                        try
                        {
                            await connection.ConnectAsync(new UnixDomainSocketEndPoint(socket), cancel);
                            return new NetworkStream(connection, ownsSocket: true);
                        }
                        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused && !process.HasExited)
                        {
                            // It is there, and is listened at a moment later.
                            connection.Dispose();
                            await Task.Delay(20, cancel);
                        }
                    }
                },
            });
            using HttpResponseMessage response = await client.SendAsync(new HttpRequestMessage(HttpMethod.Get, "http://localhost/health/live"), token);
            Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        }
        finally
        {
            Process.Start("kill", ["-TERM", process.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]).WaitForExit();
            await process.WaitForExitAsync(token);
        }

        Assert.True(process.ExitCode == 0, await error + await output);
        // The socket is its maker's: the role leaves it there.
        Assert.True(File.Exists(socket));
    }

    private async Task<bool> CanMountAsync() => (await _script.ExecuteAsync(
        "unshare", "--mount", "--pid", "--fork", "--cgroup", "--propagation", "private", "sh", "-c",
        "mount -t tmpfs x /mnt && mkdir /mnt/u /mnt/w /mnt/r /mnt/c && mount -t overlay x -o lowerdir=/etc,upperdir=/mnt/u,workdir=/mnt/w /mnt/r && mount -t cgroup2 x /mnt/c")).Code == 0;
}
