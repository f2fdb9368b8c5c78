using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>
/// SHA-256, SHA-384 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) of a few hundred bytes, with the state on the stack and wiped. The framework's one-shot
/// functions make and free a libcrypto object for each hash, which costs three times as much as the hash; verifying one token takes a dozen of them.
/// </summary>
/// <remarks>The arithmetic is libcrypto's either way; what is longer goes through the framework.</remarks>
public static unsafe class ShortDigest
{
    /// <summary>Beyond this the objects no longer matter, and the calls would be too long to keep the collector waiting.</summary>
    internal const int MaxShort = 1024;

    // sizeof(SHA256_CTX) is 112, sizeof(SHA512_CTX) 216 (openssl/sha.h; fixed by its binary interface).
    private const int Sha256StateSize = 112;
    private const int Sha512StateSize = 216;

    private const int HmacBlockSize = 64;

    /// <param name="message">Any length.</param>
    /// <param name="hash">Exactly 32 bytes.</param>
    public static void Sha256(ReadOnlySpan<byte> message, Span<byte> hash)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(hash.Length, SHA256.HashSizeInBytes);
        if (message.Length > MaxShort)
        {
            SHA256.HashData(message, hash);
            return;
        }

        ulong* state = stackalloc ulong[Sha256StateSize / sizeof(ulong)];
        Sha256(state, message, default, hash);
        CryptographicOperations.ZeroMemory(new Span<byte>(state, Sha256StateSize));
    }

    /// <param name="key">At most 64 bytes, the hash's block.</param>
    /// <param name="message">Any length.</param>
    /// <param name="mac">Exactly 32 bytes.</param>
    public static void HmacSha256(ReadOnlySpan<byte> key, ReadOnlySpan<byte> message, Span<byte> mac)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(key.Length, HmacBlockSize);
        ArgumentOutOfRangeException.ThrowIfNotEqual(mac.Length, HMACSHA256.HashSizeInBytes);
        if (message.Length > MaxShort)
        {
            HMACSHA256.HashData(key, message, mac);
            return;
        }

        Span<byte> pad = stackalloc byte[HmacBlockSize];
        Span<byte> inner = stackalloc byte[SHA256.HashSizeInBytes];
        ulong* state = stackalloc ulong[Sha256StateSize / sizeof(ulong)];
        FillPad(pad, key, 0x36);
        Sha256(state, pad, message, inner);
        FillPad(pad, key, 0x5c);
        Sha256(state, pad, inner, mac);
        CryptographicOperations.ZeroMemory(pad);
        CryptographicOperations.ZeroMemory(inner);
        CryptographicOperations.ZeroMemory(new Span<byte>(state, Sha256StateSize));
    }

    /// <param name="message">Any length.</param>
    /// <param name="hash">Exactly 48 bytes.</param>
    internal static void Sha384(ReadOnlySpan<byte> message, Span<byte> hash)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(hash.Length, SHA384.HashSizeInBytes);
        if (message.Length > MaxShort)
        {
            SHA384.HashData(message, hash);
            return;
        }

        ulong* state = stackalloc ulong[Sha512StateSize / sizeof(ulong)];
        fixed (byte* input = &MemoryMarshal.GetReference(message), output = hash)
        {
            LibCrypto.Check(
                LibCrypto.SHA384_Init(state) & LibCrypto.SHA384_Update(state, input, (nuint)message.Length) & LibCrypto.SHA384_Final(output, state));
        }

        CryptographicOperations.ZeroMemory(new Span<byte>(state, Sha512StateSize));
    }

    private static void Sha256(ulong* state, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second, Span<byte> hash)
    {
        fixed (byte* one = &MemoryMarshal.GetReference(first), two = &MemoryMarshal.GetReference(second), output = hash)
        {
            LibCrypto.Check(
                LibCrypto.SHA256_Init(state)
                & LibCrypto.SHA256_Update(state, one, (nuint)first.Length)
                & LibCrypto.SHA256_Update(state, two, (nuint)second.Length)
                & LibCrypto.SHA256_Final(output, state));
        }
    }

    private static void FillPad(Span<byte> pad, ReadOnlySpan<byte> key, byte value)
    {
        pad.Fill(value);
        for (int i = 0; i < key.Length; i++)
        {
            pad[i] ^= key[i];
        }
    }
}
