using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class IssuanceTests
{
    [Fact]
    public async Task Batch_is_debited_once_and_its_signatures_make_tokens()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 10);
        List<BlindedToken> tokens = await issuer.BlindAsync(7);

        Answer answer = await issuer.SendTwiceAsync(
            HttpMethod.Post, Routes.TokenRequest, account, MediaTypes.GenericBatchRequest, TestIssuer.Batch(tokens));

        IReadOnlyList<BatchTokenResponse?> responses = TestIssuer.ReadBatch(answer);
        Assert.All(tokens.Zip(responses), pair => Assert.True(pair.First.Accepts(pair.Second!.BlindSignature.Span)));
        Assert.Equal(3, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }
}
