using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tacit.Crypto.Rsa;

/// <summary>What public metadata changes: the exponent and the message (draft-irtf-cfrg-partially-blind-rsa).</summary>
internal static class MetadataDerivation
{
    /// <summary>The exponent e′ of DerivePublicKey, half as long as the modulus, its two top bits clear and odd.</summary>
    /// <remarks>
    /// Being odd and below 2^(λ−2) it is coprime with (p − 1)(q − 1) = 4p′q′ for safe primes of λ bits: p′ and q′ are larger.
    /// </remarks>
    internal static byte[] DeriveExponent(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> info)
    {
        const int extra = 16; // the draft expands by so much and cuts it off again
        int length = modulus.Length / 2;
        byte[] input = new byte[3 + info.Length + 1];
        "key"u8.CopyTo(input);
        info.CopyTo(input.AsSpan(3));
        byte[] expanded = HKDF.DeriveKey(HashAlgorithmName.SHA384, input, length + extra, modulus.ToArray(), "PBRSA"u8.ToArray());
        byte[] exponent = expanded[..length];
        exponent[0] &= 0x3f;
        exponent[^1] |= 0x01;
        return exponent;
    }

    /// <summary>What goes before every message: "msg" ‖ length of the metadata in four bytes ‖ metadata.</summary>
    internal static byte[] MessagePrefix(ReadOnlySpan<byte> info)
    {
        byte[] prefix = new byte[3 + sizeof(uint) + info.Length];
        "msg"u8.CopyTo(prefix);
        BinaryPrimitives.WriteInt32BigEndian(prefix.AsSpan(3), info.Length);
        info.CopyTo(prefix.AsSpan(3 + sizeof(uint)));
        return prefix;
    }
}
