using System.Text.Json;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class HeaderTests
{
    [Fact]
    public void Published_headers_give_the_published_challenges()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("rfc9577_www_authenticate.json");
        foreach (JsonElement vector in vectors)
        {
            Assert.True(PrivateTokenHeader.TryParseChallenges(vector.Text("WWW-Authenticate"), out IReadOnlyList<PrivateTokenChallenge> challenges));
            int i = 0;
            for (; vector.Has($"token-type-{i}"); i++)
            {
                PrivateTokenChallenge challenge = challenges[i];
                Assert.Equal(vector.Hex($"token-challenge-{i}"), challenge.ChallengeBytes);
                Assert.Equal(vector.Hex($"token-key-{i}"), challenge.TokenKey);
                Assert.Equal(vector.Has($"max-age-{i}") ? long.Parse(vector.Text($"max-age-{i}"), System.Globalization.CultureInfo.InvariantCulture) : null, challenge.MaxAge);
                Assert.Equal(vector.Text($"token-type-{i}") == "0x0002", challenge.Challenge is not null);
            }

            Assert.Equal(i, challenges.Count);
        }

        Assert.Equal(3, vectors.Count);
    }

    // "AAIAAWEAAAFi" is the challenge 0002 0001 'a' 00 0001 'b'; "AAIAAWEAAAA" the one without origin, whose last group is short.
    [Theory]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA=\"", 1)]
    [InlineData("PrivateToken challenge=AAIAAWEAAAA=", 1)]
    [InlineData("PrivateToken challenge=AAIAAWEAAAA", 1)]
    [InlineData("privatetoken CHALLENGE=\"AAIAAWEAAAA\"", 1)]
    [InlineData("PrivateToken challenge = \"AAIAAWEAAAA\"", 1)]
    [InlineData("PrivateToken \t challenge=\"AAIAAWEAAAA\" ,, ,", 1)]
    [InlineData("PrivateToken realm=\"a, PrivateToken challenge=x\", challenge=\"AAIAAWEAAAA\"", 1)]
    [InlineData("PrivateToken realm=\"a \\\" b\", challenge=\"AAIAAWEAAAA\"", 1)]
    [InlineData("PrivateToken challenge=\"AAIAA\\WEAAAA\"", 1)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\", PrivateToken challenge=\"AAIAAWEAAAFi\"", 2)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\",PrivateToken challenge=\"AAIAAWEAAAFi\",max-age=5", 2)]
    [InlineData("Basic realm=\"x\", PrivateToken challenge=\"AAIAAWEAAAA\", Negotiate", 1)]
    [InlineData("Negotiate YWJjZA==, PrivateToken challenge=\"AAIAAWEAAAA\"", 1)]
    [InlineData("Negotiate, PrivateToken challenge=\"AAIAAWEAAAA\"", 1)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\", Bearer abc", 1)]
    [InlineData("Bearer", 0)]
    [InlineData("PrivateToken", 0)]
    [InlineData("PrivateToken challenge=", 0)]
    [InlineData("PrivateToken token-key=\"AAAA\"", 0)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAB\"", 0)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA==\"", 0)]
    [InlineData("PrivateToken challenge=\"AAIA AWEAAAA\"", 0)]
    [InlineData("PrivateToken challenge=\"AAIA+WEAAAA\"", 0)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\", challenge=\"AAIAAWEAAAA\"", 0)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\", max-age=-1", 0)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\", max-age=\"99999999999999999999\"", 0)]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\", max-age=1, max-age=2", 0)]
    public void Challenges_are_read_in_every_lawful_spelling(string header, int count)
    {
        Assert.True(PrivateTokenHeader.TryParseChallenges(header, out IReadOnlyList<PrivateTokenChallenge> challenges));

        Assert.Equal(count, challenges.Count);
        Assert.All(challenges, challenge => Assert.Equal("a", challenge.Challenge!.IssuerName));
    }

    [Theory]
    [InlineData("")]
    [InlineData("=x")]
    [InlineData("challenge=\"AAIAAWEAAAA\"")]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA")]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\" max-age=1")]
    [InlineData("PrivateToken challenge=\"AAIAAWEAAAA\"x")]
    [InlineData("PrivateToken a b=c")]
    [InlineData("PrivateToken challenge=\"\\")]
    [InlineData("PrivateToken challenge=\"a\u0001\"")]
    [InlineData("Private/Token challenge=\"AAIAAWEAAAA\"")]
    public void Header_that_breaks_the_grammar_is_refused(string header)
    {
        Assert.False(PrivateTokenHeader.TryParseChallenges(header, out IReadOnlyList<PrivateTokenChallenge> challenges));

        Assert.Empty(challenges);
    }

    [Fact]
    public void Challenges_of_several_header_values_are_joined_and_a_broken_value_adds_nothing()
    {
        IReadOnlyList<PrivateTokenChallenge> challenges = PrivateTokenHeader.ParseChallenges(
            ["PrivateToken challenge=AAIAAWEAAAA", "Private=", null, "Basic realm=x, PrivateToken challenge=\"AAIAAWEAAAFi\""]);

        Assert.Equal(["", "b"], challenges.Select(challenge => challenge.Challenge!.OriginInfo));
    }

    [Fact]
    public void Header_with_too_many_challenges_or_characters_is_refused()
    {
        string many = string.Join(", ", Enumerable.Repeat("PrivateToken challenge=AAIAAWEAAAA", 40));
        string longOne = "PrivateToken challenge=AAIAAWEAAAA, x=" + new string('a', PrivateTokenHeader.MaxLength);

        Assert.False(PrivateTokenHeader.TryParseChallenges(many, out _));
        Assert.False(PrivateTokenHeader.TryParseChallenges(longOne, out _));
        Assert.False(PrivateTokenHeader.TryParseAuthorization(longOne, out _));
    }

    [Theory]
    [InlineData("PrivateToken token=\"AAE=\"", "0001", null)]
    [InlineData("PrivateToken token=AAE=", "0001", null)]
    [InlineData("PrivateToken token=AAE", "0001", null)]
    [InlineData("pRIVATEtOKEN  ToKeN=\"AAE\" , EXTENSIONS=\"AAA=\"", "0001", "0000")]
    [InlineData("PrivateToken extensions=AAA, salt=\"x\", token=AAE", "0001", "0000")]
    [InlineData("PrivateToken unknown=\"a\\\"b\", token=\"AAE=\",", "0001", null)]
    public void Credentials_are_read_in_every_lawful_spelling(string header, string token, string? extensions)
    {
        Assert.True(PrivateTokenHeader.TryParseAuthorization(header, out PrivateTokenCredentials? credentials));

        Assert.Equal(token, Convert.ToHexString(credentials.Token));
        Assert.Equal(extensions, credentials.Extensions is null ? null : Convert.ToHexString(credentials.Extensions));
    }

    [Theory]
    [InlineData("salt=\"{0}\"", true)]
    [InlineData("SALT={0}", true)]
    [InlineData("salt=\"\"", false)]
    [InlineData("salt=\"!\"", false)]
    [InlineData("salt=\"AAE=\"", false)]
    [InlineData("salt=\"{0}{0}\"", false)]
    [InlineData("salt=\"{0}\", salt=\"{0}\"", false)]
    [InlineData("salt=\"{0}\", salt=\"!\"", false)]
    [InlineData("salt=\"!\", salt=\"{0}\"", false)]
    [InlineData("salt=\"{0}\", salt=\"{0}\", salt=\"{0}\"", false)]
    public void A_salt_that_cannot_be_read_is_none_and_refuses_no_token(string parameter, bool isRead)
    {
        byte[] salt = Samples.Filled(48, 0xa5);
        string text = string.Format(null, parameter, System.Buffers.Text.Base64Url.EncodeToString(salt));

        Assert.True(PrivateTokenHeader.TryParseAuthorization($"PrivateToken token=\"AAE=\", {text}, extensions=AAA", out PrivateTokenCredentials? credentials));

        Assert.Equal("0001", Convert.ToHexString(credentials.Token));
        Assert.Equal(isRead ? salt : null, credentials.Salt);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("PrivateToken")]
    [InlineData("PrivateToken AAE=")]
    [InlineData("Bearer token=\"AAE=\"")]
    [InlineData("token=\"AAE=\"")]
    [InlineData("PrivateToken token=\"AAE=\", token=\"AAE=\"")]
    [InlineData("PrivateToken token=\"AAE=\", extensions=\"AAA\", extensions=\"AAA\"")]
    [InlineData("PrivateToken token=\"AAE=\", Bearer x")]
    [InlineData("PrivateToken token=\"AAE=\", PrivateToken token=\"AAE=\"")]
    [InlineData("PrivateToken token=\"AAF\"")]
    [InlineData("PrivateToken token=\"A\"")]
    [InlineData("PrivateToken token=\"AAE=\", extensions=\"!\"")]
    [InlineData("PrivateToken extensions=\"AAA\"")]
    public void Credentials_out_of_the_grammar_are_refused(string? header) =>
        Assert.False(PrivateTokenHeader.TryParseAuthorization(header, out _));

    [Fact]
    public void Headers_are_written_quoted_and_padded()
    {
        TokenChallenge challenge = TokenChallenge.ForGateway(TokenType.BlindRsa, "a", "b");

        Assert.Equal("PrivateToken token=\"AAE=\", extensions=\"AAA=\"", PrivateTokenHeader.FormatAuthorization([0, 1], [0, 0]));
        Assert.Equal("PrivateToken token=\"AAE=\"", PrivateTokenHeader.FormatAuthorization([0, 1]));
        Assert.Equal("PrivateToken token=\"AAE=\", extensions=\"AAA=\", salt=\"AQ==\"", PrivateTokenHeader.FormatAuthorization([0, 1], [0, 0], [1]));
        Assert.Equal("PrivateToken challenge=\"AAIAAWEAAAFi\", token-key=\"-_8=\"", PrivateTokenHeader.FormatChallenge(challenge, [0xfb, 0xff]));
    }

    [Fact]
    public void Token_and_extensions_travel_through_the_header_unchanged()
    {
        byte[] token = Samples.TokenBytes(TokenType.PartiallyBlindRsa);

        Assert.True(PrivateTokenHeader.TryParseAuthorization(PrivateTokenHeader.FormatAuthorization(token, Samples.Metadata), out PrivateTokenCredentials? credentials));

        Assert.Equal(token, credentials.Token);
        Assert.Equal(Samples.Metadata, credentials.Extensions);
        Assert.Equal("[scrubbed]", credentials.ToString());
    }
}
