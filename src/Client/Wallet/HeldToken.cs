using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// A finished token as the journal keeps it, sealed: its 354 bytes and, for 0xDA7A, the 48 of its salt, which goes beside it to the gateway. Kept because
/// making it again from the token costs as much as the gateway saves by it.
/// </summary>
internal readonly record struct HeldToken(byte[] Token, byte[] Salt)
{
    public static byte[] Join(Token token, ReadOnlySpan<byte> salt) =>
        token.Type is TokenType.PartiallyBlindRsa ? [.. token.Encoded.Span, .. salt] : token.Encode();

    /// <summary>Tokens from before salts were kept have none.</summary>
    public static HeldToken Split(byte[] kept) =>
        kept.Length == Protocol.Token.SizeInBytes + TokenTypes.SaltSizeInBytes
            ? new HeldToken(kept[..Protocol.Token.SizeInBytes], kept[Protocol.Token.SizeInBytes..])
            : new HeldToken(kept, []);

    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[scrubbed]";
}
