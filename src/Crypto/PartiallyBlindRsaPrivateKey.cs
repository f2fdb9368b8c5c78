using System.Security.Cryptography;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto;

/// <summary>
/// Private key of partially blind RSA signatures (draft-irtf-cfrg-partially-blind-rsa), 2048 or 4096 bits, made of two safe primes.
/// It signs nothing itself: <see cref="DeriveKey"/> gives the key for one metadata value.
/// </summary>
/// <remarks>Safe for use by several threads at once. Derived keys go on working after this one is disposed.</remarks>
public sealed class PartiallyBlindRsaPrivateKey : IDisposable
{
    private readonly CrtKey _key;
    private readonly byte[] _modulus;

    private PartiallyBlindRsaPrivateKey(CrtKey key)
    {
        _key = key;
        _modulus = new byte[key.Modulus.ModulusSize];
        key.Modulus.N.Write(_modulus);
        byte[] exponent = new byte[(key.E.Bits() + 7) / 8];
        key.E.Write(exponent);
        PublicKey = new PartiallyBlindRsaPublicKey(_modulus, exponent);
    }

    public PartiallyBlindRsaPublicKey PublicKey { get; }

    public int ModulusSizeInBytes => _modulus.Length;

    /// <summary>Searches two safe primes, both at once on two threads.</summary>
    /// <param name="bits">2048 (a quarter of a second of processor time on average) or 4096 (twelve seconds); chance decides.</param>
    /// <param name="progress">Told now and then, from the searching threads.</param>
    /// <param name="cancellationToken">Ends the search between two candidates.</param>
    /// <exception cref="CryptographicException">Another size.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Task<PartiallyBlindRsaPrivateKey> GenerateAsync(
        int bits, IProgress<KeyGenerationProgress>? progress, CancellationToken cancellationToken)
    {
        RsaPublicNumbers.RequireSize(bits, RsaPublicNumbers.PartiallyBlindSizes);
        return GenerateCoreAsync(bits, progress, cancellationToken);
    }

    /// <summary>
    /// Reads a DER PKCS#8 key and checks all its numbers, that both primes are safe and equally long, and that e is invertible. Every
    /// derived exponent then is: it is odd and shorter than the large factors of p − 1 and q − 1.
    /// </summary>
    /// <exception cref="CryptographicException">Anything else, trailing bytes included.</exception>
    public static PartiallyBlindRsaPrivateKey ImportPkcs8(ReadOnlySpan<byte> pkcs8)
    {
        CrtModulus modulus = RsaPrivateNumbers.Import(
            pkcs8, RsaPublicNumbers.PartiallyBlindSizes, safePrimes: true, out byte[] publicExponent);
        return FromModulus(modulus, publicExponent);
    }

    /// <summary>The key as PKCS#8 with RSASSA-PSS. The caller wipes it.</summary>
    public byte[] ExportPkcs8() => RsaPrivateNumbers.Export(_key);

    /// <summary>The key for one metadata value. Takes a tenth of a millisecond, and its first signature as long again for a blinding pair: keep it while the metadata is live.</summary>
    public BlindRsaPrivateKey DeriveKey(ReadOnlySpan<byte> info)
    {
        using NativeGroup.Lease lease = _key.Use();
        return BlindRsaPrivateKey.Derived(_key.Modulus, _modulus, info);
    }

    /// <summary>Wipes the key once no operation and no derived key uses it.</summary>
    public void Dispose() => _key.Dispose();

    internal static PartiallyBlindRsaPrivateKey FromModulus(CrtModulus modulus, ReadOnlySpan<byte> publicExponent) =>
        new(new CrtKey(modulus, publicExponent, ownsModulus: true));

    private static async Task<PartiallyBlindRsaPrivateKey> GenerateCoreAsync(
        int bits, IProgress<KeyGenerationProgress>? progress, CancellationToken cancellationToken)
    {
        using SafePrimePair primes = await SafePrimePair.SearchAsync(bits / 2, progress, cancellationToken);
        CrtModulus modulus = RsaPrivateNumbers.FromPrimes(primes.P, primes.Q, RsaPublicNumbers.PartiallyBlindSizes, safePrimes: true);
        return FromModulus(modulus, RsaKeyGeneration.PublicExponent);
    }
}
