using System.Security.Cryptography;
using System.Text.Json;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class TokenTests
{
    public static TheoryData<string> ChallengeFiles => ["rfc9577_token_challenge.json", "da7a_token_challenge_with_extensions.json"];

    [Theory]
    [MemberData(nameof(ChallengeFiles))]
    public void Challenge_vectors_give_the_published_token_input(string file)
    {
        int checkedVectors = 0;
        foreach (JsonElement vector in Vectors.Read(file).Where(vector => vector.Has("issuer_name")))
        {
            TokenType type = (TokenType)Convert.ToUInt16(vector.Text("token_type"), 16);
            TokenChallenge challenge = new(type, vector.Ascii("issuer_name"), vector.Hex("redemption_context"), vector.Ascii("origin_info"));
            byte[] input = new byte[Token.InputSizeInBytes];
            Token.WriteInput(type, vector.Hex("nonce"), challenge.Digest(), vector.Hex("token_key_id"), input);

            Assert.Equal(vector.Hex("token_authenticator_input"), input);
            Assert.True(TokenChallenge.TryParse(challenge.Encode(), out TokenChallenge? parsed));
            Assert.Equal((challenge.IssuerName, challenge.OriginInfo), (parsed.IssuerName, parsed.OriginInfo));
            Assert.Equal(challenge.RedemptionContext, parsed.RedemptionContext);
            checkedVectors++;
        }

        Assert.Equal(5, checkedVectors);
    }

    [Fact]
    public void Grease_token_of_reserved_type_is_refused()
    {
        JsonElement grease = Vectors.Read("rfc9577_token_challenge.json").Single(vector => vector.Text("token_type") == "0000");

        Assert.False(Token.TryParse(grease.Hex("token_authenticator_input"), out _));
    }

    [Fact]
    public void Challenge_of_RFC_9577_Appendix_A_1_encodes_as_printed()
    {
        // Typed in from the RFC: type 0x0002, issuer.example, empty context, origin.example, and its digest as in the token input.
        TokenChallenge challenge = TokenChallenge.ForGateway(TokenType.BlindRsa, "issuer.example", "origin.example");

        Assert.Equal("0002000e6973737565722e6578616d706c6500000e6f726967696e2e6578616d706c65", Convert.ToHexStringLower(challenge.Encode()));
        Assert.Equal("11e15c91a7c2ad02abd66645802373db1d823bea80f08d452541fb2b62b5898b", Convert.ToHexStringLower(challenge.Digest()));
    }

    [Fact]
    public void Token_vectors_split_at_their_fields()
    {
        IEnumerable<JsonElement> vectors = Vectors.Read("rfc9578_type_0002_blind_rsa.json").Concat(Vectors.Read("da7a_partially_blind_rsa.json"));
        foreach (JsonElement vector in vectors)
        {
            Assert.True(Token.TryParse(vector.Hex("token"), out Token? token));
            Assert.Equal(vector.Hex("nonce"), token.Nonce);
            Assert.Equal(SHA256.HashData(vector.Hex("token_challenge")), token.ChallengeDigest);
            Assert.Equal(SHA256.HashData(vector.Hex("pkS")), token.TokenKeyId);
            Assert.Equal(vector.Hex("token").AsSpan(98), token.Authenticator);
            Assert.Equal(vector.Hex("token"), token.Encode());
        }
    }

    [Fact]
    public void Spend_id_depends_on_input_and_extensions_and_not_on_the_authenticator()
    {
        byte[] parts = RandomNumberGenerator.GetBytes(96);
        using Token one = FormatPropertyTests.TokenOf(TokenType.PartiallyBlindRsa, parts, new byte[256]);
        using Token other = FormatPropertyTests.TokenOf(TokenType.PartiallyBlindRsa, parts, RandomNumberGenerator.GetBytes(256));

        Assert.Equal(SpendId(one, Samples.Metadata), SpendId(other, Samples.Metadata));
        Assert.NotEqual(SpendId(one, Samples.Metadata), SpendId(one, []));
        Assert.Equal(SHA256.HashData([.. one.TokenInput, .. Samples.Metadata]), SpendId(one, Samples.Metadata));
        parts[5] ^= 1;
        using Token changed = FormatPropertyTests.TokenOf(TokenType.PartiallyBlindRsa, parts, new byte[256]);
        Assert.NotEqual(SpendId(one, []), SpendId(changed, []));
    }

    [Fact]
    public void Token_prints_nothing_and_is_wiped_on_dispose()
    {
        Token token = FormatPropertyTests.TokenOf(TokenType.BlindRsa, RandomNumberGenerator.GetBytes(96), RandomNumberGenerator.GetBytes(256));
        Assert.Equal("[scrubbed]", $"{token}");
        ReadOnlyMemory<byte> bytes = token.Encoded;

        token.Dispose();

        Assert.False(bytes.Span.ContainsAnyExcept((byte)0));
    }

    [Theory]
    [InlineData("", "gateway.example", 0)]
    [InlineData("issuer example", "gateway.example", 0)]
    [InlineData("issuer.example", "gäteway", 0)]
    [InlineData("issuer.example", "gateway.example", 31)]
    public void Challenge_out_of_its_rules_is_refused(string issuer, string origin, int contextSize) =>
        Assert.Throws<ArgumentException>(() => new TokenChallenge(TokenType.BlindRsa, issuer, new byte[contextSize], origin));

    [Theory]
    [InlineData("0001000161000000")]
    [InlineData("0002000000000000")]
    [InlineData("000200016120000000")]
    [InlineData("0002000120000000")]
    [InlineData("00020001ff000000")]
    [InlineData("000200016100000120")]
    public void Challenge_bytes_out_of_their_rules_are_refused(string hex) =>
        Assert.False(TokenChallenge.TryParse(Convert.FromHexString(hex), out _));

    private static byte[] SpendId(Token token, ReadOnlySpan<byte> extensions)
    {
        byte[] id = new byte[Token.SpendIdSizeInBytes];
        token.SpendId(extensions, id);
        return id;
    }
}
