using System.Buffers;
using System.Security.Cryptography;
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
internal sealed class SealedLog : IDisposable
{
    public const int BlockSize = 4096;
    private const int TagSize = 16;
    private const int NonceSize = 12;

    private readonly List<byte[]> _sealed = [];
    private readonly byte[] _presenter = new byte[TokenKeys.PresenterSizeInBytes];
    private AesGcm? _cipher;
    private byte[]? _open;
    private int _openLength;

    public SealedLog(ReadOnlySpan<byte> pseudorandomKey)
    {
        RandomNumberGenerator.Fill(Salt);
        _cipher = CreateCipher(pseudorandomKey, Salt, _presenter);
    }

    public byte[] Salt { get; } = new byte[TokenKeys.ReplySaltSizeInBytes];

    public long Length { get; private set; }

    /// <summary>What the log occupies, for the books of <see cref="MemoryRoom"/>.</summary>
    public long MemoryInBytes => Length + (_sealed.Count * (long)(TagSize + 32));

    public void Append(ReadOnlySpan<byte> bytes)
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
                SealOpenBlock();
            }
        }
    }

    /// <summary>Seals what is open and forgets the key.</summary>
    public void Seal()
    {
        if (_openLength > 0)
        {
            SealOpenBlock();
        }

        ReleaseOpenBlock();
        _cipher?.Dispose();
        _cipher = null;
    }

    /// <summary>Wipes what is open; sealed blocks need no wiping.</summary>
    public void Dispose()
    {
        ReleaseOpenBlock();
        _cipher?.Dispose();
        _cipher = null;
    }

    /// <summary>
    /// Copies from <paramref name="position"/> to the end of one block; 0 if there is nothing more yet. A sealed block is returned instead of copied, for
    /// the caller to open outside the lock.
    /// </summary>
    public int Read(long position, IBufferWriter<byte> destination, out byte[]? sealedBlock)
    {
        sealedBlock = null;
        int block = checked((int)(position / BlockSize));
        int offset = (int)(position % BlockSize);
        if (block < _sealed.Count)
        {
            sealedBlock = _sealed[block];
            return sealedBlock.Length - TagSize - offset;
        }

        int available = _openLength - offset;
        if (available > 0)
        {
            destination.Write(_open.AsSpan(offset, available));
        }

        return Math.Max(available, 0);
    }

    /// <summary>Opens a sealed block and copies what is behind <paramref name="position"/>. A wrong key throws: the caller proved to have the right one.</summary>
    public static int Open(byte[] sealedBlock, long position, AesGcm cipher, IBufferWriter<byte> destination)
    {
        int length = sealedBlock.Length - TagSize;
        int offset = (int)(position % BlockSize);
        byte[] plain = ArrayPool<byte>.Shared.Rent(BlockSize);
        try
        {
            Span<byte> nonce = stackalloc byte[NonceSize];
            WriteNonce(position / BlockSize, nonce);
            cipher.Decrypt(nonce, sealedBlock.AsSpan(0, length), sealedBlock.AsSpan(length), plain.AsSpan(0, length));
            int count = length - offset;
            destination.Write(plain.AsSpan(offset, count));
            return count;
        }
        finally
        {
            CryptographicOperations.ZeroMemory(plain);
            ArrayPool<byte>.Shared.Return(plain);
        }
    }

    /// <summary>Whether this is the key of the token that the log belongs to.</summary>
    public bool IsPresenter(ReadOnlySpan<byte> pseudorandomKey)
    {
        Span<byte> key = stackalloc byte[TokenKeys.KeySizeInBytes];
        Span<byte> presenter = stackalloc byte[TokenKeys.PresenterSizeInBytes];
        TokenKeys.ReplyKey(pseudorandomKey, Salt, key, presenter);
        CryptographicOperations.ZeroMemory(key);
        return CryptographicOperations.FixedTimeEquals(presenter, _presenter);
    }

    public static AesGcm CreateCipher(ReadOnlySpan<byte> pseudorandomKey, ReadOnlySpan<byte> salt, Span<byte> presenter)
    {
        Span<byte> key = stackalloc byte[TokenKeys.KeySizeInBytes];
        try
        {
            TokenKeys.ReplyKey(pseudorandomKey, salt, key, presenter);
            return new AesGcm(key, TagSize);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
        }
    }

    private void SealOpenBlock()
    {
        var block = new byte[_openLength + TagSize];
        Span<byte> nonce = stackalloc byte[NonceSize];
        WriteNonce(_sealed.Count, nonce);
        _cipher!.Encrypt(nonce, _open.AsSpan(0, _openLength), block.AsSpan(0, _openLength), block.AsSpan(_openLength));
        _sealed.Add(block);
        CryptographicOperations.ZeroMemory(_open.AsSpan(0, _openLength));
        _openLength = 0;
    }

    private void ReleaseOpenBlock()
    {
        if (_open is null)
        {
            return;
        }

        CryptographicOperations.ZeroMemory(_open);
        ArrayPool<byte>.Shared.Return(_open);
        _open = null;
        _openLength = 0;
    }

    private static void WriteNonce(long block, Span<byte> nonce)
    {
        nonce.Clear();
        System.Buffers.Binary.BinaryPrimitives.WriteInt64BigEndian(nonce[4..], block);
    }
}
