using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

[assembly: DisableRuntimeMarshalling]

namespace Tacit.Crypto.Interop;

/// <summary>The part of OpenSSL 3's libcrypto that this project uses, under its own names.</summary>
/// <remarks>
/// Calls shorter than about a microsecond suppress the GC transition: in the product check a few thousand of them run in a row, and the
/// transition would cost as much as the multiplication.
/// </remarks>
internal static partial class LibCrypto
{
    internal const string Name = "libcrypto";

    internal const int FlagConstantTime = 0x04;

    static LibCrypto() => LibCryptoLoader.Register();

    // ---- numbers -------------------------------------------------------------------------------------------------------------------

    [LibraryImport(Name)]
    internal static partial BigNum BN_new();

    [LibraryImport(Name)]
    internal static partial void BN_clear_free(BigNum a);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial void BN_clear(BigNum a);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial void BN_set_flags(BigNum a, int flags);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial BigNum BN_bin2bn(byte* bytes, int length, BigNum result);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial int BN_bn2binpad(BigNum a, byte* bytes, int length);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial BigNum BN_copy(BigNum to, BigNum from);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_set_word(BigNum a, ulong word);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_num_bits(BigNum a);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_is_zero(BigNum a);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_is_one(BigNum a);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_is_odd(BigNum a);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_is_bit_set(BigNum a, int bit);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_set_bit(BigNum a, int bit);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_ucmp(BigNum a, BigNum b);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_add(BigNum result, BigNum a, BigNum b);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_sub(BigNum result, BigNum a, BigNum b);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_add_word(BigNum a, ulong word);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_sub_word(BigNum a, ulong word);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial ulong BN_mod_word(BigNum a, ulong word);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_rshift1(BigNum result, BigNum a);

    [LibraryImport(Name)]
    internal static partial int BN_mul(BigNum result, BigNum a, BigNum b, BigNumContext context);

    [LibraryImport(Name)]
    internal static partial int BN_div(BigNum quotient, BigNum remainder, BigNum a, BigNum divisor, BigNumContext context);

    [LibraryImport(Name)]
    internal static partial int BN_gcd(BigNum result, BigNum a, BigNum b, BigNumContext context);

    [LibraryImport(Name)]
    internal static partial BigNum BN_mod_inverse(BigNum result, BigNum a, BigNum modulus, BigNumContext context);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_mod_add_quick(BigNum result, BigNum a, BigNum b, BigNum modulus);

    // ---- randomness and primes -----------------------------------------------------------------------------------------------------

    [LibraryImport(Name)]
    internal static partial int BN_priv_rand(BigNum result, int bits, int top, int bottom);

    [LibraryImport(Name)]
    internal static partial int BN_priv_rand_range(BigNum result, BigNum range);

    [LibraryImport(Name)]
    internal static partial int BN_check_prime(BigNum p, BigNumContext context, nint callback);

    // ---- contexts ------------------------------------------------------------------------------------------------------------------

    [LibraryImport(Name)]
    internal static partial BigNumContext BN_CTX_new();

    [LibraryImport(Name)]
    internal static partial void BN_CTX_free(BigNumContext context);

    [LibraryImport(Name)]
    internal static partial Montgomery BN_MONT_CTX_new();

    [LibraryImport(Name)]
    internal static partial void BN_MONT_CTX_free(Montgomery montgomery);

    [LibraryImport(Name)]
    internal static partial int BN_MONT_CTX_set(Montgomery montgomery, BigNum modulus, BigNumContext context);

    // ---- Montgomery arithmetic -----------------------------------------------------------------------------------------------------

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_mod_mul_montgomery(BigNum result, BigNum a, BigNum b, Montgomery montgomery, BigNumContext context);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_to_montgomery(BigNum result, BigNum a, Montgomery montgomery, BigNumContext context);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static partial int BN_from_montgomery(BigNum result, BigNum a, Montgomery montgomery, BigNumContext context);

    [LibraryImport(Name)]
    internal static partial int BN_mod_exp_mont(
        BigNum result, BigNum a, BigNum exponent, BigNum modulus, BigNumContext context, Montgomery montgomery);

    [LibraryImport(Name)]
    internal static partial int BN_mod_exp_mont_consttime_x2(
        BigNum result1, BigNum a1, BigNum exponent1, BigNum modulus1, Montgomery montgomery1,
        BigNum result2, BigNum a2, BigNum exponent2, BigNum modulus2, Montgomery montgomery2,
        BigNumContext context);

    // ---- digests with their state in the caller's memory, for short messages -------------------------------------------------------

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial int SHA256_Init(void* state);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial int SHA256_Update(void* state, byte* bytes, nuint length);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial int SHA256_Final(byte* hash, void* state);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial int SHA384_Init(void* state);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial int SHA384_Update(void* state, byte* bytes, nuint length);

    [LibraryImport(Name)]
    [SuppressGCTransition]
    internal static unsafe partial int SHA384_Final(byte* hash, void* state);

    // ---- authenticated encryption --------------------------------------------------------------------------------------------------

    internal const int AeadGetTag = 0x10;
    internal const int AeadSetTag = 0x11;

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint EVP_CIPHER_fetch(nint library, string name, nint properties);

    [LibraryImport(Name)]
    internal static partial nint EVP_CIPHER_CTX_new();

    [LibraryImport(Name)]
    internal static partial void EVP_CIPHER_CTX_free(nint context);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_EncryptInit_ex(SafeCipherContext context, nint cipher, nint engine, byte* key, byte* nonce);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_EncryptUpdate(SafeCipherContext context, byte* output, int* written, byte* input, int length);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_EncryptFinal_ex(SafeCipherContext context, byte* output, int* written);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_DecryptInit_ex(SafeCipherContext context, nint cipher, nint engine, byte* key, byte* nonce);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_DecryptUpdate(SafeCipherContext context, byte* output, int* written, byte* input, int length);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_DecryptFinal_ex(SafeCipherContext context, byte* output, int* written);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_CIPHER_CTX_ctrl(SafeCipherContext context, int type, int argument, byte* pointer);

    // ---- EVP keys ------------------------------------------------------------------------------------------------------------------

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint EVP_PKEY_CTX_new_from_name(nint library, string name, nint properties);

    [LibraryImport(Name)]
    internal static partial void EVP_PKEY_CTX_free(nint context);

    [LibraryImport(Name)]
    internal static partial int EVP_PKEY_keygen_init(nint context);

    [LibraryImport(Name)]
    internal static partial int EVP_PKEY_CTX_set_rsa_keygen_bits(nint context, int bits);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_PKEY_generate(nint context, nint* key);

    [LibraryImport(Name, StringMarshalling = StringMarshalling.Utf8)]
    internal static unsafe partial int EVP_PKEY_get_bn_param(nint key, string name, BigNum* number);

    [LibraryImport(Name)]
    internal static partial void EVP_PKEY_free(nint key);

    internal const int EvpPkeyX25519 = 1034;
    internal const int EvpPkeyEd25519 = 1087;

    [LibraryImport(Name)]
    internal static unsafe partial nint EVP_PKEY_new_raw_private_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Name)]
    internal static unsafe partial nint EVP_PKEY_new_raw_public_key(int type, nint engine, byte* key, nuint length);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_PKEY_get_raw_private_key(SafeEvpKeyHandle key, byte* bytes, nuint* length);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_PKEY_get_raw_public_key(SafeEvpKeyHandle key, byte* bytes, nuint* length);

    // ---- key agreement -------------------------------------------------------------------------------------------------------------

    [LibraryImport(Name)]
    internal static partial nint EVP_PKEY_CTX_new_from_pkey(nint library, nint key, nint properties);

    [LibraryImport(Name)]
    internal static partial int EVP_PKEY_fromdata_init(nint context);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_PKEY_fromdata(nint context, nint* key, int selection, NativeParameter* parameters);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_PKEY_set1_encoded_public_key(nint key, byte* publicKey, nuint length);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_PKEY_get_raw_public_key(nint key, byte* bytes, nuint* length);

    [LibraryImport(Name)]
    internal static partial int EVP_PKEY_derive_init(nint context);

    [LibraryImport(Name)]
    internal static partial int EVP_PKEY_derive_set_peer_ex(nint context, nint peer, int validate);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_PKEY_derive(nint context, byte* secret, nuint* length);

    // ---- signatures ----------------------------------------------------------------------------------------------------------------

    [LibraryImport(Name)]
    internal static partial nint EVP_MD_CTX_new();

    [LibraryImport(Name)]
    internal static partial void EVP_MD_CTX_free(nint context);

    [LibraryImport(Name)]
    internal static partial int EVP_DigestSignInit(nint context, nint keyContext, nint digest, nint engine, SafeEvpKeyHandle key);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_DigestSign(nint context, byte* signature, nuint* signatureLength, byte* data, nuint length);

    [LibraryImport(Name)]
    internal static partial int EVP_DigestVerifyInit(nint context, nint keyContext, nint digest, nint engine, SafeEvpKeyHandle key);

    [LibraryImport(Name)]
    internal static unsafe partial int EVP_DigestVerify(nint context, byte* signature, nuint signatureLength, byte* data, nuint length);

    // ---- errors --------------------------------------------------------------------------------------------------------------------

    [LibraryImport(Name)]
    internal static partial nuint ERR_peek_last_error();

    [LibraryImport(Name)]
    internal static partial void ERR_clear_error();

    [LibraryImport(Name)]
    internal static partial nint ERR_reason_error_string(nuint error);

    /// <summary>Throws when a libcrypto call that gives 1 for success gave anything else.</summary>
    internal static void Check(int result)
    {
        if (result != 1)
        {
            ThrowLastError();
        }
    }

    internal static void ThrowLastError()
    {
        nuint error = ERR_peek_last_error();
        string? reason = error == 0 ? null : Marshal.PtrToStringUTF8(ERR_reason_error_string(error));
        ERR_clear_error();
        throw new CryptographicException($"libcrypto failed: {reason ?? "no reason given"}.");
    }
}
