using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Tests;

/// <summary>A gateway for one's own devices, set up from a file, without issuer, signer or wallet anywhere.</summary>
public sealed class DeviceTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("--key", "short", "--gateway", "http://127.0.0.1:1")]
    [InlineData("--pin", "short", "--gateway", "http://127.0.0.1:1")]
    [InlineData("--key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public async Task Key_or_pin_that_cannot_be_used_is_named_as_it_was_given(string flag, params string[] rest)
    {
        using TemporaryFolder folder = new();
        Outcome outcome = await Cli.RunAsync(["device", "create", flag, .. rest, "--data", folder["data"]]);
        Assert.Equal(ExitCode.Usage, outcome.Code);
        Assert.Contains(flag, outcome.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Fact]
    public async Task Key_that_was_made_before_its_gateway_was_known_is_kept_and_gets_it()
    {
        using TemporaryFolder folder = new();
        string[] user = ["--data", folder["data"]];
        Outcome made = await Cli.RunAsync(["device", "create", .. user]);
        Assert.True(made.Code == ExitCode.Fine, made.Error);
        Assert.Contains("device create --gateway", (await Cli.RunAsync(["device", "register", .. user])).Error, StringComparison.Ordinal);

        // What that advises.
        Outcome named = await Cli.RunAsync(["device", "create", "--gateway", "http://127.0.0.1:1", .. user]);
        Assert.True(named.Code == ExitCode.Fine, named.Error);
        Assert.Equal(made.Out, named.Out);
        Assert.Equal("http://127.0.0.1:1/", (await RunningRoleTests.JsonAsync(["device", "show", "--json", .. user])).GetProperty("gateway").GetString());

        // Another gateway has another key, and what was sealed stays sealed.
        string[] other = ["device", "create", "--gateway", "http://127.0.0.1:2", .. user];
        string own = made.Out.Trim();
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["device", "create", "--gateway", "http://127.0.0.1:1", "--key", own, .. user])).Code);
        Assert.Contains("--key KEY", (await Cli.RunAsync(other)).Error, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync([.. other, "--key", own])).Code);

        // Without a gateway there is nothing to do but to make a key, and there is one.
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["device", "create", .. user])).Code);
    }

    [Theory]
    [InlineData("device", "create", "--gateway", "http://127.0.0.1:1", "--transport", "sealed")]
    [InlineData("device", "show", "--transport", "sealed")]
    public async Task Sealing_without_the_gateways_key_names_the_flag_that_gives_it(params string[] command)
    {
        using TemporaryFolder folder = new();
        string[] user = ["--data", folder["data"]];
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["device", "create", "--gateway", "http://127.0.0.1:1", .. user])).Code);
        Outcome outcome = await Cli.RunAsync([.. command, .. user]);
        Assert.NotEqual(ExitCode.Fine, outcome.Code);
        Assert.Contains("--key KEY", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Settings_of_a_gateway_of_devices_need_no_issuer_and_no_signer()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["gateway.json"], """{ "Name": "home", "Admission": "device", "Inference": { "DemoModel": true } }""", Ct);

        Outcome good = await Cli.RunAsync("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"], "--check");
        await File.WriteAllTextAsync(folder["gateway.json"], """{ "Name": "home", "Admission": "both", "Inference": { "DemoModel": true } }""", Ct);
        Outcome bad = await Cli.RunAsync("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"], "--check");

        Assert.True(good.Code == ExitCode.Fine, good.Error);
        Assert.NotEqual(ExitCode.Fine, bad.Code);
        Assert.Contains("DirectoryKey: this setting is missing", bad.Error, StringComparison.Ordinal);
        Assert.Contains("IssuerUrl and Signer:Key", bad.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "3")]
    [InlineData(""", "SocketsInTurn": false""", "0")]
    public async Task What_happens_on_a_gateways_sockets_waits_for_its_turn_unless_told_otherwise(string setting, string policy)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The policy is Linux's.");
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["gateway.json"], $$"""{ "Name": "home", "Admission": "device", "Listen": "127.0.0.1:0", "Inference": { "DemoModel": true }{{setting}} }""", Ct);
        await using Role gateway = await Role.StartAsync("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"]);

        // Field 41 of proc(5) stat is the policy, and SCHED_BATCH is 3.
        string[] threads = [.. Directory.EnumerateDirectories($"/proc/{gateway.ProcessId}/task").Select(StatOf).Where(stat => stat.Contains("(.NET Sockets)", StringComparison.Ordinal))];
        Assert.NotEmpty(threads);
        Assert.All(threads, stat => Assert.Equal(policy, stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[38]));

        static string StatOf(string thread)
        {
            try
            {
                return File.ReadAllText(Path.Combine(thread, "stat"));
            }
            catch (IOException)
            {
                return ""; // It has ended.
            }
        }
    }

    [Fact]
    public async Task Device_is_made_listed_asks_and_is_taken_off_again()
    {
        using TemporaryFolder folder = new();
        await using InferenceRouter router = new(new InferenceOptions { DemoModel = true }, TimeProvider.System, NullLoggerFactory.Instance);
        await using GatewayServer gateway = await GatewayServer.StartAsync(
            new GatewayOptions { Name = "home", Listen = ListenAddress.Loopback(0), DataDirectory = folder["gateway"], Admission = AdmissionMode.Device },
            null, router, null, TimeProvider.System, NullLoggerFactory.Instance, Ct);
        string[] user = ["--data", folder["user"]];
        string[] operators = ["--data", folder["gateway"]];

        Outcome made = await Cli.RunAsync(["device", "create", "--gateway", gateway.Address.ToString(), .. user]);
        string key = made.Out.Trim();
        Assert.Equal(43, key.Length);
        Assert.Contains("link all questions", made.Error, StringComparison.Ordinal);
        Assert.Equal(key, (await RunningRoleTests.JsonAsync(["device", "show", "--json", .. user])).GetProperty("key").GetString());
        Outcome early = await Cli.RunAsync(["ask", "Hello", .. user]);
        Assert.NotEqual(ExitCode.Fine, early.Code);
        Assert.Contains($"tacit gateway devices add {key}", early.Error, StringComparison.Ordinal);
        Assert.NotEqual(ExitCode.Fine, (await Cli.RunAsync(["device", "register", .. user])).Code);

        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["gateway", "devices", "add", key, "laptop of Ada", .. operators])).Code);
        Outcome answer = await Cli.RunAsync(["ask", "Hello", .. user]);
        Assert.True(answer.Code == ExitCode.Fine, answer.Error);
        Assert.Contains("signature of a device", answer.Out, StringComparison.Ordinal);
        Assert.Contains("link all questions", answer.Error, StringComparison.Ordinal);
        JsonElement listed = (await RunningRoleTests.JsonAsync(["gateway", "devices", "list", "--json", .. operators])).GetProperty("devices")[0];
        Assert.Equal(("laptop of Ada", key), (listed.GetProperty("name").GetString(), listed.GetProperty("key").GetString()));

        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["gateway", "devices", "remove", key, .. operators])).Code);
        Assert.NotEqual(ExitCode.Fine, (await Cli.RunAsync(["ask", "Hello", .. user])).Code);
        Assert.Contains("removed", (await Cli.RunAsync(["gateway", "devices", "list", .. operators])).Out, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Device_that_is_told_a_certificates_key_asks_no_gateway_that_has_another()
    {
        using TemporaryFolder folder = new();
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using X509Certificate2 certificate = new CertificateRequest("CN=home", key, HashAlgorithmName.SHA256)
            .CreateSelfSigned(TimeProvider.System.GetUtcNow().AddDays(-1), TimeProvider.System.GetUtcNow().AddDays(1));
        await File.WriteAllTextAsync(folder["tls.pem"], certificate.ExportCertificatePem(), Ct);
        await File.WriteAllTextAsync(folder["tls.key"], key.ExportPkcs8PrivateKeyPem(), Ct);
        File.SetUnixFileMode(folder["tls.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using InferenceRouter router = new(new InferenceOptions { DemoModel = true }, TimeProvider.System, NullLoggerFactory.Instance);
        await using GatewayServer gateway = await GatewayServer.StartAsync(
            new GatewayOptions
            {
                Name = "home", Listen = ListenAddress.Loopback(0), DataDirectory = folder["gateway"], Admission = AdmissionMode.Device,
                Tls = new() { Certificate = folder["tls.pem"], Key = SecretReference.Parse($"file:{folder["tls.key"]}") },
            },
            null, router, null, TimeProvider.System, NullLoggerFactory.Instance, Ct);
        string address = gateway.Address.ToString();
        Assert.StartsWith("https:", address, StringComparison.Ordinal);
        // As docs/operating.md has it made, by sha256sum.
        byte[] pin = SHA256.HashData(key.ExportSubjectPublicKeyInfo());

        Outcome right = await CreateAndAskAsync("right", Convert.ToHexStringLower(pin));
        Assert.True(right.Code == ExitCode.Fine, right.Error);
        Assert.NotEqual(ExitCode.Fine, (await CreateAndAskAsync("none", null)).Code);
        pin[0] ^= 1;
        Assert.NotEqual(ExitCode.Fine, (await CreateAndAskAsync("wrong", Convert.ToHexStringLower(pin))).Code);

        // Where nothing is compared, nobody is to think so.
        Outcome plain = await Cli.RunAsync(
            ["device", "create", "--gateway", "http://home.example", "--pin", Convert.ToHexStringLower(pin), "--data", folder["plain"]]);
        Assert.NotEqual(ExitCode.Fine, plain.Code);
        Assert.Contains("GatewayPin", plain.Error, StringComparison.Ordinal);

        async Task<Outcome> CreateAndAskAsync(string name, string? told)
        {
            string[] user = ["--data", folder[name]];
            Outcome made = await Cli.RunAsync(["device", "create", "--gateway", address, .. told is null ? [] : (string[])["--pin", told], .. user]);
            Assert.True(made.Code == ExitCode.Fine, made.Error);
            Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["gateway", "devices", "add", made.Out.Trim(), name, "--data", folder["gateway"]])).Code);
            return await Cli.RunAsync(["ask", "Hello", .. user]);
        }
    }

    [Theory]
    [InlineData("direct", false)]
    [InlineData("sealed", true)]
    public async Task Evidence_cannot_be_required_where_nothing_is_sealed(string transport, bool isFine)
    {
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(folder["user"]);
        await File.WriteAllTextAsync(
            Path.Combine(folder["user"], "app.json"), $$"""{ "Transport": "{{transport}}", "IssuerUrl": "http://127.0.0.1:1", "Evidence": { "Policy": "require" } }""", Ct);

        Outcome asked = await Cli.RunAsync("ask", "Hello", "--data", folder["user"]);

        Assert.NotEqual(ExitCode.Fine, asked.Code);
        Assert.Equal(isFine, !asked.Error.Contains("Evidence:Policy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Device_that_is_told_the_gateways_key_asks_sealed()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllBytesAsync(folder["sealing.key"], RandomNumberGenerator.GetBytes(32), Ct);
        File.SetUnixFileMode(folder["sealing.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        await using InferenceRouter router = new(new InferenceOptions { DemoModel = true }, TimeProvider.System, NullLoggerFactory.Instance);
        await using GatewayServer gateway = await GatewayServer.StartAsync(
            new GatewayOptions
            {
                Name = "home", Listen = ListenAddress.Loopback(0), DataDirectory = folder["gateway"], Admission = AdmissionMode.Device,
                Sealing = new() { KeyFile = SecretReference.Parse($"file:{folder["sealing.key"]}"), SignedBy = Tacit.Gateway.Sealing.SealingSignatory.Gateway },
            },
            null, router, null, TimeProvider.System, NullLoggerFactory.Instance, Ct);
        string[] user = ["--data", folder["user"]];
        string own = (await RunningRoleTests.JsonAsync(["gateway", "keys", "--json", "--data", folder["gateway"]])).GetProperty("key").GetString()!;

        Outcome made = await Cli.RunAsync(["device", "create", "--gateway", gateway.Address.ToString(), "--key", own, .. user]);
        Assert.True(made.Code == ExitCode.Fine, made.Error);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["gateway", "devices", "add", made.Out.Trim(), "phone", "--data", folder["gateway"]])).Code);
        Outcome answer = await Cli.RunAsync(["ask", "Hello", .. user]);
        Assert.True(answer.Code == ExitCode.Fine, answer.Error);
        // What runs inside has none of HTTP's own fields.
        Assert.DoesNotContain("Host", answer.Out, StringComparison.Ordinal);

        string file = Path.Combine(folder["user"], "app.json");
        await File.WriteAllTextAsync(file, (await File.ReadAllTextAsync(file, Ct)).Replace(own, made.Out.Trim(), StringComparison.Ordinal), Ct);
        Assert.NotEqual(ExitCode.Fine, (await Cli.RunAsync(["ask", "Hello", .. user])).Code);
    }
}
