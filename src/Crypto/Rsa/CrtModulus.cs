using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>The two primes of a key, and arithmetic modulo both at once (Chinese remainder theorem). Shared by threads.</summary>
internal sealed class CrtModulus : NativeGroup
{
    private readonly BigNum _coefficientP;
    private readonly BigNum _coefficientQ;

    /// <summary>Copies two different odd primes of equal bit length; their product has twice that length.</summary>
    internal CrtModulus(BigNum p, BigNum q)
    {
        BigNumContext context = ThreadScratch.Current.Context;
        P = NewSecret();
        P.Set(p);
        Q = NewSecret();
        Q.Set(q);
        N = NewNumber();
        LibCrypto.Check(LibCrypto.BN_mul(N, P, Q, context));
        ModulusSize = N.Bits() / 8;
        MontgomeryN = NewMontgomery(N, context);
        MontgomeryP = NewMontgomery(P, context);
        MontgomeryQ = NewMontgomery(Q, context);

        PMinus1 = NewSecret();
        PMinus1.Set(P);
        LibCrypto.Check(LibCrypto.BN_sub_word(PMinus1, 1));
        QMinus1 = NewSecret();
        QMinus1.Set(Q);
        LibCrypto.Check(LibCrypto.BN_sub_word(QMinus1, 1));

        // Recombination as a sum, x = xp·(q·q⁻¹ mod p) + xq·(p·p⁻¹ mod q) mod n. Garner's form is a multiplication shorter, but its
        // subtraction xp − xq branches on the sign in the functions that libcrypto exports. The two coefficients add up to 1.
        _coefficientP = NewSecret();
        if (!_coefficientP.TryInvert(Q, P, context))
        {
            throw new ArgumentException("The primes are equal.", nameof(q));
        }

        LibCrypto.Check(LibCrypto.BN_mul(_coefficientP, _coefficientP, Q, context));
        _coefficientQ = NewSecret();
        LibCrypto.Check(LibCrypto.BN_sub(_coefficientQ, N, _coefficientP));
        LibCrypto.Check(LibCrypto.BN_add_word(_coefficientQ, 1));
        LibCrypto.Check(LibCrypto.BN_to_montgomery(_coefficientP, _coefficientP, MontgomeryN, context));
        LibCrypto.Check(LibCrypto.BN_to_montgomery(_coefficientQ, _coefficientQ, MontgomeryN, context));
    }

    internal BigNum N { get; }

    internal BigNum P { get; }

    internal BigNum Q { get; }

    internal BigNum PMinus1 { get; }

    internal BigNum QMinus1 { get; }

    internal Montgomery MontgomeryN { get; }

    internal Montgomery MontgomeryP { get; }

    internal Montgomery MontgomeryQ { get; }

    internal int ModulusSize { get; }

    /// <summary>Residues modulo both primes of a value below n.</summary>
    /// <remarks>
    /// By Montgomery reduction, which is constant-time and accepts anything below p·2^(bits of p), hence n for halves of equal
    /// length; a division by a secret prime is neither.
    /// </remarks>
    internal void Reduce(BigNum value, BigNum modP, BigNum modQ, BigNumContext context)
    {
        LibCrypto.Check(LibCrypto.BN_from_montgomery(modP, value, MontgomeryP, context));
        LibCrypto.Check(LibCrypto.BN_to_montgomery(modP, modP, MontgomeryP, context));
        LibCrypto.Check(LibCrypto.BN_from_montgomery(modQ, value, MontgomeryQ, context));
        LibCrypto.Check(LibCrypto.BN_to_montgomery(modQ, modQ, MontgomeryQ, context));
    }

    /// <summary>Both halves raised, each to its own exponent, in constant time.</summary>
    /// <remarks>Without AVX512-IFMA, or for other than 1024-bit halves, libcrypto itself does one after the other.</remarks>
    internal void Power(
        BigNum resultP, BigNum modP, BigNum exponentP, BigNum resultQ, BigNum modQ, BigNum exponentQ, BigNumContext context) =>
        LibCrypto.Check(LibCrypto.BN_mod_exp_mont_consttime_x2(
            resultP, modP, exponentP, P, MontgomeryP, resultQ, modQ, exponentQ, Q, MontgomeryQ, context));

    /// <summary>The value below n with these residues. <paramref name="modQ"/> is overwritten.</summary>
    internal void Combine(BigNum result, BigNum modP, BigNum modQ, BigNumContext context)
    {
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(result, modP, _coefficientP, MontgomeryN, context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(modQ, modQ, _coefficientQ, MontgomeryN, context));
        LibCrypto.Check(LibCrypto.BN_mod_add_quick(result, result, modQ, N));
    }
}
