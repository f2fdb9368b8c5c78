using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>Modulus and public exponent, ready for exponentiation. Shared by threads.</summary>
internal sealed class RsaPublicNumbers : NativeGroup
{
    /// <summary>2^16 + 1, the exponent of nearly every key.</summary>
    private const int FermatSquarings = 16;

    private static readonly byte[] s_fermat = [1, 0, 1];
    private readonly bool _isFermat;

    internal RsaPublicNumbers(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent)
    {
        N = NewNumber();
        N.Read(modulus);
        E = NewNumber();
        E.Read(exponent);
        MontgomeryN = NewMontgomery(N, ThreadScratch.Current.Context);
        ModulusSize = modulus.Length;
        _isFermat = exponent.SequenceEqual(s_fermat);
    }

    internal BigNum N { get; }

    internal BigNum E { get; }

    internal Montgomery MontgomeryN { get; }

    internal int ModulusSize { get; }

    /// <summary><c>a</c>^e mod n, for 0 ≤ a &lt; n.</summary>
    /// <remarks>
    /// The exponent is public, so the sequence of multiplications may depend on it; it does not depend on the base, which is a
    /// secret when a blinding factor is raised. A base flagged constant-time would take another, a tenth slower way.
    /// <para>
    /// For 2^16 + 1 the same multiplications, without those by one at either end that libcrypto's function for any exponent makes: the last, by the base as it came, leaves
    /// Montgomery's form by itself.
    /// </para>
    /// </remarks>
    /// <param name="result">Another number than <paramref name="a"/>.</param>
    /// <param name="a">The base.</param>
    /// <param name="context">The thread's.</param>
    internal void Power(BigNum result, BigNum a, BigNumContext context)
    {
        if (!_isFermat)
        {
            LibCrypto.Check(LibCrypto.BN_mod_exp_mont(result, a, E, N, context, MontgomeryN));
            return;
        }

        LibCrypto.Check(LibCrypto.BN_to_montgomery(result, a, MontgomeryN, context));
        for (int i = 0; i < FermatSquarings; i++)
        {
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(result, result, result, MontgomeryN, context));
        }

        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(result, result, a, MontgomeryN, context));
    }

    internal byte[] ExportModulus()
    {
        using Lease lease = Use();
        byte[] bytes = new byte[ModulusSize];
        N.Write(bytes);
        return bytes;
    }

    internal byte[] ExportExponent()
    {
        using Lease lease = Use();
        byte[] bytes = new byte[(E.Bits() + 7) / 8];
        E.Write(bytes);
        return bytes;
    }

    /// <summary>What every key of ours is: one of the three sizes, odd, and an odd exponent between 2^16 and 2^32 (FIPS 186-5 §5.1).</summary>
    internal static bool IsAcceptable(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent, ReadOnlySpan<int> bitSizes) =>
        bitSizes.Contains(modulus.Length * 8) && modulus[0] >= 0x80 && (modulus[^1] & 1) == 1
        && exponent.Length is 3 or 4 && exponent[0] != 0 && (exponent[^1] & 1) == 1;

    internal static ReadOnlySpan<int> BlindSizes => [2048, 3072, 4096];

    /// <summary>The draft wants a modulus length that is a power of two (draft-irtf-cfrg-partially-blind-rsa, DerivePublicKey).</summary>
    internal static ReadOnlySpan<int> PartiallyBlindSizes => [2048, 4096];

    internal static void RequireSize(int bits, ReadOnlySpan<int> sizes)
    {
        if (!sizes.Contains(bits))
        {
            throw new CryptographicException($"An RSA modulus of {bits} bits is not supported; use {string.Join(", ", sizes.ToArray())}.");
        }
    }
}
