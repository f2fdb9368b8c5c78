using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.EndToEnd.Support;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Relay;
using Tacit.Tests;

namespace Tacit.Cli.Tests;

/// <summary>The user's and the operator's commands beside a running demo: they find it by its data folder.</summary>
public sealed class RunningRoleTests
{
    [Fact]
    public async Task Commands_work_beside_a_running_app_and_their_json_parses()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        await using RunningDemo demo = await RunningDemo.StartAsync(folder["data"]);
        string[] data = ["--data", folder["data"]];

        Outcome answer = await Cli.RunAsync(["ask", "Hello", .. data]);
        Assert.Equal((ExitCode.Fine, ""), (answer.Code, answer.Error));
        Assert.Contains("tacit-demo", answer.Out, StringComparison.Ordinal);
        JsonElement asked = await JsonAsync(["ask", "--json", .. data], "a question on standard input");
        Assert.Equal("chat", asked.GetProperty("plan").GetString());
        Assert.NotEmpty(asked.GetProperty("text").GetString()!);
        Assert.Contains("2 words", (await Cli.RunAsync(["ask", "Hello", "--stdin", .. data], "there")).Out, StringComparison.Ordinal);

        JsonElement wallet = await JsonAsync(["wallet", "show", "--json", .. data]);
        JsonElement chat = Assert.Single(wallet.GetProperty("plans").EnumerateArray());
        // A request counts as presented for the moment between its last byte and the record of it.
        Assert.Equal((6, 4), (chat.GetProperty("held").GetInt32(), chat.GetProperty("spent").GetInt32() + chat.GetProperty("presented").GetInt32()));

        JsonElement voucher = await JsonAsync(["voucher", "create", "--credits", "7", "--json", .. data]);
        string code = voucher.GetProperty("codes")[0].GetString()!;
        JsonElement deposit = await JsonAsync(["account", "deposit", code, "--json", .. data]);
        Assert.Equal((7, 97, false), (deposit.GetProperty("worth").GetInt32(), deposit.GetProperty("credits").GetInt32(), deposit.GetProperty("alreadyDeposited").GetBoolean()));
        Assert.True((await JsonAsync(["account", "deposit", "-", "--json", .. data], code + "\n")).GetProperty("alreadyDeposited").GetBoolean());

        JsonElement fill = await JsonAsync(["wallet", "fill", "--size", "5", "--plan", "chat", "--json", .. data]);
        Assert.Equal(5, fill.GetProperty("received").GetInt32());
        JsonElement account = await JsonAsync(["account", "show", "--json", .. data]);
        Assert.Equal(92, account.GetProperty("credits").GetInt32());
        Assert.True((await JsonAsync(["wallet", "history", "--json", .. data])).GetArrayLength() >= 3);
        Assert.Equal(["chat", "chat-large", "monthly"], (await JsonAsync(["plans", "--json", .. data])).GetProperty("plans").EnumerateArray().Select(plan => plan.GetProperty("id").GetString()));
        Assert.NotEmpty((await JsonAsync(["keys", "--json", .. data])).GetProperty("plans")[0].GetProperty("liveKeys").EnumerateArray());
        JsonElement audit = await JsonAsync(["keys", "audit", "--json", .. data]);
        Assert.True(audit.GetProperty("agrees").GetBoolean(), audit.ToString());
        Assert.True(audit.GetProperty("copies").EnumerateArray().Count(copy => copy.GetProperty("hash").ValueKind == JsonValueKind.String) >= 2, audit.ToString());
        JsonElement gateway = await JsonAsync(["gateway", "keys", "--json", .. data]);
        Assert.Equal((43, "issuer"), (gateway.GetProperty("key").GetString()!.Length, gateway.GetProperty("signedBy").GetString()));
        Assert.True(gateway.GetProperty("keys").GetArrayLength() >= 2);
        JsonElement status = await JsonAsync(["status", "--json", .. data]);
        Assert.All(["app", "issuer", "gateway"], role => Assert.True(Running(status, role)));

        foreach (string[] command in (string[][])[["wallet", "show"], ["wallet", "history"], ["account", "show"], ["plans"], ["keys"], ["keys", "audit"], ["gateway", "keys"], ["status"]])
        {
            Outcome plain = await Cli.RunAsync([.. command, .. data]);
            Assert.Equal((ExitCode.Fine, ""), (plain.Code, plain.Error));
            Assert.NotEmpty(plain.Out);
        }

        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["account", "deposit", "0000-0000", .. data])).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["account", "create", .. data])).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["ask", "Hello", "--model", "nothing", .. data])).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["wallet", "fill", "--plan", "nothing", .. data])).Code);
        Assert.Equal(ExitCode.Usage, (await Cli.RunAsync(["wallet", "fill", "--size", "7", .. data])).Code);
        Assert.Equal(ExitCode.Usage, (await Cli.RunAsync(["ask", "--stdin", "", .. data])).Code);
        Assert.Equal(ExitCode.Fine, await demo.StopAsync());
    }

    [Fact]
    public async Task Subscription_is_bought_asked_with_backed_up_and_restored()
    {
        using TemporaryFolder folder = new();
        await KeyedFolder.CopyToAsync(folder["data"]);
        await using RunningDemo demo = await RunningDemo.StartAsync(folder["data"]);
        string[] data = ["--data", folder["data"]];
        JsonElement voucher = await JsonAsync(["voucher", "create", "--credits", "100", "--json", .. data]);
        await JsonAsync(["account", "deposit", voucher.GetProperty("codes")[0].GetString()!, "--json", .. data]);

        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["wallet", "fill", "--plan", "monthly", .. data])).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["ask", "Too early.", "--plan", "monthly", .. data])).Code);
        JsonElement bought = await JsonAsync(["wallet", "subscribe", "monthly", "--json", .. data]);
        Assert.Equal((1, 0, true), (bought.GetProperty("chains").GetInt32(), bought.GetProperty("pending").GetInt32(), bought.GetProperty("renews").GetBoolean()));
        Assert.Equal("monthly", (await JsonAsync(["ask", "Hello", "--json", .. data])).GetProperty("plan").GetString());
        Assert.Equal("chat", (await JsonAsync(["ask", "Hello", "--plan", "chat", "--json", .. data])).GetProperty("plan").GetString());
        Assert.Contains("monthly until", (await Cli.RunAsync(["status", .. data])).Out, StringComparison.Ordinal);
        Assert.Contains("bought by itself", (await Cli.RunAsync(["wallet", "show", .. data])).Out, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["wallet", "unsubscribe", "monthly", .. data])).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["wallet", "unsubscribe", "chat", .. data])).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(["wallet", "subscribe", "monthly", "--restart", .. data])).Code);
        string plans = (await Cli.RunAsync(["plans", .. data])).Out;
        Assert.Contains("100 a month", plans, StringComparison.Ordinal);
        Assert.Contains("1 at once until", plans, StringComparison.Ordinal);

        await File.WriteAllTextAsync(folder["passphrase"], "correct horse battery\n", TestContext.Current.CancellationToken);
        string[] backup = ["wallet", "backup", folder["wallet.backup"], "--passphrase", "file:" + folder["passphrase"], .. data];
        Assert.Equal(ExitCode.Usage, (await Cli.RunAsync(["wallet", "backup", folder["other"], .. data])).Code);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(backup)).Code);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(backup)).Code);

        string[] there = ["--data", folder["elsewhere"]];
        string[] restore = ["wallet", "restore", "--backup", folder["wallet.backup"], .. there, "--passphrase"];
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync([.. restore, "file:" + folder["wallet.backup"]])).Code);
        Outcome restored = await Cli.RunAsync([.. restore, "file:" + folder["passphrase"]]);
        Assert.Equal((ExitCode.Fine, ""), (restored.Code, restored.Error.Contains("tacit:", StringComparison.Ordinal) ? restored.Error : ""));
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync([.. restore, "file:" + folder["passphrase"]])).Code);
        Assert.Equal("monthly", (await JsonAsync(["ask", "Hello", "--json", .. there])).GetProperty("plan").GetString());
        // The demo's wallet did not go on: the chain is the restored one's now.
        Outcome lost = await Cli.RunAsync(["ask", "Hello", "--plan", "monthly", .. data]);
        Assert.Equal(ExitCode.Failed, lost.Code);
        Assert.Contains("somebody else went on with a chain", (await Cli.RunAsync(["wallet", "show", .. data])).Out, StringComparison.Ordinal);
        Assert.Equal(ExitCode.Fine, (await Cli.RunAsync(["wallet", "subscribe", "monthly", "--restart", .. data])).Code);
        Assert.Equal("monthly", (await JsonAsync(["ask", "Hello", "--json", .. data])).GetProperty("plan").GetString());
        Assert.Equal(ExitCode.Fine, await demo.StopAsync());
    }

    [Theory]
    [InlineData("wallet show")]
    [InlineData("account show")]
    [InlineData("ask Hello")]
    [InlineData("plans")]
    public async Task Without_a_wallet_a_command_says_how_to_make_one(string line)
    {
        using TemporaryFolder folder = new();
        Outcome outcome = await Cli.RunAsync([.. line.Split(' '), "--data", folder.Path]);
        Assert.Equal(ExitCode.Failed, outcome.Code);
        Assert.Contains("tacit account create", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Wallet_whose_seed_could_not_be_written_can_be_made_again()
    {
        using TemporaryFolder folder = new();
        string[] create = ["account", "create", "--issuer", $"http://127.0.0.1:{FreePorts.Take(3)}", "--data", folder.Path];
        Directory.CreateDirectory(folder["wallet.seed.new"]);
        Assert.Equal(ExitCode.Failed, (await Cli.RunAsync(create)).Code);
        Assert.False(File.Exists(folder["wallet.db"]));
        Directory.Delete(folder["wallet.seed.new"]);
        Assert.Contains("Write its seed down", (await Cli.RunAsync(create)).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_an_issuer_a_voucher_says_how_to_start_one()
    {
        using TemporaryFolder folder = new();
        Outcome outcome = await Cli.RunAsync("voucher", "create", "--credits", "1", "--data", folder.Path);
        Assert.Equal(ExitCode.Failed, outcome.Code);
        Assert.Contains("tacit issuer", outcome.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Status_of_an_empty_folder_is_no_failure()
    {
        using TemporaryFolder folder = new();
        JsonElement status = await JsonAsync(["status", "--json", "--data", folder.Path]);
        Assert.False(Running(status, "app"));
    }

    [Theory]
    [InlineData(new string[0], "Tor", "Idle", null, null)]
    [InlineData(new[] { "--transport", "tor", "--tor-socks", "127.0.0.1:1" }, "Tor", "Idle", "127.0.0.1:1", "tor")]
    [InlineData(new[] { "--transport", "direct" }, "Direct", "Unneeded", null, "direct")]
    public async Task Status_tells_of_Tor_without_starting_or_asking_it(string[] flags, string carrier, string state, string? source, string? transport)
    {
        using TemporaryFolder folder = new();

        JsonElement status = await JsonAsync(["status", "--json", .. flags, "--data", folder.Path]);

        JsonElement tor = status.GetProperty("tor");
        Assert.Equal((carrier, state, source, transport), (Text(tor, "carrier"), Text(tor, "state"), Text(tor, "source"), Text(status, "transport")));
        Assert.Equal(0, tor.GetProperty("percent").GetInt32());
        Assert.Null(Text(tor, "problem"));
        Assert.False(Directory.Exists(folder["tor"]));

        static string? Text(JsonElement json, string name) => json.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;
    }

    [Fact]
    public async Task Status_shows_the_onion_service_of_a_role_that_has_one()
    {
        using OfflineTor tor = new();
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["onion.secret"], "0123456789abcdef0123456789abcdef0123456789abcdef", TestContext.Current.CancellationToken);
        File.SetUnixFileMode(folder["onion.secret"], UnixFileMode.UserRead | UnixFileMode.UserWrite);
        RelayOptions options = new()
        {
            DataDirectory = folder["data"],
            Listen = ListenAddress.Loopback(0),
            Targets = [new RelayTarget { Name = "gateway.test", Address = new Uri("http://127.0.0.1:1") }],
            Onion = new OnionOptions { Enabled = true, KeyFile = SecretReference.FromFile(folder["onion.secret"]) },
            Tor = tor.Options,
        };
        await using RelayServer relay = await RelayServer.StartAsync(options, TimeProvider.System, NullLoggerFactory.Instance, TestContext.Current.CancellationToken);
        string address = $"http://{relay.Onion.Address}";

        JsonElement status = await JsonAsync(["status", "--json", "--data", folder["data"]]);

        JsonElement row = status.GetProperty("roles").EnumerateArray().Single(role => role.GetProperty("role").GetString() == "relay");
        Assert.Equal(address, row.GetProperty("onion").GetString());
        Assert.EndsWith(".onion", address, StringComparison.Ordinal);
        Assert.Contains(address, (await Cli.RunAsync("status", "--data", folder["data"])).Out, StringComparison.Ordinal);
    }

    private static bool Running(JsonElement status, string role) =>
        status.GetProperty("roles").EnumerateArray().Single(r => r.GetProperty("role").GetString() == role).GetProperty("running").GetBoolean();

    internal static async Task<JsonElement> JsonAsync(string[] args, string? input = null)
    {
        Outcome outcome = await Cli.RunAsync(args, input);
        Assert.True(outcome.Code == ExitCode.Fine, $"{string.Join(' ', args)}: {outcome.Error}");
        using JsonDocument json = JsonDocument.Parse(outcome.Out);
        return json.RootElement.Clone();
    }
}
