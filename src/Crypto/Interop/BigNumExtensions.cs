namespace Tacit.Crypto.Interop;

/// <summary>Bytes in and out of native numbers, big-endian (RFC 8017 §4, OS2IP and I2OSP).</summary>
internal static class BigNumExtensions
{
    internal static unsafe void Read(this BigNum number, ReadOnlySpan<byte> bytes)
    {
        fixed (byte* pointer = bytes)
        {
            // An empty span pins to null, which libcrypto takes for a number of length 0.
            if (LibCrypto.BN_bin2bn(pointer, bytes.Length, number).IsNull)
            {
                LibCrypto.ThrowLastError();
            }
        }
    }

    /// <summary>Writes exactly <c>bytes.Length</c> bytes, with leading zeros, in constant time.</summary>
    internal static unsafe void Write(this BigNum number, Span<byte> bytes)
    {
        fixed (byte* pointer = bytes)
        {
            if (LibCrypto.BN_bn2binpad(number, pointer, bytes.Length) != bytes.Length)
            {
                LibCrypto.ThrowLastError();
            }
        }
    }

    internal static void Clear(this BigNum number) => LibCrypto.BN_clear(number);

    internal static bool IsZero(this BigNum number) => LibCrypto.BN_is_zero(number) != 0;

    internal static bool IsOne(this BigNum number) => LibCrypto.BN_is_one(number) != 0;

    internal static bool IsOdd(this BigNum number) => LibCrypto.BN_is_odd(number) != 0;

    internal static int Bits(this BigNum number) => LibCrypto.BN_num_bits(number);

    internal static bool IsBelow(this BigNum number, BigNum bound) => LibCrypto.BN_ucmp(number, bound) < 0;

    internal static bool EqualsNumber(this BigNum number, BigNum other) => LibCrypto.BN_ucmp(number, other) == 0;

    internal static void Set(this BigNum number, BigNum value)
    {
        if (LibCrypto.BN_copy(number, value).IsNull)
        {
            LibCrypto.ThrowLastError();
        }
    }

    /// <summary>Inverse modulo <paramref name="modulus"/>; false when there is none.</summary>
    internal static bool TryInvert(this BigNum result, BigNum number, BigNum modulus, BigNumContext context)
    {
        if (!LibCrypto.BN_mod_inverse(result, number, modulus, context).IsNull)
        {
            return true;
        }

        LibCrypto.ERR_clear_error();
        return false;
    }
}
