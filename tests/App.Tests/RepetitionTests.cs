using System.Net;
using System.Text.Json;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Gateway.Tests.Support;
using Tacit.Inference;

namespace Tacit.App.Tests;

/// <summary>What programs repeat by themselves, and what they leave behind, costs one token at most.</summary>
public sealed class RepetitionTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Same_body_after_a_whole_reply_costs_another_token()
    {
        await using TestApp app = await TestApp.StartAsync();

        await AnswerAsync(app, "Same question.");
        await AnswerAsync(app, "Same question.");

        Assert.Equal(2, (await app.Client.SettledAsync()).Spent);
        Assert.Equal(2, Tokens(app).Distinct().Count());
    }

    [Fact]
    public async Task Same_body_after_the_caller_vanished_attaches_with_the_same_token()
    {
        await using TestApp app = await TestApp.StartAsync(system: await SlowOperatorAsync());
        await VanishAsync(app, "Wait for me.");

        string body = await AnswerAsync(app, "Wait for me.", stream: true);

        Assert.Contains("[DONE]", body, StringComparison.Ordinal);
        Assert.Equal((9, 1), (await app.Client.SettledAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
        Assert.Single(Tokens(app).Distinct());
    }

    [Fact]
    public async Task Same_body_while_the_first_is_being_delivered_costs_another_token()
    {
        await using TestApp app = await TestApp.StartAsync(system: await SlowOperatorAsync());
        using HttpResponseMessage first = await app.AskAsync("Twice at once.", stream: true);

        await AnswerAsync(app, "Twice at once.", stream: true);
        await first.Content.ReadAsStringAsync(Token);

        Assert.Equal(2, (await app.Client.SettledAsync()).Spent);
        Assert.Equal(2, Tokens(app).Distinct().Count());
    }

    [Fact]
    public async Task Same_body_after_a_restart_of_the_app_attaches_with_the_same_token()
    {
        await using TestApp app = await TestApp.StartAsync(system: await SlowOperatorAsync());
        await VanishAsync(app, "Survive this.");
        await app.RestartAsync();
        Assert.Single(await app.Client.Redemption.GetPendingAsync(Token));

        string body = await AnswerAsync(app, "Survive this.", stream: true);

        Assert.Contains("[DONE]", body, StringComparison.Ordinal);
        Assert.Equal(1, (await app.Client.SettledAsync()).Spent);
        Assert.Single(Tokens(app).Distinct());
    }

    [Fact]
    public async Task Request_whose_caller_vanished_is_cancelled_after_the_grace()
    {
        var time = new FakeTime(Start);
        await using TestApp app = await TestApp.StartAsync(time: time, system: await SlowOperatorAsync(time));
        await VanishAsync(app, "Never mind.");

        time.Advance(TimeSpan.FromSeconds(14));
        Assert.Empty(app.System.GatewayFront.SeenAt("/v1/cancel"));
        Assert.Equal(1, (await app.Client.HoldingsAsync()).Presented);
        time.Advance(TimeSpan.FromSeconds(2));

        PlanHoldings holdings = await app.Client.SettledAsync();
        Passing cancel = Assert.Single(app.System.GatewayFront.SeenAt("/v1/cancel"));
        Assert.Equal(Tokens(app).Single(), cancel.Headers["Authorization"]);
        Assert.Equal((9, 1), (holdings.Held, holdings.Spent));
        Assert.Empty(await app.Client.Redemption.GetPendingAsync(Token));
    }

    [Fact]
    public async Task Gateway_that_is_away_costs_nothing_and_may_be_asked_again()
    {
        await using TestApp app = await TestApp.StartAsync(change: options => options with
        {
            Redemption = options.Redemption with { GatewayAddress = new Uri("http://127.0.0.1:1"), MaxReconnects = 1 },
        });

        using HttpResponseMessage response = await app.AskAsync("Anybody there?");

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.Equal("gateway_unreachable", await CodeAsync(response));
        Assert.Equal("true", ShouldRetry(response));
        Assert.Equal(10, (await app.Client.HoldingsAsync()).Held);
    }

    [Fact]
    public async Task Empty_wallet_says_what_to_do_and_is_not_to_be_retried()
    {
        await using TestApp app = await TestApp.StartAsync(tokens: 0, credits: 0);

        using HttpResponseMessage response = await app.AskAsync("Broke.");

        Assert.Equal(HttpStatusCode.PaymentRequired, response.StatusCode);
        Assert.Equal("wallet_empty", await CodeAsync(response));
        Assert.Equal("false", ShouldRetry(response));
        Assert.Contains("tacit account deposit", await response.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Empty_wallet_with_credits_is_filled_at_the_prompt_and_says_so()
    {
        await using TestApp app = await TestApp.StartAsync(tokens: 0, credits: 30);

        using HttpResponseMessage response = await app.AskAsync("First ever.");
        await response.Content.ReadAsStringAsync(Token);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        Assert.Equal("filled-at-prompt", response.Headers.GetValues("Tacit-Notice").Single());
        Assert.Contains(app.Client.Notices.Latest, notice => notice.Kind == NoticeKind.FilledAtPrompt);
        Assert.Contains(await app.Client.Wallet.GetHistoryAsync(Token), entry => entry.Kind == HistoryKind.FilledAtPrompt);
        Assert.Equal((9, 1), (await app.Client.SettledAsync()) is var holdings ? (holdings.Held, holdings.Spent) : default);
    }

    [Fact]
    public async Task Malformed_request_costs_nothing_and_is_not_to_be_retried()
    {
        await using TestApp app = await TestApp.StartAsync();

        using HttpResponseMessage noJson = await app.SendAsync(HttpMethod.Post, "/v1/chat/completions", "no json"u8.ToArray());
        using HttpResponseMessage unknown = await app.SendAsync(
            HttpMethod.Post, "/v1/chat/completions", """{"model":"tacit-demo","messages":[{"role":"user","content":"x"}],"frobnicate":1}"""u8.ToArray());

        Assert.Equal((HttpStatusCode.BadRequest, "invalid_json", "false"), (noJson.StatusCode, await CodeAsync(noJson), ShouldRetry(noJson)));
        Assert.Equal((HttpStatusCode.BadRequest, "unknown_member", "false"), (unknown.StatusCode, await CodeAsync(unknown), ShouldRetry(unknown)));
        PlanHoldings holdings = await app.Client.HoldingsAsync();
        Assert.Equal((10, 0), (holdings.Held + holdings.Returned, holdings.Spent));
    }

    private static Task<TestOperator> SlowOperatorAsync(TimeProvider? time = null) =>
        TestOperator.StartAsync(time, inference: options => options with { DemoEventDelay = TimeSpan.FromMilliseconds(20) });

    /// <summary>Reads the beginning of a stream and goes away.</summary>
    private static async Task VanishAsync(TestApp app, string text)
    {
        using HttpResponseMessage response = await app.AskAsync(text, stream: true);
        await using Stream stream = await response.Content.ReadAsStreamAsync(Token);
        await stream.ReadExactlyAsync(new byte[100], Token);
        response.Dispose();
        // The app notices a moment later.
        for (int i = 0; (await app.Client.Redemption.GetPendingAsync(Token)).Count == 0 && i < 12_000; i++)
        {
            await Task.Delay(10, Token);
        }
    }

    private static async Task<string> AnswerAsync(TestApp app, string text, bool stream = false)
    {
        using HttpResponseMessage response = await app.AskAsync(text, stream);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        return await response.Content.ReadAsStringAsync(Token);
    }

    private static IEnumerable<string> Tokens(TestApp app) => app.System.GatewayFront.SeenAt("/v1/chat/completions").Select(seen => seen.Headers["Authorization"]);

    private static string? ShouldRetry(HttpResponseMessage response) => response.Headers.TryGetValues("x-should-retry", out IEnumerable<string>? values) ? values.Single() : null;

    private static async Task<string?> CodeAsync(HttpResponseMessage response)
    {
        using JsonDocument json = JsonDocument.Parse(await response.Content.ReadAsByteArrayAsync(Token));
        return json.RootElement.GetProperty("error").GetProperty("code").GetString();
    }
}
