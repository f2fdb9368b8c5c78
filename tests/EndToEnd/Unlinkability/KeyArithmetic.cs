using Tacit.Crypto;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// Arithmetic modulo one issuer key, over libcrypto as the product does it. What goes in comes from transcripts of a test; nothing here is secret.
/// </summary>
internal sealed class KeyArithmetic : IDisposable
{
    public const int Size = 256;

    private readonly BlindRsaPublicKey _key;
    private readonly Numbers _numbers;

    public KeyArithmetic(BlindRsaPublicKey key)
    {
        _key = key;
        _numbers = new Numbers(key.Numbers.N);
    }

    /// <summary>
    /// The one blinding factor with which this issuance can have led to this token. The signer's answer is the private operation on what it was sent:
    /// s′ = (m·r^e)^d = m^d·r, and the authenticator is s = m^d; so r = s′/s mod n.
    /// </summary>
    public byte[] Factor(ReadOnlySpan<byte> blindSignature, ReadOnlySpan<byte> authenticator) => Quotient(blindSignature, authenticator);

    /// <summary>a/b mod n.</summary>
    public byte[] Quotient(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        _numbers.A.Read(a);
        _numbers.B.Read(b);
        Assert.True(_numbers.C.TryInvert(_numbers.B, N, _numbers.Context), "Not coprime with n.");
        Multiply(_numbers.C, _numbers.A);
        return Bytes(_numbers.C);
    }

    /// <summary>a − b mod n.</summary>
    public byte[] Difference(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        _numbers.A.Read(a);
        _numbers.B.Read(b);
        LibCrypto.Check(LibCrypto.BN_sub(_numbers.B, N, _numbers.B));
        LibCrypto.Check(LibCrypto.BN_mod_add_quick(_numbers.C, _numbers.A, _numbers.B, N));
        return Bytes(_numbers.C);
    }

    /// <summary>1/a mod n.</summary>
    public byte[] Inverse(ReadOnlySpan<byte> a) => Quotient([1], a);

    /// <summary>The encoded message that the token's authenticator signs: s^e mod n.</summary>
    public byte[] EncodedMessage(ReadOnlySpan<byte> authenticator)
    {
        _numbers.A.Read(authenticator);
        _key.Numbers.Power(_numbers.C, _numbers.A, _numbers.Context);
        return Bytes(_numbers.C);
    }

    /// <summary>Whether a token blinded with this factor is this blinded element: m·r^e = b.</summary>
    public bool Fits(ReadOnlySpan<byte> encodedMessage, ReadOnlySpan<byte> factor, ReadOnlySpan<byte> blinded)
    {
        _numbers.A.Read(factor);
        _key.Numbers.Power(_numbers.B, _numbers.A, _numbers.Context);
        _numbers.A.Read(encodedMessage);
        Multiply(_numbers.B, _numbers.A);
        return blinded.SequenceEqual(Bytes(_numbers.B));
    }

    /// <summary>The value as a fraction of n, in units of 2^−64. Even for an even value whatever the leading bits of n are, but for 2^−64.</summary>
    public ulong Fraction(ReadOnlySpan<byte> value)
    {
        Span<byte> shifted = stackalloc byte[Size + sizeof(ulong)];
        shifted.Clear();
        value.CopyTo(shifted);
        _numbers.A.Read(shifted);
        LibCrypto.Check(LibCrypto.BN_div(_numbers.B, _numbers.C, _numbers.A, N, _numbers.Context));
        Span<byte> quotient = stackalloc byte[sizeof(ulong)];
        _numbers.B.Write(quotient);
        return System.Buffers.Binary.BinaryPrimitives.ReadUInt64BigEndian(quotient);
    }

    public void Dispose()
    {
        _numbers.Dispose();
        _key.Dispose();
    }

    private BigNum N => _numbers.N;

    /// <summary>a ← a·b mod n.</summary>
    private void Multiply(BigNum a, BigNum b)
    {
        LibCrypto.Check(LibCrypto.BN_to_montgomery(a, a, _key.Numbers.MontgomeryN, _numbers.Context));
        LibCrypto.Check(LibCrypto.BN_mod_mul_montgomery(a, a, b, _key.Numbers.MontgomeryN, _numbers.Context));
    }

    private static byte[] Bytes(BigNum number)
    {
        byte[] bytes = new byte[Size];
        number.Write(bytes);
        return bytes;
    }

    private sealed class Numbers : NativeGroup
    {
        public Numbers(BigNum modulus)
        {
            Context = NewContext();
            A = NewNumber();
            B = NewNumber();
            C = NewNumber();
            N = NewNumber();
            N.Set(modulus);
        }

        public BigNumContext Context { get; }

        public BigNum A { get; }

        public BigNum B { get; }

        public BigNum C { get; }

        public BigNum N { get; }
    }
}
