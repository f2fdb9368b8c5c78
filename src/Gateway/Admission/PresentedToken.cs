using System.Security.Cryptography;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

/// <summary>A token that passed every check that costs nothing, with the key that will check its signature. Wiped when the request ends.</summary>
internal sealed class PresentedToken : PresentedCredential
{
    private PresentedToken(Token token, RedemptionKey key, byte[]? salt)
        : base(IdOf(token, key))
    {
        Token = token;
        Salt = salt;
        Key = key;
    }

    public Token Token { get; }

    /// <summary>What came beside the token to make it cheap to check; anything, or null.</summary>
    public byte[]? Salt { get; }

    public RedemptionKey Key { get; }

    public override Plan Plan => Key.Plan;

    public override DateTimeOffset Deadline => Key.Deadline;

    /// <summary>
    /// By lookup only: form, key, challenge, extensions. Whether the key's period is right is for the caller to say, because an exchange has another than a prompt.
    /// </summary>
    public static PresentedToken? Check(ReadOnlySpan<byte> encoded, ReadOnlySpan<byte> extensions, byte[]? salt, PlanCatalog catalog, out ApiError? error)
    {
        if (!Token.TryParse(encoded, out Token? token))
        {
            error = ApiError.Create(ErrorCodes.TokenMalformed, "The token has an unknown type or the wrong length.", "Authorization");
            return null;
        }

        if (!catalog.TryFind(token, extensions, out RedemptionKey? key))
        {
            bool lacksExtensions = token.Type == TokenType.PartiallyBlindRsa && extensions.IsEmpty;
            token.Dispose();
            error = ApiError.Create(
                ErrorCodes.TokenUnknownKey,
                lacksExtensions
                    ? "A token of type 0xDA7A is checked under the extensions it was issued with: send them beside it, as extensions=\"...\"."
                    : "No live key of the issuer matches the token. Fetch the issuer's directory and use a current token.",
                "Authorization");
            return null;
        }

        if (!CryptographicOperations.FixedTimeEquals(token.ChallengeDigest, catalog.ChallengeDigest(token.Type)))
        {
            token.Dispose();
            error = ApiError.Create(ErrorCodes.WrongChallenge, "The token was issued for another challenge, so for another gateway.", "Authorization");
            return null;
        }

        error = null;
        return new PresentedToken(token, key, salt);
    }

    /// <summary>Derives what depends on the authenticator (HKDF-Extract of it), once the signature is known to be right.</summary>
    public void Accept() => TokenKeys.Extract(Token.Authenticator, PseudorandomKey);

    public override ApiError Explain(SpendVerdict verdict) => ExplainRefusal(verdict);

    public static ApiError ExplainRefusal(SpendVerdict verdict) => verdict switch
    {
        SpendVerdict.PeriodOver => ApiError.Create(ErrorCodes.TokenExpired, "The token's period is over and its spends are forgotten.", "Authorization"),
        SpendVerdict.ReplyGone => ApiError.Create(ErrorCodes.TokenSpent, "The token was used for this request, and its reply is no longer kept."),
        SpendVerdict.OwnedElsewhere => OwnedElsewhere(),
        _ => ApiError.Create(ErrorCodes.TokenSpent, "The token was used for another request."),
    };

    public override void Dispose()
    {
        base.Dispose();
        Token.Dispose();
    }

    private static SpendId IdOf(Token token, RedemptionKey key)
    {
        Span<byte> id = stackalloc byte[SpendId.SizeInBytes];
        token.SpendId(key.Extensions, id);
        return new SpendId(id);
    }
}
