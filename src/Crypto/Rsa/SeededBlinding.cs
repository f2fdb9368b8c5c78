using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tacit.Crypto.Rsa;

/// <summary>Salt and blinding factor of a request from one seed, by HKDF-Expand with SHA-384 (RFC 5869 §2.3).</summary>
/// <remarks>Changing a label changes every request a wallet would repeat after a restore.</remarks>
internal static class SeededBlinding
{
    private static ReadOnlySpan<byte> SaltLabel => "tacit blind rsa salt"u8;

    private static ReadOnlySpan<byte> FactorLabel => "tacit blind rsa factor"u8;

    internal static void DeriveSalt(ReadOnlySpan<byte> seed, Span<byte> salt)
    {
        if (!salt.IsEmpty)
        {
            Expand(seed, SaltLabel, salt);
        }
    }

    /// <summary>One candidate as long as the modulus; the caller rejects those that are not in (0, n) and coprime.</summary>
    internal static void DeriveFactor(ReadOnlySpan<byte> seed, int candidate, Span<byte> factor)
    {
        Span<byte> label = stackalloc byte[FactorLabel.Length + sizeof(int)];
        FactorLabel.CopyTo(label);
        BinaryPrimitives.WriteInt32BigEndian(label[FactorLabel.Length..], candidate);
        Expand(seed, label, factor);
    }

    private static void Expand(ReadOnlySpan<byte> seed, ReadOnlySpan<byte> label, Span<byte> output)
    {
        // HKDF-Expand asks for a key as long as the hash; extraction makes one of the 32 bytes.
        Span<byte> key = stackalloc byte[SHA384.HashSizeInBytes];
        HKDF.Extract(HashAlgorithmName.SHA384, seed, [], key);
        HKDF.Expand(HashAlgorithmName.SHA384, key, output, label);
        CryptographicOperations.ZeroMemory(key);
    }
}
