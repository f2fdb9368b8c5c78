using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>The token types that Tacit issues; both publicly verifiable, both with 2048-bit keys.</summary>
[SuppressMessage("Design", "CA1028", Justification = "A token type is a uint16 on the wire (RFC 9577, section 2.2).")]
[SuppressMessage("Design", "CA1008", Justification = "0x0000 is reserved and is no token type.")]
public enum TokenType : ushort
{
    /// <summary>Blind RSA (RFC 9578, section 6).</summary>
    BlindRsa = 0x0002,

    /// <summary>Partially blind RSA with public metadata (draft-ietf-privacypass-public-metadata-issuance).</summary>
    PartiallyBlindRsa = 0xDA7A,
}

/// <summary>What is common to the token types.</summary>
public static class TokenTypes
{
    /// <summary>Nk: modulus, blinded message, blind signature and authenticator of both types, in bytes.</summary>
    public const int ModulusSizeInBytes = 256;

    /// <summary>The PSS salt of an authenticator, in bytes.</summary>
    public const int SaltSizeInBytes = 48;

    public static bool IsKnown(TokenType type) => type is TokenType.BlindRsa or TokenType.PartiallyBlindRsa;

    /// <summary>Whether tokens of the type carry extensions.</summary>
    public static bool HasExtensions(TokenType type) => type is TokenType.PartiallyBlindRsa;
}
