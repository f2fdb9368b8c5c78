using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tacit.Protocol;

/// <summary>The constants of sealed chat and what both sides compute for themselves (docs/protocol.md, Sealed chat).</summary>
public static class SealedChatFormat
{
    public const int RequestIdSizeInBytes = 16;

    public const int ResponseNonceSizeInBytes = 16;

    /// <summary>What the HPKE context exports for a reply.</summary>
    public const int ReplySecretSizeInBytes = 32;

    /// <summary>The largest plaintext of a chunk, in bytes.</summary>
    public const int MaxChunkSizeInBytes = PaddingBuckets.Largest;

    /// <summary>The AEAD's, of requests and chunks alike.</summary>
    public const int TagSizeInBytes = 16;

    /// <summary>The smallest multiple that larger requests are padded to.</summary>
    private const int LargeBucket = 64 * 1024;

    private static readonly int[] s_buckets = [1024, 4 * 1024, 16 * 1024];

    internal static ReadOnlySpan<byte> ReplyLabel => "tacit sealed chat v1 reply"u8;

    internal static ReadOnlySpan<byte> ChunkWord => "chunk"u8;

    internal static ReadOnlySpan<byte> FinalWord => "final"u8;

    private static ReadOnlySpan<byte> AadLabel => "tacit sealed chat v1\0"u8;

    private static ReadOnlySpan<byte> InfoLabel => "tacit sealed chat v1 request\0"u8;

    private static ReadOnlySpan<byte> Path => "/api/chat"u8;

    /// <summary>Bytes of the associated data: it has one length.</summary>
    public static int AadSizeInBytes => AadLabel.Length + 1 + 2 + Path.Length + 8 + RequestIdSizeInBytes;

    /// <summary>The size that a plaintext of this many bytes is padded to: 1, 4, 16 or 64 KiB, then multiples of 64 KiB.</summary>
    public static int RequestBucket(int size)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        foreach (int bucket in s_buckets)
        {
            if (size <= bucket)
            {
                return bucket;
            }
        }

        return checked((int)((size + (long)LargeBucket - 1) / LargeBucket * LargeBucket));
    }

    /// <summary>Whether a plaintext of this size is padded as it must be.</summary>
    public static bool IsRequestBucket(int size) => size > 0 && RequestBucket(size) == size;

    /// <summary>The associated data of a request.</summary>
    /// <param name="keyId">The sealing key's.</param>
    /// <param name="timestamp">UNIX time in milliseconds.</param>
    /// <param name="requestId">16 bytes.</param>
    public static byte[] Aad(byte keyId, long timestamp, ReadOnlySpan<byte> requestId)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(timestamp);
        ArgumentOutOfRangeException.ThrowIfNotEqual(requestId.Length, RequestIdSizeInBytes);
        byte[] aad = new byte[AadSizeInBytes];
        WireWriter writer = new(aad);
        writer.WriteBytes(AadLabel);
        writer.WriteByte(keyId);
        writer.WriteVector16(Path);
        writer.WriteInt64(timestamp);
        writer.WriteBytes(requestId);
        return aad;
    }

    /// <summary>The HPKE info of a request: the label and the key's configuration, so that both mean the same key, algorithms and id.</summary>
    /// <param name="keyConfiguration">The key configuration of RFC 9458, section 3.1, as <c>config</c> of <c>/api/pubkey</c> has it.</param>
    public static byte[] Info(ReadOnlySpan<byte> keyConfiguration) => [.. InfoLabel, .. keyConfiguration];

    /// <summary>The key id in associated data that are otherwise to be compared whole. The size has been checked.</summary>
    internal static byte KeyIdIn(ReadOnlySpan<byte> aad) => aad[AadLabel.Length];

    /// <summary>Key and first nonce of a reply (HKDF-SHA256, as RFC 9458, section 4.4 makes them).</summary>
    /// <param name="secret">The 32 bytes that both sides export.</param>
    /// <param name="encapsulatedKey">The request's.</param>
    /// <param name="responseNonce">16 random bytes of the gateway.</param>
    /// <param name="key">32 bytes.</param>
    /// <param name="nonce">12 bytes.</param>
    internal static void DeriveReplyKey(
        ReadOnlySpan<byte> secret, ReadOnlySpan<byte> encapsulatedKey, ReadOnlySpan<byte> responseNonce, Span<byte> key, Span<byte> nonce)
    {
        byte[] salt = [.. encapsulatedKey, .. responseNonce];
        Span<byte> prk = stackalloc byte[SHA256.HashSizeInBytes];
        HKDF.Extract(HashAlgorithmName.SHA256, secret, salt, prk);
        HKDF.Expand(HashAlgorithmName.SHA256, prk, key, "key"u8);
        HKDF.Expand(HashAlgorithmName.SHA256, prk, nonce, "nonce"u8);
        CryptographicOperations.ZeroMemory(prk);
    }

    /// <summary>The nonce of a chunk: the first one, with the chunk's number XORed into its last eight bytes.</summary>
    internal static void ChunkNonce(ReadOnlySpan<byte> first, ulong number, Span<byte> nonce)
    {
        first.CopyTo(nonce);
        Span<byte> tail = nonce[^8..];
        BinaryPrimitives.WriteUInt64BigEndian(tail, BinaryPrimitives.ReadUInt64BigEndian(tail) ^ number);
    }
}
