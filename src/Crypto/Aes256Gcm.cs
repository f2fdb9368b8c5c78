using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>
/// AES-256-GCM (NIST SP 800-38D) under keys that are used once or twice. The framework's <see cref="AesGcm"/> makes a libcrypto object for each key, which costs
/// as much as sealing a kilobyte; here each thread has one, which is given the key for the one call and then a key of zeros.
/// </summary>
public static unsafe class Aes256Gcm
{
    public const int KeySizeInBytes = 32;
    public const int NonceSizeInBytes = 12;
    public const int TagSizeInBytes = 16;

    private static readonly Lazy<nint> s_cipher = new(() =>
        LibCrypto.EVP_CIPHER_fetch(0, "AES-256-GCM", 0) is not 0 and nint cipher ? cipher : throw new CryptographicException("libcrypto has no AES-256-GCM."));

    [ThreadStatic]
    private static SafeCipherContext? s_context;

    /// <param name="key">32 bytes.</param>
    /// <param name="nonce">12 bytes, never twice under one key.</param>
    /// <param name="plaintext">Any length.</param>
    /// <param name="ciphertext">As long as <paramref name="plaintext"/>.</param>
    /// <param name="tag">16 bytes.</param>
    public static void Encrypt(ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeySizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonce.Length, NonceSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(ciphertext.Length, plaintext.Length);
        ArgumentOutOfRangeException.ThrowIfNotEqual(tag.Length, TagSizeInBytes);

        SafeCipherContext context = s_context ??= CreateContext();
        byte* zeros = stackalloc byte[KeySizeInBytes];
        byte* nothing = stackalloc byte[TagSizeInBytes];
        int length;
        try
        {
            fixed (byte* keyBytes = key, nonceBytes = nonce, input = &MemoryMarshal.GetReference(plaintext), output = &MemoryMarshal.GetReference(ciphertext), tagBytes = tag)
            {
                LibCrypto.Check(LibCrypto.EVP_EncryptInit_ex(context, 0, 0, keyBytes, nonceBytes));
                if (!plaintext.IsEmpty)
                {
                    LibCrypto.Check(LibCrypto.EVP_EncryptUpdate(context, output, &length, input, plaintext.Length));
                }

                LibCrypto.Check(LibCrypto.EVP_EncryptFinal_ex(context, nothing, &length));
                LibCrypto.Check(LibCrypto.EVP_CIPHER_CTX_ctrl(context, LibCrypto.AeadGetTag, TagSizeInBytes, tagBytes));
            }
        }
        finally
        {
            LibCrypto.Check(LibCrypto.EVP_EncryptInit_ex(context, 0, 0, zeros, zeros));
        }
    }

    private static SafeCipherContext CreateContext()
    {
        var context = new SafeCipherContext(LibCrypto.EVP_CIPHER_CTX_new());
        LibCrypto.Check(context.IsInvalid ? 0 : LibCrypto.EVP_EncryptInit_ex(context, s_cipher.Value, 0, null, null));
        return context;
    }
}
