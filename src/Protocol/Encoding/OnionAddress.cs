using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>
/// The name of a version 3 onion service (Tor's rend-spec-v3, section 6): <c>base32(public key ‖ checksum ‖ version)</c> in lower case, and <c>.onion</c>. The name is the
/// service's key, so that whoever has it needs no certificate to know whom a connection reaches.
/// </summary>
public static class OnionAddress
{
    /// <summary>56 symbols and <c>.onion</c>.</summary>
    public const int Length = Digits + 6;

    public const string Suffix = ".onion";

    private const int Digits = 56;
    private const int ChecksumSize = 2;
    private const byte Version = 3;
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";

    /// <summary>Whether a host is in Tor's top-level domain (RFC 7686), valid or not.</summary>
    public static bool IsOnionHost([NotNullWhen(true)] string? host) => host is not null && host.EndsWith(Suffix, StringComparison.OrdinalIgnoreCase);

    /// <inheritdoc cref="TryParse"/>
    public static bool IsValid([NotNullWhen(true)] string? text) => TryParse(text, out _);

    /// <summary>
    /// Takes a name in its one spelling: version 3, a checksum that fits, and a key that is a point of Ed25519. The checksum is SHA-3, which not every platform has: there
    /// it is Tor that finds a mistyped name.
    /// </summary>
    /// <param name="text">With <c>.onion</c>, without scheme or path.</param>
    /// <param name="publicKey">32 bytes.</param>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out byte[]? publicKey)
    {
        publicKey = null;
        if (text is not { Length: Length } || !text.EndsWith(Suffix, StringComparison.Ordinal))
        {
            return false;
        }

        Span<byte> bytes = stackalloc byte[Digits * 5 / 8];
        int buffer = 0;
        int bits = 0;
        int written = 0;
        foreach (char symbol in text.AsSpan(0, Digits))
        {
            int digit = Alphabet.IndexOf(symbol, StringComparison.Ordinal);
            if (digit < 0)
            {
                return false;
            }

            buffer = ((buffer << 5) | digit) & 0xFFF;
            bits += 5;
            if (bits >= 8)
            {
                bits -= 8;
                bytes[written++] = (byte)((buffer >> bits) & 0xFF);
            }
        }

        ReadOnlySpan<byte> key = bytes[..Ed25519PublicKey.SizeInBytes];
        Span<byte> checksum = stackalloc byte[ChecksumSize];
        if (bytes[^1] != Version
            || (TryComputeChecksum(key, checksum) && !checksum.SequenceEqual(bytes.Slice(Ed25519PublicKey.SizeInBytes, ChecksumSize)))
            || !Ed25519PublicKey.IsPoint(key))
        {
            return false;
        }

        publicKey = key.ToArray();
        return true;
    }

    /// <summary>The name of the service with this key.</summary>
    /// <param name="publicKey">Ed25519, 32 bytes.</param>
    /// <exception cref="PlatformNotSupportedException">This platform has no SHA-3.</exception>
    public static string Format(ReadOnlySpan<byte> publicKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(publicKey.Length, Ed25519PublicKey.SizeInBytes);
        Span<byte> bytes = stackalloc byte[Digits * 5 / 8];
        publicKey.CopyTo(bytes);
        if (!TryComputeChecksum(publicKey, bytes[Ed25519PublicKey.SizeInBytes..]))
        {
            throw new PlatformNotSupportedException("This platform has no SHA-3.");
        }

        bytes[^1] = Version;
        Span<char> text = stackalloc char[Length];
        for (int i = 0; i < Digits; i++)
        {
            int at = i * 5;
            int pair = (bytes[at / 8] << 8) | (at / 8 + 1 < bytes.Length ? bytes[(at / 8) + 1] : 0);
            text[i] = Alphabet[(pair >> (11 - (at % 8))) & 31];
        }

        Suffix.CopyTo(text[Digits..]);
        return new string(text);
    }

    /// <summary>The address of a plain HTTP server there: Tor encrypts and authenticates the way to it.</summary>
    public static string ToUrl(string address) => "http://" + address;

    /// <summary>SHA3-256(".onion checksum" ‖ key ‖ version), its first two bytes.</summary>
    private static bool TryComputeChecksum(ReadOnlySpan<byte> publicKey, Span<byte> checksum)
    {
        if (!SHA3_256.IsSupported)
        {
            return false;
        }

        Span<byte> hash = stackalloc byte[SHA3_256.HashSizeInBytes];
        SHA3_256.HashData([.. ".onion checksum"u8, .. publicKey, Version], hash);
        hash[..ChecksumSize].CopyTo(checksum);
        return true;
    }
}
