using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>
/// Checks many signatures under one long public exponent at once: (∏ sᵢ^rᵢ)^e = ∏ mᵢ^rᵢ for random rᵢ, modulo both primes
/// (the small-exponents test of Bellare, Garay and Rabin, "Fast batch verification").
/// </summary>
/// <remarks>
/// <para>
/// Let uᵢ = sᵢ^e/mᵢ modulo p be the error of the i-th signature; all are 1 when nothing went wrong. A partially blind key has
/// p = 2p′ + 1 with p′ prime, so an error other than 1 has order 2, p′ or 2p′, and the two parts need different arguments.
/// </para>
/// <para>
/// Order p′ (any ordinary fault): whatever the other exponents are, at most one value of rᵢ out of its range lets the round pass. Eight
/// rounds of 8-bit exponents, the first odd: at most 2^−63.
/// </para>
/// <para>
/// Order 2 (a sign flip of one half; it gives the key away like any other): only the parity of rᵢ counts. An even exponent lets it pass,
/// so in the first round every exponent is odd and a single flip, or any odd number of them, never passes. But with odd exponents
/// alone two equal flips in one batch would cancel, every time: (−1)^(r₁+r₂) = 1. Therefore parities are random in the other seven
/// rounds; an even number of flips passes with 2^−7 at most, and a failed check ends product checks for the key. More bits per
/// exponent would not help here, only more rounds: each round sees one parity.
/// </para>
/// <para>
/// The cost is one paired exponentiation a round and about sixty half-size multiplications a signature, half of what the products would
/// cost modulo n. Exponents are split into 4-bit digits; per digit there is a bucket for each of its values and a number is
/// multiplied into one of them (Pippenger's method), so memory does not grow with the batch.
/// </para>
/// </remarks>
internal sealed class ProductCheck : NativeGroup
{
    /// <summary>Below this, single checks are cheaper.</summary>
    internal const int MinimumCount = 16;

    internal const int Rounds = 8; // one byte of exponent each
    private const int BlockSize = 16;
    private const int DigitBits = 4;
    private const int DigitsPerRound = 8 / DigitBits;
    private const int Digits = Rounds * DigitsPerRound;
    private const int DigitValues = 1 << DigitBits;

    private readonly CrtModulus _modulus;
    private readonly BigNum _exponent;
    private readonly Half _signaturesP;
    private readonly Half _signaturesQ;
    private readonly Half _blindedP;
    private readonly Half _blindedQ;

    internal ProductCheck(CrtModulus modulus, BigNum exponent)
    {
        _modulus = modulus;
        _exponent = exponent;
        BigNumContext context = ThreadScratch.Current.Context;
        _signaturesP = new Half(this, modulus.MontgomeryP, context);
        _blindedP = new Half(this, modulus.MontgomeryP, context);
        _signaturesQ = new Half(this, modulus.MontgomeryQ, context);
        _blindedQ = new Half(this, modulus.MontgomeryQ, context);
    }

    internal bool Holds(IReadOnlyList<ReadOnlyMemory<byte>> blinded, ReadOnlySpan<byte> signatures, ThreadScratch scratch)
    {
        BigNumContext context = scratch.Context;
        int size = _modulus.ModulusSize;
        Span<byte> exponents = stackalloc byte[BlockSize * Rounds];
        for (int start = 0; start < blinded.Count; start += BlockSize)
        {
            int count = Math.Min(BlockSize, blinded.Count - start);

            DrawExponents(exponents); // after the signatures were computed: a fault cannot be made to fit
            for (int i = 0; i < count; i++)
            {
                scratch.A.Read(signatures.Slice((start + i) * size, size));
                _modulus.Reduce(scratch.A, _signaturesP.Block[i], _signaturesQ.Block[i], context);
                scratch.A.Read(blinded[start + i].Span);
                _modulus.Reduce(scratch.A, _blindedP.Block[i], _blindedQ.Block[i], context);
            }

            foreach (Half half in (ReadOnlySpan<Half>)[_signaturesP, _signaturesQ, _blindedP, _blindedQ])
            {
                half.IncludeBlock(count, exponents, context);
            }
        }

        bool holds = true;
        for (int round = 0; round < Rounds; round++)
        {
            _signaturesP.Product(round, scratch.HalfP, scratch.Secret, context);
            _signaturesQ.Product(round, scratch.HalfQ, scratch.Secret, context);
            _modulus.Power(scratch.PowerP, scratch.HalfP, _exponent, scratch.PowerQ, scratch.HalfQ, _exponent, context);
            _blindedP.Product(round, scratch.HalfP, scratch.Secret, context);
            _blindedQ.Product(round, scratch.HalfQ, scratch.Secret, context);
            holds &= scratch.PowerP.EqualsNumber(scratch.HalfP) & scratch.PowerQ.EqualsNumber(scratch.HalfQ);
        }

        scratch.ClearSecrets();
        return holds;
    }

    /// <summary>Eight bytes a number, one for each round; the first odd.</summary>
    internal static void DrawExponents(Span<byte> exponents)
    {
        RandomNumberGenerator.Fill(exponents);
        for (int first = 0; first < exponents.Length; first += Rounds)
        {
            exponents[first] |= 1;
        }
    }

    /// <summary>The products of one side modulo one prime, in Montgomery form.</summary>
    private readonly struct Half
    {
        private readonly BigNum[] _buckets;
        private readonly Montgomery _montgomery;

        internal Half(ProductCheck owner, Montgomery montgomery, BigNumContext context)
        {
            _montgomery = montgomery;
            BigNum one = owner.NewNumber();
            LibCrypto.Check(LibCrypto.BN_set_word(one, 1));
            LibCrypto.Check(LibCrypto.BN_to_montgomery(one, one, montgomery, context));
            _buckets = new BigNum[Digits * DigitValues];
            foreach (ref BigNum bucket in _buckets.AsSpan())
            {
                bucket = owner.NewNumber();
                bucket.Set(one);
            }

            Block = new BigNum[BlockSize];
            foreach (ref BigNum number in Block.AsSpan())
            {
                number = owner.NewNumber();
            }
        }

        /// <summary>Numbers of this side about to be included, below the prime; overwritten.</summary>
        internal BigNum[] Block { get; }

        /// <remarks>Digit by digit, so that the fifteen buckets of a digit stay in the nearest cache while a block goes through them.</remarks>
        internal void IncludeBlock(int count, ReadOnlySpan<byte> exponents, BigNumContext context)
        {
            ReadOnlySpan<BigNum> block = Block.AsSpan(0, count);
            foreach (BigNum number in block)
            {
                LibCrypto.Check(LibCrypto.BN_to_montgomery(number, number, _montgomery, context));
            }

            for (int digit = 0; digit < Digits; digit++)
            {
                ReadOnlySpan<BigNum> buckets = _buckets.AsSpan(digit * DigitValues, DigitValues);
                for (int i = 0; i < block.Length; i++)
                {
                    int exponent = exponents[(i * Rounds) + (digit / DigitsPerRound)];
                    int value = digit % DigitsPerRound == 0 ? exponent >> DigitBits : exponent & (DigitValues - 1);
                    if (value != 0)
                    {
                        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(buckets[value], buckets[value], block[i], _montgomery, context));
                    }
                }
            }
        }

        /// <summary>∏ xᵢ^rᵢ of one round, out of Montgomery form.</summary>
        internal void Product(int round, BigNum result, BigNum running, BigNumContext context)
        {
            LibCrypto.Check(LibCrypto.BN_set_word(result, 1));
            LibCrypto.Check(LibCrypto.BN_to_montgomery(result, result, _montgomery, context));
            for (int digit = 0; digit < DigitsPerRound; digit++)
            {
                for (int i = 0; i < DigitBits; i++)
                {
                    LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(result, result, result, _montgomery, context));
                }

                // ∏ bᵥ^v: each partial product b₁₅, b₁₅b₁₄, … is multiplied in once, so bᵥ ends up there v times.
                ReadOnlySpan<BigNum> buckets = _buckets.AsSpan(((round * DigitsPerRound) + digit) * DigitValues, DigitValues);
                running.Set(buckets[^1]);
                for (int value = DigitValues - 1; ;)
                {
                    LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(result, result, running, _montgomery, context));
                    if (--value == 0)
                    {
                        break;
                    }

                    LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(running, running, buckets[value], _montgomery, context));
                }
            }

            LibCrypto.Check(LibCrypto.BN_from_montgomery(result, result, _montgomery, context));
        }
    }
}
