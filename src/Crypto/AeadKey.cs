using Tacit.Crypto.Hpke;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto;

/// <summary>A key for one AEAD of RFC 9180 §7.3, in locked memory: for replies whose nonces their protocol counts (RFC 9458 §4.4).</summary>
/// <remarks>Safe for use by several threads at once. Nonces are the caller's: none may seal twice.</remarks>
public sealed class AeadKey : IDisposable
{
    public const int NonceSizeInBytes = AeadCipher.NonceSizeInBytes;
    public const int TagSizeInBytes = AeadCipher.TagSizeInBytes;

    private readonly AeadCipher _cipher;
    private readonly LockedBytes _key;

    /// <param name="aeadId">0x0001 AES-128-GCM, 0x0002 AES-256-GCM, 0x0003 ChaCha20-Poly1305.</param>
    /// <param name="key">16 bytes for 0x0001, else 32. Copied.</param>
    public AeadKey(ushort aeadId, ReadOnlySpan<byte> key)
    {
        _cipher = AeadCipher.Find(aeadId) ?? throw new ArgumentOutOfRangeException(nameof(aeadId), aeadId, "RFC 9180 names no such AEAD that seals.");
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, _cipher.KeySizeInBytes);
        _key = new LockedBytes();
        using LockedBytes.Lease lease = _key.Use();
        key.CopyTo(lease.Bytes);
    }

    public ushort AeadId => _cipher.Id;

    /// <param name="nonce">12 bytes.</param>
    /// <param name="associatedData">Any length; authenticated, not sealed.</param>
    /// <param name="plaintext">Any length.</param>
    /// <param name="ciphertext">16 bytes longer than <paramref name="plaintext"/>, and may begin where that does.</param>
    public void Seal(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext)
    {
        using LockedBytes.Lease lease = _key.Use();
        Seal(_cipher, lease.Bytes[.._cipher.KeySizeInBytes], nonce, associatedData, plaintext, ciphertext);
    }

    /// <param name="nonce">12 bytes.</param>
    /// <param name="associatedData">As it was sealed.</param>
    /// <param name="ciphertext">Any length; shorter than 16 bytes is false.</param>
    /// <param name="plaintext">16 bytes shorter than <paramref name="ciphertext"/>, and may begin where that does. Zeros where the result is false.</param>
    public bool TryOpen(ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        using LockedBytes.Lease lease = _key.Use();
        return TryOpen(_cipher, lease.Bytes[.._cipher.KeySizeInBytes], nonce, associatedData, ciphertext, plaintext);
    }

    public void Dispose() => _key.Dispose();

    internal static void Seal(
        AeadCipher cipher, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> plaintext, Span<byte> ciphertext)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonce.Length, NonceSizeInBytes);
        ArgumentOutOfRangeException.ThrowIfNotEqual(ciphertext.Length, plaintext.Length + TagSizeInBytes);
        ThrowIfShifted(plaintext, ciphertext);
        cipher.Encrypt(key, nonce, associatedData, plaintext, ciphertext[..plaintext.Length], ciphertext[plaintext.Length..]);
    }

    internal static bool TryOpen(
        AeadCipher cipher, ReadOnlySpan<byte> key, ReadOnlySpan<byte> nonce, ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(nonce.Length, NonceSizeInBytes);
        if (ciphertext.Length < TagSizeInBytes)
        {
            plaintext.Clear();
            return false;
        }

        int length = ciphertext.Length - TagSizeInBytes;
        ArgumentOutOfRangeException.ThrowIfNotEqual(plaintext.Length, length);
        ThrowIfShifted(ciphertext, plaintext);
        return cipher.TryDecrypt(key, nonce, associatedData, ciphertext[..length], ciphertext[length..], plaintext);
    }

    /// <summary>In place is fine; but libcrypto would read what it has just written where the two overlap at a distance.</summary>
    private static void ThrowIfShifted(ReadOnlySpan<byte> input, ReadOnlySpan<byte> output)
    {
        if (input.Overlaps(output, out int offset) && offset != 0)
        {
            throw new ArgumentException("Input and output overlap without beginning at the same byte.");
        }
    }
}
