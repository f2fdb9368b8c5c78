using System.Diagnostics;
using System.Text.Json;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>What a client sends that does not go through Tor, counted packet by packet in a network namespace where nothing but Tor's ports can be reached.</summary>
[Collection(nameof(OverTor))]
public sealed class LeakTests(TorWorld world)
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(4);

    /// <summary>A tor of a private network asks a directory again for the same service after five seconds.</summary>
    private static readonly TimeSpan s_askedAgain = TimeSpan.FromSeconds(6);

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Namespace_counts_look_ups_and_connections_of_whoever_tries_to_leave()
    {
        using TestFolder folder = new();
        await using NetworkNamespace inside = await NetworkNamespace.StartAsync(folder, [9]);
        Assert.Equal(new PacketCounts(0, 0, 0), await inside.CountAsync());

        (int code, _, _) = await inside.RunAsync("getent", "hosts", "gateway.example");
        Assert.NotEqual(0, code);
        PacketCounts counted = await inside.CountAsync();
        Assert.True(counted is { Dns: > 0, Other: 0 }, counted.ToString());

        (code, _, _) = await inside.RunAsync("bash", "-c", "exec 3<>/dev/tcp/198.51.100.7/443");
        Assert.NotEqual(0, code);
        counted = await inside.CountAsync();
        Assert.True(counted is { Tor: 0, Other: > 0 }, counted.ToString());
    }

    [Fact]
    public async Task Account_tokens_and_prompts_of_the_program_send_not_one_packet_beside_Tor()
    {
        OnionSystem system = await world.SystemAsync();
        using TestFolder folder = new();
        await using NetworkNamespace inside = await NetworkNamespace.StartAsync(folder, (await TestTor.NetworkAsync()).RelayPorts);
        string directoryKey = PublicKeyText.Format(system.Issuer.DirectoryKey.Span);
        inside.Environment["TACIT_HOME"] = folder["user"];
        inside.Environment["TACIT__App__Tor__Configuration"] = (await TestTor.NetworkAsync()).ConfigurationFile;
        inside.Environment["TACIT__App__AutoFill"] = "false";

        // A process of its own, with a tor of its own.
        await TacitAsync("account", "create", "--transport", "tor", "--issuer", system.IssuerOnion.ToString(), "--directory-key", directoryKey);

        // The app, with one for all commands.
        using (Process app = Process.Start(inside.Inside(Program, "app", "--transport", "tor", "--listen", $"127.0.0.1:{NetworkNamespace.LocalPort}", "--json"))!)
        {
            Task<string> log = app.StandardError.ReadToEndAsync(Ct);
            string? ready = await app.StandardOutput.ReadLineAsync(Ct);
            Assert.True(ready is not null, ready is null ? await log : "");
            await TacitAsync("account", "deposit", await system.VoucherAsync(20));
            await TacitAsync("wallet", "fill");
            Assert.Contains(HeldProvider.AnswerTo("inside"), await TacitAsync("ask", "inside", "--no-stdin", "--model", HeldProvider.Model), StringComparison.Ordinal);

            using JsonDocument status = JsonDocument.Parse(await TacitAsync("status", "--json"));
            JsonElement tor = status.RootElement.GetProperty("tor");
            Assert.Equal("Ready", tor.GetProperty("state").GetString());
            Assert.Equal(100, tor.GetProperty("percent").GetInt32());
            Assert.NotEmpty(tor.GetProperty("version").GetString()!);
            using Process terminate = Process.Start("kill", ["-TERM", app.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)]);
            await app.WaitForExitAsync(Ct).WaitAsync(s_patience, Ct);
        }

        // Sealed to the gateway, over Tor to a relay.
        Assert.Contains(
            HeldProvider.AnswerTo("sealed"),
            await TacitAsync("ask", "sealed", "--no-stdin", "--model", HeldProvider.Model, "--transport", "tor+ohttp", "--relay", $"{system.RelayOnion}{OnionSystem.GatewayName}"),
            StringComparison.Ordinal);
        PacketCounts counted = await inside.CountAsync();
        Assert.True(counted is { Dns: 0, Other: 0, Tor: > 0 }, $"{counted} {await inside.DescribeOthersAsync()}");

        // The same program, told to do without Tor, is found out.
        (int code, _, _) = await inside.RunAsync(
            Program, "account", "create", "--transport", "direct", "--issuer", "https://issuer.example", "--directory-key", directoryKey, "--data", folder["other"]);
        Assert.NotEqual(0, code);
        counted = await inside.CountAsync();
        Assert.True(counted.Dns > 0, counted.ToString());

        async Task<string> TacitAsync(params string[] words)
        {
            for (int attempt = 1; ; attempt++)
            {
                (int code, string output, string errors) = await inside.RunAsync(Program, words).WaitAsync(s_patience, Ct);
                if (code == 0)
                {
                    return output;
                }

                // A service counts as published once one directory of Tor's took it; a new tor may ask the others before (see TorWorld.CreateAccountAsync).
                Assert.True(attempt < 5 && errors.Contains("has no descriptor in the network", StringComparison.Ordinal), $"tacit {string.Join(' ', words)}: {errors}{output}");
                TestContext.Current.AddWarning(errors);
                await Task.Delay(s_askedAgain, Ct);
            }
        }
    }

    private static string Program => Path.Combine(AppContext.BaseDirectory, "tacit");
}
