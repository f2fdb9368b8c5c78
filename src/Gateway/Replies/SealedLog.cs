using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Gateway.Admission;

namespace Tacit.Gateway.Replies;

/// <summary>
/// The bytes of one reply: append-only, in blocks of 4 KiB. The block being filled is pooled plaintext; a full one is sealed with AES-256-GCM under a key
/// that only the token's presenter can derive, and so is the last one when the reply ends. From then on nothing in memory reads the reply
/// but what a presenter brings along.
/// </summary>
/// <remarks>
/// Not thread safe: the reply that owns it locks. A reader that keeps up copies from the open block and never pays for a decryption.
/// The nonce is the block's number; the key is of this reply alone (<see cref="TokenKeys.ReplyKey"/>).
/// </remarks>
internal struct SealedLog
{
    public const int BlockSize = 4096;
    private const int TagSize = 16;
    private const int NonceSize = 12;

    private SealedBlock _first;
    private List<SealedBlock>? _more;
    private byte[]? _key;
    private byte[]? _open;
    private int _openLength;

    /// <param name="pseudorandomKey">Of the token.</param>
    /// <param name="salt">Of this reply.</param>
    public SealedLog(ReadOnlySpan<byte> pseudorandomKey, ReadOnlySpan<byte> salt)
    {
        _key = new byte[TokenKeys.KeySizeInBytes];
        TokenKeys.ReplyKey(pseudorandomKey, salt, _key);
    }

    public long Length { get; private set; }

    private readonly int SealedCount => _first.IsNone ? 0 : 1 + (_more?.Count ?? 0);

    public void Append(ReadOnlySpan<byte> bytes, SealedBlocks blocks)
    {
        while (!bytes.IsEmpty)
        {
            _open ??= ArrayPool<byte>.Shared.Rent(BlockSize);
            int take = Math.Min(bytes.Length, BlockSize - _openLength);
            bytes[..take].CopyTo(_open.AsSpan(_openLength));
            _openLength += take;
            Length += take;
            bytes = bytes[take..];
            if (_openLength == BlockSize)
            {
                SealOpenBlock(blocks);
            }
        }
    }

    /// <summary>Seals what is open and forgets the key.</summary>
    public void Seal(SealedBlocks blocks)
    {
        if (_openLength > 0)
        {
            SealOpenBlock(blocks);
        }

        Wipe();
    }

    /// <summary>Wipes what is open and forgets the key; what is sealed stays.</summary>
    public void Wipe()
    {
        if (_open is not null)
        {
            CryptographicOperations.ZeroMemory(_open);
            ArrayPool<byte>.Shared.Return(_open);
            _open = null;
            _openLength = 0;
        }

        CryptographicOperations.ZeroMemory(_key);
        _key = null;
    }

    /// <summary>Gives the sealed blocks back.</summary>
    public void Release(SealedBlocks blocks)
    {
        Wipe();
        if (!_first.IsNone)
        {
            blocks.Release(_first);
            _first = default;
        }

        foreach (SealedBlock block in _more ?? [])
        {
            blocks.Release(block);
        }

        _more = null;
    }

    /// <summary>
    /// Copies from <paramref name="position"/> to the end of one block; 0 if there is nothing more yet. A sealed block is returned instead of copied, for
    /// the caller to open outside the lock.
    /// </summary>
    public readonly int Read(long position, IBufferWriter<byte> destination, out SealedBlock block)
    {
        block = default;
        int index = checked((int)(position / BlockSize));
        int offset = (int)(position % BlockSize);
        if (index < SealedCount)
        {
            block = index == 0 ? _first : _more![index - 1];
            return Math.Max(block.Length - TagSize - offset, 0);
        }

        int available = _openLength - offset;
        if (available <= 0)
        {
            return 0;
        }

        destination.Write(_open.AsSpan(offset, available));
        return available;
    }

    /// <summary>Opens a sealed block and copies what is behind <paramref name="position"/>. A wrong key throws: the caller proved to have the right one.</summary>
    public static void Open(SealedBlock block, long position, AesGcm cipher, IBufferWriter<byte> destination)
    {
        Span<byte> bytes = block.Span;
        int length = bytes.Length - TagSize;
        int offset = (int)(position % BlockSize);
        byte[] plain = ArrayPool<byte>.Shared.Rent(BlockSize);
        try
        {
            Span<byte> nonce = stackalloc byte[NonceSize];
            WriteNonce(position / BlockSize, nonce);
            cipher.Decrypt(nonce, bytes[..length], bytes[length..], plain.AsSpan(0, length));
            destination.Write(plain.AsSpan(offset, length - offset));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
            ArrayPool<byte>.Shared.Return(plain);
        }
    }

    /// <summary>Opens the blocks of one reply.</summary>
    public static AesGcm CreateCipher(ReadOnlySpan<byte> pseudorandomKey, ReadOnlySpan<byte> salt)
    {
        Span<byte> key = stackalloc byte[TokenKeys.KeySizeInBytes];
        try
        {
            TokenKeys.ReplyKey(pseudorandomKey, salt, key);
            return new AesGcm(key, TagSize);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private void SealOpenBlock(SealedBlocks blocks)
    {
        SealedBlock block = blocks.Rent(_openLength + TagSize);
        Span<byte> nonce = stackalloc byte[NonceSize];
        WriteNonce(SealedCount, nonce);
        Span<byte> bytes = block.Span;
        Aes256Gcm.Encrypt(_key, nonce, _open.AsSpan(0, _openLength), bytes[.._openLength], bytes[_openLength..]);
        if (_first.IsNone)
        {
            _first = block;
        }
        else
        {
            (_more ??= []).Add(block);
        }

        CryptographicOperations.ZeroMemory(_open.AsSpan(0, _openLength));
        _openLength = 0;
    }

    private static void WriteNonce(long block, Span<byte> nonce)
    {
        nonce.Clear();
        BinaryPrimitives.WriteInt64BigEndian(nonce[4..], block);
    }
}
