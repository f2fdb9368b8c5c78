using System.Buffers.Binary;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>The labels and the key schedule of encapsulated messages (RFC 9458, sections 4.3 and 4.4; draft-ietf-ohai-chunked-ohttp).</summary>
internal static class ObliviousSecrets
{
    public const ushort HkdfSha256 = 0x0001;

    /// <summary>An encapsulated key has at most so many bytes; a hybrid one 1,120.</summary>
    public const int MaxEncapsulatedKeySize = 2048;

    private const int HashSize = 32;
    private const int MaxEntropy = 32;

    /// <summary>The associated data of a chunk that is the last one.</summary>
    public static ReadOnlySpan<byte> Final => "final"u8;

    /// <summary>max(Nn, Nk): the size of the response's nonce and of the exported secret.</summary>
    public static int EntropySize(HpkeSuite suite) => Math.Max(suite.AeadNonceSizeInBytes, suite.AeadKeySizeInBytes);

    /// <summary>Label, a zero byte, the request's header.</summary>
    public static byte[] Info(ObliviousRequestHeader header, bool isChunked)
    {
        ReadOnlySpan<byte> label = isChunked ? "message/bhttp chunked request"u8 : "message/bhttp request"u8;
        byte[] info = new byte[label.Length + 1 + ObliviousRequestHeader.SizeInBytes];
        label.CopyTo(info);
        header.Write(info.AsSpan(label.Length + 1));
        return info;
    }

    public static ReadOnlySpan<byte> ResponseLabel(bool isChunked) => isChunked ? "message/bhttp chunked response"u8 : "message/bhttp response"u8;

    /// <param name="secret">Exported from the request's context, of <see cref="EntropySize"/>; wiped.</param>
    /// <param name="encapsulatedKey">Of the request.</param>
    /// <param name="responseNonce">Of the response.</param>
    /// <param name="baseNonce">Gets the AEAD's nonce.</param>
    public static AeadKey DeriveResponseKey(
        HpkeSuite suite, Span<byte> secret, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> responseNonce, Span<byte> baseNonce)
    {
        Span<byte> salt = stackalloc byte[encapsulatedKey.Length + responseNonce.Length];
        encapsulatedKey.CopyTo(salt);
        responseNonce.CopyTo(salt[encapsulatedKey.Length..]);
        Span<byte> pseudorandomKey = stackalloc byte[HashSize];
        Span<byte> key = stackalloc byte[MaxEntropy];
        key = key[..suite.AeadKeySizeInBytes];
        try
        {
            HKDF.Extract(HashAlgorithmName.SHA256, secret, salt, pseudorandomKey);
            HKDF.Expand(HashAlgorithmName.SHA256, pseudorandomKey, key, "key"u8);
            HKDF.Expand(HashAlgorithmName.SHA256, pseudorandomKey, baseNonce, "nonce"u8);
            return new AeadKey(suite.AeadId, key);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(pseudorandomKey);
            CryptographicOperations.ZeroMemory(key);
        }
    }

    /// <summary>The nonce of a chunk: the base nonce XOR the chunk's number.</summary>
    public static void ChunkNonce(ReadOnlySpan<byte> baseNonce, ulong number, Span<byte> nonce)
    {
        baseNonce.CopyTo(nonce);
        Span<byte> low = nonce[^sizeof(ulong)..];
        BinaryPrimitives.WriteUInt64BigEndian(low, BinaryPrimitives.ReadUInt64BigEndian(low) ^ number);
    }
}
