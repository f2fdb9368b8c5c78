using System.Security.Cryptography;
using Tacit.Crypto.Hpke;

namespace Tacit.Crypto;

/// <summary>
/// AES-256-GCM (NIST SP 800-38D) under keys that are used once or twice. The framework's <see cref="AesGcm"/> makes a libcrypto object for each key; here each
/// thread keeps one.
/// </summary>
public static class Aes256Gcm
{
    public const int KeySizeInBytes = 32;
    public const int NonceSizeInBytes = AeadCipher.NonceSizeInBytes;
    public const int TagSizeInBytes = AeadCipher.TagSizeInBytes;

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
        AeadCipher.Aes256Gcm.Encrypt(key, nonce, default, plaintext, ciphertext, tag);
    }
}
