using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class FaultTests
{
    public static TheoryData<string, Func<SignRequest, SignResponse?>, string> Faults => new()
    {
        { "cut off", FaultySigner.Unavailable, ProblemTypes.SignerUnavailable },
        { "busy", _ => SignResponse.Refused(SignStatus.Busy), ProblemTypes.Busy },
        { "fault", _ => SignResponse.Refused(SignStatus.Failed), ProblemTypes.InternalError },
        { "behind", _ => SignResponse.Refused(SignStatus.PlanNotLive), ProblemTypes.SignerUnavailable },
        { "replaced", _ => SignResponse.Refused(SignStatus.UnknownKey), ProblemTypes.SignerUnavailable },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task Failure_after_the_debit_is_completed_by_a_repetition(string name, Func<SignRequest, SignResponse?> fault, string problem)
    {
        Assert.NotEmpty(name);
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync(wrap: inner => signer = new FaultySigner(inner));
        string account = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> tokens = await issuer.BlindAsync(5);
        signer!.Fault = fault;
        Answer failed = await issuer.SendTwiceAsync(
            HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens));
        TestIssuer.AssertProblem(problem, failed);
        Assert.Equal(0, await issuer.CreditsAsync(account));
        TestIssuer.AssertProblem(problem, await issuer.RequestAsync(account, tokens, Routes.TokenRestore));

        signer.Fault = null;
        IssuanceTests.AssertTokens(tokens[3..], await issuer.RequestAsync(account, tokens[3..]));
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Tokens_paid_for_are_signed_though_the_signer_sells_their_plan_no_more()
    {
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync(wrap: inner => signer = new FaultySigner(inner));
        string account = await issuer.CreateAccountAsync(credits: 2);
        List<BlindedToken> tokens = await issuer.BlindAsync(2);

        // What a signer says whose operator took the plan off the list before the issuer's did.
        signer!.Fault = request => request.Purpose == SigningPurpose.Issuance ? SignResponse.Refused(SignStatus.PlanNotLive) : null;
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Issuer_that_died_between_debit_and_signature_completes_after_its_restart()
    {
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync(wrap: inner => signer = new FaultySigner(inner));
        string account = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> tokens = await issuer.BlindAsync(5);
        signer!.Fault = FaultySigner.Unavailable;
        TestIssuer.AssertProblem(ProblemTypes.SignerUnavailable, await issuer.RequestAsync(account, tokens));
        await issuer.RestartAsync();
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens, Routes.TokenRestore));
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Element_that_cannot_be_signed_is_refunded_once_and_the_others_stay_paid()
    {
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync(wrap: inner => signer = new FaultySigner(inner));
        string account = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> tokens = await issuer.BlindAsync(3);
        signer!.Fault = request => request.BlindedMessages.ToList().FindIndex(message => message.Span.SequenceEqual(tokens[1].Request.BlindedMessage.Span)) is >= 0 and int at
            ? SignResponse.Refused(SignStatus.InvalidBlindedMessage, at)
            : null;

        // However often it comes: in the end the two good ones are paid for and the bad one is not.
        for (int i = 0; i < 3; i++)
        {
            TestIssuer.AssertProblem(ProblemTypes.BlindedMessageInvalid, await issuer.RequestAsync(account, tokens));
            Assert.Equal(3, await issuer.CreditsAsync(account));
        }

        IssuanceTests.AssertTokens([tokens[0], tokens[2]], await issuer.RequestAsync(account, [tokens[0], tokens[2]]));
        Assert.Equal(3, await issuer.CreditsAsync(account));
        AccountStatement statement = await issuer.StatementAsync(account);
        Assert.Contains(statement.History, entry => entry is { Kind: "refund", Count: 3, Credits: 3, Plan: "chat" });
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Issuer_starts_without_its_signer_and_serves_what_it_published_before()
    {
        bool isAway = false;
        await using TestIssuer issuer = await TestIssuer.StartAsync(wrap: inner => new AwaySigner(inner, () => isAway));
        string account = await issuer.CreateAccountAsync(credits: 1);
        List<BlindedToken> tokens = await issuer.BlindAsync(1);
        IssuerDirectory before = await issuer.DirectoryAsync();
        isAway = true;
        await issuer.RestartAsync();
        Assert.Equal(before.Sequence, (await issuer.DirectoryAsync()).Sequence);
        TestIssuer.AssertProblem(ProblemTypes.SignerUnavailable, await issuer.RequestAsync(account, tokens));
        Assert.Equal(1, await issuer.CreditsAsync(account));
        Assert.NotNull((await issuer.Server.GetStatusAsync(TestIssuer.Token)).Fault);

        isAway = false;
        await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Null((await issuer.Server.GetStatusAsync(TestIssuer.Token)).Fault);
    }

    [Fact]
    public async Task Wrong_passphrase_or_name_stops_the_start_with_what_to_do()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await issuer.StopAsync();
        Hosting.SecretReference other = issuer.Folder.Secret("other", "fedcba9876543210fedcba9876543210");
        var options = new IssuerOptions { DataDirectory = issuer.Folder.Data, IssuerName = "issuer.test", Plans = issuer.Plans, KeyFile = other };
        Hosting.KeyProtection.KeyProtectionException wrong = await Assert.ThrowsAsync<Hosting.KeyProtection.KeyProtectionException>(() => StartAsync(options));
        Assert.Equal(Hosting.KeyProtection.KeyProtectionError.WrongSecret, wrong.Error);
        Hosting.KeyProtection.KeyProtectionException missing =
            await Assert.ThrowsAsync<Hosting.KeyProtection.KeyProtectionException>(() => StartAsync(options with { KeyFile = null }));
        Assert.Equal(Hosting.KeyProtection.KeyProtectionError.Missing, missing.Error);
        Hosting.SettingsException unnamed = await Assert.ThrowsAsync<Hosting.SettingsException>(() => StartAsync(options with { IssuerName = "", Plans = [] }));
        Assert.Equal([nameof(IssuerOptions.IssuerName), nameof(IssuerOptions.Plans)], unnamed.Problems.Select(problem => problem.Key));

        // Nothing was lost by trying.
        await issuer.StartAsync();
        Assert.Equal(1, (await issuer.DirectoryAsync()).Sequence);

        Task<IssuerServer> StartAsync(IssuerOptions wrongOptions) => IssuerServer.StartAsync(
            wrongOptions, new FaultySigner(issuer.Signer), issuer.Time, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, TestIssuer.Token);
    }

    private sealed class AwaySigner(ISigner inner, Func<bool> isAway) : ISigner
    {
        public ValueTask<IReadOnlyList<SignerKey>> GetKeysAsync(CancellationToken cancellationToken) =>
            isAway() ? throw new SignerUnavailableException("away") : inner.GetKeysAsync(cancellationToken);

        public ValueTask<SignResponse> SignAsync(SignRequest request, CancellationToken cancellationToken) =>
            isAway() ? throw new SignerUnavailableException("away") : inner.SignAsync(request, cancellationToken);
    }
}
