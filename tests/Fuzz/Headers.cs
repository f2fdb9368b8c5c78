using System.Text;
using Tacit.Protocol;

namespace Tacit.Fuzz;

internal static class Headers
{
    public static IReadOnlyList<byte[]> Authorizations { get; } =
        [.. new[]
        {
            PrivateTokenHeader.FormatAuthorization(Samples.TokenBytes(TokenType.BlindRsa)),
            PrivateTokenHeader.FormatAuthorization(Samples.TokenBytes(TokenType.PartiallyBlindRsa), Samples.Metadata, Samples.Filled(48, 7)),
            "privatetoken  token=AAIA , other=\"a\\\"b\",,extensions=AAA=",
        }.Select(Samples.Utf8)];

    public static IReadOnlyList<byte[]> Challenges { get; } =
        [.. new[]
        {
            PrivateTokenHeader.FormatChallenge(TokenChallenge.ForGateway(TokenType.BlindRsa, "issuer.example", "gateway.example"), Samples.Filled(90, 1)),
            "Basic realm=\"x, PrivateToken challenge=AAAA\", PrivateToken challenge=AAIAAWEAAAA,max-age=10, Negotiate YWJj==, Digest a=b",
        }.Concat(Samples.TextFromVectors("rfc9577_www_authenticate.json", "WWW-Authenticate")).Select(Samples.Utf8)];

    public static IReadOnlyList<byte[]> Successors { get; } =
        [.. Enum.GetValues<TokenType>().Select(type => Samples.Utf8(ChainHeaders.FormatSuccessor(Samples.Request(type, 9)))), Samples.Utf8(ChainHeaders.FormatRenewal(Samples.Filled(256, 3)))];

    /// <summary>The header and the trailer of a chain.</summary>
    public static bool RunSuccessor(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        if (ChainHeaders.TryParseRenewal(text, out byte[]? renewal))
        {
            FuzzTarget.Require(
                ChainHeaders.TryParseRenewal(ChainHeaders.FormatRenewal(renewal), out byte[]? same) && same.AsSpan().SequenceEqual(renewal),
                "a renewal changes when it is written and read again");
            return true;
        }

        if (!ChainHeaders.TryParseSuccessor(text, out TokenRequest? successor))
        {
            return false;
        }

        FuzzTarget.Require(
            ChainHeaders.TryParseSuccessor(ChainHeaders.FormatSuccessor(successor), out TokenRequest? again) && again.Encode().AsSpan().SequenceEqual(successor.Encode()),
            "a successor changes when it is written and read again");
        return true;
    }

    public static bool RunAuthorization(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        if (!PrivateTokenHeader.TryParseAuthorization(text, out PrivateTokenCredentials? credentials))
        {
            return false;
        }

        string written = PrivateTokenHeader.FormatAuthorization(credentials.Token, credentials.Extensions, credentials.Salt);
        FuzzTarget.Require(
            PrivateTokenHeader.TryParseAuthorization(written, out PrivateTokenCredentials? again)
                && again.Token.AsSpan().SequenceEqual(credentials.Token)
                && again.Extensions.AsSpan().SequenceEqual(credentials.Extensions)
                && again.Salt.AsSpan().SequenceEqual(credentials.Salt),
            "credentials change when they are written and read again");
        return true;
    }

    public static bool RunChallenges(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        if (!PrivateTokenHeader.TryParseChallenges(text, out IReadOnlyList<PrivateTokenChallenge> challenges))
        {
            FuzzTarget.Require(challenges.Count == 0, "a refused header gave challenges");
            return false;
        }

        string written = PrivateTokenHeader.FormatChallenges(challenges);
        bool read = PrivateTokenHeader.TryParseChallenges(written, out IReadOnlyList<PrivateTokenChallenge> again);
        FuzzTarget.Require(read == challenges.Count > 0 && again.Count == challenges.Count, "challenges change when they are written and read again");
        for (int i = 0; i < again.Count; i++)
        {
            FuzzTarget.Require(
                again[i].ChallengeBytes.AsSpan().SequenceEqual(challenges[i].ChallengeBytes)
                    && again[i].TokenKey.AsSpan().SequenceEqual(challenges[i].TokenKey)
                    && again[i].MaxAge == challenges[i].MaxAge,
                "a challenge changes when it is written and read again");
        }

        return challenges.Count > 0;
    }
}
