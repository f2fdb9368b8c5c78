using Tacit.Protocol;

namespace Tacit.Gateway.Catalog;

/// <summary>
/// A key that tokens are checked with, and what such a token buys. For 0x0002 a key of the issuer; for 0xDA7A the key derived for one plan and deadline,
/// once, when the directory was taken up: a request never derives one.
/// </summary>
internal sealed class RedemptionKey
{
    private TokenBatchVerifier? _ofProven;
    private TokenBatchVerifier? _ofOthers;

    public required TokenPublicKey PublicKey { get; init; }

    public TokenType Type => PublicKey.Type;

    public ReadOnlySpan<byte> TokenKeyId => PublicKey.TokenKeyId;

    /// <summary>The encoded extensions that every token of this key carries; empty for 0x0002.</summary>
    public ReadOnlySpan<byte> Extensions => PublicKey.Extensions.Span;

    /// <summary>The SubjectPublicKeyInfo as published.</summary>
    public required ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; init; }

    /// <summary>The plan as the directory has it now.</summary>
    public required Plan Plan { get; init; }

    public required DateTimeOffset NotBefore { get; init; }

    public required DateTimeOffset Deadline { get; init; }

    public required DateTimeOffset ExchangeUntil { get; init; }

    /// <summary>Whether its tokens are taken no more because it is forgotten which were spent (<see cref="Admission.ClosedKeys"/>). Set before the catalog is used.</summary>
    public bool IsClosed { get; set; }

    /// <summary>
    /// Checks tokens of this key together, and knows how many of a kind were false of late; null for 0x0002, whose checks are cheap. Proven connections have one of their
    /// own, so that a flood does not end batches for them.
    /// </summary>
    public TokenBatchVerifier? VerifierFor(bool isProven) =>
        Type is not TokenType.PartiallyBlindRsa ? null
        : isProven ? _ofProven ?? Interlocked.CompareExchange(ref _ofProven, new TokenBatchVerifier(PublicKey), null) ?? _ofProven
        : _ofOthers ?? Interlocked.CompareExchange(ref _ofOthers, new TokenBatchVerifier(PublicKey), null) ?? _ofOthers;

    public bool IsLiveAt(DateTimeOffset time) => !IsClosed && time >= NotBefore && time < Deadline;

    /// <summary>Live, or within the grace after the deadline.</summary>
    public bool IsExchangeableAt(DateTimeOffset time) => !IsClosed && time >= NotBefore && time < ExchangeUntil;
}
