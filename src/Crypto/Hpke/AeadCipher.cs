using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Hpke;

/// <summary>
/// One AEAD of RFC 9180 §7.3 on libcrypto. Each thread has one native object for each, which is given the key for the one call and then a key of zeros: making an
/// object for each key costs as much as sealing a kilobyte.
/// </summary>
internal sealed unsafe class AeadCipher
{
    internal const int NonceSizeInBytes = 12;
    internal const int TagSizeInBytes = 16;
    internal const int MaxKeySizeInBytes = 32;

    internal static readonly AeadCipher Aes128Gcm = new(0x0001, "AES-128-GCM", 16);
    internal static readonly AeadCipher Aes256Gcm = new(0x0002, "AES-256-GCM", 32);
    internal static readonly AeadCipher ChaCha20Poly1305 = new(0x0003, "ChaCha20-Poly1305", 32);

    [ThreadStatic]
    private static SafeCipherContext?[]? s_contexts;

    private readonly Lazy<nint> _cipher;

    private AeadCipher(ushort id, string name, int keySizeInBytes)
    {
        Id = id;
        KeySizeInBytes = keySizeInBytes;
        _cipher = new(() =>
            LibCrypto.EVP_CIPHER_fetch(0, name, 0) is not 0 and nint cipher ? cipher : throw new CryptographicException($"libcrypto has no {name}."));
    }

    internal ushort Id { get; }

    internal int KeySizeInBytes { get; }

    internal static AeadCipher? Find(ushort id) => id switch
    {
        0x0001 => Aes128Gcm,
        0x0002 => Aes256Gcm,
        0x0003 => ChaCha20Poly1305,
        _ => null,
    };

    /// <summary>Lengths are the caller's to check; <paramref name="ciphertext"/> may be <paramref name="plaintext"/> itself.</summary>
    internal void Encrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext, Span<byte> tag)
    {
        SafeCipherContext context = Context();
        byte* nothing = stackalloc byte[TagSizeInBytes];
        int length;
        try
        {
            fixed (byte* keyBytes = key, nonceBytes = nonce, data = &MemoryMarshal.GetReference(associatedData),
                input = &MemoryMarshal.GetReference(plaintext), output = &MemoryMarshal.GetReference(ciphertext), tagBytes = tag)
            {
                LibCrypto.Check(LibCrypto.EVP_EncryptInit_ex(context, 0, 0, keyBytes, nonceBytes));
                if (!associatedData.IsEmpty)
                {
                    LibCrypto.Check(LibCrypto.EVP_EncryptUpdate(context, null, &length, data, associatedData.Length));
                }

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
            Forget(context);
        }
    }

    /// <summary>Clears <paramref name="plaintext"/> where the tag is wrong.</summary>
    internal bool TryDecrypt(
        ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, ReadOnlySpan<byte> tag, Span<byte> plaintext)
    {
        SafeCipherContext context = Context();
        byte* nothing = stackalloc byte[TagSizeInBytes];
        int length;
        bool isAuthentic = false;
        try
        {
            fixed (byte* keyBytes = key, nonceBytes = nonce, data = &MemoryMarshal.GetReference(associatedData),
                input = &MemoryMarshal.GetReference(ciphertext), output = &MemoryMarshal.GetReference(plaintext), tagBytes = tag)
            {
                LibCrypto.Check(LibCrypto.EVP_DecryptInit_ex(context, 0, 0, keyBytes, nonceBytes));
                LibCrypto.Check(LibCrypto.EVP_CIPHER_CTX_ctrl(context, LibCrypto.AeadSetTag, TagSizeInBytes, tagBytes));
                if (!associatedData.IsEmpty)
                {
                    LibCrypto.Check(LibCrypto.EVP_DecryptUpdate(context, null, &length, data, associatedData.Length));
                }

                if (!ciphertext.IsEmpty)
                {
                    LibCrypto.Check(LibCrypto.EVP_DecryptUpdate(context, output, &length, input, ciphertext.Length));
                }

                isAuthentic = LibCrypto.EVP_DecryptFinal_ex(context, nothing, &length) == 1;
                return isAuthentic;
            }
        }
        finally
        {
            if (!isAuthentic)
            {
                CryptographicOperations.ZeroMemory(plaintext);
                LibCrypto.ERR_clear_error();
            }

            Forget(context);
        }
    }

    private static void Forget(SafeCipherContext context)
    {
        byte* zeros = stackalloc byte[MaxKeySizeInBytes];
        new Span<byte>(zeros, MaxKeySizeInBytes).Clear();
        LibCrypto.Check(LibCrypto.EVP_EncryptInit_ex(context, 0, 0, zeros, zeros));
    }

    private SafeCipherContext Context()
    {
        ref SafeCipherContext? context = ref (s_contexts ??= new SafeCipherContext?[4])[Id];
        if (context is null)
        {
            SafeCipherContext made = new(LibCrypto.EVP_CIPHER_CTX_new());
            LibCrypto.Check(made.IsInvalid ? 0 : LibCrypto.EVP_EncryptInit_ex(made, _cipher.Value, 0, null, null));
            context = made;
        }

        return context;
    }
}
