using System.Security.Cryptography;

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
    public const int PresenterSizeInBytes = 16;

    private const int MaxPathBytes = 64;

    /// <summary>HKDF-Extract (RFC 5869 §2.2) of the authenticator.</summary>
    public static void Extract(ReadOnlySpan<byte> authenticator, Span<byte> pseudorandomKey) =>
        HKDF.Extract(HashAlgorithmName.SHA256, authenticator, "tacit gateway v1"u8, pseudorandomKey);

    /// <summary>
    /// HMAC-SHA-256 over method, path and the SHA-256 of the body exactly as received. Hashing the body first keeps the message short and
    /// its parts unambiguous: neither method nor path can contain a zero byte.
    /// </summary>
    public static void RequestTag(ReadOnlySpan<byte> pseudorandomKey, ReadOnlySpan<byte> method, ReadOnlySpan<byte> path, ReadOnlySpan<byte> body, Span<byte> tag)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(method.Length + path.Length, MaxPathBytes);
        Span<byte> key = stackalloc byte[KeySizeInBytes];
        Span<byte> message = stackalloc byte[MaxPathBytes + 2 + SHA256.HashSizeInBytes];
        try
        {
            HKDF.Expand(HashAlgorithmName.SHA256, pseudorandomKey, key, "request tag"u8);
            method.CopyTo(message);
            message[method.Length] = 0;
            path.CopyTo(message[(method.Length + 1)..]);
            int length = method.Length + 1 + path.Length;
            message[length++] = 0;
            SHA256.HashData(body, message[length..]);
            HMACSHA256.HashData(key, message[..(length + SHA256.HashSizeInBytes)], tag);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(message);
        }
    }

    /// <summary>
    /// The AES-256 key of one reply, and a value that proves who asks to be a presenter of its token without giving the key away. The salt is fresh for each
    /// reply, because one token can have several (returned and used again, or taken over after a crash) and the nonces of each start at zero.
    /// </summary>
    public static void ReplyKey(ReadOnlySpan<byte> pseudorandomKey, ReadOnlySpan<byte> salt, Span<byte> key, Span<byte> presenter)
    {
        Span<byte> info = stackalloc byte[5 + ReplySaltSizeInBytes];
        Span<byte> both = stackalloc byte[KeySizeInBytes + PresenterSizeInBytes];
        try
        {
            "reply"u8.CopyTo(info);
            salt.CopyTo(info[5..]);
            HKDF.Expand(HashAlgorithmName.SHA256, pseudorandomKey, both, info);
            both[..KeySizeInBytes].CopyTo(key);
            both[KeySizeInBytes..].CopyTo(presenter);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(both);
        }
    }
}
