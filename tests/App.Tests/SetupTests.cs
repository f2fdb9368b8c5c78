using System.Net;
using System.Text.Json;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Tests.Support;

namespace Tacit.App.Tests;

/// <summary>The first run, through the page's calls alone.</summary>
public sealed class SetupTests : IAsyncLifetime
{
    private TestOperator _system = null!;
    private PageClient _page = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Issuer => $$"""{"issuer":"{{_system.IssuerFront.Address}}","directoryKey":"{{Convert.ToHexString(_system.Issuer.DirectoryKey.Span)}}"}""";

    public async ValueTask InitializeAsync()
    {
        _system = await TestOperator.StartAsync();
        _page = await PageClient.StartAsync(WithGateway);
    }

    public async ValueTask DisposeAsync()
    {
        await _page.DisposeAsync();
        await _system.DisposeAsync();
    }

    [Fact]
    public async Task From_nothing_to_the_first_answer_through_the_page_s_calls_alone()
    {
        JsonElement trial = await _page.PostAsync("/app/setup/try", Issuer);
        JsonElement made = await _page.PostAsync("/app/setup", Issuer);
        JsonElement empty = await _page.GetAsync("/app/wallet");
        JsonElement deposit = await _page.PostAsync("/app/wallet/deposit", $$"""{"code":"{{await _system.VoucherAsync(50)}}"}""");
        JsonElement fill = await _page.PostAsync("/app/wallet/fill", """{"plan":"chat","size":10,"shrink":false}""");
        JsonElement wallet = await _page.GetAsync("/app/wallet");
        using HttpResponseMessage answer = await _page.AskAsync("Anybody there?");
        await answer.Content.ReadAsStringAsync(Token);
        JsonElement history = await _page.UntilAsync("/app/wallet/history", found => found.GetProperty("entries").GetArrayLength() == 3);
        JsonElement seed = await _page.PostAsync("/app/wallet/reveal", """{"what":"seed"}""");
        JsonElement account = await _page.PostAsync("/app/wallet/reveal", """{"what":"account"}""");

        Assert.Equal(("issuer.test", "chat"), (trial.GetProperty("name").GetString(), trial.GetProperty("plans")[0].GetProperty("id").GetString()));
        Assert.Equal(("chat", 0), (empty.GetProperty("plans")[0].GetProperty("id").GetString(), empty.GetProperty("plans")[0].GetProperty("held").GetInt64()));
        Assert.Equal((50, 10), (deposit.GetProperty("credits").GetInt64(), fill.GetProperty("received").GetInt32()));
        Assert.Equal((40, 10), (wallet.GetProperty("credits").GetInt64(), wallet.GetProperty("plans")[0].GetProperty("held").GetInt64()));
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(["deposited", "bought", "spent"], history.GetProperty("entries").EnumerateArray().Select(line => line.GetProperty("kind").GetString()));
        Assert.Equal(made.GetProperty("seed").GetString(), seed.GetProperty("secret").GetString());
        Assert.Equal(made.GetProperty("accountKey").GetString(), account.GetProperty("secret").GetString());
        Assert.Equal(AppMode.Wallet, _page.Host.Mode);
        Assert.Contains(_system.IssuerFront.Address.Authority, await File.ReadAllTextAsync(_page.SettingsPath, Token), StringComparison.Ordinal);
        Assert.Equal((409, "wallet-exists"), Of(await _page.FailAsync(HttpMethod.Post, "/app/setup", Issuer)));
    }

    [Fact]
    public async Task Looking_at_the_wallet_asks_nobody()
    {
        await _page.PostAsync("/app/setup", Issuer);
        int before = _system.IssuerFront.Seen.Count;
        await _page.GetAsync("/app/wallet");
        await _page.GetAsync("/app/wallet/history");
        await _page.GetAsync("/app/settings");
        await _page.GetAsync("/app/carrier");
        await _page.GetAsync("/app/carrier/circuits");

        Assert.Equal(before, _system.IssuerFront.Seen.Count);
    }

    [Theory]
    [InlineData("/app/setup/try")]
    [InlineData("/app/setup")]
    public async Task Wrong_directory_key_is_refused_and_leaves_nothing(string path)
    {
        string wrong = $$"""{"issuer":"{{_system.IssuerFront.Address}}","directoryKey":"{{new string('1', 64)}}"}""";

        Assert.Equal((502, "directory-refused"), Of(await _page.FailAsync(HttpMethod.Post, path, wrong)));
        Assert.False(Wallet.Exists(_page.DataDirectory));
        Assert.Equal(AppMode.Setup, _page.Host.Mode);
        await _page.PostAsync("/app/setup", Issuer);
    }

    [Fact]
    public async Task Issuer_that_does_not_answer_leaves_nothing()
    {
        // Taken, so that nobody else gets it, and not listened at.
        using var nobody = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork, System.Net.Sockets.SocketType.Stream, System.Net.Sockets.ProtocolType.Tcp);
        nobody.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        int port = ((IPEndPoint)nobody.LocalEndPoint!).Port;
        string body = $$"""{"issuer":"http://127.0.0.1:{{port}}","directoryKey":"{{new string('1', 64)}}"}""";

        Assert.Equal((503, "directory-unavailable"), Of(await _page.FailAsync(HttpMethod.Post, "/app/setup", body)));
        Assert.False(Wallet.Exists(_page.DataDirectory));
    }

    [Fact]
    public async Task Account_that_is_not_made_leaves_no_wallet_behind()
    {
        _system.IssuerFront.Impersonate = (context, _) =>
        {
            if (context.Request.Path != "/account")
            {
                return Task.FromResult(false);
            }
            context.Response.StatusCode = 503;
            return Task.FromResult(true);
        };
        Assert.Equal((503, "issuer-unreachable"), Of(await _page.FailAsync(HttpMethod.Post, "/app/setup", Issuer)));
        Assert.False(Wallet.Exists(_page.DataDirectory));

        _system.IssuerFront.Impersonate = null;
        await _page.PostAsync("/app/setup", Issuer);
    }

    [Theory]
    [InlineData("NOT-A-VOUCHER")]
    [InlineData("79YX-H3T5-R7FF-WGDZ-B7H7-KV7B-XHZ")]
    public async Task Wrong_voucher_is_told_as_such(string code)
    {
        await _page.PostAsync("/app/setup", Issuer);

        Assert.Equal((400, "voucher-refused"), Of(await _page.FailAsync(HttpMethod.Post, "/app/wallet/deposit", $$"""{"code":"{{code}}"}""")));
    }

    [Fact]
    public async Task Backup_comes_back_only_with_its_passphrase()
    {
        await _page.PostAsync("/app/setup", Issuer);
        await _page.PostAsync("/app/wallet/deposit", $$"""{"code":"{{await _system.VoucherAsync(50)}}"}""");
        await _page.PostAsync("/app/wallet/fill", """{"size":10}""");
        (int Status, string Word, JsonElement Problem) tooShort = await _page.FailAsync(HttpMethod.Post, "/app/wallet/backup", """{"passphrase":"short"}""");
        using HttpResponseMessage file = await _page.SendAsync(HttpMethod.Post, "/app/wallet/backup", """{"passphrase":"correct horse battery"}""");
        string backup = Convert.ToBase64String(await file.Content.ReadAsByteArrayAsync(Token));
        await using PageClient other = await PageClient.StartAsync(WithGateway);

        Assert.Equal((400, "passphrase-too-short"), Of(tooShort));
        Assert.Equal((400, "backup-unusable"), Of(await other.FailAsync(HttpMethod.Post, "/app/setup", $$"""{"backup":"{{backup}}","passphrase":"another horse battery"}""")));
        Assert.Equal(AppMode.Setup, other.Host.Mode);
        await other.PostAsync("/app/setup", $$"""{"backup":"{{backup}}","passphrase":"correct horse battery"}""");
        JsonElement plan = (await other.GetAsync("/app/wallet")).GetProperty("plans").EnumerateArray().Single();
        Assert.Equal(10, plan.GetProperty("held").GetInt64() + plan.GetProperty("unknown").GetInt64());
        using HttpResponseMessage answer = await other.AskAsync("Still there?");
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
    }

    [Fact]
    public async Task Seed_and_account_bring_tokens_back()
    {
        JsonElement made = await _page.PostAsync("/app/setup", Issuer);
        await _page.PostAsync("/app/wallet/deposit", $$"""{"code":"{{await _system.VoucherAsync(50)}}"}""");
        await _page.PostAsync("/app/wallet/fill", """{"size":10}""");
        await using PageClient other = await PageClient.StartAsync(WithGateway);
        string body = $$"""{{Issuer[..^1]}},"seed":"{{made.GetProperty("seed").GetString()}}","accountKey":"{{made.GetProperty("accountKey").GetString()}}"}""";

        Assert.Equal((400, "seed-unusable"), Of(await other.FailAsync(HttpMethod.Post, "/app/setup", $$"""{{Issuer[..^1]}},"seed":"mistyped"}""")));
        Assert.Equal((400, "account-key-mistyped"), Of(await other.FailAsync(HttpMethod.Post, "/app/setup", body.Replace("\"accountKey\":\"", "\"accountKey\":\"X", StringComparison.Ordinal))));
        Assert.Equal(AppMode.Setup, other.Host.Mode);
        await other.PostAsync("/app/setup", body);
        Assert.Equal(10, (await other.PostAsync("/app/wallet/restore-tokens")).GetProperty("restored").GetInt32());
    }

    [Fact]
    public async Task Device_is_made_and_kept()
    {
        JsonElement made = await _page.PostAsync("/app/setup", $$"""{"gateway":"{{_system.GatewayFront.Address}}"}""");

        Assert.Equal(AppMode.Device, _page.Host.Mode);
        Assert.Equal(_page.Host.Device!.KeyId, made.GetProperty("device").GetString());
        await _page.RestartAsync(options => options with { Device = true, GatewayUrl = _system.GatewayFront.Address });
        Assert.Equal(made.GetProperty("device").GetString(), _page.Host.Device!.KeyId);
    }

    [Fact]
    public async Task Tab_that_was_open_hears_that_the_set_up_has_ended()
    {
        using HttpResponseMessage events = await _page.SendAsync(HttpMethod.Get, "/app/events");
        using var lines = new StreamReader(await events.Content.ReadAsStreamAsync(Token));
        Assert.Contains("\"mode\":\"setup\"", await NextAsync(lines), StringComparison.Ordinal);

        await _page.PostAsync("/app/setup", Issuer);

        string told;
        do
        {
            told = await NextAsync(lines);
        }
        while (!told.Contains("\"mode\":\"wallet\"", StringComparison.Ordinal));
        Assert.Contains("\"hasAccount\":true", told, StringComparison.Ordinal);
    }

    private static async Task<string> NextAsync(StreamReader lines)
    {
        while (await lines.ReadLineAsync(Token) is string line)
        {
            if (line.StartsWith("data: ", StringComparison.Ordinal))
            {
                return line;
            }
        }
        throw new EndOfStreamException();
    }

    private static (int, string) Of((int Status, string Word, JsonElement Problem) failure) => (failure.Status, failure.Word);

    private AppOptions WithGateway(AppOptions options) => options with { GatewayUrl = _system.GatewayFront.Address, AutoFill = false, LowWater = 0, BatchSize = 10 };
}
