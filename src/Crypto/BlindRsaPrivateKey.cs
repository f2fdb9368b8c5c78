using System.Security.Cryptography;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto;

/// <summary>
/// Private key of blind RSA signatures (RFC 9474), 2048, 3072 or 4096 bits; also what <see cref="PartiallyBlindRsaPrivateKey.DeriveKey"/>
/// gives for one metadata value.
/// </summary>
/// <remarks>
/// Safe for use by several threads at once, disposal included. The private operation is libcrypto's constant-time Montgomery
/// exponentiation modulo both primes, blinded with a factor of our own, and no result leaves unchecked.
/// </remarks>
public sealed class BlindRsaPrivateKey : IDisposable
{
    private readonly CrtKey _key;
    private readonly bool _isDerived;

    private BlindRsaPrivateKey(CrtKey key, BlindRsaPublicKey publicKey, bool isDerived)
    {
        _key = key;
        _isDerived = isDerived;
        PublicKey = publicKey;
    }

    /// <summary>How this machine computes both halves of a 2048-bit private operation, for a person to read.</summary>
    public static string PrivateOperationImplementation { get; } =
        LibCryptoLoader.Version + (LibCryptoLoader.HasPairedExponentiation.Value
            ? ", both CRT halves at once (AVX512-IFMA)"
            : ", CRT halves one after the other");

    /// <summary>Not disposed with this key.</summary>
    public BlindRsaPublicKey PublicKey { get; }

    public int ModulusSizeInBytes => _key.Modulus.ModulusSize;

    internal CrtKey Key => _key;

    /// <summary>A new key with e = 65537. Takes a tenth of a second for 2048 bits to two seconds for 4096.</summary>
    /// <param name="bits">2048, 3072 or 4096.</param>
    /// <exception cref="CryptographicException">Another size.</exception>
    public static BlindRsaPrivateKey Generate(int bits)
    {
        RsaPublicNumbers.RequireSize(bits, RsaPublicNumbers.BlindSizes);
        using RsaKeyGeneration primes = new(bits);
        return FromModulus(
            RsaPrivateNumbers.FromPrimes(primes.P, primes.Q, RsaPublicNumbers.BlindSizes, safePrimes: false), RsaKeyGeneration.PublicExponent);
    }

    /// <summary>Reads a DER PKCS#8 key, RSASSA-PSS (SHA-384, salt 48) or rsaEncryption, and checks all its numbers.</summary>
    /// <exception cref="CryptographicException">Anything else, trailing bytes included.</exception>
    public static BlindRsaPrivateKey ImportPkcs8(ReadOnlySpan<byte> pkcs8) =>
        FromModulus(
            RsaPrivateNumbers.Import(pkcs8, RsaPublicNumbers.BlindSizes, safePrimes: false, out byte[] publicExponent), publicExponent);

    /// <summary>The key as PKCS#8 with RSASSA-PSS. The caller wipes it.</summary>
    /// <exception cref="InvalidOperationException">A derived key: it means nothing without its metadata.</exception>
    public byte[] ExportPkcs8() =>
        _isDerived
            ? throw new InvalidOperationException("A key derived for one metadata value has no encoding; export the key it came from.")
            : RsaPrivateNumbers.Export(_key);

    /// <summary>Signs one blinded message (RFC 9474 §4.3).</summary>
    /// <param name="blinded">As received, of any length; only the right one is signed.</param>
    /// <param name="blindSignature">Exactly <see cref="ModulusSizeInBytes"/>, apart from <paramref name="blinded"/>.</param>
    public BlindSignStatus BlindSign(ReadOnlySpan<byte> blinded, Span<byte> blindSignature)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(blindSignature.Length, ModulusSizeInBytes);
        RequireApart(blinded, blindSignature);
        return _key.Sign(blinded, blindSignature);
    }

    /// <summary>Signs many, or none. Faster than one by one under a derived key, whose check is shared by the batch.</summary>
    /// <param name="blinded">As received.</param>
    /// <param name="blindSignatures">One after the other: exactly count × <see cref="ModulusSizeInBytes"/>.</param>
    /// <param name="failedIndex">The first that could not be signed, −1 on success.</param>
    public BlindSignStatus BlindSignBatch(
        IReadOnlyList<ReadOnlyMemory<byte>> blinded, Span<byte> blindSignatures, out int failedIndex)
    {
        ArgumentNullException.ThrowIfNull(blinded);
        ArgumentOutOfRangeException.ThrowIfNotEqual(blindSignatures.Length, blinded.Count * ModulusSizeInBytes);
        for (int i = 0; i < blinded.Count; i++)
        {
            RequireApart(blinded[i].Span, blindSignatures);
        }

        return _key.SignBatch(blinded, blindSignatures, out failedIndex);
    }

    /// <summary>Wipes the key once no operation uses it.</summary>
    public void Dispose() => _key.Dispose();

    /// <summary>The check reads what was signed after the signature is written.</summary>
    private static void RequireApart(ReadOnlySpan<byte> blinded, ReadOnlySpan<byte> destination)
    {
        if (blinded.Overlaps(destination))
        {
            throw new ArgumentException("The destination overlaps a blinded message.", nameof(destination));
        }
    }

    internal static BlindRsaPrivateKey FromModulus(CrtModulus modulus, ReadOnlySpan<byte> publicExponent)
    {
        CrtKey key = new(modulus, publicExponent, ownsModulus: true);
        byte[] n = new byte[modulus.ModulusSize];
        modulus.N.Write(n);
        return new BlindRsaPrivateKey(key, BlindRsaPublicKey.FromNumbers(n, publicExponent), isDerived: false);
    }

    internal static BlindRsaPrivateKey Derived(CrtModulus modulus, ReadOnlySpan<byte> n, ReadOnlySpan<byte> info)
    {
        byte[] exponent = MetadataDerivation.DeriveExponent(n, info);
        CrtKey key = new(modulus, exponent, ownsModulus: false);
        return new BlindRsaPrivateKey(key, BlindRsaPublicKey.Derived(n, exponent, info), isDerived: true);
    }
}
