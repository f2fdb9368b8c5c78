using System.Buffers;
using System.Buffers.Text;

namespace Tacit.Protocol;

/// <summary>The events of a sealed reply.</summary>
public enum SealedEventKind
{
    Head,
    Chunk,
    Final,
}

/// <summary>
/// Splits a sealed reply into its events, as the bytes come. Takes what <see cref="SealedReplyWriter"/> writes, CRLF for LF, and comments; nothing else of what
/// server-sent events can be. Holds one event at most.
/// </summary>
public sealed class SealedEventParser : IDisposable
{
    /// <summary>The largest data of an event, in characters.</summary>
    public static readonly int MaxDataLength = Base64Url.GetEncodedLength(SealedChatFormat.MaxChunkSizeInBytes + SealedChatFormat.TagSizeInBytes);

    private readonly SensitiveBuffer _line = new(1024);
    private readonly SensitiveBuffer _data = new(1024);
    private SealedEventKind? _kind;
    private bool _hasData;

    /// <summary>Whether something came that is no event of a sealed reply. Nothing is read after it.</summary>
    public bool IsMalformed { get; private set; }

    /// <summary>Reads on until an event is whole.</summary>
    /// <param name="bytes">What came; what was used is cut off in front.</param>
    /// <param name="data">Valid until the next call.</param>
    /// <returns>False where all was used, or <see cref="IsMalformed"/>.</returns>
    public bool TryRead(ref ReadOnlySpan<byte> bytes, out SealedEventKind kind, out ReadOnlySpan<byte> data)
    {
        kind = default;
        data = default;
        while (!IsMalformed && !bytes.IsEmpty)
        {
            int end = bytes.IndexOf((byte)'\n');
            ReadOnlySpan<byte> part = end < 0 ? bytes : bytes[..end];
            bytes = end < 0 ? default : bytes[(end + 1)..];
            if (_line.WrittenCount + part.Length > MaxDataLength + 64)
            {
                IsMalformed = true;
                return false;
            }

            _line.Write(part);
            if (end < 0)
            {
                return false;
            }

            ReadOnlySpan<byte> line = _line.WrittenSpan;
            bool isWhole = TakeLine(line is [.., (byte)'\r'] ? line[..^1] : line);
            _line.Truncate(0);
            if (isWhole)
            {
                kind = _kind!.Value;
                data = _data.WrittenSpan;
                _kind = null;
                _hasData = false;
                return true;
            }
        }

        return false;
    }

    public void Dispose()
    {
        _line.Dispose();
        _data.Dispose();
    }

    /// <summary>True where the line ends an event.</summary>
    private bool TakeLine(ReadOnlySpan<byte> line)
    {
        if (line.IsEmpty)
        {
            bool isWhole = _kind is not null && _hasData;
            IsMalformed = !isWhole && (_kind is not null || _hasData);
            return isWhole;
        }

        if (line[0] == ':')
        {
            return false;
        }

        if (TryCut(ref line, "event:"u8) && _kind is null)
        {
            _kind = line.SequenceEqual("head"u8) ? SealedEventKind.Head
                : line.SequenceEqual("chunk"u8) ? SealedEventKind.Chunk
                : line.SequenceEqual("final"u8) ? SealedEventKind.Final
                : null;
            IsMalformed = _kind is null;
        }
        else if (!_hasData && TryCut(ref line, "data:"u8))
        {
            _hasData = true;
            _data.Truncate(0);
            _data.Write(line);
            IsMalformed = line.Length > MaxDataLength;
        }
        else
        {
            IsMalformed = true;
        }

        return false;
    }

    private static bool TryCut(ref ReadOnlySpan<byte> line, ReadOnlySpan<byte> name)
    {
        if (!line.StartsWith(name))
        {
            return false;
        }

        line = line[name.Length..];
        line = line is [(byte)' ', ..] ? line[1..] : line;
        return true;
    }
}
