using System.Buffers.Text;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Cli.Sealed;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Crypto;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Tests;

/// <summary><c>tacit seal | … | tacit unseal</c>, with a wallet that a running app has, with one that the commands open themselves, and with no wallet at all.</summary>
public sealed class SealTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Question_is_sealed_carried_and_unsealed_with_a_token_of_the_wallet()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        await using RunningDemo demo = await RunningDemo.StartAsync(folder["data"]);
        Uri gateway = new($"http://127.0.0.1:{demo.PortBase + 2}/");
        string[] data = ["--data", folder["data"]];
        // The issuer has to have asked the gateway for its keys.
        Outcome first = await Cli.RunAsync(["seal", "Hello", .. data]);
        for (int i = 0; i < 3000 && first.Error.Contains("seal", StringComparison.Ordinal); i++)
        {
            await Task.Delay(200, Ct);
            first = await Cli.RunAsync(["seal", "Hello", .. data]);
        }

        Assert.Equal((ExitCode.Fine, ""), (first.Code, first.Error));
        string request = first.Out;
        long before = await SpentAsync(data);

        string reply = await PostAsync(gateway, request);
        Assert.DoesNotContain("tacit-demo", reply, StringComparison.Ordinal);
        Outcome opened = await Cli.RunAsync(["unseal", .. data], reply);
        Assert.Equal((ExitCode.Fine, ""), (opened.Code, opened.Error));
        Assert.Contains("plan: chat\n", opened.Out, StringComparison.Ordinal);
        Assert.Equal(before + 1, await SpentAsync(data));

        // Both halves are for once.
        Assert.Contains("request_replayed", await PostAsync(gateway, request), StringComparison.Ordinal);
        Outcome again = await Cli.RunAsync(["unseal", .. data], reply);
        Assert.Equal(ExitCode.Failed, again.Code);
        Assert.Equal("", again.Out);

        // A reply that breaks off is an error, whatever of it was shown; the question sealed anew gets the whole, with the token it has.
        Assert.Equal("key", Path.GetFileName(Assert.Single(Directory.GetFiles(Path.Combine(folder["data"], "sealed")))));
        string broken = await PostAsync(gateway, await SealAsync(["seal", "--stdin", "Again", .. data], "and more"));
        int end = broken.IndexOf("event: final", StringComparison.Ordinal);
        Outcome cut = await Cli.RunAsync(["unseal", .. data], broken[..end]);
        Assert.Equal(ExitCode.Failed, cut.Code);
        Assert.Contains("end mark", cut.Error, StringComparison.Ordinal);
        Assert.Equal(before + 1, await SpentAsync(data));
        string whole = await PostAsync(gateway, await SealAsync(["seal", "--stdin", "Again", .. data], "and more"));
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["unseal", .. data], whole)).Code);
        Assert.Equal(before + 2, await SpentAsync(data));

        // A changed byte, an error of the gateway's, and something else altogether.
        string third = await PostAsync(gateway, await SealAsync(["seal", "Third", .. data]));
        int at = third.IndexOf("event: chunk\ndata: ", StringComparison.Ordinal) + 40;
        Outcome changed = await Cli.RunAsync(["unseal", .. data], third[..at] + (third[at] == 'A' ? 'B' : 'A') + third[(at + 1)..]);
        Assert.Equal(ExitCode.Failed, changed.Code);
        Assert.Contains("changed", changed.Error, StringComparison.Ordinal);
        Outcome refused = await Cli.RunAsync(["unseal", .. data], await PostAsync(gateway, "{}"));
        Assert.Contains("(sealed_malformed)", refused.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["unseal", .. data], "<html>")).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["unseal", .. data], "")).Code);

        // The demo is a development profile: what the gateway sees can be looked at, and costs nothing.
        long spent = await SpentAsync(data);
        Outcome echo = await Cli.RunAsync(["unseal", "--raw", .. data], await PostAsync(gateway, await SealAsync(["seal", "Echo", .. data]), "api/echo"));
        Assert.Equal(ExitCode.Fine, echo.Code);
        Assert.Equal("/v1/chat/completions", JsonDocument.Parse(echo.Out).RootElement.GetProperty("path").GetString());
        Assert.Equal(spent, await SpentAsync(data));

        // Nobody has the wallet now but the commands themselves.
        string later = await PostAsync(gateway, await SealAsync(["seal", "Later", .. data]));
        await demo.StopAsync();
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["unseal", .. data], later)).Code);
        Assert.Equal(spent + 1, await SpentAsync(data));
        Outcome alone = await Cli.RunAsync(["seal", "Alone", .. data], null);
        Assert.True(alone.Code == ExitCode.Fine, alone.Error);
    }

    [Fact]
    public async Task Pipe_through_curl_reaches_a_gateway_on_a_Unix_socket_signed_by_a_device()
    {
        if (!Environment.GetEnvironmentVariable("PATH")!.Split(':').Any(folder => File.Exists(Path.Combine(folder, "curl"))))
        {
            Assert.Skip("There is no curl on this machine.");
        }

        using TemporaryFolder folder = new();
        using Ed25519PrivateKey device = Ed25519PrivateKey.Generate();
        byte[] seed = new byte[Ed25519PrivateKey.SizeInBytes];
        device.Export(seed);
        await File.WriteAllTextAsync(folder["device.key"], Convert.ToHexString(seed) + "\n", Ct);
        await File.WriteAllBytesAsync(folder["sealing.key"], new byte[32], Ct);
        File.SetUnixFileMode(folder["device.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        File.SetUnixFileMode(folder["sealing.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        string socket = folder["gateway.sock"];
        await File.WriteAllTextAsync(folder["gateway.json"], $$"""
            { "Name": "gateway.test", "Listen": "unix:{{socket}}", "Admission": "device",
              "Devices": { "Allow": [ { "Key": "{{System.Buffers.Text.Base64Url.EncodeToString(device.PublicKey.Export())}}", "Name": "test" } ] },
              "Sealing": { "KeyFile": "file:{{folder["sealing.key"]}}", "SignedBy": "gateway" },
              "Signer": { "Address": "unix:{{folder["none.sock"]}}", "Key": "file:{{folder["sealing.key"]}}" }, "Inference": { "DemoModel": true } }
            """, Ct);
        await using Role gateway = await Role.StartAsync("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"]);
        JsonElement keys = await RunningRoleTests.JsonAsync(["gateway", "keys", "--json", "--data", folder["gateway"]]);
        string pin = keys.GetProperty("key").GetString()!;
        string seal = $"'{Program.Path}' seal --data '{folder["user"]}' --gateway 'unix:{socket}' --model tacit-demo 'Hello over a socket'";
        string carry = $"curl -sN --unix-socket '{socket}' -H 'Content-Type: application/json' --data-binary @- http://localhost/api/chat";
        string unseal = $"'{Program.Path}' unseal --data '{folder["user"]}'";

        Outcome answered = await ShellAsync($"{seal} --key {pin} --device-key 'file:{folder["device.key"]}' | {carry} | {unseal}");
        Assert.True(answered.Code == ExitCode.Fine, answered.Error);
        Assert.Contains("tacit-demo", answered.Out, StringComparison.Ordinal);

        // Without what the gateway asks for it says so, inside; under another key nothing is sealed.
        Outcome unpaid = await ShellAsync($"{seal} --key {pin} | {carry} | {unseal}");
        Assert.Equal(ExitCode.Failed, unpaid.Code);
        Assert.Contains("(device_required)", unpaid.Error, StringComparison.Ordinal);
        Outcome mistrusted = await ShellAsync($"{seal} --key {Convert.ToHexString(new byte[31])}01");
        Assert.Equal((ExitCode.Failed, ""), (mistrusted.Code, mistrusted.Out));
        Assert.Equal(ExitCode.Usage, (await ShellAsync(seal)).Code);

        // The right key, and another gateway than was meant: a directory key signs for several.
        Outcome other = await ShellAsync($"{seal} --key {pin} --name other.test");
        Assert.Equal((ExitCode.Failed, ""), (other.Code, other.Out));
        Assert.Contains("other.test", other.Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Fine, (await ShellAsync($"{seal} --key {pin} --name gateway.test")).Code);
    }

    [Fact]
    public async Task Work_that_the_gateway_asks_for_is_done_and_its_certificate_is_the_pinned_one()
    {
        using TemporaryFolder folder = new();
        using Ed25519PrivateKey device = Ed25519PrivateKey.Generate();
        await WriteSecretAsync(folder["device.key"], Convert.ToHexString(device.Export()));
        await WriteSecretAsync(folder["sealing.key"], new string('k', 64));
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DateTimeOffset today = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = new CertificateRequest("CN=home", key, HashAlgorithmName.SHA256).CreateSelfSigned(today.AddDays(-1), today.AddDays(1));
        await File.WriteAllTextAsync(folder["tls.pem"], certificate.ExportCertificatePem(), Ct);
        await WriteSecretAsync(folder["tls.key"], key.ExportPkcs8PrivateKeyPem());
        await using InferenceRouter router = new(new InferenceOptions { DemoModel = true }, TimeProvider.System, NullLoggerFactory.Instance);
        await using GatewayServer gateway = await GatewayServer.StartAsync(
            new GatewayOptions
            {
                Name = "home", Listen = ListenAddress.Loopback(0), DataDirectory = folder["gateway"], Admission = AdmissionMode.Device,
                Tls = new TlsOptions { Certificate = folder["tls.pem"], Key = SecretReference.Parse($"file:{folder["tls.key"]}") },
                Sealing = new() { KeyFile = SecretReference.Parse($"file:{folder["sealing.key"]}"), SignedBy = SealingSignatory.Gateway },
                Devices = new() { Allow = [new() { Key = Base64Url.EncodeToString(device.PublicKey.Export()), Name = "test" }] },
                Work = new WorkOptions { For = [WorkKinds.Sealed, WorkKinds.Device], MinBits = 8 },
            },
            null, router, null, TimeProvider.System, NullLoggerFactory.Instance, Ct);
        string address = $"https://127.0.0.1:{gateway.Address.Port}";
        string own = (await RunningRoleTests.JsonAsync(["gateway", "keys", "--json", "--data", folder["gateway"]])).GetProperty("key").GetString()!;
        string pin = Convert.ToHexString(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));
        string[] seal = ["seal", "Hello", "--gateway", address, "--key", own, "--model", "tacit-demo", "--device-key", $"file:{folder["device.key"]}", "--data", folder["user"]];

        string request = await SealAsync([.. seal, "--pin", pin]);
        Assert.True(JsonDocument.Parse(request).RootElement.TryGetProperty("work", out _));
        Outcome answer = await Cli.RunAsync(["unseal", "--data", folder["user"]], await PostAsync(new Uri(address), request, certificate: certificate));
        Assert.True(answer.Code == ExitCode.Fine, answer.Error);
        Assert.Contains("tacit-demo", answer.Out, StringComparison.Ordinal);

        // Nobody vouches for this certificate, and it is not any other.
        Assert.Equal((ExitCode.Failed, ""), Seen(await Cli.RunAsync(seal)));
        Assert.Equal((ExitCode.Failed, ""), Seen(await Cli.RunAsync([.. seal, "--pin", new string('0', 64)])));
        Assert.Equal((ExitCode.Usage, ""), Seen(await Cli.RunAsync([.. seal, "--pin", "short"])));
        Assert.Equal((ExitCode.Usage, ""), Seen(await Cli.RunAsync([.. seal.Select(word => word == address ? "unix:" + folder["none.sock"] : word), "--pin", pin])));
        Assert.Equal((ExitCode.Usage, ""), Seen(await Cli.RunAsync("seal", "Hello", "--pin", pin, "--data", folder["user"])));

        static (int, string) Seen(Outcome outcome) => (outcome.Code, outcome.Out);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Gateway_that_never_answers_is_given_up(bool onSocket)
    {
        using TemporaryFolder folder = new();
        EndPoint at = onSocket ? new UnixDomainSocketEndPoint(folder["gateway.sock"]) : new IPEndPoint(IPAddress.Loopback, 0);
        using Socket silent = new(at.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        silent.Bind(at);
        silent.Listen();
        using Ed25519PrivateKey own = Ed25519PrivateKey.Generate();

        Exception given = await Assert.ThrowsAnyAsync<Exception>(() => SealedGateway.FindKeyAsync(
            onSocket ? "unix:" + folder["gateway.sock"] : $"http://{silent.LocalEndPoint}", Convert.ToHexString(own.PublicKey.Export()), null,
            new TransportOptions(), new HastyTime(), Ct).WaitAsync(TimeSpan.FromMinutes(5), Ct));

        Assert.True(given is CommandException or ClientException { Error: ClientError.GatewayUnreachable }, given.ToString());
    }

    /// <summary>A clock by which every wait is over soon.</summary>
    private sealed class HastyTime : TimeProvider
    {
        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
            base.CreateTimer(callback, state, Hasten(dueTime), Hasten(period));

        private static TimeSpan Hasten(TimeSpan time) => time > TimeSpan.Zero ? time / 1000 : time;
    }

    private static async Task WriteSecretAsync(string path, string text)
    {
        await File.WriteAllTextAsync(path, text, Ct);
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private static async Task<string> SealAsync(string[] args, string? input = null)
    {
        Outcome outcome = await Cli.RunAsync(args, input);
        Assert.True(outcome.Code == ExitCode.Fine, outcome.Error);
        return outcome.Out;
    }

    private static async Task<string> PostAsync(Uri gateway, string json, string path = "api/chat", X509Certificate2? certificate = null)
    {
        using HttpMessageInvoker http = new(new SocketsHttpHandler { UseProxy = false, SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => certificate is not null && certificate.Equals(shown) } });
        using HttpRequestMessage request = new(HttpMethod.Post, new Uri(gateway, path)) { Content = new StringContent(json, Encoding.ASCII) };
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
        using HttpResponseMessage response = await http.SendAsync(request, Ct);
        return await response.Content.ReadAsStringAsync(Ct);
    }

    private static async Task<long> SpentAsync(string[] data)
    {
        JsonElement wallet = await RunningRoleTests.JsonAsync(["wallet", "show", "--json", .. data]);
        return wallet.GetProperty("plans").EnumerateArray().Sum(plan => plan.GetProperty("spent").GetInt64());
    }

    private static async Task<Outcome> ShellAsync(string line)
    {
        using Process shell = Program.StartFile("/bin/bash", ["-c", "set -o pipefail; " + line]);
        shell.StandardInput.Close();
        return await Program.EndOfAsync(shell);
    }
}
