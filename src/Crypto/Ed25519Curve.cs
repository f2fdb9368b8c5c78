using System.Diagnostics.CodeAnalysis;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>
/// Whether 32 bytes are a point of Ed25519 (RFC 8032, section 5.1.3). libcrypto takes any 32 bytes for a public key and finds out at the first signature. For public
/// values: it takes its time with what it is given.
/// </summary>
internal sealed class Ed25519Curve : NativeGroup
{
    private const int FieldBits = 255;

    [SuppressMessage("Reliability", "CA2000:Dispose objects before losing scope", Justification = "Lives as long as the process.")]
    private static readonly Lazy<Ed25519Curve> s_curve = new(() => new Ed25519Curve());

    private readonly BigNum _p;
    private readonly BigNum _d;
    private readonly BigNum _euler;
    private readonly Montgomery _field;

    internal Ed25519Curve()
    {
        BigNumContext context = NewContext();

        // p = 2^255 - 19
        _p = NewNumber();
        LibCrypto.Check(LibCrypto.BN_set_bit(_p, FieldBits));
        LibCrypto.Check(LibCrypto.BN_sub_word(_p, 19));
        _field = NewMontgomery(_p, context);

        // d = -121665/121666
        BigNum denominator = NewNumber();
        LibCrypto.Check(LibCrypto.BN_set_word(denominator, 121666));
        BigNum inverse = NewNumber();
        _ = inverse.TryInvert(denominator, _p, context);
        BigNum numerator = NewNumber();
        numerator.Set(_p);
        LibCrypto.Check(LibCrypto.BN_sub_word(numerator, 121665));
        _d = NewNumber();
        LibCrypto.Check(LibCrypto.BN_to_montgomery(_d, numerator, _field, context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(_d, _d, inverse, _field, context));

        // (p - 1) / 2
        _euler = NewNumber();
        BigNum less = NewNumber();
        less.Set(_p);
        LibCrypto.Check(LibCrypto.BN_sub_word(less, 1));
        LibCrypto.Check(LibCrypto.BN_rshift1(_euler, less));
    }

    /// <param name="encoded">32 bytes, little-endian, the sign of x in the highest bit.</param>
    public static bool Has(ReadOnlySpan<byte> encoded)
    {
        Span<byte> y = stackalloc byte[Ed25519PublicKey.SizeInBytes];
        encoded.CopyTo(y);
        y.Reverse();
        bool isNegative = (y[0] & 0x80) != 0;
        y[0] &= 0x7f;
        return s_curve.Value.Has(y, isNegative);
    }

    private bool Has(ReadOnlySpan<byte> y, bool isNegative)
    {
        ThreadScratch scratch = ThreadScratch.Current;
        (BigNum a, BigNum b, BigNum c, BigNumContext context) = (scratch.A, scratch.B, scratch.C, scratch.Context);
        a.Read(y);
        if (!a.IsBelow(_p))
        {
            return false;
        }

        // x² = u/v with u = y² - 1 and v = d y² + 1, which has a root exactly if u v has one; v is never 0, since -1/d is no square.
        LibCrypto.Check(LibCrypto.BN_to_montgomery(b, a, _field, context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(a, a, b, _field, context));
        LibCrypto.Check(LibCrypto.BN_to_montgomery(b, a, _field, context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(b, b, _d, _field, context));
        LibCrypto.Check(LibCrypto.BN_add_word(b, 1));
        if (a.IsZero())
        {
            a.Set(_p);
        }

        LibCrypto.Check(LibCrypto.BN_sub_word(a, 1));
        if (a.IsZero())
        {
            // x is 0, and 0 has one sign.
            return !isNegative;
        }

        LibCrypto.Check(LibCrypto.BN_to_montgomery(c, a, _field, context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(a, c, b, _field, context));
        LibCrypto.Check(LibCrypto.BN_mod_exp_mont(c, a, _euler, _p, context, _field));
        return c.IsOne();
    }
}
