using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>From a private key's bytes to its primes and back, with every relation checked.</summary>
internal static class RsaPrivateNumbers
{
    internal const string NotAKey =
        "Not a private key that can be used here: expected DER PKCS#8 (rsaEncryption, or RSASSA-PSS with SHA-384 and salt 48), two primes of half the modulus each.";

    /// <summary>Reads a PKCS#8 key whose numbers agree with each other.</summary>
    /// <remarks>
    /// A key with one altered number can pass its own product of primes and still sign wrongly, or leak; so nothing is taken on trust
    /// and only the primes and e are kept.
    /// </remarks>
    /// <exception cref="CryptographicException">Anything is wrong with it.</exception>
    internal static CrtModulus Import(
        ReadOnlySpan<byte> pkcs8, ReadOnlySpan<int> bitSizes, bool safePrimes, out byte[] publicExponent)
    {
        if (!RsaKeyEncoding.TryReadPkcs8(pkcs8, out RsaKeyEncoding.PrivateNumbers key)
            || !RsaPublicNumbers.IsAcceptable(key.Modulus, key.PublicExponent, bitSizes))
        {
            throw new CryptographicException(NotAKey);
        }

        using Numbers numbers = new();
        BigNum n = numbers.Read(key.Modulus);
        CrtModulus modulus = FromPrimes(numbers.Read(key.P), numbers.Read(key.Q), bitSizes, safePrimes);
        try
        {
            if (!modulus.N.EqualsNumber(n) || !ExponentsAgree(modulus, key, numbers))
            {
                throw new CryptographicException("The numbers of the private key do not belong together.");
            }

            publicExponent = key.PublicExponent.ToArray();
            return modulus;
        }
        catch
        {
            modulus.Dispose();
            throw;
        }
    }

    /// <summary>Checks two primes and takes them.</summary>
    /// <exception cref="CryptographicException">Not primes of equal, right length, or too close, or not safe where they must be.</exception>
    internal static CrtModulus FromPrimes(BigNum p, BigNum q, ReadOnlySpan<int> bitSizes, bool safePrimes)
    {
        int bits = p.Bits();
        if (bits != q.Bits() || !bitSizes.Contains(2 * bits))
        {
            throw new CryptographicException("The primes are not both half as long as the modulus.");
        }

        using Numbers numbers = new();
        if (!IsPrime(p, safePrimes, numbers) || !IsPrime(q, safePrimes, numbers))
        {
            throw new CryptographicException(
                safePrimes ? "A partially blind key needs two safe primes, p = 2p' + 1 with p' prime." : "A factor is not prime.");
        }

        // Close primes fall to Fermat's factoring method (FIPS 186-5 §A.1.3: more than 2^(bits/2 − 100) apart).
        BigNum distance = numbers.NewSecret();
        LibCrypto.Check(LibCrypto.BN_sub(distance, p, q));
        if (distance.Bits() <= bits - 100)
        {
            throw new CryptographicException("The primes are too close to each other.");
        }

        CrtModulus modulus = new(p, q);
        if (modulus.N.Bits() != 2 * bits)
        {
            modulus.Dispose();
            throw new CryptographicException("The modulus is a bit short.");
        }

        return modulus;
    }

    internal static byte[] Export(CrtKey key)
    {
        using NativeGroup.Lease lease = key.Use();
        using Numbers numbers = new();
        CrtModulus modulus = key.Modulus;
        BigNumContext context = ThreadScratch.Current.Context;

        // d modulo lcm(p − 1, q − 1), as FIPS 186-5 and libcrypto have it.
        BigNum product = numbers.NewSecret();
        BigNum divisor = numbers.NewSecret();
        BigNum rest = numbers.NewSecret();
        BigNum d = numbers.NewSecret();
        BigNum qInverse = numbers.NewSecret();
        LibCrypto.Check(LibCrypto.BN_mul(product, modulus.PMinus1, modulus.QMinus1, context));
        LibCrypto.Check(LibCrypto.BN_gcd(divisor, modulus.PMinus1, modulus.QMinus1, context));
        LibCrypto.Check(LibCrypto.BN_div(product, rest, product, divisor, context));
        if (!d.TryInvert(key.E, product, context) || !qInverse.TryInvert(modulus.Q, modulus.P, context))
        {
            LibCrypto.ThrowLastError();
        }

        int size = modulus.ModulusSize;
        int half = size / 2;
        byte[] secrets = GC.AllocateArray<byte>(size + (5 * half), pinned: true); // moved by no collection, so cleared whole
        byte[] exponent = new byte[(key.E.Bits() + 7) / 8];
        byte[] n = new byte[size];
        try
        {
            key.E.Write(exponent);
            modulus.N.Write(n);
            Span<byte> rest5 = secrets.AsSpan(size);
            d.Write(secrets.AsSpan(0, size));
            modulus.P.Write(rest5[..half]);
            modulus.Q.Write(rest5.Slice(half, half));
            key.DModPMinus1.Write(rest5.Slice(2 * half, half));
            key.DModQMinus1.Write(rest5.Slice(3 * half, half));
            qInverse.Write(rest5.Slice(4 * half, half));
            return RsaKeyEncoding.WritePkcs8(new RsaKeyEncoding.PrivateNumbers
            {
                Modulus = n,
                PublicExponent = exponent,
                PrivateExponent = Trim(secrets.AsSpan(0, size)),
                P = rest5[..half],
                Q = rest5.Slice(half, half),
                DModPMinus1 = Trim(rest5.Slice(2 * half, half)),
                DModQMinus1 = Trim(rest5.Slice(3 * half, half)),
                QInverse = Trim(rest5.Slice(4 * half, half)),
            });
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secrets);
        }
    }

    private static bool IsPrime(BigNum p, bool safe, Numbers numbers)
    {
        BigNumContext context = ThreadScratch.Current.Context;
        if (!p.IsOdd() || LibCrypto.BN_check_prime(p, context, 0) != 1)
        {
            return false;
        }

        if (!safe)
        {
            return true;
        }

        BigNum half = numbers.NewSecret();
        LibCrypto.Check(LibCrypto.BN_rshift1(half, p)); // (p − 1)/2, p being odd
        return half.IsOdd() && LibCrypto.BN_check_prime(half, context, 0) == 1;
    }

    private static bool ExponentsAgree(CrtModulus modulus, in RsaKeyEncoding.PrivateNumbers key, Numbers numbers)
    {
        BigNumContext context = ThreadScratch.Current.Context;
        BigNum e = numbers.Read(key.PublicExponent);
        BigNum d = numbers.Read(key.PrivateExponent);
        BigNum reduced = numbers.NewSecret();
        BigNum quotient = numbers.NewSecret();
        BigNum inverse = numbers.NewSecret();
        return d.IsBelow(modulus.N)
            && Agrees(modulus.PMinus1, numbers.Read(key.DModPMinus1))
            && Agrees(modulus.QMinus1, numbers.Read(key.DModQMinus1))
            && inverse.TryInvert(modulus.Q, modulus.P, context)
            && inverse.EqualsNumber(numbers.Read(key.QInverse));

        bool Agrees(BigNum order, BigNum given)
        {
            LibCrypto.Check(LibCrypto.BN_div(quotient, reduced, d, order, context));
            return inverse.TryInvert(e, order, context) && inverse.EqualsNumber(reduced) && inverse.EqualsNumber(given);
        }
    }

    /// <summary>DER wants the shortest form.</summary>
    private static ReadOnlySpan<byte> Trim(ReadOnlySpan<byte> number) => number.TrimStart((byte)0);

    /// <summary>Numbers that are cleared at the end of a method.</summary>
    internal sealed class Numbers : NativeGroup
    {
        internal BigNum Read(ReadOnlySpan<byte> bytes)
        {
            BigNum number = NewSecret();
            number.Read(bytes);
            return number;
        }
    }
}
