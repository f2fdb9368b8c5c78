using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto;

/// <summary>
/// Public key of partially blind RSA signatures (draft-irtf-cfrg-partially-blind-rsa), 2048 or 4096 bits: a family of keys, one for each
/// value of public metadata. Immutable; holds nothing secret.
/// </summary>
public sealed class PartiallyBlindRsaPublicKey : IDisposable
{
    private readonly byte[] _modulus;
    private readonly byte[] _exponent;

    internal PartiallyBlindRsaPublicKey(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent)
    {
        _modulus = modulus.ToArray();
        _exponent = exponent.ToArray();
    }

    /// <summary>256 or 512.</summary>
    public int ModulusSizeInBytes => _modulus.Length;

    /// <summary>Reads a DER SubjectPublicKeyInfo with RSASSA-PSS, SHA-384, MGF1-SHA-384, salt 48.</summary>
    /// <exception cref="CryptographicException">Anything else, trailing bytes included.</exception>
    public static PartiallyBlindRsaPublicKey ImportSubjectPublicKeyInfo(ReadOnlySpan<byte> spki) =>
        TryImportSubjectPublicKeyInfo(spki, out PartiallyBlindRsaPublicKey? key)
            ? key
            : throw new CryptographicException(
                "Not a public key that can be used here: expected DER SubjectPublicKeyInfo, RSASSA-PSS with SHA-384 and salt 48, 2048 or 4096 bits.");

    /// <summary>As <see cref="ImportSubjectPublicKeyInfo"/>, for bytes that somebody sent.</summary>
    public static bool TryImportSubjectPublicKeyInfo(ReadOnlySpan<byte> spki, [NotNullWhen(true)] out PartiallyBlindRsaPublicKey? key)
    {
        key = RsaKeyEncoding.TryReadSubjectPublicKeyInfo(spki, out ReadOnlySpan<byte> modulus, out ReadOnlySpan<byte> exponent)
            && RsaPublicNumbers.IsAcceptable(modulus, exponent, RsaPublicNumbers.PartiallyBlindSizes)
                ? new PartiallyBlindRsaPublicKey(modulus, exponent)
                : null;
        return key is not null;
    }

    public byte[] ExportSubjectPublicKeyInfo() => RsaKeyEncoding.WriteSubjectPublicKeyInfo(_modulus, _exponent);

    /// <summary>
    /// The key for one metadata value. Cheap next to a verification, which costs some sixty times one with e = 65537: look the metadata
    /// up among those that are live before deriving anything for a stranger.
    /// </summary>
    public BlindRsaPublicKey DeriveKey(ReadOnlySpan<byte> info) =>
        BlindRsaPublicKey.Derived(_modulus, MetadataDerivation.DeriveExponent(_modulus, info), info);

    /// <summary>Frees nothing today; there so that callers treat all keys alike.</summary>
    public void Dispose()
    {
    }
}
