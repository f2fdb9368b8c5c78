using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Gateway.Admission;

/// <summary>
/// What is derived from a token's authenticator: the key of the request tag and the key that kept replies are sealed under.
/// The authenticator itself is never stored, so neither can be recomputed from the disk (law 2).
/// </summary>
internal static class TokenKeys
{
    public const int KeySizeInBytes = 32;
    public const int RequestTagSizeInBytes = 32;
    public const int ReplySaltSizeInBytes = 16;

    private const int MaxInfoBytes = 128;

    /// <summary>HKDF-Extract (RFC 5869, section 2.2) of the authenticator: HMAC-SHA-256 under a constant salt.</summary>
    public static void Extract(ReadOnlySpan<byte> authenticator, Span<byte> pseudorandomKey) =>
        ShortDigest.HmacSha256("tacit gateway v1"u8, authenticator, pseudorandomKey);

    /// <summary>
    /// HMAC-SHA-256 over method, path and the SHA-256 of the body exactly as received. Hashing the body first keeps the message short and
    /// its parts unambiguous: neither method nor path can contain a zero byte.
    /// </summary>
    public static void RequestTag(ReadOnlySpan<byte> pseudorandomKey, ReadOnlySpan<byte> method, ReadOnlySpan<byte> path, ReadOnlySpan<byte> body, Span<byte> tag)
    {
        Span<byte> info = stackalloc byte[MaxInfoBytes];
        Span<byte> bodyHash = stackalloc byte[SHA256.HashSizeInBytes];
        try
        {
            ShortDigest.Sha256(body, bodyHash);
            Expand(pseudorandomKey, info[..Join(info, "request tag"u8, method, path, bodyHash)], tag);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(info);
            CryptographicOperations.ZeroMemory(bodyHash);
        }
    }

    /// <summary>
    /// The AES-256 key of one reply. The salt is fresh for each reply, because one token can have several (returned and used again, or taken over after a
    /// crash) and the nonces of each start at zero.
    /// </summary>
    public static void ReplyKey(ReadOnlySpan<byte> pseudorandomKey, ReadOnlySpan<byte> salt, Span<byte> key)
    {
        Span<byte> info = stackalloc byte[MaxInfoBytes];
        Expand(pseudorandomKey, info[..Join(info, "reply key"u8, salt, default, default)], key);
    }

    /// <summary>The first block of HKDF-Expand (RFC 5869, section 2.3).</summary>
    private static void Expand(ReadOnlySpan<byte> pseudorandomKey, Span<byte> infoAndOne, Span<byte> block)
    {
        infoAndOne[^1] = 1;
        ShortDigest.HmacSha256(pseudorandomKey, infoAndOne, block);
    }

    /// <summary>The parts with a zero byte behind each, and room for the block's number.</summary>
    private static int Join(Span<byte> destination, ReadOnlySpan<byte> label, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, ReadOnlySpan<byte> third)
    {
        int length = Add(destination, 0, label);
        length = Add(destination, length, first);
        length = Add(destination, length, second);
        return Add(destination, length, third) + 1;

        static int Add(Span<byte> destination, int at, ReadOnlySpan<byte> part)
        {
            part.CopyTo(destination[at..]);
            destination[at + part.Length] = 0;
            return at + part.Length + 1;
        }
    }
}
