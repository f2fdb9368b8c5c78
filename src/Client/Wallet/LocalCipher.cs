using System.Security.Cryptography;

namespace Tacit.Client;

/// <summary>
/// What is kept on this machine's disk, sealed: AES-256-GCM under one key, with a random nonce for each value (NIST SP 800-38D, section 8.2.2: at most 2^32 values,
/// more than a person writes). Wipes its key on dispose; thread safe.
/// </summary>
internal sealed class LocalCipher : IDisposable
{
    public const int KeySizeInBytes = 32;
    private const int NonceSizeInBytes = 12;
    private const int TagSizeInBytes = 16;

    private readonly AesGcm _cipher;

    public LocalCipher(ReadOnlySpan<byte> key)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(key.Length, KeySizeInBytes);
        _cipher = new AesGcm(key, TagSizeInBytes);
    }

    /// <returns>nonce ‖ ciphertext ‖ tag.</returns>
    /// <param name="place">What the value belongs to; a value moved to another place does not open.</param>
    public byte[] Seal(ReadOnlySpan<byte> value, ReadOnlySpan<byte> place)
    {
        byte[] box = new byte[NonceSizeInBytes + value.Length + TagSizeInBytes];
        Span<byte> nonce = box.AsSpan(0, NonceSizeInBytes);
        RandomNumberGenerator.Fill(nonce);
        lock (_cipher)
        {
            _cipher.Encrypt(nonce, value, box.AsSpan(NonceSizeInBytes, value.Length), box.AsSpan(NonceSizeInBytes + value.Length), place);
        }
        return box;
    }

    /// <returns>The value; null if it was changed, moved, or sealed under another key.</returns>
    public byte[]? TryOpen(ReadOnlySpan<byte> box, ReadOnlySpan<byte> place)
    {
        if (box.Length < NonceSizeInBytes + TagSizeInBytes)
        {
            return null;
        }
        byte[] value = new byte[box.Length - NonceSizeInBytes - TagSizeInBytes];
        try
        {
            lock (_cipher)
            {
                _cipher.Decrypt(box[..NonceSizeInBytes], box[NonceSizeInBytes..^TagSizeInBytes], box[^TagSizeInBytes..], value, place);
            }
            return value;
        }
        catch (AuthenticationTagMismatchException)
        {
            CryptographicOperations.ZeroMemory(value);
            return null;
        }
    }

    public void Dispose() => _cipher.Dispose();
}
