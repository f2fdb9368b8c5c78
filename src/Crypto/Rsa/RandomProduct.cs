using System.Buffers.Binary;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>
/// Checks many signatures under one long public exponent at once, knowing no prime: (∏ sᵢ^rᵢ)^e = ∏ mᵢ^rᵢ modulo n with rᵢ = 2tᵢ and each tᵢ
/// fresh, uniform in 64 bits. A thread's own, like <see cref="ThreadScratch"/>.
/// </summary>
/// <remarks>
/// <para>
/// Let uᵢ = sᵢ^e/mᵢ. All arithmetic being of squares, the test is ∏ (uᵢ²)^tᵢ = 1 in a group of order p′q′, for n = (2p′ + 1)(2q′ + 1) with all four
/// prime. An element other than 1 has order p′, q′ or p′q′, all far above 2⁶⁴: whatever the other exponents are, at most one value of tᵢ lets the
/// test pass, so 2⁻⁶⁴ at most. Where it passes every uᵢ² is 1, and uᵢ is 1, −1, or a root that gives n's factors away. docs/adr/0008.
/// </para>
/// <para>
/// The powers on each side are made together (Straus): one squaring a bit for all, and for each number about one multiplication by an odd power every
/// four bits. For 32 that is 700 multiplications a side, where powers made one by one would take 2,600. Exponents, signatures and messages are
/// public, so the time may depend on them.
/// </para>
/// </remarks>
internal sealed class RandomProduct : NativeGroup
{
    internal const int MaxCount = 32;

    private const int ExponentBits = 64;
    private const int WindowBits = 3;
    private const int OddPowers = 1 << (WindowBits - 1); // x, x³, x⁵, x⁷

    [ThreadStatic]
    private static RandomProduct? s_current;

    private readonly BigNum[] _signatures = new BigNum[MaxCount * OddPowers];
    private readonly BigNum[] _messages = new BigNum[MaxCount * OddPowers];
    private readonly BigNum _square;

    internal RandomProduct()
    {
        foreach (BigNum[] powers in (ReadOnlySpan<BigNum[]>)[_signatures, _messages])
        {
            foreach (ref BigNum power in powers.AsSpan())
            {
                power = NewNumber();
            }
        }

        _square = NewNumber();
    }

    internal static RandomProduct Current => s_current ??= new RandomProduct();

    /// <summary>False for a signature that is none by its length or range.</summary>
    internal bool TryInclude(RsaPublicNumbers key, int index, ReadOnlySpan<byte> signature, ReadOnlySpan<byte> encodedMessage)
    {
        BigNum number = _signatures[index * OddPowers];
        if (signature.Length != key.ModulusSize)
        {
            return false;
        }

        number.Read(signature);
        if (number.IsZero() || !number.IsBelow(key.N))
        {
            return false;
        }

        _messages[index * OddPowers].Read(encodedMessage);
        MakeOddPowers(_signatures, index, key);
        MakeOddPowers(_messages, index, key);
        return true;
    }

    /// <summary>Whether the product of these holds. Each call draws exponents of its own, after the numbers are fixed.</summary>
    internal bool Holds(RsaPublicNumbers key, int first, int count)
    {
        ThreadScratch scratch = ThreadScratch.Current;
        BigNumContext context = scratch.Context;
        Span<byte> digits = stackalloc byte[ExponentBits * MaxCount];
        digits = digits[..(ExponentBits * count)];
        DrawDigits(digits, count);

        Product(scratch.A, _signatures.AsSpan(first * OddPowers), digits, count, key, context);
        Product(scratch.C, _messages.AsSpan(first * OddPowers), digits, count, key, context);
        LibCrypto.Check(LibCrypto.BN_from_montgomery(scratch.A, scratch.A, key.MontgomeryN, context));
        LibCrypto.Check(LibCrypto.BN_from_montgomery(scratch.C, scratch.C, key.MontgomeryN, context));
        key.Power(scratch.B, scratch.A, context);

        // The factor 2 of every exponent. Both sides lose the same Montgomery factor, which a comparison does not mind.
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.B, scratch.B, scratch.B, key.MontgomeryN, context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(scratch.C, scratch.C, scratch.C, key.MontgomeryN, context));

        // One inverse says that every number is coprime with n. Otherwise 0 = 0 modulo one prime would hide whatever the others are.
        return scratch.B.EqualsNumber(scratch.C) && scratch.B.TryInvert(scratch.A, key.N, context);
    }

    /// <summary>Forgets the numbers: until they are spent, tokens are worth something.</summary>
    internal void Clear(int count)
    {
        for (int i = 0; i < count * OddPowers; i++)
        {
            _signatures[i].Clear();
            _messages[i].Clear();
        }

        _square.Clear();
    }

    /// <summary>
    /// Random exponents as odd digits of three bits: <c>digits[bit · count + i]</c> is what the i-th number's exponent has at that bit, or 0. Every
    /// 64-bit number has exactly one such form.
    /// </summary>
    internal static void DrawDigits(Span<byte> digits, int count)
    {
        Span<byte> random = stackalloc byte[sizeof(ulong) * MaxCount];
        random = random[..(sizeof(ulong) * count)];
        RandomNumberGenerator.Fill(random);
        digits.Clear();
        for (int i = 0; i < count; i++)
        {
            ulong rest = BinaryPrimitives.ReadUInt64LittleEndian(random[(sizeof(ulong) * i)..]);
            for (int bit = 0; rest != 0;)
            {
                int zeros = System.Numerics.BitOperations.TrailingZeroCount(rest);
                rest >>= zeros;
                bit += zeros;
                digits[(bit * count) + i] = (byte)(rest & ((1 << WindowBits) - 1));
                rest >>= WindowBits;
                bit += WindowBits;
            }
        }
    }

    /// <summary>From the number itself to its first odd powers, in Montgomery form.</summary>
    private void MakeOddPowers(BigNum[] powers, int index, RsaPublicNumbers key)
    {
        BigNumContext context = ThreadScratch.Current.Context;
        ReadOnlySpan<BigNum> mine = powers.AsSpan(index * OddPowers, OddPowers);
        LibCrypto.Check(LibCrypto.BN_to_montgomery(mine[0], mine[0], key.MontgomeryN, context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(_square, mine[0], mine[0], key.MontgomeryN, context));
        for (int i = 1; i < OddPowers; i++)
        {
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(mine[i], mine[i - 1], _square, key.MontgomeryN, context));
        }
    }

    /// <summary>∏ xᵢ^tᵢ in Montgomery form.</summary>
    private static void Product(
        BigNum result, ReadOnlySpan<BigNum> powers, ReadOnlySpan<byte> digits, int count, RsaPublicNumbers key, BigNumContext context)
    {
        LibCrypto.Check(LibCrypto.BN_set_word(result, 1));
        LibCrypto.Check(LibCrypto.BN_to_montgomery(result, result, key.MontgomeryN, context));
        for (int bit = ExponentBits - 1; bit >= 0; bit--)
        {
            LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(result, result, result, key.MontgomeryN, context));
            ReadOnlySpan<byte> digitsHere = digits.Slice(bit * count, count);
            for (int i = 0; i < digitsHere.Length; i++)
            {
                if (digitsHere[i] != 0)
                {
                    BigNum power = powers[(i * OddPowers) + (digitsHere[i] >> 1)];
                    LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(result, result, power, key.MontgomeryN, context));
                }
            }
        }
    }
}
