using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>
/// A random factor and what undoes it after the private exponentiation, so that the exponentiation never sees a number the other side
/// chose: (m·f)^d·u = m^d with f = u^(−e).
/// </summary>
internal sealed class BlindingPair : NativeGroup
{
    /// <summary>A pair is squared after each use, and drawn anew after this many.</summary>
    internal const int UsesPerDraw = 32;

    private readonly CrtKey _key;
    private int _usesLeft;

    internal BlindingPair(CrtKey key)
    {
        _key = key;
        Factor = NewSecret();
        Undo = NewSecret();
    }

    /// <summary>In Montgomery form modulo n.</summary>
    internal BigNum Factor { get; }

    /// <summary>In Montgomery form modulo n.</summary>
    internal BigNum Undo { get; }

    /// <summary>To be called before each use.</summary>
    internal void Advance(ThreadScratch scratch)
    {
        if (_usesLeft == 0)
        {
            Draw(scratch);
            _usesLeft = UsesPerDraw;
        }
        else
        {
            Montgomery n = _key.Modulus.MontgomeryN;
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(Factor, Factor, Factor, n, scratch.Context));
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(Undo, Undo, Undo, n, scratch.Context));
        }

        _usesLeft--;
    }

    /// <summary>After a fault: whatever caused it may sit in this pair.</summary>
    internal void Discard() => _usesLeft = 0;

    private void Draw(ThreadScratch scratch)
    {
        CrtModulus modulus = _key.Modulus;
        BigNumContext context = scratch.Context;
        do
        {
            LibCrypto.Check(LibCrypto.BN_priv_rand_range(Undo, modulus.N));
            modulus.Reduce(Undo, scratch.HalfP, scratch.HalfQ, context);
        }
        while (scratch.HalfP.IsZero() || scratch.HalfQ.IsZero());

        // Whoever knows the primes needs no inversion: the exponent −e modulo p − 1 and q − 1 inverts and raises at once.
        modulus.Power(
            scratch.PowerP, scratch.HalfP, _key.MinusEModPMinus1, scratch.PowerQ, scratch.HalfQ, _key.MinusEModQMinus1, context);
        modulus.Combine(Factor, scratch.PowerP, scratch.PowerQ, context);
        LibCrypto.Check(LibCrypto.BN_to_montgomery(Factor, Factor, modulus.MontgomeryN, context));
        LibCrypto.Check(LibCrypto.BN_to_montgomery(Undo, Undo, modulus.MontgomeryN, context));
        scratch.ClearSecrets();
    }
}
