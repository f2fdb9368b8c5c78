using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class PseudonymTests
{
    private const string Gateway = "gateway.test";

    private static PseudonymOffer Offer(PseudonymPolicy policy = PseudonymPolicy.Both, PeriodKind period = PeriodKind.Month) =>
        new() { Gateway = Gateway, Policy = policy, Period = period };

    [Fact]
    public async Task Directory_without_a_policy_says_nothing_of_pseudonyms()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer(PseudonymPolicy.None)]);
        IssuerDirectory directory = await issuer.DirectoryAsync();
        Assert.Empty(directory.Pseudonyms);
        Assert.Single(directory.TokenKeys);
    }

    [Fact]
    public async Task Directory_lists_separate_keys_of_each_kind_behind_those_of_the_plans()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer()]);
        IssuerDirectory directory = await issuer.DirectoryAsync();
        DirectoryPseudonyms pseudonyms = directory.FindPseudonyms(Gateway)!;
        Assert.Equal([PseudonymKind.Transient, PseudonymKind.Permanent, PseudonymKind.TransientRotated], pseudonyms.Keys.Select(key => key.Kind).Order());
        Assert.Equal(4, directory.TokenKeys.Select(key => key.TruncatedKeyId).Distinct().Count());
        Assert.Equal(directory.Plans[0].Keys[0].TokenKeyId, directory.TokenKeys[0].TokenKeyId);
        Assert.Equal(new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero), pseudonyms.Find(PseudonymKind.Transient, issuer.Time.GetUtcNow())!.Deadline);
    }

    [Theory]
    [InlineData(PseudonymKind.Transient)]
    [InlineData(PseudonymKind.Permanent)]
    [InlineData(PseudonymKind.TransientRotated)]
    public async Task Account_gets_one_element_signed_again_and_again_and_never_a_second(PseudonymKind kind)
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer()]);
        string account = await issuer.CreateAccountAsync(5);
        using BlindedToken first = await BlindAsync(issuer, kind);
        using BlindedToken second = await BlindAsync(issuer, kind);

        Answer answer = await AskAsync(issuer, account, first);
        Assert.Equal(200, answer.Status);
        Assert.True(first.Accepts(answer.Body));
        TestIssuer.AssertProblem(ProblemTypes.PseudonymIssued, await AskAsync(issuer, account, second));
        await issuer.RestartAsync();
        Assert.Equal(answer.Body, (await AskAsync(issuer, account, first)).Body);
        TestIssuer.AssertProblem(ProblemTypes.PseudonymIssued, await AskAsync(issuer, account, second));
        Assert.Equal(5, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Racing_elements_of_one_account_get_one_signature()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer()]);
        string account = await issuer.CreateAccountAsync(1);
        BlindedToken[] elements = await Task.WhenAll(Enumerable.Range(0, 12).Select(_ => BlindAsync(issuer, PseudonymKind.Permanent)));
        Answer[] answers = await Task.WhenAll(elements.Select(element => AskAsync(issuer, account, element)));
        Assert.Single(answers, answer => answer.Status == 200);
        Assert.All(answers.Where(answer => answer.Status != 200), answer => TestIssuer.AssertProblem(ProblemTypes.PseudonymIssued, answer));
    }

    [Theory]
    [InlineData(9, true, false)]
    [InlineData(10, true, true)]
    [InlineData(1000, false, false)]
    public async Task Only_accounts_that_paid_enough_get_one(long deposited, bool vouchersCount, bool granted)
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(
            pseudonyms: [Offer()], change: options => options with { PseudonymMinimum = 10, PseudonymVouchersCount = vouchersCount });
        string account = await issuer.CreateAccountAsync(deposited);
        using BlindedToken element = await BlindAsync(issuer, PseudonymKind.Transient);
        Answer answer = await AskAsync(issuer, account, element);
        if (granted)
        {
            Assert.Equal(200, answer.Status);
        }
        else
        {
            TestIssuer.AssertProblem(ProblemTypes.PseudonymUnpaid, answer);
        }

        TestIssuer.AssertProblem(ProblemTypes.PseudonymUnpaid, await AskAsync(issuer, await issuer.CreateAccountAsync(), element));
    }

    [Fact]
    public async Task What_was_paid_counts_also_once_it_is_spent()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer()], change: options => options with { PseudonymMinimum = 3 });
        string account = await issuer.CreateAccountAsync(3);
        Assert.Equal(200, (await issuer.RequestAsync(account, await issuer.BlindAsync(3))).Status);
        Assert.Equal(0, await issuer.CreditsAsync(account));
        using BlindedToken element = await BlindAsync(issuer, PseudonymKind.Transient);
        Assert.Equal(200, (await AskAsync(issuer, account, element)).Status);
    }

    [Fact]
    public async Task Keys_of_plans_and_of_pseudonyms_never_sign_for_each_other()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer()]);
        string account = await issuer.CreateAccountAsync(5);
        PseudonymKey key = (await issuer.DirectoryAsync()).Pseudonyms[0].Keys.First(key => key.Kind == PseudonymKind.Transient);
        using BlindedToken pseudonym = await BlindAsync(issuer, key);
        List<BlindedToken> tokens = await issuer.BlindAsync(1);
        TestIssuer.AssertProblem(ProblemTypes.TokenKeyUnknown, await issuer.RequestAsync(account, [pseudonym]));
        TestIssuer.AssertProblem(ProblemTypes.TokenKeyUnknown, await AskAsync(issuer, account, tokens[0]));

        IssuerDirectory directory = await issuer.DirectoryAsync();
        foreach (SigningPurpose purpose in Enum.GetValues<SigningPurpose>())
        {
            Assert.Equal(purpose == SigningPurpose.Pseudonym, await SignAsync(key.TokenKeyId, pseudonym, purpose));
        }

        Assert.False(await SignAsync(directory.Plans[0].Keys[0].TokenKeyId, tokens[0], SigningPurpose.Pseudonym));
        Assert.Equal(5, await issuer.CreditsAsync(account));

        async Task<bool> SignAsync(byte[] keyId, BlindedToken element, SigningPurpose purpose) => (await issuer.Signer.SignAsync(
            new SignRequest { TokenKeyId = keyId, BlindedMessages = [element.Request.BlindedMessage], Purpose = purpose }, TestIssuer.Token)).Status == SignStatus.Success;
    }

    [Fact]
    public async Task Transient_keys_follow_the_epochs_and_the_permanent_one_stays()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer(period: PeriodKind.Week)]);
        string account = await issuer.CreateAccountAsync(1);
        DirectoryPseudonyms before = (await issuer.DirectoryAsync()).Pseudonyms[0];
        using BlindedToken old = await BlindAsync(issuer, PseudonymKind.Transient);
        Assert.Equal(200, (await AskAsync(issuer, account, old)).Status);

        // Ahead of the next epoch its keys issue already, so that wallets need not all come at midnight.
        issuer.Time.MoveTo(new DateTimeOffset(2026, 11, 22, 23, 30, 0, TimeSpan.Zero));
        await issuer.Signer.RotateAsync(TestIssuer.Token);
        await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
        DirectoryPseudonyms edge = (await issuer.DirectoryAsync()).Pseudonyms[0];
        Assert.Equal(5, edge.Keys.Count);
        PseudonymKey next = edge.Keys.Single(key => key.Kind == PseudonymKind.Transient && key.Epoch!.Value.Start > issuer.Time.GetUtcNow());
        Assert.True(next.IssuesAt(issuer.Time.GetUtcNow()));
        Assert.False(next.IsTakenAt(issuer.Time.GetUtcNow()));
        using BlindedToken ahead = await BlindAsync(issuer, next);
        Assert.Equal(200, (await AskAsync(issuer, account, ahead)).Status);

        issuer.Time.MoveTo(new DateTimeOffset(2026, 11, 23, 0, 0, 0, TimeSpan.Zero));
        DirectoryPseudonyms after = (await issuer.DirectoryAsync()).Pseudonyms[0];
        Assert.Equal(3, after.Keys.Count);
        Assert.Equal(next, after.Find(PseudonymKind.Transient, issuer.Time.GetUtcNow()));
        Assert.Equal(before.Find(PseudonymKind.Permanent, issuer.Time.GetUtcNow()), after.Find(PseudonymKind.Permanent, issuer.Time.GetUtcNow()));
        TestIssuer.AssertProblem(ProblemTypes.TokenKeyUnknown, await AskAsync(issuer, account, old));
    }

    [Fact]
    public async Task Permanent_key_outlives_the_policy()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer()]);
        byte[] before = KeyId(await issuer.DirectoryAsync());
        issuer.Pseudonyms = [];
        await issuer.RestartAsync();
        Assert.Empty((await issuer.DirectoryAsync()).Pseudonyms);
        issuer.Pseudonyms = [Offer()];
        await issuer.RestartAsync();
        Assert.Equal(before, KeyId(await issuer.DirectoryAsync()));

        static byte[] KeyId(IssuerDirectory directory) => directory.Pseudonyms[0].Keys.Single(key => key.Kind == PseudonymKind.Permanent).TokenKeyId;
    }

    [Fact]
    public async Task Malformed_requests_get_their_problem()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(pseudonyms: [Offer()]);
        string account = await issuer.CreateAccountAsync(1);
        using BlindedToken element = await BlindAsync(issuer, PseudonymKind.Permanent);
        byte[] request = element.Request.Encode();
        TestIssuer.AssertProblem(ProblemTypes.AccountKeyRequired, await SendAsync(null, MediaTypes.TokenRequest, request));
        TestIssuer.AssertProblem(ProblemTypes.UnsupportedMediaType, await SendAsync(account, MediaTypes.Json, request));
        TestIssuer.AssertProblem(ProblemTypes.RequestMalformed, await SendAsync(account, MediaTypes.TokenRequest, request[..^1]));
        TestIssuer.AssertProblem(ProblemTypes.RequestTooLarge, await SendAsync(account, MediaTypes.TokenRequest, new byte[100_000]));
        byte[] zero = [.. request[..3], .. new byte[256]];
        TestIssuer.AssertProblem(ProblemTypes.BlindedMessageInvalid, await SendAsync(account, MediaTypes.TokenRequest, zero));
        Assert.Equal(200, (await SendAsync(account, MediaTypes.TokenRequest, request)).Status);

        Task<Answer> SendAsync(string? key, string type, byte[] body) => issuer.SendAsync(HttpMethod.Post, Routes.PseudonymRequest, key, type, body);
    }

    private static async Task<BlindedToken> BlindAsync(TestIssuer issuer, PseudonymKind kind) =>
        await BlindAsync(issuer, (await issuer.DirectoryAsync()).Pseudonyms[0].Keys.First(key => key.Kind == kind));

    private static async Task<BlindedToken> BlindAsync(TestIssuer issuer, PseudonymKey key) =>
        BlindedToken.Create(TokenType.BlindRsa, (await issuer.DirectoryAsync()).FindTokenKey(key.TokenKeyId)!.SubjectPublicKeyInfo, null);

    private static Task<Answer> AskAsync(TestIssuer issuer, string account, BlindedToken element) =>
        issuer.SendAsync(HttpMethod.Post, Routes.PseudonymRequest, account, MediaTypes.TokenRequest, element.Request.Encode());
}
