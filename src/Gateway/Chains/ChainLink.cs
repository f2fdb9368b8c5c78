using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Primitives;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Chains;

/// <summary>The next token of a chain, blinded, as it came with the present one: what the spend of that one binds for ever.</summary>
internal sealed class ChainLink
{
    public const int HashSizeInBytes = SHA256.HashSizeInBytes;

    private ChainLink(RedemptionKey key, TokenRequest successor)
    {
        Key = key;
        Successor = successor;
        Hash = SHA256.HashData(successor.Encode());
    }

    /// <summary>Of the present token, and so of the next.</summary>
    public RedemptionKey Key { get; }

    public TokenRequest Successor { get; }

    /// <summary>SHA-256 of the encoded request. The blinded message is uniform, so the hash says nothing of the token it becomes.</summary>
    public byte[] Hash { get; }

    /// <summary>
    /// What the headers say of a successor, for a token of <paramref name="key"/>: one has to be there for a subscription, and none for a request plan.
    /// By lookup and comparison only.
    /// </summary>
    /// <param name="headers">Of the request.</param>
    /// <param name="key">The token's.</param>
    /// <param name="link">Null for a request plan.</param>
    /// <param name="error">Null if all is well.</param>
    public static bool TryRead(IHeaderDictionary headers, RedemptionKey key, out ChainLink? link, [NotNullWhen(false)] out ApiError? error)
    {
        link = null;
        error = null;
        bool isChain = key.Plan.Kind == PlanKind.Subscription;
        if (!headers.TryGetValue(Routes.SuccessorHeader, out StringValues values))
        {
            error = isChain
                ? ApiError.Create(
                    ErrorCodes.SuccessorRequired, "A token of a subscription is renewed by its request: send the blinded next token as Tacit-Successor.", Routes.SuccessorHeader)
                : null;
        }
        else if (!isChain)
        {
            error = ApiError.Create(ErrorCodes.SuccessorInvalid, "A token of this plan has no successor.", Routes.SuccessorHeader);
        }
        else
        {
            link = values.Count == 1 && ChainHeaders.TryParseSuccessor(values[0], out TokenRequest? successor) ? TryCreate(key, successor) : null;
            error = link is null ? Invalid(Routes.SuccessorHeader) : null;
        }

        return error is null;
    }

    /// <summary>Null unless the successor is for exactly the token's own key, with its plan and deadline, and can be signed as far as comparing tells.</summary>
    public static ChainLink? TryCreate(RedemptionKey key, TokenRequest successor) =>
        successor.Type == key.Type
        && successor.TruncatedKeyId == key.PublicKey.TruncatedKeyId
        && successor.Extensions.Span.SequenceEqual(key.Extensions)
        && key.PublicKey.IsInRange(successor)
            ? new ChainLink(key, successor)
            : null;

    public static ApiError Invalid(string param) =>
        ApiError.Create(ErrorCodes.SuccessorInvalid, "The successor is no request for a token of the same plan and deadline.", param);

    /// <summary>Whether what a row or a reply is bound to is this.</summary>
    /// <param name="bound">Null for a token of a request plan.</param>
    /// <param name="link">Null for a token of a request plan.</param>
    public static bool IsSame(byte[]? bound, byte[]? link) =>
        bound is null ? link is null : link is not null && CryptographicOperations.FixedTimeEquals(bound, link);
}
