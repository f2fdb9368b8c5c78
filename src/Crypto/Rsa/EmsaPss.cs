using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tacit.Crypto.Rsa;

/// <summary>EMSA-PSS with SHA-384 and MGF1-SHA-384 (RFC 8017 §9.1), for moduli whose bit length is a multiple of 8.</summary>
/// <remarks>
/// Of our own because libcrypto offers it only behind an RSA key, and so that a blinded message can be made from a chosen salt. For
/// these moduli the encoding is as long as the modulus and exactly one top bit is unused.
/// </remarks>
internal static class EmsaPss
{
    internal const int HashSize = SHA384.HashSizeInBytes;

    private const byte Trailer = 0xbc;
    private const byte UnusedTopBit = 0x80;

    internal static void Encode(ReadOnlySpan<byte> messageHash, ReadOnlySpan<byte> salt, Span<byte> encoded)
    {
        Span<byte> maskedBlock = encoded[..^(HashSize + 1)];
        Span<byte> hash = encoded.Slice(maskedBlock.Length, HashSize);
        HashWithSalt(messageHash, salt, hash);

        maskedBlock.Clear();
        maskedBlock[^(salt.Length + 1)] = 0x01;
        salt.CopyTo(maskedBlock[^salt.Length..]);
        ApplyMask(hash, maskedBlock);
        encoded[0] &= unchecked((byte)~UnusedTopBit);
        encoded[^1] = Trailer;
    }

    /// <summary>EMSA-PSS-VERIFY. Overwrites <paramref name="encoded"/>.</summary>
    internal static bool Verify(ReadOnlySpan<byte> messageHash, int saltLength, Span<byte> encoded)
    {
        if (encoded[^1] != Trailer || (encoded[0] & UnusedTopBit) != 0)
        {
            return false;
        }

        Span<byte> block = encoded[..^(HashSize + 1)];
        ReadOnlySpan<byte> hash = encoded.Slice(block.Length, HashSize);
        ApplyMask(hash, block);
        block[0] &= unchecked((byte)~UnusedTopBit);

        ReadOnlySpan<byte> padding = block[..^(saltLength + 1)];
        if (padding.ContainsAnyExcept((byte)0) || block[padding.Length] != 0x01)
        {
            return false;
        }

        Span<byte> expected = stackalloc byte[HashSize];
        HashWithSalt(messageHash, block[^saltLength..], expected);
        return CryptographicOperations.FixedTimeEquals(hash, expected);
    }

    /// <summary>The salt in what <see cref="Verify"/> left of an encoded message that was right.</summary>
    internal static ReadOnlySpan<byte> SaltOfVerified(ReadOnlySpan<byte> unmasked, int saltLength) =>
        unmasked[..^(HashSize + 1)][^saltLength..];

    private static void HashWithSalt(ReadOnlySpan<byte> messageHash, ReadOnlySpan<byte> salt, Span<byte> hash)
    {
        Span<byte> input = stackalloc byte[8 + (2 * HashSize)];
        input = input[..(8 + HashSize + salt.Length)];
        input[..8].Clear();
        messageHash.CopyTo(input[8..]);
        salt.CopyTo(input[(8 + HashSize)..]);
        ShortDigest.Sha384(input, hash);
        CryptographicOperations.ZeroMemory(input);
    }

    /// <summary>XORs MGF1(seed) onto the block (RFC 8017 §B.2.1).</summary>
    private static void ApplyMask(ReadOnlySpan<byte> seed, Span<byte> block)
    {
        Span<byte> input = stackalloc byte[HashSize + sizeof(uint)];
        Span<byte> mask = stackalloc byte[HashSize];
        seed.CopyTo(input);
        for (uint counter = 0; !block.IsEmpty; counter++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(input[HashSize..], counter);
            ShortDigest.Sha384(input, mask);
            int length = Math.Min(mask.Length, block.Length);
            for (int i = 0; i < length; i++)
            {
                block[i] ^= mask[i];
            }

            block = block[length..];
        }
    }
}
