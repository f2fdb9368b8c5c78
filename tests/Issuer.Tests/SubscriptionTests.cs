using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class SubscriptionTests
{
    private static readonly DateTimeOffset s_november = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Subscription_is_paid_once_for_all_its_chains_and_one_restart()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 250);
        List<BlindedToken> tokens = await issuer.BlindAsync(4, TestPlans.Monthly);

        IssuanceTests.AssertTokens(tokens[..1], await issuer.RequestAsync(account, tokens[..1]));
        Assert.Equal((150, (1, 2, false)), await HeldAsync(issuer, account));
        IssuanceTests.AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        Assert.Equal((150, (2, 2, false)), await HeldAsync(issuer, account));
        IssuanceTests.AssertTokens(tokens[2..3], await issuer.RequestAsync(account, tokens[2..3]));
        Assert.Equal((150, (2, 2, true)), await HeldAsync(issuer, account));

        TestIssuer.AssertProblem(ProblemTypes.SubscriptionChainsUsed, await issuer.RequestAsync(account, tokens[3..]));
        TestIssuer.AssertProblem(ProblemTypes.SubscriptionChainsUsed, await issuer.RequestAsync(account, tokens));

        // What was signed before is signed again, whatever batch it comes in.
        IssuanceTests.AssertTokens(tokens[..3], await issuer.RequestAsync(account, tokens[..3]));
        Assert.Equal((150, (2, 2, true)), await HeldAsync(issuer, account));
        AccountStatement statement = await issuer.StatementAsync(account);
        AccountEntry entry = Assert.Single(statement.History, line => line.Kind != "voucher");
        Assert.Equal(("subscription", "monthly", 1L, -100L), (entry.Kind, entry.Plan, entry.Count, entry.Credits));
        AccountSubscription held = Assert.Single(statement.Subscriptions!);
        Assert.Equal(("monthly", s_november, s_november.AddMonths(1)), (held.Plan, held.Start, held.Deadline));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task All_chains_can_be_started_in_one_batch_with_tokens_beside_them()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 105);
        List<BlindedToken> tokens = [.. await issuer.BlindAsync(3, TestPlans.Monthly), .. await issuer.BlindAsync(5)];

        Answer answer = await issuer.SendTwiceAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens));

        IssuanceTests.AssertTokens(tokens, answer);
        Assert.Equal((0, (2, 2, true)), await HeldAsync(issuer, account));
        Assert.Equal(8, await issuer.CountIssuedAsync());
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Batch_with_one_chain_too_many_issues_and_costs_nothing()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 1000);
        List<BlindedToken> tokens = [.. await issuer.BlindAsync(2), .. await issuer.BlindAsync(4, TestPlans.Monthly)];

        TestIssuer.AssertProblem(ProblemTypes.SubscriptionChainsUsed, await issuer.RequestAsync(account, tokens));

        Assert.Equal(1000, await issuer.CreditsAsync(account));
        Assert.Equal(0, await issuer.CountIssuedAsync());
        Assert.Empty((await issuer.StatementAsync(account)).Subscriptions!);
        Assert.All(await IssuanceTests.RestoreAsync(issuer, account, tokens), Assert.Null);
    }

    [Fact]
    public async Task Too_few_credits_buy_no_chain()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 102);
        List<BlindedToken> chain = await issuer.BlindAsync(1, TestPlans.Monthly);
        List<BlindedToken> tokens = await issuer.BlindAsync(3);

        TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, await issuer.RequestAsync(account, [.. chain, .. tokens]));
        TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, await issuer.RequestAsync(await issuer.CreateAccountAsync(), chain));

        IssuanceTests.AssertTokens([.. chain, .. tokens[..2]], await issuer.RequestAsync(account, [.. chain, .. tokens[..2]]));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Free_subscription_needs_an_account_that_is_there()
    {
        Plan free = TestPlans.Monthly with { Price = Credits.Zero, Concurrency = 1 };
        await using TestIssuer issuer = await TestIssuer.StartAsync([free]);
        List<BlindedToken> tokens = await issuer.BlindAsync(3, free);
        string account = await issuer.CreateAccountAsync(credits: 1);

        TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, await issuer.RequestAsync(await issuer.CreateAccountAsync(), tokens[..1]));
        IssuanceTests.AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        TestIssuer.AssertProblem(ProblemTypes.SubscriptionChainsUsed, await issuer.RequestAsync(account, tokens[2..]));
        Assert.Equal(1, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Chains_asked_for_at_the_same_time_are_no_more_than_there_are()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 1000);
        List<BlindedToken> tokens = await issuer.BlindAsync(40, TestPlans.Monthly);

        Answer[] answers = await Task.WhenAll(tokens.Select(token => issuer.RequestAsync(account, [token])));

        Assert.Equal(3, answers.Count(answer => answer.Status == 200));
        Assert.All(answers.Where(answer => answer.Status != 200), answer => TestIssuer.AssertProblem(ProblemTypes.SubscriptionChainsUsed, answer));
        Assert.Equal(900, await issuer.CreditsAsync(account));
        Assert.Equal(3, await issuer.CountIssuedAsync());
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Next_periods_chains_are_sold_from_its_lead_on_and_not_a_second_earlier()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 200);
        Period december = Period.Containing(PeriodKind.Month, s_november).Next;
        List<BlindedToken> now = await issuer.BlindAsync(3, TestPlans.Monthly);
        IssuanceTests.AssertTokens(now, await issuer.RequestAsync(account, now));
        issuer.Time.MoveTo(december.IssueFrom.AddSeconds(-1));
        await issuer.Signer.RotateAsync(TestIssuer.Token);
        await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
        SignerKey key = Assert.Single(await issuer.Signer.GetKeysAsync(TestIssuer.Token), key => key.Plans[0].Period == december);
        List<BlindedToken> next = BlindedToken.CreateMany(4, key.Type, key.SubjectPublicKeyInfo, null);

        TestIssuer.AssertProblem(ProblemTypes.TokenKeyUnknown, await issuer.RequestAsync(account, next[..1]));
        issuer.Time.MoveTo(december.IssueFrom);
        IssuanceTests.AssertTokens(next[..3], await issuer.RequestAsync(account, next[..3]));
        TestIssuer.AssertProblem(ProblemTypes.SubscriptionChainsUsed, await issuer.RequestAsync(account, next[3..]));

        Assert.Equal(0, await issuer.CreditsAsync(account));
        Assert.Equal([s_november, december.Start], (await issuer.StatementAsync(account)).Subscriptions!.Select(held => held.Start));
        issuer.Time.MoveTo(december.Start);
        Assert.Equal([december.Start], (await issuer.StatementAsync(account)).Subscriptions!.Select(held => held.Start));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task First_tokens_are_restored_until_the_deadline_and_sold_no_more_after_it()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 200);
        List<BlindedToken> tokens = await issuer.BlindAsync(2, TestPlans.Monthly);
        IssuanceTests.AssertTokens(tokens[..1], await issuer.RequestAsync(account, tokens[..1]));
        DateTimeOffset deadline = s_november.AddMonths(1);

        issuer.Time.MoveTo(deadline.AddSeconds(-1));
        Assert.Equal([true, false], (await IssuanceTests.RestoreAsync(issuer, account, tokens)).Select(answer => answer is not null));
        issuer.Time.MoveTo(deadline);
        Assert.All(await IssuanceTests.RestoreAsync(issuer, account, tokens), Assert.Null);
        TestIssuer.AssertProblem(ProblemTypes.TokenKeyUnknown, await issuer.RequestAsync(account, tokens[..1]));
        TestIssuer.AssertProblem(ProblemTypes.TokenKeyUnknown, await issuer.RequestAsync(account, tokens[1..]));
        Assert.Equal(100, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Signer_that_fails_after_the_debit_loses_nothing()
    {
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly], inner => signer = new FaultySigner(inner));
        string account = await issuer.CreateAccountAsync(credits: 100);
        List<BlindedToken> tokens = await issuer.BlindAsync(1, TestPlans.Monthly);
        signer!.Fault = FaultySigner.Unavailable;
        TestIssuer.AssertProblem(ProblemTypes.SignerUnavailable, await issuer.RequestAsync(account, tokens));
        signer.Fault = null;
        await issuer.RestartAsync();

        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Equal((0, (1, 2, false)), await HeldAsync(issuer, account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Element_that_nobody_can_sign_is_taken_back_with_what_it_bought()
    {
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly], inner => signer = new FaultySigner(inner));
        string account = await issuer.CreateAccountAsync(credits: 100);
        List<BlindedToken> tokens = await issuer.BlindAsync(4, TestPlans.Monthly);
        signer!.Fault = _ => SignResponse.Refused(SignStatus.InvalidBlindedMessage, 0);
        TestIssuer.AssertProblem(ProblemTypes.BlindedMessageInvalid, await issuer.RequestAsync(account, tokens[..1]));
        Assert.Equal(100, await issuer.CreditsAsync(account));
        Assert.Empty((await issuer.StatementAsync(account)).Subscriptions!);
        signer.Fault = null;

        IssuanceTests.AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        signer.Fault = _ => SignResponse.Refused(SignStatus.InvalidBlindedMessage, 0);
        TestIssuer.AssertProblem(ProblemTypes.BlindedMessageInvalid, await issuer.RequestAsync(account, tokens[2..3]));
        signer.Fault = null;
        IssuanceTests.AssertTokens(tokens[3..], await issuer.RequestAsync(account, tokens[3..]));

        Assert.Equal((0, (2, 2, true)), await HeldAsync(issuer, account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Deleted_account_leaves_no_subscription_behind()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 100);
        List<BlindedToken> tokens = await issuer.BlindAsync(1, TestPlans.Monthly);
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));

        Assert.Equal(204, (await issuer.SendAsync(HttpMethod.Delete, Routes.Account, account)).Status);
        Assert.Equal(200, (await issuer.RedeemAsync(account, await issuer.CreateVoucherAsync(100))).Status);

        Assert.Empty((await issuer.StatementAsync(account)).Subscriptions!);
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Plan_that_changes_its_kind_is_not_published_while_tokens_of_it_are_out()
    {
        Plan sold = TestPlans.Chat;
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat], change: options => options with { Plans = [sold] });
        string account = await issuer.CreateAccountAsync(credits: 10);
        List<BlindedToken> tokens = await issuer.BlindAsync(2);
        IssuanceTests.AssertTokens(tokens[..1], await issuer.RequestAsync(account, tokens[..1]));

        sold = TestPlans.Chat with { Kind = PlanKind.Subscription };
        await issuer.RestartAsync();
        IssuerDirectory directory = await issuer.DirectoryAsync();
        Assert.Equal((1L, PlanKind.Request), (directory.Sequence, directory.Plans[0].Plan.Kind));
        TestIssuer.AssertProblem(ProblemTypes.SignerUnavailable, await issuer.RequestAsync(account, tokens[1..]));

        sold = TestPlans.Chat;
        await issuer.RestartAsync();
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
    }

    [Fact]
    public async Task Rows_are_dropped_with_their_key_and_not_for_a_clock_that_jumped()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Monthly]);
        string account = await issuer.CreateAccountAsync(credits: 200);
        List<BlindedToken> tokens = await issuer.BlindAsync(2, TestPlans.Monthly);
        IssuanceTests.AssertTokens(tokens[..1], await issuer.RequestAsync(account, tokens[..1]));

        issuer.Time.Advance(TimeSpan.FromDays(365));
        await issuer.RestartAsync();
        issuer.Time.MoveTo(TestIssuer.Start);
        await issuer.RestartAsync();
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Equal(100, await issuer.CreditsAsync(account));

        issuer.Time.MoveTo(new DateTimeOffset(2026, 12, 8, 0, 0, 0, TimeSpan.Zero));
        await issuer.RestartAsync();
        await TestIssuer.WaitForAsync(async () =>
        {
            issuer.Time.Advance(TimeSpan.FromHours(1));
            return await issuer.CountIssuedAsync() == 0;
        });
        await issuer.StopAsync();
        await using Database database = await issuer.Database.OpenAsync(
            Path.Combine(issuer.Folder.Data, IssuerOptions.DatabaseName), IssuerSchema.Migrations, issuer.Time);
        Assert.Equal(0, await database.ReadAsync(session => session.QueryInt64("SELECT COUNT(*) FROM subscription") ?? -1, TestIssuer.Token));
    }

    private static async Task<(long Credits, (int Chains, int Concurrency, bool RestartUsed) Held)> HeldAsync(TestIssuer issuer, string account)
    {
        AccountStatement statement = await issuer.StatementAsync(account);
        AccountSubscription held = Assert.Single(statement.Subscriptions!);
        return (statement.Credits, (held.Chains, held.Concurrency, held.RestartUsed));
    }
}
