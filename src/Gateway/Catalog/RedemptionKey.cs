using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Gateway.Catalog;

/// <summary>
/// A key that tokens are checked with, and what such a token buys. For 0x0002 a key of the issuer; for 0xDA7A the key derived for one plan and deadline,
/// once, when the directory was taken up: a request never derives one.
/// </summary>
internal sealed class RedemptionKey
{
    public required TokenType Type { get; init; }

    public required ReadOnlyMemory<byte> TokenKeyId { get; init; }

    /// <summary>The encoded extensions that every token of this key carries; empty for 0x0002.</summary>
    public required ReadOnlyMemory<byte> Extensions { get; init; }

    public required BlindRsaPublicKey PublicKey { get; init; }

    /// <summary>The SubjectPublicKeyInfo as published.</summary>
    public required ReadOnlyMemory<byte> SubjectPublicKeyInfo { get; init; }

    /// <summary>The plan as the directory has it now.</summary>
    public required Plan Plan { get; init; }

    public required DateTimeOffset NotBefore { get; init; }

    public required DateTimeOffset Deadline { get; init; }

    public required DateTimeOffset ExchangeUntil { get; init; }

    public bool IsLiveAt(DateTimeOffset time) => time >= NotBefore && time < Deadline;

    /// <summary>RSABSSA-SHA384-PSS-Deterministic, and RSAPBSSA with the same parameters: the token input is signed as it is.</summary>
    public bool Verify(Token token) => PublicKey.Verify(BlindRsaVariant.DeterministicPss, token.TokenInput, token.Authenticator);
}
