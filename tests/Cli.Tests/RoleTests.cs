using System.Globalization;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Tacit.EndToEnd.Support;

namespace Tacit.Cli.Tests;

/// <summary>The roles as processes of their own, each from a settings file, and a user whose wallet the commands open themselves.</summary>
public sealed class RoleTests
{
    private const string Plans = """
        [ { "Id": "chat", "Models": ["tacit-demo"], "MaxInputBytes": 262144, "MaxOutputTokens": 4096, "Price": 1, "Period": "month" },
          { "id": "chat-large", "models": ["tacit-demo"], "maxInputBytes": 1048576, "maxOutputTokens": 32768, "price": 4, "period": "month", "tokenType": "0xDA7A" },
          { "id": "monthly", "kind": "subscription", "models": ["tacit-demo"], "maxInputBytes": 262144, "maxOutputTokens": 4096, "price": 10, "period": "month", "tokenType": "0xDA7A" } ]
        """;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Roles_run_apart_and_a_user_deposits_fills_asks_and_restores()
    {
        using TemporaryFolder folder = new();
        int port = FreePorts.Take(3);
        await KeyedFolder.CopyToAsync(folder["signer"]);
        await KeyedFolder.CopyToAsync(folder["issuer"]);
        await File.WriteAllTextAsync(folder["internal.key"], "a key between the roles\n", Ct);
        string keyFile = $"file:{folder["signer/demo.key"]}";
        await File.WriteAllTextAsync(folder["signer.json"], $$"""{ "Plans": {{Plans}}, "KeyFile": "{{keyFile}}", "InternalKey": "file:{{folder["internal.key"]}}" }""", Ct);
        await File.WriteAllTextAsync(folder["issuer.json"], $$"""
            { "Plans": {{Plans}}, "KeyFile": "{{keyFile}}", "Listen": "127.0.0.1:{{port + 1}}", "IssuerName": "issuer.tacit-demo",
              "Signer": { "Address": "unix:{{folder["signer/signer-internal.sock"]}}", "Key": "file:{{folder["internal.key"]}}" },
              "Gateways": [ { "Name": "gateway.test", "Urls": ["http://127.0.0.1:{{port + 2}}"] } ] }
            """, Ct);
        await using Role signer = await Role.StartAsync("signer", "--config", folder["signer.json"], "--data", folder["signer"]);
        await using Role issuer = await Role.StartAsync("issuer", "--config", folder["issuer.json"], "--data", folder["issuer"]);
        string directoryKey = issuer.Ready.GetProperty("facts").GetProperty("directoryKey").GetString()!;
        await File.WriteAllTextAsync(folder["gateway.json"], $$"""
            { "Name": "gateway.test", "Listen": "127.0.0.1:{{port + 2}}", "IssuerUrl": "http://127.0.0.1:{{port + 1}}", "DirectoryKey": "{{directoryKey}}",
              "Signer": { "Address": "unix:{{folder["signer/signer-internal.sock"]}}", "Key": "file:{{folder["internal.key"]}}" }, "Inference": { "DemoModel": true } }
            """, Ct);
        await using Role gateway = await Role.StartAsync("gateway", "--config", folder["gateway.json"], "--data", folder["gateway"]);

        string[] user = ["--data", folder["user"]];
        string issuerUrl = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port + 1}");
        JsonElement created = await RunningRoleTests.JsonAsync(["account", "create", "--issuer", issuerUrl, "--directory-key", directoryKey, "--json", .. user]);
        // An invitation has all that the first run asks for.
        string invitation = (await Cli.RunAsync("issuer", "invite", "--address", issuerUrl, "--credits", "60", "--data", folder["issuer"])).Out.Trim();
        Assert.StartsWith($"tacit:?issuer={issuerUrl}&key={directoryKey}&voucher=", invitation, StringComparison.Ordinal);
        Outcome deposit = await Cli.RunAsync(["account", "deposit", invitation[(invitation.IndexOf("voucher=", StringComparison.Ordinal) + 8)..], .. user]);
        Assert.Contains("60 credits added", deposit.Out, StringComparison.Ordinal);
        Assert.Contains("5 tokens", (await Cli.RunAsync(["wallet", "fill", "--size", "5", .. user])).Out, StringComparison.Ordinal);
        Assert.Equal(2, (await RunningRoleTests.JsonAsync(["wallet", "fill", "--size", "2", "--plan", "chat-large", "--json", .. user])).GetProperty("received").GetInt32());
        Outcome answer = await Cli.RunAsync(["ask", "Hello", .. user]);
        Assert.Equal(ExitCode.Fine, answer.Code);
        Assert.Contains("plan: chat\n", answer.Out, StringComparison.Ordinal);

        // The same wallet on another machine, from what was written down.
        await File.WriteAllTextAsync(folder["seed.txt"], created.GetProperty("walletSeed").GetString(), Ct);
        await File.WriteAllTextAsync(folder["account.txt"], created.GetProperty("accountKey").GetString(), Ct);
        JsonElement restored = await RunningRoleTests.JsonAsync(
            ["wallet", "restore", "--seed", "file:" + folder["seed.txt"], "--account", "file:" + folder["account.txt"], "--issuer", issuerUrl, "--directory-key", directoryKey, "--json", "--data", folder["other"]]);
        Assert.Equal(7, restored.GetProperty("tokens").GetInt32());
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync("ask", "Hello again", "--data", folder["other"])).Code);

        // A subscription, two questions on its chain, and the counters of both sides agree.
        Outcome subscribed = await Cli.RunAsync(["wallet", "subscribe", "monthly", .. user]);
        Assert.True(subscribed.Code == ExitCode.Fine, subscribed.Error);
        for (int i = 0; i < 2; i++)
        {
            Outcome chained = await Cli.RunAsync(["ask", "Hello", .. user]);
            Assert.Contains("plan: monthly\n", chained.Out, StringComparison.Ordinal);
        }
        Outcome gatewayTotals = await Cli.RunAsync("gateway", "totals", "--json", "--data", folder["gateway"]);
        await File.WriteAllTextAsync(folder["gateway-totals.json"], gatewayTotals.Out, Ct);
        JsonElement spent = Assert.Single(
            JsonDocument.Parse(gatewayTotals.Out).RootElement.GetProperty("plans").EnumerateArray(), plan => plan.GetProperty("plan").GetString() == "monthly");
        Assert.Equal((2, 2), (spent.GetProperty("spent").GetInt32(), spent.GetProperty("renewed").GetInt32()));
        Outcome signerTotals = await Cli.RunAsync("signer", "totals", "--json", "--data", folder["signer"]);
        await File.WriteAllTextAsync(folder["signer-totals.json"], signerTotals.Out, Ct);
        string[] totals = ["signer", "totals", "--from", folder["signer-totals.json"], "--gateways", folder["gateway-totals.json"]];
        JsonElement signed = Assert.Single(
            (await RunningRoleTests.JsonAsync([.. totals, "--json"])).GetProperty("plans").EnumerateArray(), plan => plan.GetProperty("plan").GetString() == "monthly");
        Assert.Equal((2, 0), (signed.GetProperty("renewed").GetInt32(), signed.GetProperty("unexplained").GetInt32()));

        // Somebody else who has the internal key shows.
        await File.WriteAllTextAsync(folder["gateway-totals.json"], gatewayTotals.Out.Replace("\"spent\": 2", "\"spent\": 1", StringComparison.Ordinal), Ct);
        Outcome surplus = await Cli.RunAsync(totals);
        Assert.Equal(ExitCode.Failed, surplus.Code);
        Assert.Contains("1 renewals of monthly", surplus.Error, StringComparison.Ordinal);

        // The app as a process, found by its folder, with another wallet's commands going through it.
        await using Role app = await Role.StartAsync(["app", "--listen", string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{port}"), .. user]);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["ask", "Through the app", .. user])).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["app", "--listen", "127.0.0.1:0", .. user])).Code);

        JsonElement sales = (await RunningRoleTests.JsonAsync(["issuer", "report", "--json", "--data", folder["issuer"]])).GetProperty("sales");
        Assert.Contains(sales.EnumerateArray(), sale => sale.GetProperty("plan").GetString() == "chat-large" && sale.GetProperty("quantity").GetInt32() == 2 && sale.GetProperty("credits").GetInt32() == 8);
        JsonElement counted = (await RunningRoleTests.JsonAsync(["gateway", "totals", "--json", "--data", folder["gateway"]])).GetProperty("plans");
        Assert.Contains(counted.EnumerateArray(), plan => plan.GetProperty("plan").GetString() == "chat" && plan.GetProperty("spent").GetInt32() > 0);
        Assert.Contains("No key has a budget", (await Cli.RunAsync("gateway", "providers", "--data", folder["gateway"])).Out, StringComparison.Ordinal);

        string[] roles = ["signer", "issuer", "gateway"];
        foreach (string role in roles)
        {
            Assert.Equal(ExitCode.Fine, (await Cli.RunAsync("backup", role, "--to", folder[role + ".copy"], "--data", folder[role])).Code);
            Outcome running = await Cli.RunAsync("restore", role, "--from", folder[role + ".copy"], "--data", folder[role]);
            Assert.Equal(ExitCode.Failed, running.Code);
            Assert.Contains("in use by another process", running.Error, StringComparison.Ordinal);
        }

        foreach (Role role in (Role[])[app, gateway, issuer, signer])
        {
            Assert.Equal(ExitCode.Fine, await role.TerminateAsync());
        }
        foreach (string role in roles)
        {
            Outcome putBack = await Cli.RunAsync("restore", role, "--from", folder[role + ".copy"], "--data", folder[role]);
            Assert.True(putBack.Code == ExitCode.Fine, putBack.Error);
            Assert.Contains(role switch { "issuer" => " credits, sound", "gateway" => "are closed", _ => "made since are lost" }, putBack.Out + putBack.Error, StringComparison.Ordinal);
        }
        Assert.Empty(Directory.EnumerateFiles(folder.Path, "*.sock", SearchOption.AllDirectories));
        string logs = signer.Log + issuer.Log + gateway.Log + app.Log;
        Assert.DoesNotContain("Hello", logs, StringComparison.Ordinal);
        Assert.DoesNotContain(created.GetProperty("accountKey").GetString()!, logs, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("gateway", """{ "Name": "g", "DirectoryKey": "00", "Typo": 1 }""", "Typo")]
    [InlineData("gateway", """{ }""", "Name")]
    [InlineData("issuer", """{ "Plans": [ { "Id": "chat", "Period": "year" } ] }""", "Plans:0:Models")]
    [InlineData("issuer", """{ "Passphrase": "hunter2" }""", "Passphrase")]
    [InlineData("signer", """{ "SigningThreads": "many" }""", "SigningThreads")]
    [InlineData("app", """{ "Listen": "0.0.0.0:80" }""", "Listen")]
    public async Task Wrong_settings_are_named_and_nothing_starts(string role, string json, string key)
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["c.json"], json, Ct);
        Outcome outcome = await Cli.RunAsync(role, "--config", folder["c.json"], "--data", folder["data"], "--check");
        Assert.Equal(ExitCode.Failed, outcome.Code);
        Assert.Contains(key, outcome.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", outcome.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Fact]
    public async Task Check_of_good_settings_warns_of_a_secret_that_others_can_read()
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["key"], "0123456789012345678901234567890123456789", Ct);
        File.SetUnixFileMode(folder["key"], UnixFileMode.UserRead | UnixFileMode.OtherRead);
        await File.WriteAllTextAsync(folder["c.json"], $$"""{ "Plans": {{Plans}}, "KeyFile": "file:{{folder["key"]}}", "InternalKey": "file:{{folder["key"]}}" }""", Ct);
        Outcome outcome = await Cli.RunAsync("signer", "--config", folder["c.json"], "--data", folder["data"], "--check");
        Assert.Equal(ExitCode.Fine, outcome.Code);
        Assert.Contains($"chmod 600 {folder["key"]}", outcome.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Theory]
    [InlineData("production", ExitCode.Failed)]
    [InlineData("development", ExitCode.Fine)]
    public async Task Secret_that_everybody_can_read_is_refused_in_production(string profile, int code)
    {
        using TemporaryFolder folder = new();
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0x1ED);
        await File.WriteAllTextAsync(folder["key"], "0123456789012345678901234567890123456789", Ct);
        File.SetUnixFileMode(folder["key"], (UnixFileMode)0x1A4);
        await File.WriteAllTextAsync(
            folder["c.json"], $$"""{ "Profile": "{{profile}}", "Plans": {{Plans}}, "KeyFile": "file:{{folder["key"]}}", "InternalKey": "file:{{folder["key"]}}" }""", Ct);
        Outcome outcome = await Cli.RunAsync("signer", "--config", folder["c.json"], "--data", folder["data"], "--check");
        Assert.Equal(code, outcome.Code);
        Assert.Contains($"chmod 600 {folder["key"]}", outcome.Error, StringComparison.Ordinal);

        if (code != ExitCode.Fine)
        {
            // A start refuses what a check refuses, and makes nothing first.
            Outcome started = await Cli.RunAsync("signer", "--config", folder["c.json"], "--data", folder["data"]);
            Assert.Equal(code, started.Code);
            Assert.False(Directory.Exists(folder["data"]));
        }
    }

    [Theory]
    [InlineData("production", ExitCode.Failed)]
    [InlineData("development", ExitCode.Fine)]
    public async Task Key_of_a_backends_client_certificate_that_everybody_can_read_is_refused_in_production(string profile, int code)
    {
        using TemporaryFolder folder = new();
        File.SetUnixFileMode(folder.Path, (UnixFileMode)0x1ED);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 certificate = new CertificateRequest("CN=gateway", key, HashAlgorithmName.SHA256).CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        await File.WriteAllTextAsync(folder["tls.pem"], certificate.ExportCertificatePem(), Ct);
        await File.WriteAllTextAsync(folder["tls.key"], key.ExportPkcs8PrivateKeyPem(), Ct);
        File.SetUnixFileMode(folder["tls.key"], (UnixFileMode)0x1A4);
        await File.WriteAllTextAsync(
            folder["c.json"], $$"""
            { "Name": "home", "Profile": "{{profile}}", "Admission": "device",
              "Inference": { "Backends": [ { "Name": "gpu", "BaseUrl": "https://127.0.0.1:1/v1", "Models": { "m": "m" },
                "Tls": { "ClientCertificate": "{{folder["tls.pem"]}}", "ClientKey": "file:{{folder["tls.key"]}}" } } ] } }
            """, Ct);

        Outcome outcome = await Cli.RunAsync("gateway", "--config", folder["c.json"], "--data", folder["data"], "--check");

        Assert.True(code == outcome.Code, outcome.Error);
        Assert.Contains($"chmod 600 {folder["tls.key"]}", outcome.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(folder["data"]));
    }

    [Theory]
    [InlineData("""{ "Listen": "0.0.0.0:8227" }""", false)]
    [InlineData("""{ "Listen": "192.0.2.7:8227" }""", false)]
    [InlineData("""{ "Listen": "192.0.2.7:8227", "BehindProxy": true }""", true)]
    [InlineData("""{ "Listen": "192.0.2.7:8227", "Profile": "development" }""", true)]
    [InlineData("""{ "Listen": "[::1]:8227" }""", true)]
    [InlineData("""{ "Listen": "systemd" }""", true)]
    public async Task Plain_http_to_other_machines_wants_to_be_said(string settings, bool taken)
    {
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["key"], "0123456789012345678901234567890123456789", Ct);
        await File.WriteAllTextAsync(
            folder["c.json"], $$"""{ "Plans": {{Plans}}, "KeyFile": "file:{{folder["key"]}}", "InternalKey": "file:{{folder["key"]}}", {{settings.AsSpan(1)}}""", Ct);
        Outcome outcome = await Cli.RunAsync("signer", "--config", folder["c.json"], "--data", folder["data"], "--check");
        Assert.Equal(taken ? ExitCode.Fine : ExitCode.Failed, outcome.Code);
        Assert.Equal(!taken, outcome.Error.Contains("BehindProxy", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Wrong_passphrase_of_a_role_is_told_in_a_line()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["signer"]);
        await File.WriteAllTextAsync(folder["wrong"], "0123456789012345678901234567890123456789", Ct);
        await File.WriteAllTextAsync(folder["signer.json"], $$"""{ "Plans": {{Plans}}, "KeyFile": "file:{{folder["wrong"]}}", "InternalKey": "file:{{folder["wrong"]}}" }""", Ct);
        Outcome outcome = await Cli.RunAsync("signer", "--config", folder["signer.json"], "--data", folder["signer"]);
        Assert.Equal(ExitCode.Failed, outcome.Code);
        Assert.Contains("key file", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Listen_flag_in_a_wrong_form_is_a_usage_error()
    {
        Assert.Equal(ExitCode.Usage, (await Cli.RunAsync("issuer", "--listen", "example.org:80")).Code);
        Assert.Equal(ExitCode.Usage, (await Cli.RunAsync("issuer", "--log-level", "loud")).Code);
    }
}
