using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Gateway.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>What was shown and not spent, or is about to expire, becomes a fresh token: once, whatever breaks.</summary>
public sealed class ExchangeTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);

    private readonly TestFolder _folder = new();
    private readonly FakeTime _time = new(Start);
    private TestOperator _operator = null!;
    private TacitClient _client = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _operator = await TestOperator.StartAsync(_time);
        // Nothing waits on a clock that stands.
        _client = await _operator.WalletAsync(
            _folder["wallet"], credits: 20, tokens: 5, change: options => options with { Redemption = options.Redemption with { MaxReconnects = 0 } });
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Returned_token_becomes_a_fresh_one_on_a_connection_of_its_own()
    {
        await RefuseAsync("one");
        await RefuseAsync("two");

        await _client.Refills.RunOnceAsync(Token);

        Assert.Equal((5, 2, 0), await CountsAsync());
        Passing[] exchanges = [.. _operator.GatewayFront.SeenAt("/v1/exchange")];
        Assert.Equal(2, exchanges.Length);
        Assert.Equal(4, _operator.GatewayFront.Seen.Select(seen => seen.Connection).Distinct().Count());
        Assert.All(exchanges, exchange => Assert.DoesNotContain("Authorization", exchange.Headers.Keys));
        // All five are good, and none of them was ever shown.
        string[] shown = [.. _operator.GatewayFront.SeenAt("/v1/chat/completions").Select(seen => seen.Headers["Authorization"])];
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(200, (await _client.Redemption.AnswerAsync(Prompts.Ask($"Fresh {i}?"), Token)).Status);
        }
        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/chat/completions").Skip(2).Select(seen => seen.Headers["Authorization"]).Intersect(shown));
    }

    [Fact]
    public async Task Returned_token_of_a_conversation_that_goes_on_is_left_to_it()
    {
        await RefuseAsync("named", "mine");

        await _client.Refills.RunOnceAsync(Token);
        Assert.Equal((4, 0, 1), await CountsAsync());
        _time.Advance(TimeSpan.FromMinutes(31));
        await _client.Refills.RunOnceAsync(Token);

        Assert.Equal((5, 1, 0), await CountsAsync());
    }

    [Theory]
    [InlineData(Mishap.LoseRequest)]
    [InlineData(Mishap.LoseReply)]
    [InlineData(Mishap.CutReply)]
    [InlineData(Mishap.Twice)]
    [InlineData(Mishap.ForeignError)]
    public async Task Exchange_that_breaks_is_repeated_as_it_was(Mishap mishap)
    {
        await RefuseAsync("one");
        _operator.GatewayFront.CutAfterBytes = 50;
        _operator.GatewayFront.Decide = FillTests.Once("/v1/exchange", mishap);

        await _client.Refills.RunOnceAsync(Token);
        await _client.Refills.RunOnceAsync(Token);

        Assert.Equal((5, 1, 0), await CountsAsync());
        Assert.Single(_operator.GatewayFront.SeenAt("/v1/exchange").Select(seen => Convert.ToHexString(seen.Body)).Distinct());
    }

    [Theory]
    [InlineData("token_unknown_key")]
    [InlineData("token_expired")]
    [InlineData("wrong_challenge")]
    public async Task Token_that_a_gateway_behind_the_times_does_not_know_is_kept(string code)
    {
        await RefuseAsync("one");
        _operator.GatewayFront.Impersonate = async (context, seen) =>
        {
            if (seen.Path != "/v1/exchange")
            {
                return false;
            }
            context.Response.StatusCode = 401;
            context.Response.Headers["Tacit-Token"] = "unspent";
            await context.Response.WriteAsync($$$"""{"error":{"message":"no","type":"authentication_error","param":null,"code":"{{{code}}}"}}""", Token);
            return true;
        };
        await _client.Refills.RunOnceAsync(Token);
        _operator.GatewayFront.Impersonate = null;
        await _client.Refills.RunOnceAsync(Token);

        Assert.Equal((5, 1, 0), await CountsAsync());
    }

    [Theory]
    [InlineData(Mishap.LoseRequest)]
    [InlineData(Mishap.LoseReply)]
    public async Task Exchange_survives_a_crash(Mishap mishap)
    {
        await RefuseAsync("one");
        _operator.GatewayFront.Decide = seen =>
        {
            if (seen.Path != "/v1/exchange" || Directory.Exists(_folder["copy"]))
            {
                return Mishap.None;
            }
            Crash.Snapshot(_folder["wallet"], _folder["copy"]);
            return mishap;
        };
        await _client.Refills.RunOnceAsync(Token);

        await using TacitClient reopened = await TacitClient.OpenAsync(_operator.OptionsFor(_folder["copy"]), _time, NullLoggerFactory.Instance, Token);
        await reopened.Refills.RunOnceAsync(Token);

        PlanHoldings holdings = await reopened.HoldingsAsync();
        Assert.Equal((5, 1, 0), (holdings.Held, holdings.Spent, holdings.Returned + holdings.Presented + holdings.Unknown));
        Assert.Single(_operator.GatewayFront.SeenAt("/v1/exchange").Select(seen => Convert.ToHexString(seen.Body)).Distinct());
    }

    [Fact]
    public async Task Token_near_its_deadline_is_exchanged_for_the_next_period()
    {
        await MoveToAsync(new DateTimeOffset(2026, 3, 31, 23, 56, 0, TimeSpan.Zero));
        await _client.Refills.RunOnceAsync(Token);

        PlanHoldings holdings = await _client.HoldingsAsync();
        Assert.Equal((5, 5), (holdings.Held, holdings.Spent));
        Assert.Equal(new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero), holdings.Deadline);
    }

    [Fact]
    public async Task Token_past_its_deadline_pays_no_prompt_and_is_exchanged_within_the_grace()
    {
        await MoveToAsync(new DateTimeOffset(2026, 4, 3, 0, 0, 0, TimeSpan.Zero));
        await _client.Directory.RefreshAsync(Token);

        // An empty wallet exchanges one of its own tokens rather than asking the account for more.
        _operator.IssuerFront.Seen.Clear();
        Assert.Equal(200, (await _client.Redemption.AnswerAsync(Prompts.Ask("April?"), Token)).Status);
        Assert.Empty(_operator.IssuerFront.SeenAt("/token-request"));
        // One by one, as chance has it.
        for (int look = 0; look < 200 && (await _client.HoldingsAsync()).Spent < 6; look++)
        {
            await _client.Refills.RunOnceAsync(Token);
        }

        PlanHoldings holdings = await _client.HoldingsAsync();
        Assert.Equal((4, 6), (holdings.Held, holdings.Spent));
        Assert.Equal(5, (await _client.Wallet.GetHistoryAsync(Token)).Where(entry => entry.Kind == HistoryKind.Exchanged).Sum(entry => entry.Amount));
        Assert.Equal(new DateTimeOffset(2026, 5, 1, 0, 0, 0, TimeSpan.Zero), holdings.Deadline);
    }

    [Fact]
    public async Task Request_whose_token_expired_before_it_arrived_is_asked_with_another()
    {
        await MoveToAsync(new DateTimeOffset(2026, 3, 31, 23, 54, 0, TimeSpan.Zero));
        _operator.GatewayFront.Decide = seen => seen.Path == "/v1/chat/completions" ? Mishap.LoseRequest : Mishap.None;
        await Assert.ThrowsAsync<ClientException>(() => _client.Redemption.SendAsync(Prompts.Ask("Just in time?"), Token));
        _operator.GatewayFront.Decide = _ => Mishap.None;
        await MoveToAsync(new DateTimeOffset(2026, 4, 1, 0, 1, 0, TimeSpan.Zero));

        (int status, _, PromptReply reply) = await _client.Redemption.AnswerAsync(Prompts.Ask("Just in time?"), Token);

        Assert.Equal((200, false), (status, reply.IsRepetition));
        PlanHoldings holdings = await _client.HoldingsAsync();
        Assert.Equal(0, holdings.Presented);
    }

    [Fact]
    public async Task Wallet_that_slept_for_a_month_finds_the_new_keys_by_itself()
    {
        await MoveToAsync(new DateTimeOffset(2026, 4, 20, 0, 0, 0, TimeSpan.Zero));

        (int status, _, PromptReply reply) = await _client.Redemption.AnswerAsync(Prompts.Ask("Good morning."), Token);

        Assert.Equal((200, true), (status, reply.FilledAtPrompt));
    }

    [Fact]
    public async Task Token_past_its_grace_is_void()
    {
        await MoveToAsync(new DateTimeOffset(2026, 4, 8, 0, 0, 1, TimeSpan.Zero));
        await _client.Refills.RunOnceAsync(Token);

        Assert.Equal(5, (await _client.HoldingsAsync()).Void);
    }

    /// <summary>The clock is set on, rather than that weeks of timers run, and the servers take notice.</summary>
    private async Task MoveToAsync(DateTimeOffset at)
    {
        _time.Jump(at - _time.GetUtcNow());
        _time.Advance(TimeSpan.FromMinutes(1));
        await _operator.Issuer.RefreshKeysAsync(Token);
        await _operator.RestartGatewayAsync();
    }

    /// <summary>A request that the gateway refuses without spending its token.</summary>
    private async Task RefuseAsync(string text, string? conversation = null)
    {
        byte[] body = System.Text.Encoding.UTF8.GetBytes($$"""{"model":"tacit-demo","messages":[{"role":"user","content":"{{text}}"}],"frobnicate":1}""");
        Assert.Equal(400, (await _client.Redemption.AnswerAsync(new PromptRequest(PromptOperation.ChatCompletions, body, conversation), Token)).Status);
    }

    private async Task<(long Held, long Spent, long Returned)> CountsAsync()
    {
        PlanHoldings holdings = await _client.HoldingsAsync();
        return (holdings.Held, holdings.Spent, holdings.Returned);
    }
}
