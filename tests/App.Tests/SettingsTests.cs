using System.Net;
using System.Text.Json;
using Tacit.App.Wallets;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;

namespace Tacit.App.Tests;

/// <summary>Settings that the page changes: kept in a file that people write, too, and taken up without losing what is under way.</summary>
public sealed class SettingsTests : IAsyncLifetime
{
    private TestOperator _system = null!;
    private PageClient _page = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _system = await TestOperator.StartAsync();
        _page = await PageClient.SetUpAsync(_system);
    }

    public async ValueTask DisposeAsync()
    {
        await _page.DisposeAsync();
        await _system.DisposeAsync();
    }

    [Fact]
    public async Task Change_is_kept_and_leaves_what_a_person_wrote()
    {
        string before = await File.ReadAllTextAsync(_page.SettingsPath, Token);
        await File.WriteAllTextAsync(_page.SettingsPath, before.Replace("{\n", "{\n  // Mine.\n  \"FillDelay\": \"01:00:00\",\n", StringComparison.Ordinal), Token);

        JsonElement now = await _page.PutAsync("/app/settings", """{"theme":"dark","lowWater":5,"transport":"direct","bridges":["obfs4 192.0.2.7:443"],"defaultModel":"tacit-demo"}""");
        await _page.PutAsync("/app/settings", """{"transport":null,"bridges":[]}""");

        Assert.Equal(("dark", 5, "direct"), (now.GetProperty("theme").GetString(), now.GetProperty("lowWater").GetInt32(), now.GetProperty("transport").GetString()));
        string after = await File.ReadAllTextAsync(_page.SettingsPath, Token);
        Assert.Contains("// Mine.\n  \"FillDelay\": \"01:00:00\",\n", after, StringComparison.Ordinal);
        Assert.Contains("\"Theme\": \"dark\"", after, StringComparison.Ordinal);
        Assert.DoesNotContain("Transport", after, StringComparison.Ordinal);
        Assert.DoesNotContain("obfs4", after, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{"batchSize":11}""", "batchSize")]
    [InlineData("""{"theme":"green"}""", "theme")]
    [InlineData("""{"theme":1}""", "theme")]
    [InlineData("""{"lowWater":"many"}""", "lowWater")]
    [InlineData("""{"transport":"ohttp"}""", "relay")]
    [InlineData("""{"relay":"nowhere"}""", "relay")]
    [InlineData("""{"torSocks":"127.0.0.1:9050","bridges":["192.0.2.7:443"]}""", "tor")]
    [InlineData("""{"dataDirectory":"/tmp"}""", "dataDirectory")]
    [InlineData("""{"plugins":["obfs4 exec /bin/sh -c whatever"]}""", "plugins")]
    [InlineData("""{"bridges":["obfs4 192.0.2.7:443"],"plugins":[]}""", "plugins")]
    public async Task Setting_that_cannot_be_is_refused_by_name(string change, string member)
    {
        string before = await File.ReadAllTextAsync(_page.SettingsPath, Token);
        (int status, string word, JsonElement problem) = await _page.FailAsync(HttpMethod.Put, "/app/settings", change);

        Assert.Equal((400, "invalid-setting", member), (status, word, problem.GetProperty("member").GetString()));
        Assert.Equal(before, await File.ReadAllTextAsync(_page.SettingsPath, Token));
    }

    [Fact]
    public void Bridge_gets_its_usual_program_where_that_is_installed_and_none_that_it_names_itself()
    {
        using var folder = new TestFolder();
        Directory.CreateDirectory(folder.Path);
        foreach (string program in (string[])["lyrebird", "snowflake-client", "sh"])
        {
            File.WriteAllText(Path.Combine(folder.Path, program), "");
        }
        string[] Plugins(TorSettings settings) => [.. BridgePrograms.Complete(settings, [folder["nothing"], folder.Path]).Plugins];
        var bridges = new TorSettings
        {
            Bridges = ["obfs4 192.0.2.7:443 cert=x", "Bridge snowflake 192.0.2.3:80", "obfs4 192.0.2.8:443", "192.0.2.9:443", "sh 192.0.2.7:443", "webtunnel 192.0.2.7:443", "../sh 192.0.2.7:443", ""],
        };

        Assert.Equal([$"obfs4 exec {Path.Combine(folder.Path, "lyrebird")}", $"snowflake exec {Path.Combine(folder.Path, "snowflake-client")}"], Plugins(bridges));
        Assert.Equal(["meek_lite,obfs4 exec /opt/mine", $"snowflake exec {Path.Combine(folder.Path, "snowflake-client")}"], Plugins(bridges with { Plugins = ["meek_lite,obfs4 exec /opt/mine"] }));
        Assert.Empty(Plugins(new TorSettings { Socks = "127.0.0.1:9050", Bridges = bridges.Bridges }));
    }

    [Fact]
    public async Task Change_under_a_running_reply_loses_nothing_and_holds_what_comes_after_it()
    {
        TaskCompletionSource go = new(TaskCreationOptions.RunContinuationsAsynchronously);
        TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _system.GatewayFront.Before = async passing =>
        {
            if (passing.Path == "/v1/chat/completions")
            {
                begun.TrySetResult();
                await go.Task;
            }
        };
        Task<string> first = AnswerAsync("First.");
        await begun.Task.WaitAsync(TimeSpan.FromSeconds(90), Token);
        Client.TacitClient before = _page.Host.Wallet!;

        JsonElement changed = await _page.PutAsync("/app/settings", """{"minCrowd":1}""");
        Task<string> second = AnswerAsync("Second.");
        // What asks nobody is told meanwhile.
        JsonElement wallet = await _page.GetAsync("/app/wallet");

        Assert.True(changed.GetProperty("isChanging").GetBoolean());
        Assert.Equal(9, wallet.GetProperty("plans")[0].GetProperty("held").GetInt64());
        Assert.False(second.IsCompleted);
        go.SetResult();
        Assert.Contains("choices", await first, StringComparison.Ordinal);
        Assert.Contains("choices", await second, StringComparison.Ordinal);
        Assert.NotSame(before, _page.Host.Wallet);
        Assert.Equal(2, _system.GatewayFront.SeenAt("/v1/chat/completions").Count);
        JsonElement after = await _page.UntilAsync("/app/wallet", found => found.GetProperty("plans")[0].GetProperty("spent").GetInt64() == 2);
        Assert.Equal(8, after.GetProperty("plans")[0].GetProperty("held").GetInt64());
        Assert.False((await _page.GetAsync("/app/settings")).GetProperty("isChanging").GetBoolean());
    }

    [Fact]
    public async Task Transport_is_used_from_the_next_request_on()
    {
        // An onion address is refused without Tor before anything leaves; with an address of this machine all goes on.
        await _page.PutAsync("/app/settings", """{"transport":"direct"}""");
        Assert.Contains("choices", await AnswerAsync("Directly."), StringComparison.Ordinal);
        await _page.PutAsync("/app/settings", """{"transport":"tor"}""");
        using HttpResponseMessage refused = await _page.AskAsync("Over Tor, which this address is none for.");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, refused.StatusCode);
        Assert.Contains("tor_exits_refused", await refused.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        Assert.Single(_system.GatewayFront.SeenAt("/v1/chat/completions"));
    }

    [Theory]
    [InlineData("/app/settings")]
    [InlineData("/app/wallet")]
    [InlineData("/app/keys")]
    [InlineData("/app/events")]
    public async Task Foreign_page_gets_nothing(string path)
    {
        foreach ((string name, string value) in new[] { ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site"), ("Host", $"rebound.example:{_page.Server.Address.Port}") })
        {
            using HttpResponseMessage answer = await _page.SendAsync(HttpMethod.Get, path, change: request => request.Headers.TryAddWithoutValidation(name, value));
            Assert.Equal(HttpStatusCode.Forbidden, answer.StatusCode);
            Assert.False(answer.Headers.Contains("Access-Control-Allow-Origin"));
        }
        using HttpResponseMessage bare = await _page.SendAsync(HttpMethod.Get, path, change: request => request.Headers.Remove("Tacit-Page"));
        Assert.Equal(HttpStatusCode.Forbidden, bare.StatusCode);
    }

    private async Task<string> AnswerAsync(string text)
    {
        using HttpResponseMessage answer = await _page.AskAsync(text);
        return await answer.Content.ReadAsStringAsync(Token);
    }
}
