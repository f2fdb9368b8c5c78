using Tacit.Crypto;

namespace Tacit.Protocol.Tests;

public sealed class TokenBatchTests
{
    [Fact]
    public void Tokens_are_checked_together_with_the_salt_of_their_issuance()
    {
        using TestKey issuer = TestKey.Create(TokenType.PartiallyBlindRsa);
        SaltedToken[] tokens = [.. Enumerable.Range(0, 5).Select(i => Issue(issuer, i))];
        byte[] other = tokens[1].Token.Encode();
        other[5] ^= 1;
        byte[] ofAnotherKey = tokens[2].Token.Encode();
        ofAnotherKey[70] ^= 1;
        tokens[1] = tokens[1] with { Token = Parse(other) };
        tokens[2] = tokens[2] with { Token = Parse(ofAnotherKey) };
        tokens[3] = tokens[3] with { Salt = tokens[4].Salt };
        BatchVerdict[] verdicts = new BatchVerdict[tokens.Length];

        new TokenBatchVerifier(issuer.Key).Verify(tokens, verdicts);

        Assert.Equal([BatchVerdict.Valid, BatchVerdict.Invalid, BatchVerdict.Invalid, BatchVerdict.ValidWithOtherSalt, BatchVerdict.Valid], verdicts);
        Assert.Equal(verdicts.Select(verdict => verdict != BatchVerdict.Invalid), tokens.Select(token => issuer.Key.Verify(token.Token)));
    }

    [Theory]
    [InlineData(TokenType.BlindRsa)]
    [InlineData(TokenType.PartiallyBlindRsa)]
    public void Negated_authenticator_is_one_only_where_batches_cannot_tell(TokenType type)
    {
        using TestKey issuer = TestKey.Create(type);
        byte[] token = Issue(issuer, 0).Token.Encode();
        ReadOnlySpan<byte> n = issuer.SubjectPublicKeyInfo.AsSpan()[^261..^5]; // followed by the exponent: 02 03 01 00 01
        int borrow = 0;
        for (int i = 255; i >= 0; i--)
        {
            int difference = n[i] - token[98 + i] - borrow;
            borrow = difference < 0 ? 1 : 0;
            token[98 + i] = (byte)(difference & 0xff);
        }

        Assert.Equal(type == TokenType.PartiallyBlindRsa, issuer.Key.Verify(Parse(token)));
    }

    [Fact]
    public void Keys_of_the_other_type_make_no_batches()
    {
        using TestKey issuer = TestKey.Create(TokenType.BlindRsa);
        Assert.Throws<ArgumentException>(() => new TokenBatchVerifier(issuer.Key));
    }

    private static Token Parse(byte[] encoded) => Token.TryParse(encoded, out Token? token) ? token : throw new ArgumentException("No token.", nameof(encoded));

    private static SaltedToken Issue(TestKey issuer, long index)
    {
        using WalletSeed seed = WalletSeed.Create();
        byte[] digest = TokenChallenge.ForGateway(issuer.Key.Type, "issuer.example", "gateway.example").Digest();
        using TokenIssuance issuance = TokenIssuance.Begin(issuer.Key, "issuer.example", digest, seed.Bytes, TokenNamespace.AccountIssued, index);
        Assert.True(issuance.TryFinalize(issuer.Sign(issuance.Request), out Token? token));
        return new SaltedToken(token, issuance.Salt.ToArray());
    }
}
