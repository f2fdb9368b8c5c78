using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>What a chain survives: the loss of any message, of the process, of time.</summary>
public class ChainRecoveryTests
{
    [Fact]
    public async Task Unspent_token_is_exchanged_for_its_successor_and_buys_nothing_then()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var chain = new TestChain(gateway);
        using HttpResponseMessage first = await chain.ExchangeAsync();
        byte[] renewal = await TestChain.SignatureAsync(first);
        using HttpResponseMessage second = await chain.ExchangeAsync();
        Assert.Equal(renewal, await TestChain.SignatureAsync(second));
        using (HttpResponseMessage other = await chain.ExchangeAsync(gateway.Issuer.CreateSuccessor("monthly").Request))
        {
            await other.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        }

        using (HttpResponseMessage prompt = await chain.AskAsync())
        {
            await prompt.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        Assert.Equal(0, gateway.Provider.Calls);
        chain.Move(renewal);
        using HttpResponseMessage response = await chain.AskAsync();
        await response.IsReplyAsync();
    }

    [Fact]
    public async Task Exchange_of_a_forged_or_foreign_successor_spends_nothing()
    {
        await using TestGateway gateway = await TestChain.StartAsync(
            gateway => gateway.Issuer.AddPlan(TestGateway.MonthlyPlan with { Id = "other" }, TestGateway.March));
        var chain = new TestChain(gateway);
        foreach (string plan in (string[])["other", "chat"])
        {
            using HttpResponseMessage foreign = await chain.ExchangeAsync(gateway.Issuer.CreateSuccessor(plan).Request);
            await foreign.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        }

        var forged = new TestChain(gateway, token: chain.Token.With(bytes => bytes[^1] ^= 1));
        using (HttpResponseMessage refused = await forged.ExchangeAsync())
        {
            await refused.IsErrorAsync(401, ErrorCodes.TokenInvalid, Routes.TokenUnspent);
        }

        using HttpResponseMessage response = await chain.AskAsync();
        await response.IsReplyAsync();
    }

    [Fact]
    public async Task Request_whose_process_died_is_taken_over_with_the_successor_it_was_bound_to_and_no_other()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        TestChain chain = await KilledAsync(gateway);
        TokenRequest other = gateway.Issuer.CreateSuccessor("monthly").Request;
        using (HttpResponseMessage refused = await chain.AskAsync(successor: other))
        {
            await refused.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        using (HttpResponseMessage refused = await chain.ExchangeAsync(other))
        {
            await refused.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        }

        using HttpResponseMessage response = await chain.AskAsync();
        await response.IsReplyAsync();
        chain.Move(TestChain.RenewalOf(response));
    }

    [Fact]
    public async Task Exchange_ends_a_request_whose_process_died()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        TestChain chain = await KilledAsync(gateway);
        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        byte[] renewal = await TestChain.SignatureAsync(exchange);
        using (HttpResponseMessage late = await chain.AskAsync())
        {
            await late.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }

        Assert.Equal(1, gateway.Provider.Calls);
        chain.Move(renewal);
    }

    [Fact]
    public async Task Exchange_waits_for_the_lease_of_another_instance()
    {
        await using TestGateway gateway = await TestChain.StartAsync();

        // Another id, so that the one which died is somebody else, whose lease still runs.
        TestChain chain = await KilledAsync(gateway, folder => File.Delete(Path.Combine(folder, "instance-id")));
        using (HttpResponseMessage early = await chain.ExchangeAsync())
        {
            await early.IsErrorAsync(409, ErrorCodes.RequestInFlight, Routes.TokenInFlight);
        }

        gateway.Time.Advance(TimeSpan.FromSeconds(31));
        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        chain.Move(await TestChain.SignatureAsync(exchange));
    }

    [Fact]
    public async Task Process_that_dies_at_any_step_of_an_exchange_leaves_one_successor()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var chain = new TestChain(gateway);

        // Between the row and the signature: the signer hangs, and the process dies.
        var hang = new TaskCompletionSource();
        gateway.Issuer.Hang = hang.Task;
        Task<HttpResponseMessage> lost = chain.ExchangeAsync();
        TokenRequest other = gateway.Issuer.CreateSuccessor("monthly").Request;
        // The row is written before the signer is asked; until then another successor would be the first, and taken.
        await TestGateway.UntilAsync(() => gateway.Issuer.Asked == 1);
        using (HttpResponseMessage refused = await chain.ExchangeAsync(other))
        {
            await refused.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        }

        await gateway.RestartFromCrashAsync();
        gateway.Issuer.Hang = Task.CompletedTask;
        hang.SetResult();
        await TestGateway.LoseAsync(lost);
        using (HttpResponseMessage refused = await chain.ExchangeAsync(other))
        {
            await refused.IsErrorAsync(409, ErrorCodes.SuccessorMismatch, Routes.TokenSpent);
        }

        // Between the signature and the answer: asking again gives the same.
        using HttpResponseMessage exchange = await chain.ExchangeAsync();
        byte[] renewal = await TestChain.SignatureAsync(exchange);
        await gateway.RestartFromCrashAsync();
        using HttpResponseMessage again = await chain.ExchangeAsync();
        Assert.Equal(renewal, await TestChain.SignatureAsync(again));
        chain.Move(renewal);
    }

    [Fact]
    public async Task Token_works_to_the_second_before_the_deadline_and_gets_nothing_from_the_deadline_on()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var chain = new TestChain(gateway);
        var unspent = new TestChain(gateway);
        gateway.Time.Jump(TestGateway.March.Deadline - TestGateway.Start - TimeSpan.FromSeconds(1));
        using (HttpResponseMessage response = await chain.AskAsync())
        {
            await response.IsReplyAsync();
            chain.Move(TestChain.RenewalOf(response));
        }

        using (HttpResponseMessage response = await chain.AskAsync())
        {
            await response.IsReplyAsync();
            Assert.NotNull(TestChain.RenewalOf(response));
        }

        int signatures = gateway.Issuer.Signatures;
        gateway.Time.Jump(TimeSpan.FromSeconds(1));
        foreach (TestChain late in (TestChain[])[chain, unspent])
        {
            using HttpResponseMessage prompt = await late.AskAsync();
            await prompt.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
            using HttpResponseMessage exchange = await late.ExchangeAsync();
            await exchange.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
        }

        Assert.Equal(signatures, gateway.Issuer.Signatures);
    }

    [Fact]
    public async Task Reply_that_crosses_the_deadline_comes_whole_and_without_renewal()
    {
        await using TestGateway gateway = await TestChain.StartAsync();
        var go = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await go.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        gateway.Time.Jump(TestGateway.March.Deadline - TestGateway.Start - TimeSpan.FromSeconds(1));
        var chain = new TestChain(gateway);
        Task<HttpResponseMessage> asking = chain.AskAsync();
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        gateway.Time.Jump(TimeSpan.FromSeconds(1));
        go.SetResult();
        using HttpResponseMessage response = await asking;
        await response.IsReplyAsync();
        Assert.Null(TestChain.RenewalOf(response));
    }

    [Fact]
    public async Task Next_periods_chain_works_from_its_lead_on_beside_the_old_one()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(
            gateway => gateway.Issuer.AddPlan(TestGateway.MonthlyPlan, TestGateway.March, TestGateway.March.Next));
        var next = new TestChain(gateway, key: 1);
        gateway.Time.Jump(TestGateway.March.Next.IssueFrom - TestGateway.Start - TimeSpan.FromSeconds(1));
        using (HttpResponseMessage early = await next.AskAsync())
        {
            await early.IsErrorAsync(401, ErrorCodes.TokenUnknownKey, Routes.TokenUnspent);
        }

        using (HttpResponseMessage early = await next.ExchangeAsync())
        {
            await early.IsErrorAsync(401, ErrorCodes.TokenUnknownKey, Routes.TokenUnspent);
        }

        gateway.Time.Jump(TimeSpan.FromSeconds(1));
        using (HttpResponseMessage response = await next.AskAsync())
        {
            await response.IsReplyAsync();
            next.Move(TestChain.RenewalOf(response));
        }

        // Neither chain moves over into the other's period.
        var old = new TestChain(gateway);
        using (HttpResponseMessage longer = await old.AskAsync(successor: next.Successor))
        {
            await longer.IsErrorAsync(400, ErrorCodes.SuccessorInvalid, Routes.TokenUnspent);
        }

        using HttpResponseMessage same = await old.AskAsync();
        await same.IsReplyAsync();
        old.Move(TestChain.RenewalOf(same));
    }

    /// <summary>A request that was in flight when the process died.</summary>
    private static async Task<TestChain> KilledAsync(TestGateway gateway, Action<string>? prepare = null)
    {
        gateway.Provider.Answer = context => Task.Delay(Timeout.Infinite, context.RequestAborted);
        var chain = new TestChain(gateway);
        Task<HttpResponseMessage> lost = chain.AskAsync();
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        await gateway.RestartFromCrashAsync(prepare);
        await TestGateway.LoseAsync(lost);
        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        return chain;
    }
}
