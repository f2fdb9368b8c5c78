using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>
/// A request for one token: TokenRequest of type 0x0002 (RFC 9578, section 6.1) or ExtendedTokenRequest of type 0xDA7A
/// (draft-ietf-privacypass-public-metadata-issuance): 2 bytes type, 1 truncated key id, 256 blinded message, and for 0xDA7A the Extensions.
/// </summary>
public sealed class TokenRequest
{
    public const int BlindedMessageSizeInBytes = TokenTypes.ModulusSizeInBytes;

    /// <summary>259: a request without extensions.</summary>
    public const int SizeInBytes = 2 + 1 + BlindedMessageSizeInBytes;

    public const int MaxSizeInBytes = SizeInBytes + TokenExtensions.MaxSizeInBytes;

    private readonly byte[] _encoded;

    private TokenRequest(byte[] encoded) => _encoded = encoded;

    public TokenType Type => (TokenType)BinaryPrimitives.ReadUInt16BigEndian(_encoded);

    /// <summary>The last byte of the token key id.</summary>
    public byte TruncatedKeyId => _encoded[2];

    public ReadOnlyMemory<byte> BlindedMessage => _encoded.AsMemory(3, BlindedMessageSizeInBytes);

    /// <summary>The encoded Extensions of a 0xDA7A request; empty for 0x0002.</summary>
    public ReadOnlyMemory<byte> Extensions => _encoded.AsMemory(SizeInBytes);

    /// <summary>Size of the encoding in bytes.</summary>
    public int EncodedSize => _encoded.Length;

    /// <param name="type">The token type.</param>
    /// <param name="truncatedKeyId">The last byte of the token key id.</param>
    /// <param name="blindedMessage">256 bytes.</param>
    /// <param name="extensions">The encoded Extensions for 0xDA7A; empty for 0x0002.</param>
    public static TokenRequest Create(
        TokenType type, byte truncatedKeyId, ReadOnlySpan<byte> blindedMessage, ReadOnlySpan<byte> extensions = default)
    {
        if (blindedMessage.Length != BlindedMessageSizeInBytes)
        {
            throw new ArgumentException("A blinded message has 256 bytes.", nameof(blindedMessage));
        }

        byte[] encoded = new byte[SizeInBytes + extensions.Length];
        WireWriter writer = new(encoded);
        writer.WriteUInt16((ushort)type);
        writer.WriteByte(truncatedKeyId);
        writer.WriteBytes(blindedMessage);
        writer.WriteBytes(extensions);
        return TryParse(encoded, out TokenRequest? request)
            ? request
            : throw new ArgumentException("Extensions go with type 0xDA7A, and only with it.", nameof(extensions));
    }

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out TokenRequest? request)
    {
        WireReader reader = new(encoded);
        if (TryRead(ref reader, out request) && reader.AtEnd)
        {
            return true;
        }

        request = null;
        return false;
    }

    public byte[] Encode() => [.. _encoded];

    internal ReadOnlySpan<byte> Encoded => _encoded;

    /// <summary>Reads one request where more may follow.</summary>
    internal static bool TryRead(ref WireReader reader, [NotNullWhen(true)] out TokenRequest? request)
    {
        request = null;
        WireReader whole = reader;
        if (!reader.TryReadUInt16(out ushort type) || !TokenTypes.IsKnown((TokenType)type)
            || !reader.TryReadBytes(1 + BlindedMessageSizeInBytes, out _))
        {
            return false;
        }

        int size = SizeInBytes;
        if (TokenTypes.HasExtensions((TokenType)type))
        {
            if (!reader.TryReadVector16(out ReadOnlySpan<byte> list))
            {
                return false;
            }

            size += 2 + list.Length;
        }

        _ = whole.TryReadBytes(size, out ReadOnlySpan<byte> encoded);
        if (size > SizeInBytes && !TokenExtensions.IsWellFormed(encoded[SizeInBytes..]))
        {
            return false;
        }

        request = new TokenRequest(encoded.ToArray());
        return true;
    }
}

/// <summary>The answer to one request: the 256-byte blind signature (RFC 9578, section 6.2); the same for both token types.</summary>
public static class TokenResponse
{
    public const int SizeInBytes = TokenTypes.ModulusSizeInBytes;

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out byte[]? blindSignature)
    {
        blindSignature = encoded.Length == SizeInBytes ? encoded.ToArray() : null;
        return blindSignature is not null;
    }

    public static byte[] Encode(ReadOnlySpan<byte> blindSignature)
    {
        if (blindSignature.Length != SizeInBytes)
        {
            throw new ArgumentException("A blind signature has 256 bytes.", nameof(blindSignature));
        }

        return blindSignature.ToArray();
    }
}
