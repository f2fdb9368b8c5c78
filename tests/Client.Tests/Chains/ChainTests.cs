using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>Prompts that a subscription pays for.</summary>
public sealed class ChainTests : IAsyncLifetime
{
    private const string Prompt = "/v1/chat/completions";

    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        _operator = await TestOperator.StartAsync(plans: [TestOperator.Chat, TestOperator.Pro, TestOperator.Team]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_operator is not null)
        {
            await _operator.DisposeAsync();
        }
        _folder.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Reply_renews_the_chain_and_leaves_no_link_behind(bool stream)
    {
        await using TacitClient client = await SubscribedAsync("pro");

        for (int i = 0; i < 3; i++)
        {
            (int status, string body, PromptReply reply) = await client.Redemption.AnswerAsync(Prompts.Ask($"Question {i}", stream), Token);
            Assert.Equal((200, "pro", null), (status, reply.Plan, reply.PlanLeft));
            Assert.True(reply.PlanUntil > TimeProvider.System.GetUtcNow());
            Assert.Contains("choices", body, StringComparison.Ordinal);
        }

        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/exchange"));
        IReadOnlyList<Passing> prompts = _operator.GatewayFront.SeenAt(Prompt);
        Assert.Equal(3, prompts.Select(seen => seen.Headers["Authorization"]).Distinct().Count());
        Assert.Equal(3, prompts.Select(seen => seen.Headers[Routes.SuccessorHeader]).Distinct().Count());
        Assert.Equal((1, 0), (await client.ChainsAsync()) is var chains ? (chains.Ready, chains.Busy) : default);
        Assert.Equal((1, 0), await client.RowsAsync());
        Assert.Equal(3, await client.SpentAsync());
    }

    [Fact]
    public async Task New_head_is_durable_once_the_reply_was_delivered()
    {
        string live = _folder["live"];
        await using TacitClient client = await SubscribedAsync("pro", live);
        await using (PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("Hello"), Token))
        {
            await reply.ReadAllAsync();
            await reply.CompleteAsync(Token);
            Crash.Snapshot(live, _folder["copy"]);
        }

        _operator.GatewayFront.Seen.Clear();
        await using TacitClient reopened = await OpenAsync("copy");
        Assert.Equal((1, 0), (await reopened.ChainsAsync()) is var chains ? (chains.Ready, chains.Busy) : default);
        Assert.Equal(200, (await reopened.Redemption.AnswerAsync(Prompts.Ask("Next"), Token)).Status);
        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/exchange"));
    }

    [Fact]
    public async Task Next_prompt_goes_on_while_the_journal_still_closes_the_one_before()
    {
        await using TacitClient client = await SubscribedAsync("pro");
        Storage.Database disk = client.Wallet.Journal.Database;
        using var freed = new ManualResetEventSlim();
        Task closing = Task.CompletedTask;
        for (int i = 0; i < 3; i++)
        {
            freed.Reset();
            PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask($"Question {i}"), Token);
            await reply.ReadAllAsync();
            // The disk takes nothing more for now: whatever is written waits behind this.
            Task full = disk.WriteAsync(_ => freed.Wait(Token), Token);
            closing = CloseAsync(reply, closing);
            Task<(int Status, string Body, PromptReply Reply)> next = client.Redemption.AnswerAsync(Prompts.Ask($"And then, {i}"), Token);
            Assert.False(closing.IsCompleted);
            freed.Set();
            await full;
            Assert.Equal(200, (await next).Status);
        }
        await closing;

        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/exchange"));
        Assert.Equal(6, _operator.GatewayFront.SeenAt(Prompt).Select(seen => seen.Headers["Authorization"]).Distinct().Count());
        Assert.Equal((1, 0), await client.RowsAsync());
        Assert.Equal(6, await client.SpentAsync());

        static async Task CloseAsync(PromptReply reply, Task before)
        {
            await using PromptReply delivered = reply;
            await delivered.CompleteAsync(Token);
            await before;
        }
    }

    [Fact]
    public async Task Next_prompt_waits_where_the_one_before_could_not_be_closed()
    {
        await using TacitClient client = await SubscribedAsync("pro");
        Storage.Database disk = client.Wallet.Journal.Database;
        Task<(int Status, string Body, PromptReply Reply)> next;
        await using (PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("One"), Token))
        {
            await reply.ReadAllAsync();
            await disk.WriteAsync(session => session.Execute("CREATE TRIGGER full BEFORE DELETE ON request BEGIN SELECT RAISE(ABORT, 'full'); END"), Token);
            Task closing = reply.CompleteAsync(Token);
            next = client.Redemption.AnswerAsync(Prompts.Ask("Two"), Token);
            await Assert.ThrowsAsync<Storage.StorageException>(() => closing);
            Assert.Single(_operator.GatewayFront.SeenAt(Prompt));
            await disk.WriteAsync(session => session.Execute("DROP TRIGGER full"), Token);
        }

        Assert.Equal(200, (await next).Status);
        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/exchange"));
        Assert.Equal(2, _operator.GatewayFront.SeenAt(Prompt).Count);
    }

    [Fact]
    public async Task Chain_goes_on_without_an_exchange_where_a_reply_was_read_to_its_end_and_its_caller_vanished()
    {
        await using TacitClient client = await SubscribedAsync("pro");
        await using (PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("Hello"), Token))
        {
            await reply.ReadAllAsync();
        }

        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Next"), Token)).Status);
        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/exchange"));
    }

    [Fact]
    public async Task Subscription_pays_before_tokens_do_and_a_named_plan_pays_where_one_is_named()
    {
        await using TacitClient client = await SubscribedAsync("pro", tokens: 5);

        Assert.Equal("pro", (await client.Redemption.AnswerAsync(Prompts.Ask("One"), Token)).Reply.Plan);
        (_, _, PromptReply named) = await client.Redemption.AnswerAsync(Prompts.Ask("Two") with { Plan = "chat" }, Token);
        Assert.Equal(("chat", 4L), (named.Plan, named.PlanLeft));
        ClientException unknown = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("Three") with { Plan = "other" }, Token));
        Assert.Equal(ClientError.PlanUnavailable, unknown.Error);
        ClientException unsubscribed = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("Four") with { Plan = "team" }, Token));
        Assert.Equal(ClientError.WalletEmpty, unsubscribed.Error);
    }

    [Fact]
    public async Task Prompts_wait_for_the_one_chain_and_are_answered_one_at_a_time()
    {
        await using TacitClient client = await SubscribedAsync("pro");
        int now = 0;
        int most = 0;
        _operator.GatewayFront.Before = async passing =>
        {
            most = Math.Max(most, Interlocked.Increment(ref now));
            await Task.Delay(20);
            Interlocked.Decrement(ref now);
        };

        (int Status, string, PromptReply)[] answers = await Task.WhenAll(
            Enumerable.Range(0, 5).Select(i => client.Redemption.AnswerAsync(Prompts.Ask($"Question {i}"), Token)));

        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        Assert.Equal(1, most);
        Assert.Equal(5, _operator.GatewayFront.SeenAt(Prompt).Count);
    }

    [Fact]
    public async Task Three_chains_are_three_requests_at_a_time()
    {
        await using TacitClient client = await SubscribedAsync("team");
        using var together = new CountdownEvent(3);
        _operator.GatewayFront.Before = async passing =>
        {
            if (passing.Path == Prompt)
            {
                together.Signal();
                await Task.Run(() => Assert.True(together.Wait(TimeSpan.FromSeconds(20), Token)));
            }
        };

        (int Status, string, PromptReply)[] answers = await Task.WhenAll(
            Enumerable.Range(0, 3).Select(i => client.Redemption.AnswerAsync(Prompts.Ask($"Question {i}"), Token)));

        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        Assert.Equal((3, 3), ((await client.SettledChainsAsync("team")).Ready, (int)(await client.RowsAsync()).Links));
    }

    [Fact]
    public async Task Busy_chain_lets_another_plan_pay_if_the_settings_say_so_and_else_is_told()
    {
        await using TacitClient client = await SubscribedAsync(
            "pro", tokens: 5, change: options => options with { Redemption = options.Redemption with { WaitForChain = false } });
        await using PromptReply first = await client.Redemption.SendAsync(Prompts.Ask("First", stream: true), Token);

        Assert.Equal(("pro", "chat"), (first.Plan, (await client.Redemption.AnswerAsync(Prompts.Ask("Second"), Token)).Reply.Plan));
        await first.ReadAllAsync();
        await first.CompleteAsync(Token);

        await using TacitClient impatient = await SubscribedAsync(
            "pro", _folder["impatient"], change: options => options with { Redemption = options.Redemption with { ChainWait = TimeSpan.FromMilliseconds(50), MaxWaitingForChain = 1 } });
        await using PromptReply holds = await impatient.Redemption.SendAsync(Prompts.Ask("Holds", stream: true), Token);
        ClientException[] refused = await Task.WhenAll(
            Enumerable.Range(0, 3).Select(i => Assert.ThrowsAsync<ClientException>(() => impatient.Redemption.SendAsync(Prompts.Ask($"Waits {i}"), Token))));
        Assert.All(refused, error => Assert.Equal(ClientError.SubscriptionBusy, error.Error));
    }

    [Fact]
    public async Task Cancelled_reply_is_followed_by_an_exchange_and_the_chain_goes_on()
    {
        await using TacitClient client = await SubscribedAsync("pro");
        await using (PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("Stop that.", stream: true), Token))
        {
            await reply.CancelAsync();
        }

        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Go on."), Token)).Status);
        Assert.NotEmpty(_operator.GatewayFront.SeenAt("/v1/exchange"));
        Assert.Equal((1, 0), await client.RowsAsync());
    }

    [Fact]
    public async Task Prompt_does_not_wait_out_the_grace_of_a_caller_that_vanished()
    {
        await using TacitClient client = await SubscribedAsync(
            "pro", change: options => options with { Redemption = options.Redemption with { CancelGrace = TimeSpan.FromMinutes(5) } });
        await using (PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("Never read.", stream: true), Token))
        {
            // Disposed unread: the caller is gone.
        }

        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Somebody else's."), Token)).Status);
        Assert.Equal((1, 0), await client.RowsAsync());
    }

    [Fact]
    public async Task Chain_is_free_again_where_no_connection_was_made()
    {
        string folder = _folder["unreached"];
        await using (TacitClient client = await SubscribedAsync("pro", folder))
        {
        }
        ClientOptions options = _operator.OptionsFor(folder);
        await using (TacitClient unreached = await TacitClient.OpenAsync(
            options with { Redemption = options.Redemption with { GatewayAddress = new Uri("http://127.0.0.1:1"), MaxReconnects = 0 } },
            TimeProvider.System, NullLoggerFactory.Instance, Token))
        {
            ClientException error = await Assert.ThrowsAsync<ClientException>(() => unreached.Redemption.SendAsync(Prompts.Ask("Nobody there."), Token));
            Assert.Equal(ClientError.GatewayUnreachable, error.Error);
            Assert.Equal((1, 0), (await unreached.ChainsAsync()) is var chains ? (chains.Ready, chains.Busy) : default);
            Assert.Equal((1, 0), await unreached.RowsAsync());
        }

        await using TacitClient reopened = await OpenAsync("unreached");
        Assert.Equal(200, (await reopened.Redemption.AnswerAsync(Prompts.Ask("Now."), Token)).Status);
        Assert.Empty(_operator.GatewayFront.SeenAt("/v1/exchange"));
    }

    [Fact]
    public async Task Links_step_of_the_journal_happens_once_and_only_from_the_state_it_leads_from()
    {
        await using TacitClient client = await SubscribedAsync("pro");
        WalletJournal journal = client.Wallet.Journal;
        (TokenSeries series, long index) = await journal.Database.ReadAsync(
            session => session.Query($"SELECT {TokenSeries.Columns}, t.idx FROM token t JOIN series s ON s.id = t.series WHERE s.namespace = 1", row => (TokenSeries.Read(row), row.Int64(12)))[0], Token);
        var head = new TokenPlace(series.Id, index);
        var next = new NextLink(TokenBlinder.FreshRandomness(), new byte[32], [1, 2, 3]);
        Task<OpenRequest?> PresentAsync(byte id) => journal.PresentLinkAsync(
            [.. Enumerable.Repeat(id, 16)], head, next, new Conversations.ConversationId(new byte[32]), PromptOperation.ChatCompletions, new byte[32], new byte[10], Token);

        OpenRequest open = (await PresentAsync(1))!;
        Assert.Equal([1, 2, 3], open.Successor!);
        Assert.Null(await PresentAsync(2));
        Assert.Null(await journal.PresentForRenewalAsync(head, next, Token));
        Assert.Null(await journal.FindDueLinkAsync(head, Token));
        await journal.TakeBackLinkAsync(open, Token);
        await Assert.ThrowsAsync<ClientException>(() => journal.TakeBackLinkAsync(open, Token));
        Assert.Equal((1, 0), await client.RowsAsync());

        open = (await PresentAsync(3))!;
        TokenExchange link = (await journal.FindLinkAsync(head, Token))!;
        await journal.CloseLinkAsync(open, spent: true, null, Token);
        await Assert.ThrowsAsync<ClientException>(() => journal.CloseLinkAsync(open, spent: true, null, Token));
        Assert.NotNull(await journal.FindDueLinkAsync(head, Token));
        Assert.True(await journal.RenewLinkAsync(link, new byte[354], Token));
        Assert.False(await journal.RenewLinkAsync(link, new byte[354], Token));
        Assert.False(await journal.EndChainAsync(link, TokenState.Lost, Token));
        Assert.Equal((1, 0), await client.RowsAsync());

        TokenExchange again = (await journal.PresentForRenewalAsync(new TokenPlace(series.Id, link.Successor.Index), next, Token))!;
        Assert.True(await journal.EndChainAsync(again, TokenState.Lost, Token));
        Assert.False(await journal.RenewLinkAsync(again, new byte[354], Token));
        Assert.Equal((0, 1), (await client.ChainsAsync()) is var chains ? (chains.Ready, chains.Lost) : default);
        Assert.Equal((1, 0), await client.RowsAsync());
    }

    [Fact]
    public async Task Line_for_a_chain_keeps_its_order_and_its_bound()
    {
        var queue = new ChainQueue(maxWaiting: 2);
        ChainTurn first = queue.TryEnter("pro")!;
        ChainTurn second = queue.TryEnter("pro")!;
        ChainTurn third = queue.TryEnter("pro")!;
        Assert.Null(queue.TryEnter("pro"));
        using ChainTurn elsewhere = queue.TryEnter("team")!;
        Assert.Equal((true, false, false, true), (first.Come.IsCompleted, second.Come.IsCompleted, third.Come.IsCompleted, elsewhere.Come.IsCompleted));

        // Who leaves the line lets the next one on, from the middle too.
        second.Dispose();
        Assert.False(third.Come.IsCompleted);
        first.Dispose();
        first.Dispose();
        await third.Come.WaitAsync(TimeSpan.FromMinutes(2), Token);
        Task changed = queue.Changed;
        queue.Pulse();
        await changed.WaitAsync(TimeSpan.FromMinutes(2), Token);
        Assert.False(queue.Changed.IsCompleted);
        third.Dispose();
        Assert.True(queue.TryEnter("pro")!.Come.IsCompleted);
    }

    [Fact]
    public async Task Refused_renewal_ends_the_chain_plainly_and_causes_no_account_call()
    {
        await using TacitClient client = await SubscribedAsync("pro");
        _operator.GatewayFront.Decide = passing => passing.Path == Prompt ? Mishap.StripTrailer : Mishap.None;
        _operator.GatewayFront.Impersonate = (context, passing) => RefuseAsync(context, passing, 403, ErrorCodes.RenewalRefused);
        _operator.IssuerFront.Seen.Clear();

        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("The last one."), Token)).Status);
        SubscriptionHoldings chains = await client.SettledChainsAsync();

        Assert.Equal((0, 1), (chains.Ready, chains.Refused));
        for (int i = 0; client.Notices.Latest.Count == 0 && i < 12_000; i++)
        {
            await Task.Delay(10, Token);
        }
        Assert.Contains(client.Notices.Latest, notice => notice.Kind == NoticeKind.RenewalRefused);
        ClientException error = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("One more."), Token));
        Assert.Equal(ClientError.WalletEmpty, error.Error);
        Assert.Empty(_operator.IssuerFront.Seen);
        // The wallet's own schedule buys nothing in its place either.
        await client.Refills.RunOnceAsync(Token);
        Assert.Empty(_operator.IssuerFront.SeenAt("/token-request"));
        ClientException nothing = await Assert.ThrowsAsync<ClientException>(() => client.Filler.RestartChainAsync("pro", Token));
        Assert.Equal(ClientError.PlanUnavailable, nothing.Error);
    }

    [Fact]
    public async Task Two_people_on_one_chain_one_of_them_stops_working_and_is_told_why()
    {
        await using TacitClient one = await SubscribedAsync("pro", _folder["one"]);
        Crash.Snapshot(_folder["one"], _folder["two"]);
        await using TacitClient two = await OpenAsync("two");
        _operator.IssuerFront.Seen.Clear();

        Assert.Equal(200, (await one.Redemption.AnswerAsync(Prompts.Ask("Mine."), Token)).Status);
        ClientException lost = await Assert.ThrowsAsync<ClientException>(() => two.Redemption.AnswerAsync(Prompts.Ask("Also mine."), Token));

        Assert.Equal(ClientError.WalletEmpty, lost.Error);
        Assert.Equal((0, 1), (await two.ChainsAsync()) is var chains ? (chains.Ready, chains.Lost) : default);
        Assert.Contains(two.Notices.Latest, notice => notice.Kind == NoticeKind.ChainLost);
        Assert.Empty(_operator.IssuerFront.SeenAt("/token-request"));
        Assert.Equal(200, (await one.Redemption.AnswerAsync(Prompts.Ask("Still mine."), Token)).Status);

        // Started anew once a period, at a person's word.
        await two.Refills.RunOnceAsync(Token);
        Assert.Empty(_operator.IssuerFront.SeenAt("/token-request"));
        Assert.Equal(1, (await two.Filler.RestartChainAsync("pro", Token)).Chains);
        Assert.Equal(200, (await two.Redemption.AnswerAsync(Prompts.Ask("With one of my own."), Token)).Status);
        Assert.Equal(ClientError.SubscriptionUsed, (await Assert.ThrowsAsync<ClientException>(() => two.Filler.RestartChainAsync("pro", Token))).Error);
        Assert.Equal(90, (await one.Account.GetAsync(Token)).Credits);
    }

    [Fact]
    public async Task Two_at_once_on_one_chain_are_answered_once_for_each_token()
    {
        await using TacitClient one = await SubscribedAsync("pro", _folder["one"]);
        Crash.Snapshot(_folder["one"], _folder["two"]);
        await using TacitClient two = await OpenAsync("two");

        int[] answered = await Task.WhenAll(AskUntilLostAsync(one, "a"), AskUntilLostAsync(two, "b"));

        Assert.Contains(4, answered);
        int lost = (await one.SettledChainsAsync()).Lost + (await two.SettledChainsAsync()).Lost;
        Assert.Equal(1, lost);
    }

    private static async Task<int> AskUntilLostAsync(TacitClient client, string who)
    {
        int answered = 0;
        for (int i = 0; i < 4; i++)
        {
            try
            {
                answered += (await client.Redemption.AnswerAsync(Prompts.Ask($"{who} {i}"), Token)).Status == 200 ? 1 : 0;
            }
            catch (ClientException e) when (e.Error == ClientError.WalletEmpty)
            {
                // The chain is the other's.
            }
        }
        return answered;
    }

    private static async Task<bool> RefuseAsync(HttpContext context, Passing passing, int status, string code)
    {
        if (passing.Path != "/v1/exchange")
        {
            return false;
        }
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.Body.WriteAsync(new ApiError(code, status, "invalid_request_error", "No.").Encode());
        return true;
    }

    private async Task<TacitClient> SubscribedAsync(string plan, string? folder = null, int tokens = 0, Func<ClientOptions, ClientOptions>? change = null)
    {
        TacitClient client = await _operator.WalletAsync(folder ?? _folder["wallet"], credits: 100, tokens: tokens, change: change);
        SubscribeResult bought = await client.Filler.SubscribeAsync(plan, cancellationToken: Token);
        Assert.Equal((plan == "team" ? 3 : 1, 0), (bought.Chains, bought.Pending));
        return client;
    }

    private Task<TacitClient> OpenAsync(string folder) =>
        TacitClient.OpenAsync(_operator.OptionsFor(_folder[folder]), TimeProvider.System, NullLoggerFactory.Instance, Token);
}
