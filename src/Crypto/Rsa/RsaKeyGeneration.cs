using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Rsa;

/// <summary>Two primes from libcrypto's RSA key generation (FIPS 186-5 §A.1).</summary>
internal sealed unsafe class RsaKeyGeneration : NativeGroup
{
    internal RsaKeyGeneration(int bits)
    {
        nint context = LibCrypto.EVP_PKEY_CTX_new_from_name(0, "RSA", 0);
        nint key = 0;
        try
        {
            LibCrypto.Check(LibCrypto.EVP_PKEY_keygen_init(context));
            LibCrypto.Check(LibCrypto.EVP_PKEY_CTX_set_rsa_keygen_bits(context, bits));
            LibCrypto.Check(LibCrypto.EVP_PKEY_generate(context, &key));
            P = Take(key, "rsa-factor1");
            Q = Take(key, "rsa-factor2");
        }
        finally
        {
            LibCrypto.EVP_PKEY_free(key);
            LibCrypto.EVP_PKEY_CTX_free(context);
        }
    }

    /// <summary>65537, which libcrypto generates for.</summary>
    internal static ReadOnlySpan<byte> PublicExponent => [0x01, 0x00, 0x01];

    internal BigNum P { get; }

    internal BigNum Q { get; }

    private BigNum Take(nint key, string name)
    {
        BigNum number = NewSecret();
        LibCrypto.Check(LibCrypto.EVP_PKEY_get_bn_param(key, name, &number)); // into the number given
        return number;
    }
}
