using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Policy;
using Tacit.Client.Tests.Support;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>Subscriptions: bought once a period, bought anew ahead of the next on the wallet's own schedule, and over at its end.</summary>
public sealed class SubscriptionTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_start = new(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_tomorrow = new(2026, 3, 11, 0, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_dayAfter = new(2026, 3, 12, 0, 0, 0, TimeSpan.Zero);
    private static readonly Plan s_pro = TestOperator.Pro with { Period = PeriodKind.Day };
    private static readonly Plan s_team = TestOperator.Team with { Period = PeriodKind.Day };

    private readonly TestFolder _folder = new();
    private readonly FakeTime _time = new(s_start);
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        _operator = await TestOperator.StartAsync(_time, [TestOperator.Chat, s_pro, s_team]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_operator is not null)
        {
            await _operator.DisposeAsync();
        }
        _folder.Dispose();
    }

    [Fact]
    public async Task Subscription_is_paid_once_a_period_however_often_it_is_asked_for()
    {
        await using TacitClient client = await WalletAsync(100);

        SubscribeResult first = await client.Filler.SubscribeAsync("team", cancellationToken: Token);
        Assert.Equal((3, 0, s_tomorrow), (first.Chains, first.Pending, first.Until));
        Assert.Equal(0, (await client.Filler.SubscribeAsync("team", cancellationToken: Token)).Chains);
        Assert.Equal(75, (await client.Account.GetAsync(Token)).Credits);
        Assert.Equal(ClientError.PlanUnavailable, (await FailsAsync(() => client.Filler.SubscribeAsync("chat", cancellationToken: Token))).Error);
        Assert.Equal(ClientError.PlanUnavailable, (await FailsAsync(() => client.Filler.FillAsync("team", 1, cancellationToken: Token))).Error);
    }

    [Fact]
    public async Task Account_that_cannot_pay_buys_nothing_and_keeps_what_it_has()
    {
        await using TacitClient client = await WalletAsync(9);

        Assert.Equal(ClientError.InsufficientCredits, (await FailsAsync(() => client.Filler.SubscribeAsync("pro", cancellationToken: Token))).Error);
        Assert.Equal(9, (await client.Account.GetAsync(Token)).Credits);
        Assert.Empty((await client.Wallet.GetStatusAsync(Token)).Subscriptions);
    }

    [Fact]
    public async Task Second_wallet_of_an_account_gets_the_one_chain_that_may_be_started_anew()
    {
        await using TacitClient first = await WalletAsync(100);
        await first.Filler.SubscribeAsync("team", cancellationToken: Token);
        await using TacitClient second = await TacitClient.CreateAsync(_operator.OptionsFor(_folder["second"]), null, _time, NullLoggerFactory.Instance, Token);
        await second.Account.ImportAsync(await first.Account.RevealKeyAsync(Token), Token);

        Assert.Equal(1, (await second.Filler.SubscribeAsync("team", cancellationToken: Token)).Chains);
        await using TacitClient third = await TacitClient.CreateAsync(_operator.OptionsFor(_folder["third"]), null, _time, NullLoggerFactory.Instance, Token);
        await third.Account.ImportAsync(await first.Account.RevealKeyAsync(Token), Token);
        Assert.Equal(ClientError.SubscriptionUsed, (await FailsAsync(() => third.Filler.SubscribeAsync("team", cancellationToken: Token))).Error);
        Assert.Equal(75, (await first.Account.GetAsync(Token)).Credits);
    }

    [Fact]
    public async Task Next_period_is_bought_ahead_at_a_time_of_its_own_and_the_old_chains_are_used_up_first()
    {
        await using TacitClient client = await WalletAsync(100);
        await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        await client.Refills.RunOnceAsync(Token);
        Assert.Null((await client.ChainsAsync()).RenewsAt);

        // The next day is sold for the last eighth of this one; a time within that is drawn, and nothing is bought before.
        await MoveToAsync(Period.Containing(PeriodKind.Day, s_tomorrow).IssueFrom.AddMinutes(10));
        await client.Refills.RunOnceAsync(Token);
        DateTimeOffset at = (await client.ChainsAsync()).RenewsAt!.Value;
        Assert.InRange(at, _time.GetUtcNow(), s_tomorrow);
        Assert.Single((await client.Wallet.GetStatusAsync(Token)).Subscriptions);
        await MoveToAsync(at.AddSeconds(1));
        await client.Refills.RunOnceAsync(Token);
        Assert.Equal([s_tomorrow, s_dayAfter], (await client.Wallet.GetStatusAsync(Token)).Subscriptions.Select(entry => entry.Until));
        Assert.Equal(80, (await client.Account.GetAsync(Token)).Credits);

        Assert.Equal(s_tomorrow, (await client.Redemption.AnswerAsync(Prompts.Ask("Today."), Token)).Reply.PlanUntil);
        await MoveToAsync(s_tomorrow);
        Assert.Equal(s_dayAfter, (await client.Redemption.AnswerAsync(Prompts.Ask("Tomorrow."), Token)).Reply.PlanUntil);
        Assert.True(await client.Filler.UnsubscribeAsync("pro", Token));

        // Of a period that is over nothing is kept, once the issuer says so as well.
        await client.Refills.RunOnceAsync(Token);
        Assert.Equal((2, 0), await client.RowsAsync());
        await MoveToAsync(s_dayAfter.AddDays(1).AddMinutes(1));
        await client.Refills.RunOnceAsync(Token);
        Assert.Equal((0, 0), await client.RowsAsync());
        Assert.Equal(80, (await client.Account.GetAsync(Token)).Credits);
    }

    [Fact]
    public async Task Subscription_that_was_given_up_ends_with_its_period()
    {
        await using TacitClient client = await WalletAsync(100);
        await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        Assert.True(await client.Filler.UnsubscribeAsync("pro", Token));
        Assert.False(await client.Filler.UnsubscribeAsync("team", Token));

        await MoveToAsync(s_tomorrow.AddSeconds(-30));
        // The last minute of a chain is left alone: a reply that crosses the deadline could not renew it.
        Assert.Equal(ClientError.WalletEmpty, (await FailsAsync(() => client.Redemption.SendAsync(Prompts.Ask("Late.") with { Plan = "pro" }, Token))).Error);
        await MoveToAsync(s_tomorrow.AddHours(2));
        await client.Refills.RunOnceAsync(Token);
        Assert.Empty((await client.Wallet.GetStatusAsync(Token)).Subscriptions);
        Assert.Equal(90, (await client.Account.GetAsync(Token)).Credits);
    }

    [Fact]
    public async Task Renewal_without_credit_is_told_and_tried_again()
    {
        await using TacitClient client = await WalletAsync(15);
        await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        await MoveToAsync(s_tomorrow.AddHours(1));

        await client.Refills.RunOnceAsync(Token);
        Assert.Contains(client.Notices.Latest, notice => notice.Kind == NoticeKind.LowCredits);
        Assert.Empty((await client.Wallet.GetStatusAsync(Token)).Subscriptions);
        await client.Account.DepositAsync(await _operator.VoucherAsync(10), Token);
        await client.Refills.RunOnceAsync(Token);
        Assert.Equal((1, s_dayAfter), (await client.ChainsAsync()) is var chains ? (chains.Ready, chains.Until) : default);
    }

    [Fact]
    public void Renewals_of_many_wallets_spread_over_the_lead_and_none_waits_for_the_boundary()
    {
        var policy = new WalletPolicy(new FillOptions(), fillAtPrompt: false, WalletPolicyTests.Draws(4));
        DateTimeOffset now = s_tomorrow.AddDays(-4);

        DateTimeOffset[] times = [.. Enumerable.Range(0, 2000).Select(_ => policy.RenewalTime(now, s_tomorrow))];

        Assert.All(times, time => Assert.InRange(time, now, s_tomorrow.AddHours(-11)));
        int[] quarters = [.. times.GroupBy(time => (int)((time - now) / TimeSpan.FromHours(21))).Select(group => group.Count())];
        Assert.Equal(4, quarters.Length);
        Assert.All(quarters, count => Assert.InRange(count, 400, 600));
    }

    [Fact]
    public void Model_that_a_subscription_buys_is_not_kept_filled_besides()
    {
        var policy = new WalletPolicy(new FillOptions(), fillAtPrompt: false);
        Plan other = TestOperator.Chat with { Id = "other", Models = ["another"] };
        Plan[] plans = [TestOperator.Chat, TestOperator.Pro, other];

        Assert.Equal(["chat", "other"], policy.KeptPlans(plans));
        Assert.Equal(["other"], policy.KeptPlans(plans, ["pro"]));
        Assert.Equal(["chat"], new WalletPolicy(new FillOptions { Plans = ["chat"] }, fillAtPrompt: false).KeptPlans(plans, ["pro"]));
    }

    [Fact]
    public async Task Clock_that_jumps_a_month_and_is_put_right_costs_no_chain()
    {
        var clock = new FakeTime(s_start);
        await using TacitClient client = await _operator.WalletAsync(_folder["wallet"], credits: 20, time: clock);
        await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        clock.Jump(TimeSpan.FromDays(30));
        await client.Refills.RunOnceAsync(Token);
        clock.Jump(TimeSpan.FromDays(-30));

        Assert.Equal((1, s_tomorrow), (await client.ChainsAsync()) is var chains ? (chains.Ready, chains.Until) : default);
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Still there?") with { Plan = "pro" }, Token)).Status);
        Assert.Equal(10, (await client.Account.GetAsync(Token)).Credits);
    }

    private static Task<ClientException> FailsAsync(Func<Task> work) => Assert.ThrowsAsync<ClientException>(work);

    /// <summary>Moves the clock, and lets the servers take up what that changes.</summary>
    private async Task MoveToAsync(DateTimeOffset time)
    {
        _time.Advance(time - _time.GetUtcNow());
        await _operator.Issuer.RefreshKeysAsync(Token);
        await _operator.RestartGatewayAsync();
    }

    private Task<TacitClient> WalletAsync(long credits) => _operator.WalletAsync(
        _folder["wallet"], credits, change: options => options with { Fill = options.Fill with { LowWater = 0 } }, time: _time);
}
