using System.Text;

namespace Tacit.Tor.Control;

/// <summary>
/// Replies out of bytes (control-spec, sections 2.3 and 2.4), however they were cut. Does no I/O. Sizes are bounded: what would be longer, and what is no reply,
/// fails the parser for good, as nothing that follows could be told apart.
/// </summary>
internal sealed class ControlReplyParser(int maxLineBytes = 1 << 20, int maxReplyBytes = 16 << 20)
{
    private readonly List<ControlLine> _lines = [];
    private readonly StringBuilder _data = new();
    private byte[] _line = new byte[512];
    private int _lineBytes;
    private int _replyBytes;
    private bool _isEvent;
    private string? _dataText;
    private bool _failed;

    /// <summary>Takes bytes and adds the replies that are complete with them.</summary>
    /// <returns>False if this is not the control protocol, or beyond its bounds; then it stays so.</returns>
    public bool TryFeed(ReadOnlySpan<byte> bytes, ICollection<ControlReply> replies)
    {
        while (!_failed && !bytes.IsEmpty)
        {
            int end = bytes.IndexOf((byte)'\n');
            ReadOnlySpan<byte> piece = end < 0 ? bytes : bytes[..end];
            if (!TryKeep(piece))
            {
                break;
            }
            if (end < 0)
            {
                return true;
            }
            bytes = bytes[(end + 1)..];
            int length = _lineBytes > 0 && _line[_lineBytes - 1] == '\r' ? _lineBytes - 1 : _lineBytes;
            _failed = !TryTake(Encoding.Latin1.GetString(_line, 0, length), replies);
            _lineBytes = 0;
        }
        return !_failed;
    }

    private bool TryKeep(ReadOnlySpan<byte> piece)
    {
        if (piece.Length > maxLineBytes - _lineBytes || piece.Length >= maxReplyBytes - _replyBytes)
        {
            _failed = true;
            return false;
        }
        int wanted = _lineBytes + piece.Length;
        if (wanted > _line.Length)
        {
            Array.Resize(ref _line, Math.Min(Math.Max(wanted, _line.Length * 2), maxLineBytes));
        }
        piece.CopyTo(_line.AsSpan(_lineBytes));
        _lineBytes = wanted;
        // The line's end counts: a reply of empty lines is bounded as well.
        _replyBytes += piece.Length + 1;
        return true;
    }

    private bool TryTake(string line, ICollection<ControlReply> replies)
    {
        if (_dataText is not null)
        {
            TakeData(line);
            return true;
        }
        if (line.Length < 4 || !char.IsAsciiDigit(line[0]) || !char.IsAsciiDigit(line[1]) || !char.IsAsciiDigit(line[2]))
        {
            return false;
        }
        bool isEvent = line[0] == '6';
        if (_lines.Count > 0 && isEvent != _isEvent)
        {
            return false;
        }
        _isEvent = isEvent;
        switch (line[3])
        {
            case '-':
                _lines.Add(new ControlLine(line[4..], null));
                return true;
            case '+':
                _dataText = line[4..];
                return true;
            case ' ':
                _lines.Add(new ControlLine(line[4..], null));
                replies.Add(new ControlReply(((line[0] - '0') * 100) + ((line[1] - '0') * 10) + (line[2] - '0'), [.. _lines]));
                _lines.Clear();
                _replyBytes = 0;
                return true;
            default:
                return false;
        }
    }

    private void TakeData(string line)
    {
        if (line == ".")
        {
            _lines.Add(new ControlLine(_dataText!, _data.ToString()));
            _dataText = null;
            _data.Clear();
            return;
        }
        if (_data.Length > 0)
        {
            _data.Append('\n');
        }
        _data.Append(line.StartsWith('.') ? line.AsSpan(1) : line);
    }
}
