using Tacit.Gateway.Chains;
using Tacit.Gateway.Replies;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>A subscription's chain on its way: what a request must bring, and how its reply renews it.</summary>
public sealed class ChainTests
{
    private static readonly string s_stream = TestGateway.Body(stream: true);

    [Fact]
    public async Task Reply_brings_the_next_token_behind_it()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var chain = new TestChain(gateway);
        for (int i = 0; i < 3; i++)
        {
            using HttpResponseMessage response = await chain.AskAsync();
            await response.IsReplyAsync();
            chain.Move(TestChain.RenewalOf(response));
        }

        Assert.Equal((3, SigningPurpose.Renewal), (gateway.Issuer.Signatures, gateway.Issuer.LastPurpose));
    }

    [Fact]
    public async Task Stream_and_responses_and_embeddings_are_renewed_alike()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var chain = new TestChain(gateway);
        gateway.Provider.Answer = StubProvider.AnswerStreamAsync;
        using (HttpResponseMessage stream = await chain.AskAsync(s_stream))
        {
            Assert.EndsWith("data: [DONE]\n\n", await stream.TextAsync(), StringComparison.Ordinal);
            chain.Move(TestChain.RenewalOf(stream));
        }

        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, """{"object":"list","data":[]}""");
        using (HttpResponseMessage embeddings = await chain.AskAsync($$"""{"model":"{{TestGateway.Model}}","input":"x"}""", path: Routes.Embeddings))
        {
            Assert.Equal(200, (int)embeddings.StatusCode);
            await embeddings.TextAsync();
            chain.Move(TestChain.RenewalOf(embeddings));
        }

        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, """{"id":"r","object":"response","output":[]}""");
        using HttpResponseMessage response = await chain.AskAsync($$"""{"model":"{{TestGateway.Model}}","input":"x"}""", path: Routes.Responses);
        await response.TextAsync();
        chain.Move(TestChain.RenewalOf(response));
    }

    [Fact]
    public async Task Chain_of_a_plan_in_metadata_moves_like_any()
    {
        using Crypto.PartiallyBlindRsaPrivateKey key = SafePrimeKey.Import();
        await using TestGateway gateway = await TestGateway.CreateAsync(
            gateway => gateway.Issuer.AddPartiallyBlindPlan(
                TestGateway.MonthlyPlan with { TokenType = TokenType.PartiallyBlindRsa }, key, TestGateway.March, TestGateway.March.Next));
        var chain = new TestChain(gateway);
        using (HttpResponseMessage response = await chain.AskAsync())
        {
            await response.IsReplyAsync();
            chain.Move(TestChain.RenewalOf(response));
        }

        // The same key, the same plan, another deadline: it would lengthen the subscription.
        TokenRequest april = gateway.Issuer.CreateSuccessor("monthly", 1).Request;
        using (HttpResponseMessage longer = await chain.AskAsync(successor: april))
        {
            await longer.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        }

        using (HttpResponseMessage longer = await chain.ExchangeAsync(april))
        {
            await longer.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        }

        using HttpResponseMessage again = await chain.AskAsync();
        await again.IsReplyAsync();
        chain.Move(TestChain.RenewalOf(again));
    }

    [Fact]
    public async Task Request_without_a_right_successor_spends_nothing()
    {
        await using TestGateway gateway = await TestChain.StartAsync(
            gateway => gateway.Issuer.AddPlan(TestGateway.MonthlyPlan with { Id = "other" }, TestGateway.March));
        var chain = new TestChain(gateway);
        using (HttpResponseMessage none = await gateway.AskAsync(chain.Token))
        {
            await none.IsErrorAsync(400, ErrorCodes.SuccessorRequired, Routes.TokenUnspent);
        }

        string good = ChainHeaders.FormatSuccessor(chain.Successor);
        byte truncated = chain.Successor.TruncatedKeyId;
        byte[] blinded = chain.Successor.BlindedMessage.ToArray();
        string[] wrong =
        [
            "", "x", good + "=", good[..^4], good + "AAAA", good.Replace(good[..4], "****", StringComparison.Ordinal), good + ", " + good,
            ChainHeaders.FormatSuccessor(TokenRequest.Create(TokenType.BlindRsa, (byte)(truncated ^ 1), blinded)),
            ChainHeaders.FormatSuccessor(TokenRequest.Create(TokenType.BlindRsa, truncated, new byte[256])),
            ChainHeaders.FormatSuccessor(TokenRequest.Create(TokenType.BlindRsa, truncated, Enumerable.Repeat((byte)0xff, 256).ToArray())),
            ChainHeaders.FormatSuccessor(TokenRequest.Create(
                TokenType.PartiallyBlindRsa, truncated, blinded, new PlanMetadata("monthly", TestGateway.March.Deadline).EncodeExtensions())),
            ChainHeaders.FormatSuccessor(gateway.Issuer.CreateSuccessor("other").Request), ChainHeaders.FormatSuccessor(gateway.Issuer.CreateSuccessor("chat").Request),
        ];
        foreach (string value in wrong)
        {
            using HttpResponseMessage refused = await gateway.SendAsync(
                HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), chain.Token.Header, headers => headers.TryAddWithoutValidation(Routes.SuccessorHeader, value));
            await refused.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        }

        Assert.Equal((0, 0), (gateway.Provider.Calls, gateway.Issuer.Signatures));
        using HttpResponseMessage response = await chain.AskAsync();
        await response.IsReplyAsync();
        Assert.NotNull(TestChain.RenewalOf(response));
    }

    [Fact]
    public async Task Token_of_a_request_plan_takes_no_successor()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var token = new TestChain(gateway, "chat");
        using (HttpResponseMessage refused = await token.AskAsync())
        {
            await refused.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        }

        using HttpResponseMessage response = await gateway.AskAsync(token.Token);
        await response.IsReplyAsync();
        Assert.NotNull(response.Content.Headers.ContentLength);
        Assert.Empty(response.Headers.Trailer);
    }

    [Fact]
    public async Task Same_request_attaches_to_its_reply_and_gets_the_same_renewal()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var chain = new TestChain(gateway);
        using HttpResponseMessage first = await chain.AskAsync();
        await first.IsReplyAsync();
        byte[]? renewal = TestChain.RenewalOf(first);
        using HttpResponseMessage second = await chain.AskAsync();
        await second.IsReplyAsync();
        Assert.Equal(renewal, TestChain.RenewalOf(second));
        using HttpResponseMessage exchanged = await chain.ExchangeAsync();
        Assert.Equal(renewal, await TestChain.SignatureAsync(exchanged));
        Assert.Equal((1, 1), (gateway.Provider.Calls, gateway.Issuer.Signatures));

        // Not only from memory: the row says the same after a restart.
        await gateway.StopAsync();
        await gateway.StartAsync();
        using HttpResponseMessage gone = await chain.AskAsync();
        await gone.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Null(TestChain.RenewalOf(gone));
        using HttpResponseMessage later = await chain.ExchangeAsync();
        Assert.Equal(renewal, await TestChain.SignatureAsync(later));
    }

    [Fact]
    public async Task Another_successor_is_refused_while_the_request_lives_and_ever_after()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var go = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await go.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        var chain = new TestChain(gateway);
        TokenRequest other = gateway.Issuer.CreateSuccessor("monthly").Request;
        Task<HttpResponseMessage> asking = chain.AskAsync();
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);

        using (HttpResponseMessage live = await chain.AskAsync(successor: other))
        {
            await live.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        using (HttpResponseMessage live = await chain.ExchangeAsync(other))
        {
            await live.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        }

        go.SetResult();
        using HttpResponseMessage response = await asking;
        await response.IsReplyAsync();
        using (HttpResponseMessage kept = await chain.AskAsync(successor: other))
        {
            await kept.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        using HttpResponseMessage exchange = await chain.ExchangeAsync(other);
        await exchange.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        chain.Move(TestChain.RenewalOf(response));
        Assert.Equal(1, gateway.Issuer.Signatures);
    }

    [Theory]
    [InlineData(500, 502)]
    [InlineData(429, 503)]
    [InlineData(400, 400)]
    public async Task Failure_of_the_provider_renews_and_returns_nothing(int status, int answered)
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, """{"error":{"message":"no"}}""", status);
        var chain = new TestChain(gateway);

        using HttpResponseMessage failed = await chain.AskAsync();

        await failed.TextAsync();
        Assert.Equal((answered, Routes.TokenSpent), ((int)failed.StatusCode, failed.TokenState()));
        using (HttpResponseMessage other = await chain.AskAsync(TestGateway.Body("another")))
        {
            await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        chain.Move(TestChain.RenewalOf(failed));
    }

    [Fact]
    public async Task Stream_that_breaks_is_renewed()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var breaks = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "begun");
            await breaks.Task;
            context.Abort();
        };
        var chain = new TestChain(gateway);

        using HttpResponseMessage response = await chain.AskAsync(s_stream);
        breaks.SetResult();

        Assert.Contains(ErrorCodes.ReplyInterrupted, await response.TextAsync(), StringComparison.Ordinal);
        chain.Move(TestChain.RenewalOf(response));
    }

    [Fact]
    public async Task Cancelled_request_is_renewed_behind_its_reply_and_at_the_exchange()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "begun");
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        var chain = new TestChain(gateway);
        using HttpResponseMessage response = await chain.AskAsync(s_stream);
        using (HttpResponseMessage busy = await chain.ExchangeAsync())
        {
            await busy.IsErrorAsync(409, ErrorCodes.RequestInFlight, Routes.TokenInFlight);
            Assert.Equal(TimeSpan.FromSeconds(1), busy.Headers.RetryAfter!.Delta);
        }

        using HttpResponseMessage cancel = await gateway.SendAsync(HttpMethod.Post, Routes.Cancel, null, chain.Token.Header);
        Assert.Equal(200, (int)cancel.StatusCode);
        byte[] exchanged = await chain.ExchangeUntilEndedAsync();
        Assert.Contains(ErrorCodes.RequestCancelled, await response.TextAsync(), StringComparison.Ordinal);
        Assert.Equal(exchanged, TestChain.RenewalOf(response));
        chain.Move(exchanged);
    }

    [Fact]
    public async Task Client_that_vanishes_finds_its_renewal_at_the_exchange()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var go = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await go.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        var chain = new TestChain(gateway);
        Task<HttpResponseMessage> lost = chain.AskAsync();
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        using (HttpResponseMessage busy = await chain.ExchangeAsync())
        {
            await busy.IsErrorAsync(409, ErrorCodes.RequestInFlight, Routes.TokenInFlight);
        }

        go.SetResult();
        chain.Move(await chain.ExchangeUntilEndedAsync());
        (await lost).Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Signer_that_is_away_or_limits_the_rate_costs_the_trailer_and_nothing_else(bool limited)
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        (gateway.Issuer.SignerIsGone, gateway.Issuer.Refusal) = (!limited, limited ? SignStatus.RateLimited : null);
        var chain = new TestChain(gateway);
        using HttpResponseMessage response = await chain.AskAsync();
        await response.IsReplyAsync();
        Assert.Null(TestChain.RenewalOf(response));
        using (HttpResponseMessage later = await chain.ExchangeAsync())
        {
            await later.IsErrorAsync(503, ErrorCodes.Unavailable, Routes.TokenSpent);
            Assert.NotNull(later.Headers.RetryAfter);
        }

        (gateway.Issuer.SignerIsGone, gateway.Issuer.Refusal) = (false, null);
        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        chain.Move(await TestChain.SignatureAsync(exchange));
    }

    [Fact]
    public async Task Signer_that_hangs_holds_up_the_end_for_seconds_and_the_content_not_at_all()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var hang = new TaskCompletionSource();
        gateway.Issuer.Hang = hang.Task;
        gateway.Provider.Answer = StubProvider.AnswerStreamAsync;
        var chain = new TestChain(gateway);
        using HttpResponseMessage response = await chain.AskAsync(s_stream);
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken));
        while (await reader.ReadLineAsync(TestContext.Current.CancellationToken) is not "data: [DONE]")
        {
            // The whole content is here while the signer still hangs.
        }

        Task<string> end = reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        while (!end.IsCompleted)
        {
            gateway.Time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(5, TestContext.Current.CancellationToken);
        }

        Assert.Null(TestChain.RenewalOf(response));
        hang.SetResult();
        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        chain.Move(await TestChain.SignatureAsync(exchange));
    }

    [Fact]
    public async Task Refused_prompt_ends_the_chain_for_ever_and_no_other()
    {
        await using TestGateway gateway = await TestChain.StartAsync(gateway => gateway.Check = (prompt, _) => ValueTask.FromResult(
            prompt.Body.WrittenSpan.IndexOf("forbidden"u8) >= 0
                ? new PromptRefusal(ApiError.Create(ErrorCodes.InvalidValue, "Not here.", "messages"), RefusedToken.Spent, EndsChain: prompt.Body.WrittenSpan.IndexOf("utterly"u8) >= 0)
                : null));
        var ended = new TestChain(gateway);
        using HttpResponseMessage refused = await ended.AskAsync(TestGateway.Body("utterly forbidden"));
        await refused.IsErrorAsync(400, ErrorCodes.InvalidValue, Routes.TokenSpent);
        Assert.Null(TestChain.RenewalOf(refused));
        for (int i = 0; i < 2; i++)
        {
            using HttpResponseMessage exchange = await ended.ExchangeAsync();
            await exchange.IsErrorAsync(403, ErrorCodes.RenewalRefused, Routes.TokenSpent);
            await gateway.StopAsync();
            await gateway.StartAsync();
        }

        Assert.Equal((0, 0), (gateway.Issuer.Signatures, gateway.Provider.Calls));
        var chain = new TestChain(gateway);
        using (HttpResponseMessage mild = await chain.AskAsync(TestGateway.Body("forbidden")))
        {
            await mild.IsErrorAsync(400, ErrorCodes.InvalidValue, Routes.TokenSpent);
            chain.Move(TestChain.RenewalOf(mild));
        }

        using HttpResponseMessage response = await chain.AskAsync();
        await response.IsReplyAsync();
    }

    /// <summary>What judges prompts may be a service that says something else the second time, or is not there.</summary>
    [Fact]
    public async Task Chain_that_was_refused_stays_so_where_its_process_died_and_the_prompt_would_pass_now()
    {
        await using TestGateway gateway = await TestChain.StartAsync(gateway => gateway.Check = (_, _) => ValueTask.FromResult<PromptRefusal?>(
            new PromptRefusal(ApiError.Create(ErrorCodes.ContentRefused, "Not here.", "messages"), RefusedToken.Spent, EndsChain: true)));
        var chain = new TestChain(gateway);
        using (HttpResponseMessage refused = await chain.AskAsync())
        {
            await refused.IsErrorAsync(400, ErrorCodes.ContentRefused, Routes.TokenSpent);
        }

        gateway.Check = (_, _) => ValueTask.FromResult<PromptRefusal?>(null);
        await gateway.RestartFromCrashAsync();
        using (HttpResponseMessage again = await chain.AskAsync())
        {
            await again.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
            Assert.Null(TestChain.RenewalOf(again));
        }

        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        await exchange.IsErrorAsync(403, ErrorCodes.RenewalRefused, Routes.TokenSpent);
        Assert.Equal((0, 0), (gateway.Issuer.Signatures, gateway.Provider.Calls));
    }

    /// <summary>Else the operator is told that somebody else has the internal key.</summary>
    [Fact]
    public async Task Signer_that_is_asked_twice_signs_no_more_than_the_gateway_counts()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var (hang, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        gateway.Issuer.Hang = hang.Task;
        gateway.Provider.Answer = async context =>
        {
            await go.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        var chain = new TestChain(gateway);
        Task<HttpResponseMessage> asking = chain.AskAsync();
        await TestGateway.UntilAsync(() => gateway.Issuer.Asked == 1 && gateway.Provider.Calls == 1);

        // The first answer comes when nobody waits for it any more.
        gateway.Time.Advance(TimeSpan.FromSeconds(6));
        hang.SetResult();
        await TestGateway.UntilAsync(() => gateway.Issuer.Signatures == 1);
        go.SetResult();
        using HttpResponseMessage response = await asking;
        await response.IsReplyAsync();
        chain.Move(TestChain.RenewalOf(response));

        Assert.Equal(2, gateway.Issuer.Signatures);
        using ManagementClient management = new(gateway.Folder, GatewayServer.Role);
        GatewayTotals totals = await management.GetAsync("/totals", GatewayManagementJson.Default.GatewayTotals, TestContext.Current.CancellationToken);
        Assert.Equal(2, totals.Plans.Where(plan => plan.Plan == "monthly").Sum(plan => plan.Spent + plan.Repeated));
    }

    [Fact]
    public async Task Two_people_on_one_chain_are_one_who_works_and_one_who_stops()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var first = new TestChain(gateway);
        var second = new TestChain(gateway, token: first.Token);
        using (HttpResponseMessage response = await first.AskAsync())
        {
            await response.IsReplyAsync();
            first.Move(TestChain.RenewalOf(response));
        }

        using (HttpResponseMessage spent = await second.AskAsync(TestGateway.Body("mine")))
        {
            await spent.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        using (HttpResponseMessage spent = await second.AskAsync())
        {
            await spent.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        using HttpResponseMessage stopped = await second.ExchangeAsync();
        await stopped.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        using HttpResponseMessage goesOn = await first.AskAsync();
        await goesOn.IsReplyAsync();
    }

    [Fact]
    public async Task Drain_ends_a_request_with_its_renewal()
    {
        await using TestGateway gateway = await TestChain.StartAsync(
            gateway => gateway.Configure = options => options with { DrainTimeout = TimeSpan.FromMilliseconds(200) });
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "begun");
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        var chain = new TestChain(gateway);
        using HttpResponseMessage response = await chain.AskAsync(s_stream);
        Task<string> reading = response.TextAsync();
        Task stopping = gateway.Server.StopAsync(TestContext.Current.CancellationToken);
        while (!stopping.IsCompleted)
        {
            gateway.Time.Advance(TimeSpan.FromMilliseconds(50));
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }

        Assert.Contains(ErrorCodes.ReplyInterrupted, await reading, StringComparison.Ordinal);
        byte[]? renewal = TestChain.RenewalOf(response);
        await gateway.StartAsync();
        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        Assert.Equal(renewal, await TestChain.SignatureAsync(exchange));
        chain.Move(renewal);
    }

    [Fact]
    public async Task Models_list_subscriptions_behind_the_plans_of_single_requests()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        using HttpResponseMessage models = await gateway.SendAsync(HttpMethod.Get, Routes.Models);
        Assert.Contains("\"plans\":[\"chat\",\"monthly\"]", await models.TextAsync(), StringComparison.Ordinal);
    }
}
