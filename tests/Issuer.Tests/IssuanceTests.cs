using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class IssuanceTests
{
    [Fact]
    public async Task Batch_is_debited_once_and_its_signatures_make_tokens()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 10);
        List<BlindedToken> tokens = await issuer.BlindAsync(7);

        Answer answer = await issuer.SendTwiceAsync(
            HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens));

        AssertTokens(tokens, answer);
        Assert.Equal(3, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Single_request_follows_the_rfc()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 1);
        BlindedToken token = (await issuer.BlindAsync(1))[0];
        Answer answer = await issuer.SendTwiceAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.TokenRequest, token.Request.Encode());
        Assert.Equal(200, answer.Status);
        Assert.Equal(MediaTypes.TokenResponse, answer.ContentType);
        Assert.True(token.Accepts(answer.Body));
        Assert.Equal(0, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Batches_split_and_combined_pay_each_element_once()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 8);
        List<BlindedToken> tokens = await issuer.BlindAsync(8);
        AssertTokens(tokens[..3], await issuer.RequestAsync(account, tokens[..3]));
        AssertTokens(tokens[2..6], await issuer.RequestAsync(account, tokens[2..6]));
        List<BlindedToken> reversed = [.. Enumerable.Reverse(tokens)];
        AssertTokens(reversed, await issuer.RequestAsync(account, reversed));
        Answer single = await issuer.SendAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.TokenRequest, tokens[4].Request.Encode());
        Assert.True(tokens[4].Accepts(single.Body));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Element_of_another_account_is_paid_for_again()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string first = await issuer.CreateAccountAsync(credits: 1);
        string second = await issuer.CreateAccountAsync(credits: 1);
        List<BlindedToken> tokens = await issuer.BlindAsync(1);
        AssertTokens(tokens, await issuer.RequestAsync(first, tokens));
        AssertTokens(tokens, await issuer.RequestAsync(second, tokens));
        Assert.Equal(0, await issuer.CreditsAsync(second));
    }

    [Fact]
    public async Task Too_few_credits_change_nothing()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 4);
        List<BlindedToken> tokens = await issuer.BlindAsync(6);
        AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));

        // Two of the six are paid for; the other four cost more than the two credits left.
        Answer refused = await issuer.SendTwiceAsync(
            HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens));
        TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, refused);
        Assert.Equal(2, await issuer.CreditsAsync(account));
        Assert.Equal([true, true, false, false, false, false], (await RestoreAsync(issuer, account, tokens)).Select(answer => answer is not null));

        AssertTokens(tokens[..4], await issuer.RequestAsync(account, tokens[..4]));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Last_credit_is_spent_once_by_a_hundred_at_the_same_time()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 1);
        List<BlindedToken> tokens = await issuer.BlindAsync(100);
        Answer[] answers = await Task.WhenAll(tokens.Select(token => issuer.RequestAsync(account, [token])));
        Assert.Single(answers, answer => answer.Status == 200);
        Assert.All(answers.Where(answer => answer.Status != 200), answer => TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, answer));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        Assert.Single(await RestoreAsync(issuer, account, tokens), answer => answer is not null);
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Same_element_by_a_hundred_at_the_same_time_is_paid_once()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { RestoreBurst = 100 });
        string account = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> tokens = await issuer.BlindAsync(2);
        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => issuer.RequestAsync(account, tokens[..(1 + (i % 2))])));
        Assert.All(answers, answer => Assert.Equal(200, answer.Status));
        Assert.Equal(3, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Plans_of_both_token_types_share_a_batch_and_are_priced_each()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Large]);
        string account = await issuer.CreateAccountAsync(credits: 20);
        List<BlindedToken> tokens =
            [.. await issuer.BlindAsync(2), .. await issuer.BlindAsync(3, TestPlans.Large), .. await issuer.BlindAsync(1)];
        Answer answer = await issuer.SendTwiceAsync(
            HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens));
        AssertTokens(tokens, answer);
        Assert.Equal(20 - 3 - (3 * 4), await issuer.CreditsAsync(account));

        BlindedToken single = (await issuer.BlindAsync(1, TestPlans.Large))[0];
        Answer extended = await issuer.SendTwiceAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.TokenRequest, single.Request.Encode());
        Assert.True(single.Accepts(extended.Body));
        Assert.Equal(1, await issuer.CreditsAsync(account));
        Assert.Equal(
            [("tokens", "chat", 3L, -3L), ("tokens", "chat-large", 4L, -16L)],
            (await issuer.StatementAsync(account)).History.Where(entry => entry.Plan is not null).Select(entry => (entry.Kind, entry.Plan!, entry.Count, entry.Credits)));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Thousand_tokens_come_in_one_request()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 1000);
        List<BlindedToken> tokens = await issuer.BlindAsync(1000);
        AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Equal(0, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Free_plan_serves_accounts_that_were_never_credited()
    {
        Plan free = TestPlans.Chat with { Id = "free", Price = new Credits(0) };
        await using TestIssuer issuer = await TestIssuer.StartAsync([free]);
        string account = await issuer.CreateAccountAsync();
        List<BlindedToken> tokens = await issuer.BlindAsync(100, free);
        AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Equal(0, (await issuer.Server.AuditAsync(TestIssuer.Token)).Accounts);
    }

    [Fact]
    public async Task Keys_issue_to_the_second_of_their_deadline_and_what_was_paid_is_signed_on()
    {
        var time = new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero);
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 10);
        List<BlindedToken> tokens = await issuer.BlindAsync(3);
        issuer.Time.MoveTo(time - TimeSpan.FromSeconds(1));
        AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        issuer.Time.Advance(TimeSpan.FromSeconds(1));
        await issuer.Signer.RotateAsync(TestIssuer.Token);
        TestIssuer.AssertProblem(ProblemTypes.PlanNotLive, await issuer.RequestAsync(account, tokens));
        AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        Assert.Equal(8, await issuer.CreditsAsync(account));

        // Until the grace is over.
        issuer.Time.MoveTo(time.AddDays(7) - TimeSpan.FromSeconds(1));
        AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        issuer.Time.Advance(TimeSpan.FromSeconds(1));
        TestIssuer.AssertProblem(ProblemTypes.TokenKeyUnknown, await issuer.RequestAsync(account, tokens[..2]));
        Assert.Equal(8, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Rows_of_a_retired_key_are_dropped_a_day_later_and_not_for_a_clock_that_jumped()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 10);
        List<BlindedToken> tokens = await issuer.BlindAsync(5);
        AssertTokens(tokens, await issuer.RequestAsync(account, tokens));

        // A year ahead and back, with a restart in between: still there.
        issuer.Time.Advance(TimeSpan.FromDays(365));
        await issuer.RestartAsync();
        issuer.Time.MoveTo(TestIssuer.Start);
        await issuer.RestartAsync();
        Assert.All(await RestoreAsync(issuer, account, tokens), Assert.NotNull);
        Assert.Equal(5, await issuer.CountIssuedAsync());

        issuer.Time.MoveTo(new DateTimeOffset(2026, 12, 8, 0, 0, 0, TimeSpan.Zero));
        await issuer.RestartAsync();
        issuer.Time.Advance(TimeSpan.FromHours(23));
        Assert.Equal(5, await issuer.CountIssuedAsync());
        await TestIssuer.WaitForAsync(async () =>
        {
            issuer.Time.Advance(TimeSpan.FromHours(1));
            return await issuer.CountIssuedAsync() == 0;
        });
        Assert.Equal(5, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Answers_of_money_calls_are_not_kept_by_anyone_on_the_way()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 1);
        Answer[] answers =
        [
            await issuer.SendAsync(HttpMethod.Post, "/account", null), await issuer.SendAsync(HttpMethod.Get, "/account", account),
            await issuer.RequestAsync(account, await issuer.BlindAsync(1)), await issuer.RequestAsync(account, await issuer.BlindAsync(1)),
        ];
        Assert.All(answers, answer => Assert.True(answer.Headers.CacheControl!.NoStore));
    }

    internal static void AssertTokens(IReadOnlyList<BlindedToken> tokens, Answer answer)
    {
        IReadOnlyList<BatchTokenResponse?> responses = TestIssuer.ReadBatch(answer);
        Assert.Equal(tokens.Count, responses.Count);
        for (int i = 0; i < tokens.Count; i++)
        {
            Assert.Equal(tokens[i].Request.Type, responses[i]!.Type);
            Assert.True(tokens[i].Accepts(responses[i]!.BlindSignature.Span));
        }
    }

    internal static async Task<IReadOnlyList<BatchTokenResponse?>> RestoreAsync(TestIssuer issuer, string account, IEnumerable<BlindedToken> tokens) =>
        TestIssuer.ReadBatch(await issuer.SendTwiceAsync(
            HttpMethod.Post, Routes.TokenRestore, account, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens)));
}
