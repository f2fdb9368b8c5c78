using System.Formats.Asn1;

namespace Tacit.Signer.Tests;

/// <summary>Takes a PKCS#8 RSA key apart (RFC 5958 §2, RFC 8017 A.1.2).</summary>
internal static class PrivateKeyParts
{
    /// <summary>The first prime, 128 bytes.</summary>
    public static byte[] FirstPrime(byte[] pkcs8)
    {
        AsnReader info = new AsnReader(pkcs8, AsnEncodingRules.DER).ReadSequence();
        info.ReadInteger();
        info.ReadSequence();
        AsnReader key = new AsnReader(info.ReadOctetString(), AsnEncodingRules.DER).ReadSequence();
        for (int i = 0; i < 4; i++)
        {
            // Version, modulus, public and private exponent.
            key.ReadIntegerBytes();
        }

        ReadOnlySpan<byte> prime = key.ReadIntegerBytes().Span.TrimStart((byte)0);
        byte[] fixedSize = new byte[128];
        prime.CopyTo(fixedSize.AsSpan(128 - prime.Length));
        return fixedSize;
    }
}
