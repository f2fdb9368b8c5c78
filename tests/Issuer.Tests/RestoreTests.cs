using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class RestoreTests
{
    [Fact]
    public async Task Restore_gives_back_what_was_issued_to_this_account_and_nothing_else()
    {
        FaultySigner? signer = null;
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Large], inner => signer = new FaultySigner(inner));
        string account = await issuer.CreateAccountAsync(credits: 100);
        List<BlindedToken> issued = [.. await issuer.BlindAsync(3), .. await issuer.BlindAsync(2, TestPlans.Large)];
        List<BlindedToken> never = [.. await issuer.BlindAsync(2), .. await issuer.BlindAsync(1, TestPlans.Large)];
        Answer first = await issuer.RequestAsync(account, issued);
        IssuanceTests.AssertTokens(issued, first);
        long credits = await issuer.CreditsAsync(account);

        int before = signer!.Requests;
        Assert.Equal([null, null, null], await IssuanceTests.RestoreAsync(issuer, account, never));
        Assert.Equal(before, signer.Requests);

        List<BlindedToken> mixed = [never[0], .. issued, never[1], never[2]];
        IReadOnlyList<BatchTokenResponse?> restored = await IssuanceTests.RestoreAsync(issuer, account, mixed);
        Assert.Equal(mixed.Select(issued.Contains), restored.Select(response => response is not null));
        Assert.All(mixed.Zip(restored).Where(pair => pair.Second is not null), pair => Assert.True(pair.First.Accepts(pair.Second!.BlindSignature.Span)));
        Assert.Equal(credits, await issuer.CreditsAsync(account));

        // Not for another account, whatever it has.
        string other = await issuer.CreateAccountAsync(credits: 100);
        Assert.All(await IssuanceTests.RestoreAsync(issuer, other, issued), Assert.Null);
        Assert.Equal(100, await issuer.CreditsAsync(other));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Restore_of_one_that_was_never_issued_is_a_problem()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 5);
        BlindedToken token = (await issuer.BlindAsync(1))[0];
        TestIssuer.AssertProblem(ProblemTypes.NothingToRestore, await issuer.SendTwiceAsync(
            HttpMethod.Post, Routes.TokenRestore, account, MediaTypes.TokenRequest, token.Request.Encode()));
        await issuer.SendAsync(HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.TokenRequest, token.Request.Encode());
        Answer restored = await issuer.SendTwiceAsync(HttpMethod.Post, Routes.TokenRestore, account, MediaTypes.TokenRequest, token.Request.Encode());
        Assert.True(token.Accepts(restored.Body));
        Assert.Equal(4, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Keys_and_elements_that_nobody_knows_are_absent_and_no_error()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> tokens = await issuer.BlindAsync(1);
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        byte keyId = tokens[0].Request.TruncatedKeyId;
        byte[] element = tokens[0].Request.BlindedMessage.ToArray();
        byte[] extensions = new PlanMetadata("chat", new DateTimeOffset(2026, 12, 1, 0, 0, 0, TimeSpan.Zero)).EncodeExtensions();
        byte[] body = GenericBatchRequest.Create(
        [
            TokenRequest.Create(TokenType.BlindRsa, (byte)(keyId ^ 1), Changed(element, 1)),
            TokenRequest.Create(TokenType.PartiallyBlindRsa, keyId, Changed(element, 2), extensions),
            TokenRequest.Create(TokenType.BlindRsa, keyId, new byte[256]),
            tokens[0].Request,
        ]).Encode();
        Answer answer = await issuer.SendTwiceAsync(HttpMethod.Post, Routes.TokenRestore, account, MediaTypes.GenericBatchRequest, body);
        Assert.Equal([false, false, false, true], TestIssuer.ReadBatch(answer).Select(response => response is not null));
    }

    [Fact]
    public async Task Asking_again_for_what_was_paid_is_limited_by_account_and_loses_nothing()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { RestoreBurst = 3 });
        string account = await issuer.CreateAccountAsync(credits: 3);
        List<BlindedToken> tokens = await issuer.BlindAsync(3);
        IssuanceTests.AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        for (int i = 0; i < 3; i++)
        {
            IssuanceTests.AssertTokens(tokens[..2], await issuer.RequestAsync(account, tokens[..2]));
        }

        // A new element among them does not buy the others another signature.
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RequestAsync(account, tokens));
        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RequestAsync(account, tokens, Routes.TokenRestore));
        issuer.Time.Advance(TimeSpan.FromSeconds(2));
        IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
        Assert.Equal(0, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Strangers_do_not_use_up_what_accounts_may_restore()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { RestoreBurst = 1 });
        List<BlindedToken> tokens = await issuer.BlindAsync(1);
        string stranger = await issuer.CreateAccountAsync();
        for (int i = 0; i < 3; i++)
        {
            TestIssuer.AssertProblem(ProblemTypes.NothingToRestore, await issuer.SendAsync(
                HttpMethod.Post, Routes.TokenRestore, stranger, MediaTypes.TokenRequest, tokens[0].Request.Encode()));
        }
    }

    [Fact]
    public async Task Restoring_is_limited_by_account_and_goes_on_later()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { RestoreBurst = 3 });
        string account = await issuer.CreateAccountAsync(credits: 5);
        string other = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> tokens = await issuer.BlindAsync(1);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(200, (await issuer.RequestAsync(account, tokens, Routes.TokenRestore)).Status);
        }

        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RequestAsync(account, tokens, Routes.TokenRestore));
        Assert.Equal(200, (await issuer.RequestAsync(other, tokens, Routes.TokenRestore)).Status);
        Assert.Equal(200, (await issuer.RequestAsync(account, tokens)).Status);
        issuer.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(200, (await issuer.RequestAsync(account, tokens, Routes.TokenRestore)).Status);
    }

    private static byte[] Changed(byte[] element, byte by)
    {
        byte[] changed = [.. element];
        changed[^1] ^= by;
        return changed;
    }
}
