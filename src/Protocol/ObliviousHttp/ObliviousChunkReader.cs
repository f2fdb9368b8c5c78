using System.Buffers;

namespace Tacit.Protocol;

/// <summary>
/// Opens the chunks of an encapsulated message (draft-ietf-ohai-chunked-ohttp) from bytes as they come, cut anywhere. A chunk that was changed, left out, repeated or moved
/// is refused, and so is a message without its last one. Does not throw, whatever the bytes; after a refusal it stays refused. Not thread safe.
/// </summary>
public sealed class ObliviousChunkReader : IDisposable
{
    /// <summary>Most bytes of plaintext in one chunk: what every sender keeps to, and every receiver has to take.</summary>
    public const int MaxChunkSize = PaddingBuckets.Largest;

    private const int TagSize = 16;

    private readonly TryOpenChunk _open;
    private readonly IDisposable? _owned;
    private readonly SensitiveBuffer _pending = new(512);
    private long _length = Unknown;
    private bool _isEnded;
    private bool _isRefused;

    internal ObliviousChunkReader(TryOpenChunk open, IDisposable? owned = null)
    {
        _open = open;
        _owned = owned;
    }

    internal delegate bool TryOpenChunk(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, Span<byte> plaintext);

    private const long Unknown = -1;
    private const long Final = 0;

    /// <summary>Takes the next bytes, all of them. False if they cannot be those of a whole and unchanged message.</summary>
    /// <param name="plaintext">Gets what is certain: a chunk's bytes once its tag was right.</param>
    public bool TryRead(ReadOnlySpan<byte> input, IBufferWriter<byte> plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        if (_isRefused || _isEnded)
        {
            return Refuse();
        }

        while (!input.IsEmpty)
        {
            if (_length == Unknown)
            {
                if (!TryTakeLength(ref input))
                {
                    return Refuse();
                }

                continue;
            }

            // The last chunk has no length of its own: it ends with the message.
            long missing = (_length == Final ? MaxChunkSize + TagSize + 1 : _length) - _pending.WrittenCount;
            int count = (int)Math.Min(missing, input.Length);
            if (_pending.WrittenCount == 0 && _length != Final && count == missing)
            {
                if (!TryOpenPart(input[..count], plaintext))
                {
                    return Refuse();
                }

                input = input[count..];
                continue;
            }

            _pending.Write(input[..count]);
            input = input[count..];
            if (count < missing)
            {
                continue;
            }

            if (_length == Final || !TryOpenPart(_pending.WrittenSpan, plaintext))
            {
                return Refuse();
            }

            _pending.Truncate(0);
        }

        return true;
    }

    /// <summary>The message ends here. False if it was cut or changed; its content then is not to be taken for whole.</summary>
    public bool TryEnd(IBufferWriter<byte> plaintext)
    {
        ArgumentNullException.ThrowIfNull(plaintext);
        if (_isRefused || _isEnded || _length != Final || !TryOpen(ObliviousSecrets.Final, _pending.WrittenSpan, plaintext))
        {
            return Refuse();
        }

        _isEnded = true;
        return true;
    }

    public void Dispose()
    {
        _pending.Dispose();
        _owned?.Dispose();
    }

    private bool TryTakeLength(ref ReadOnlySpan<byte> input)
    {
        byte first = _pending.WrittenCount > 0 ? _pending.WrittenSpan[0] : input[0];
        int missing = (1 << (first >> 6)) - _pending.WrittenCount;
        int count = Math.Min(missing, input.Length);
        _pending.Write(input[..count]);
        input = input[count..];
        if (count < missing)
        {
            return true;
        }

        // Any of the encodings of RFC 9000, section 16: which one was chosen is not authenticated.
        ReadOnlySpan<byte> bytes = _pending.WrittenSpan;
        long value = bytes[0] & 0x3f;
        for (int i = 1; i < bytes.Length; i++)
        {
            value = (value << 8) | bytes[i];
        }

        _pending.Truncate(0);
        _length = value;
        // Only the last chunk may be empty.
        return value == Final || (value > TagSize && value <= MaxChunkSize + TagSize);
    }

    private bool TryOpenPart(ReadOnlySpan<byte> ciphertext, IBufferWriter<byte> plaintext)
    {
        _length = Unknown;
        return TryOpen(default, ciphertext, plaintext);
    }

    private bool TryOpen(ReadOnlySpan<byte> associatedData, ReadOnlySpan<byte> ciphertext, IBufferWriter<byte> plaintext)
    {
        if (ciphertext.Length < TagSize)
        {
            return false;
        }

        int size = ciphertext.Length - TagSize;
        Span<byte> destination = plaintext.GetSpan(Math.Max(size, 1))[..size];
        if (!_open(associatedData, ciphertext, destination))
        {
            return false;
        }

        plaintext.Advance(size);
        return true;
    }

    private bool Refuse()
    {
        _isRefused = true;
        _pending.Clear();
        return false;
    }
}
