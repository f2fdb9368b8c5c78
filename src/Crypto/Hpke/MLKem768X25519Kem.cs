using System.Buffers.Binary;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Hpke;

/// <summary>
/// MLKEM768-X25519 of draft-ietf-hpke-pq, which is X-Wing (draft-connolly-cfrg-xwing-kem): safe as long as one of the two holds. Keys and encapsulated keys are the
/// ML-KEM part followed by the X25519 part.
/// </summary>
/// <remarks>
/// ML-KEM is the framework's, over libcrypto from OpenSSL 3.5 on. Its key is made for one call, from a seed in locked memory, as X25519's is: with that, opening
/// takes 95 µs where X25519 alone takes 30.
/// </remarks>
internal sealed class MLKem768X25519Kem : HpkeKem
{
    internal static readonly MLKem768X25519Kem Instance = new();

    private const int SeedSize = 32;
    private const int LatticeSeedSize = 64;
    private const int LatticePublicKeySize = 1184;
    private const int LatticeCiphertextSize = 1088;
    private const int SecretSize = 32;

    private MLKem768X25519Kem()
        : base(0x647a)
    {
    }

    internal override bool IsSupported { get; } = MLKem.IsSupported && Shake256.IsSupported && SHA3_256.IsSupported;

    internal override int PrivateKeySizeInBytes => SeedSize;

    internal override int PublicKeySizeInBytes => LatticePublicKeySize + X25519.SizeInBytes;

    internal override int EncapsulatedKeySizeInBytes => LatticeCiphertextSize + X25519.SizeInBytes;

    internal override bool HasAuthentication => false;

    // draft-connolly-cfrg-xwing-kem §5.3: drawn, it is the wing's outline.
    private static ReadOnlySpan<byte> CombinerLabel => @"\.//^\"u8;

    /// <summary>draft-ietf-hpke-pq §4, LabeledDerive of SHAKE256.</summary>
    internal override void DerivePrivateKey(ReadOnlySpan<byte> input, Span<byte> privateKey)
    {
        Span<byte> length = stackalloc byte[sizeof(ushort)];
        using Shake256 shake = new();
        shake.AppendData(input);
        shake.AppendData("HPKE-v1"u8);
        shake.AppendData(SuiteId.Span);
        BinaryPrimitives.WriteUInt16BigEndian(length, (ushort)"DeriveKeyPair"u8.Length);
        shake.AppendData(length);
        shake.AppendData("DeriveKeyPair"u8);
        BinaryPrimitives.WriteUInt16BigEndian(length, SeedSize);
        shake.AppendData(length);
        shake.GetHashAndReset(privateKey);
    }

    /// <summary>Kept are the seed and what it expands to: ML-KEM's seed and the X25519 key (draft-connolly-cfrg-xwing-kem §5.2).</summary>
    internal override void Expand(ReadOnlySpan<byte> privateKey, Span<byte> kept, Span<byte> publicKey)
    {
        privateKey.CopyTo(kept);
        Shake256.HashData(privateKey, kept.Slice(SeedSize, LatticeSeedSize + X25519.SizeInBytes));
        using MLKem lattice = MLKem.ImportPrivateSeed(MLKemAlgorithm.MLKem768, LatticeSeed(kept));
        lattice.ExportEncapsulationKey(publicKey[..LatticePublicKeySize]);
        using SafeEvpKeyHandle curve = X25519.Import(CurveKey(kept));
        X25519.ExportPublicKey(curve, publicKey[LatticePublicKeySize..]);
    }

    /// <summary>Coefficients below the modulus (FIPS 203 §7.2), and no X25519 key of small order: the draft would take one, but nobody honest has one.</summary>
    internal override bool IsPublicKey(ReadOnlySpan<byte> publicKey)
    {
        if (!X25519Kem.Instance.IsPublicKey(publicKey[LatticePublicKeySize..]))
        {
            return false;
        }

        try
        {
            MLKem.ImportEncapsulationKey(MLKemAlgorithm.MLKem768, publicKey[..LatticePublicKeySize]).Dispose();
            return true;
        }
        catch (CryptographicException)
        {
            return false;
        }
    }

    /// <param name="randomness">The ephemeral X25519 key. ML-KEM's randomness cannot be given.</param>
    internal override bool TryEncapsulate(
        HpkePublicKey recipient, HpkePrivateKey? sender, ReadOnlySpan<byte> randomness, Span<byte> encapsulatedKey, Span<byte> sharedSecret)
    {
        Span<byte> latticeCiphertext = encapsulatedKey[..LatticeCiphertextSize];
        Span<byte> curveCiphertext = encapsulatedKey[LatticeCiphertextSize..];
        ReadOnlySpan<byte> curveKey = recipient.Bytes[LatticePublicKeySize..];
        using SafeEvpKeyHandle ephemeral = randomness.IsEmpty ? X25519.Generate() : X25519.Import(randomness);
        X25519.ExportPublicKey(ephemeral, curveCiphertext);
        Span<byte> secrets = stackalloc byte[2 * SecretSize];
        using MLKem lattice = MLKem.ImportEncapsulationKey(MLKemAlgorithm.MLKem768, recipient.Bytes[..LatticePublicKeySize]);
        lattice.Encapsulate(latticeCiphertext, secrets[..SecretSize]);
        bool succeeded = X25519.TryAgree(ephemeral, curveKey, secrets[SecretSize..]);
        if (succeeded)
        {
            Combine(secrets, curveCiphertext, curveKey, sharedSecret);
        }

        CryptographicOperations.ZeroMemory(secrets);
        return succeeded;
    }

    /// <summary>A changed ML-KEM ciphertext gives another secret, not a failure (FIPS 203 §6.3): the AEAD then refuses.</summary>
    internal override bool TryDecapsulate(HpkePrivateKey recipient, HpkePublicKey? sender, ReadOnlySpan<byte> encapsulatedKey, Span<byte> sharedSecret)
    {
        ReadOnlySpan<byte> curveCiphertext = encapsulatedKey[LatticeCiphertextSize..];
        ReadOnlySpan<byte> curveKey = recipient.PublicKey.Bytes[LatticePublicKeySize..];
        Span<byte> secrets = stackalloc byte[2 * SecretSize];
        using LockedBytes.Lease lease = recipient.Use();
        using SafeEvpKeyHandle curve = X25519.Import(CurveKey(lease.Bytes), curveKey);
        bool succeeded = X25519.TryAgree(curve, curveCiphertext, secrets[SecretSize..]);
        if (succeeded)
        {
            using MLKem lattice = MLKem.ImportPrivateSeed(MLKemAlgorithm.MLKem768, LatticeSeed(lease.Bytes));
            lattice.Decapsulate(encapsulatedKey[..LatticeCiphertextSize], secrets[..SecretSize]);
            Combine(secrets, curveCiphertext, curveKey, sharedSecret);
        }

        CryptographicOperations.ZeroMemory(secrets);
        return succeeded;
    }

    private static Span<byte> LatticeSeed(Span<byte> kept) => kept.Slice(SeedSize, LatticeSeedSize);

    private static Span<byte> CurveKey(Span<byte> kept) => kept.Slice(SeedSize + LatticeSeedSize, X25519.SizeInBytes);

    /// <summary>draft-connolly-cfrg-xwing-kem §5.3.</summary>
    /// <param name="secrets">ML-KEM's, then X25519's.</param>
    private static void Combine(ReadOnlySpan<byte> secrets, ReadOnlySpan<byte> curveCiphertext, ReadOnlySpan<byte> curveKey, Span<byte> sharedSecret)
    {
        Span<byte> input = stackalloc byte[(2 * SecretSize) + (2 * X25519.SizeInBytes) + CombinerLabel.Length];
        secrets.CopyTo(input);
        curveCiphertext.CopyTo(input[(2 * SecretSize)..]);
        curveKey.CopyTo(input[((2 * SecretSize) + X25519.SizeInBytes)..]);
        CombinerLabel.CopyTo(input[((2 * SecretSize) + (2 * X25519.SizeInBytes))..]);
        SHA3_256.HashData(input, sharedSecret);
        CryptographicOperations.ZeroMemory(input);
    }
}
