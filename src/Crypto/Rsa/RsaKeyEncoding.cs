using System.Formats.Asn1;
using System.Security.Cryptography;

namespace Tacit.Crypto.Rsa;

/// <summary>Strict DER of RSA keys: SubjectPublicKeyInfo (RFC 5280 §4.1) and PKCS#8 (RFC 5208) around RSAPrivateKey (RFC 8017 §A.1.2).</summary>
internal static class RsaKeyEncoding
{
    /// <summary>
    /// AlgorithmIdentifier id-RSASSA-PSS with SHA-384, MGF1 with SHA-384, salt length 48 (RFC 9578 §6.5), byte for byte.
    /// </summary>
    /// <remarks>
    /// RFC 4055 lets the hash identifiers carry a NULL. Only this one form is taken: a token key id is a hash of the encoding, so a
    /// second encoding would be a second name for the same key.
    /// </remarks>
    private static ReadOnlySpan<byte> PssAlgorithm =>
    [
        0x30, 0x3d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x30,
        0xa0, 0x0d, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
        0xa1, 0x1a, 0x30, 0x18, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
        0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
        0xa2, 0x03, 0x02, 0x01, 0x30,
    ];

    /// <summary>AlgorithmIdentifier rsaEncryption with NULL, the form most key generators write private keys in.</summary>
    private static ReadOnlySpan<byte> PlainAlgorithm =>
        [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

    internal static bool TryReadSubjectPublicKeyInfo(
        ReadOnlySpan<byte> source, out ReadOnlySpan<byte> modulus, out ReadOnlySpan<byte> exponent)
    {
        modulus = exponent = default;
        try
        {
            ReadOnlySpan<byte> body = ReadSequence(ref source);
            RequireEnd(source);
            RequirePrefix(ref body, PssAlgorithm);
            ReadOnlySpan<byte> bits = AsnDecoder.TryReadPrimitiveBitString(
                body, AsnEncodingRules.DER, out int unused, out ReadOnlySpan<byte> value, out int consumed) && unused == 0
                ? value
                : throw new AsnContentException();
            RequireEnd(body[consumed..]);

            ReadOnlySpan<byte> key = ReadSequence(ref bits);
            RequireEnd(bits);
            modulus = ReadPositive(ref key);
            exponent = ReadPositive(ref key);
            RequireEnd(key);
            return true;
        }
        catch (AsnContentException)
        {
            modulus = exponent = default;
            return false;
        }
    }

    internal static byte[] WriteSubjectPublicKeyInfo(ReadOnlySpan<byte> modulus, ReadOnlySpan<byte> exponent)
    {
        AsnWriter key = new(AsnEncodingRules.DER);
        using (key.PushSequence())
        {
            key.WriteIntegerUnsigned(modulus);
            key.WriteIntegerUnsigned(exponent);
        }

        AsnWriter writer = new(AsnEncodingRules.DER);
        using (writer.PushSequence())
        {
            writer.WriteEncodedValue(PssAlgorithm);
            writer.WriteBitString(key.Encode());
        }

        return writer.Encode();
    }

    /// <summary>The integers of a two-prime RSAPrivateKey, as slices of the source.</summary>
    internal ref struct PrivateNumbers
    {
        internal ReadOnlySpan<byte> Modulus;
        internal ReadOnlySpan<byte> PublicExponent;
        internal ReadOnlySpan<byte> PrivateExponent;
        internal ReadOnlySpan<byte> P;
        internal ReadOnlySpan<byte> Q;
        internal ReadOnlySpan<byte> DModPMinus1;
        internal ReadOnlySpan<byte> DModQMinus1;
        internal ReadOnlySpan<byte> QInverse;
    }

    internal static bool TryReadPkcs8(ReadOnlySpan<byte> source, out PrivateNumbers numbers)
    {
        numbers = default;
        try
        {
            ReadOnlySpan<byte> body = ReadSequence(ref source);
            RequireEnd(source);
            RequireZero(ref body);
            RequirePrefix(ref body, body.StartsWith(PlainAlgorithm) ? PlainAlgorithm : PssAlgorithm);
            if (!AsnDecoder.TryReadPrimitiveOctetString(body, AsnEncodingRules.DER, out ReadOnlySpan<byte> octets, out int consumed))
            {
                return false;
            }

            RequireEnd(body[consumed..]); // attributes would be data that a second import could read differently
            ReadOnlySpan<byte> key = ReadSequence(ref octets);
            RequireEnd(octets);
            RequireZero(ref key);
            numbers.Modulus = ReadPositive(ref key);
            numbers.PublicExponent = ReadPositive(ref key);
            numbers.PrivateExponent = ReadPositive(ref key);
            numbers.P = ReadPositive(ref key);
            numbers.Q = ReadPositive(ref key);
            numbers.DModPMinus1 = ReadPositive(ref key);
            numbers.DModQMinus1 = ReadPositive(ref key);
            numbers.QInverse = ReadPositive(ref key);
            RequireEnd(key);
            return true;
        }
        catch (AsnContentException)
        {
            return false;
        }
    }

    internal static byte[] WritePkcs8(in PrivateNumbers numbers)
    {
        // Room for a whole 4096-bit key at once: a writer that grows leaves a copy of the key behind.
        const int capacity = 4096;
        AsnWriter key = new(AsnEncodingRules.DER, capacity);
        AsnWriter writer = new(AsnEncodingRules.DER, capacity);
        byte[] encodedKey = [];
        try
        {
            using (key.PushSequence())
            {
                key.WriteInteger(0);
                key.WriteIntegerUnsigned(numbers.Modulus);
                key.WriteIntegerUnsigned(numbers.PublicExponent);
                key.WriteIntegerUnsigned(numbers.PrivateExponent);
                key.WriteIntegerUnsigned(numbers.P);
                key.WriteIntegerUnsigned(numbers.Q);
                key.WriteIntegerUnsigned(numbers.DModPMinus1);
                key.WriteIntegerUnsigned(numbers.DModQMinus1);
                key.WriteIntegerUnsigned(numbers.QInverse);
            }

            encodedKey = key.Encode();
            using (writer.PushSequence())
            {
                writer.WriteInteger(0);
                writer.WriteEncodedValue(PssAlgorithm);
                writer.WriteOctetString(encodedKey);
            }

            return writer.Encode();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(encodedKey);
            key.Reset(); // clears
            writer.Reset();
        }
    }

    private static ReadOnlySpan<byte> ReadSequence(scoped ref ReadOnlySpan<byte> source)
    {
        AsnDecoder.ReadSequence(source, AsnEncodingRules.DER, out int offset, out int length, out int consumed);
        ReadOnlySpan<byte> content = source.Slice(offset, length);
        source = source[consumed..];
        return content;
    }

    /// <summary>Magnitude without the sign octet.</summary>
    private static ReadOnlySpan<byte> ReadPositive(scoped ref ReadOnlySpan<byte> source)
    {
        ReadOnlySpan<byte> value = AsnDecoder.ReadIntegerBytes(source, AsnEncodingRules.DER, out int consumed);
        source = source[consumed..];
        if ((value[0] & 0x80) != 0 || value is [0])
        {
            throw new AsnContentException();
        }

        return value[0] == 0 ? value[1..] : value;
    }

    private static void RequireZero(scoped ref ReadOnlySpan<byte> source)
    {
        ReadOnlySpan<byte> value = AsnDecoder.ReadIntegerBytes(source, AsnEncodingRules.DER, out int consumed);
        source = source[consumed..];
        if (value is not [0])
        {
            throw new AsnContentException();
        }
    }

    private static void RequirePrefix(scoped ref ReadOnlySpan<byte> source, ReadOnlySpan<byte> prefix)
    {
        if (!source.StartsWith(prefix))
        {
            throw new AsnContentException();
        }

        source = source[prefix.Length..];
    }

    private static void RequireEnd(ReadOnlySpan<byte> rest)
    {
        if (!rest.IsEmpty)
        {
            throw new AsnContentException();
        }
    }
}
