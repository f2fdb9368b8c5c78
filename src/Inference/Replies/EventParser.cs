using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// Splits received bytes into server-sent events (WHATWG HTML §9.2.6) and passes each through the reply filter. An event that has
/// nothing but listed members in one line of data goes on byte for byte, line ends included. Comments, ids and retry times are left out:
/// an id would come back in the next request of a client that follows it.
/// </summary>
internal sealed class EventParser(Shape shape, bool isMessages = false)
{
    private const int LongestEventName = 64;

    private bool _isStarted;
    private int _lineStart;
    private int _scanned;

    /// <summary>Of the event that is being received: how many lines it has so far, and where the first one ends.</summary>
    private int _lines;
    private int _firstLineEnd;

    /// <summary>Whether the event that ends a reply was seen. Nothing after it is looked at.</summary>
    public bool IsDone { get; private set; }

    /// <summary>
    /// Whether a reply's content has begun. Anthropic's streams open with events that have none, and may then still turn into an error; others open with content.
    /// </summary>
    public bool HasContent { get; private set; } = !isMessages;

    /// <summary>Whether an event's data was no JSON object, or in Anthropic's streams an error. Nothing from it on is handed on.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Appends every whole event in <paramref name="received"/> to <paramref name="into"/> and removes it there.</summary>
    /// <param name="received">What was received so far.</param>
    /// <param name="into">Gets the events.</param>
    /// <param name="isEnd">Whether nothing will follow.</param>
    public void TakeWhole(SensitiveBuffer received, SensitiveBuffer into, bool isEnd)
    {
        ReadOnlySpan<byte> bytes = received.WrittenSpan;
        int taken = 0;
        if (!_isStarted)
        {
            // One byte order mark may come before the first event.
            ReadOnlySpan<byte> mark = [0xef, 0xbb, 0xbf];
            if (bytes.Length < mark.Length && mark.StartsWith(bytes))
            {
                return;
            }

            _isStarted = true;
            if (bytes.StartsWith(mark))
            {
                taken = _lineStart = _scanned = mark.Length;
            }
        }

        while (!IsDone && !IsBroken && TryEndLine(bytes, isEnd, out int lineEnd, out int next))
        {
            if (lineEnd > _lineStart)
            {
                if (_lines++ == 0)
                {
                    _firstLineEnd = lineEnd;
                }

                _lineStart = _scanned = next;
                continue;
            }

            // An empty line ends the event.
            if (!(_lines == 1 ? PassLine(bytes[taken..next], bytes[taken.._firstLineEnd], into) : _lines == 0 || PassLines(bytes[taken..next], into)))
            {
                IsBroken = true;
            }

            taken = _lineStart = _scanned = next;
            _lines = 0;
        }

        received.RemoveFirst(taken);
        _lineStart -= taken;
        _scanned -= taken;
        _firstLineEnd -= taken;
    }

    /// <summary>Finds the end of the line that starts at <see cref="_lineStart"/>; each byte is looked at once, however they arrive.</summary>
    private bool TryEndLine(ReadOnlySpan<byte> bytes, bool isEnd, out int lineEnd, out int next)
    {
        int found = bytes[_scanned..].IndexOfAny((byte)'\n', (byte)'\r');
        lineEnd = next = _scanned + found;
        if (found < 0)
        {
            _scanned = bytes.Length;
            return false;
        }

        next++;
        if (bytes[lineEnd] == '\r')
        {
            if (next == bytes.Length && !isEnd)
            {
                // The second half of this line end may still be on its way.
                _scanned = lineEnd;
                return false;
            }

            if (next < bytes.Length && bytes[next] == '\n')
            {
                next++;
            }
        }

        return true;
    }

    /// <summary>An event of one line, as chat completions have them. Without data there is no event to hand on, whatever the line says.</summary>
    private bool PassLine(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> line, SensitiveBuffer into) =>
        !TryField(line, "data"u8, out ReadOnlySpan<byte> data) || data.IsEmpty || PassData(raw, default, data, into);

    private bool PassLines(ReadOnlySpan<byte> raw, SensitiveBuffer into)
    {
        ReadOnlySpan<byte> name = default;
        ReadOnlySpan<byte> data = default;
        int dataLines = 0;
        bool isPlain = true;
        foreach (ReadOnlySpan<byte> line in new Lines(raw))
        {
            if (TryField(line, "data"u8, out ReadOnlySpan<byte> value))
            {
                dataLines++;
                data = value;
            }
            else if (TryField(line, "event"u8, out value) && name.IsEmpty && IsName(value))
            {
                name = value;
            }
            else
            {
                isPlain = false;
            }
        }

        if (dataLines > 1)
        {
            return PassJoined(raw, name, into);
        }

        // Without data there is no event to hand on, whatever other lines say.
        return data.IsEmpty || PassData(isPlain ? raw : default, name, data, into);
    }

    /// <summary>Data over several lines: JSON has line ends only between its tokens, where a space does as well.</summary>
    private bool PassJoined(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> name, SensitiveBuffer into)
    {
        using var joined = new SensitiveBuffer(raw.Length);
        foreach (ReadOnlySpan<byte> line in new Lines(raw))
        {
            if (TryField(line, "data"u8, out ReadOnlySpan<byte> value))
            {
                joined.Write(joined.WrittenCount > 0 ? " "u8 : default);
                joined.Write(value);
            }
        }

        return PassData(default, name, joined.WrittenSpan, into);
    }

    /// <summary>One event's data. <paramref name="raw"/> is the event as received if it may go on so, and empty if it has to be written anew.</summary>
    private bool PassData(ReadOnlySpan<byte> raw, ReadOnlySpan<byte> name, ReadOnlySpan<byte> data, SensitiveBuffer into)
    {
        if (data.Trim((byte)' ').SequenceEqual("[DONE]"u8))
        {
            IsDone = true;
            into.Write(raw.IsEmpty ? "data: [DONE]\n\n"u8 : raw);
            return true;
        }

        if (isMessages && name.SequenceEqual("error"u8))
        {
            return false;
        }

        var cuts = new ReplyFilter.Cuts();
        if (!ReplyFilter.TryFind(data, shape, ref cuts))
        {
            return false;
        }

        if (cuts.Count == 0 && !raw.IsEmpty)
        {
            into.Write(raw);
        }
        else
        {
            if (!name.IsEmpty)
            {
                into.Write("event: "u8);
                into.Write(name);
                into.Write("\n"u8);
            }

            into.Write("data: "u8);
            ReplyFilter.Write(data, cuts, into);
            into.Write("\n\n"u8);
        }

        if (isMessages)
        {
            HasContent |= !name.SequenceEqual("message_start"u8) && !name.SequenceEqual("ping"u8);
            IsDone = name.SequenceEqual("message_stop"u8);
            return true;
        }

        IsDone = name.SequenceEqual("response.completed"u8) || name.SequenceEqual("response.incomplete"u8) || name.SequenceEqual("response.failed"u8);
        return true;
    }

    private static bool TryField(ReadOnlySpan<byte> line, ReadOnlySpan<byte> field, out ReadOnlySpan<byte> value)
    {
        value = default;
        if (!line.StartsWith(field))
        {
            return false;
        }

        line = line[field.Length..];
        if (line.IsEmpty)
        {
            return true;
        }

        if (line[0] != ':')
        {
            return false;
        }

        value = line[1..];
        if (!value.IsEmpty && value[0] == ' ')
        {
            value = value[1..];
        }

        return true;
    }

    private static bool IsName(ReadOnlySpan<byte> value)
    {
        if (value.Length is 0 or > LongestEventName)
        {
            return false;
        }

        foreach (byte b in value)
        {
            if (!char.IsAsciiLetterOrDigit((char)b) && b is not ((byte)'.' or (byte)'_' or (byte)'-'))
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The lines of one whole event, without its empty ones.</summary>
    private ref struct Lines(ReadOnlySpan<byte> rest)
    {
        private ReadOnlySpan<byte> _rest = rest;

        public ReadOnlySpan<byte> Current { get; private set; }

        public readonly Lines GetEnumerator() => this;

        public bool MoveNext()
        {
            while (!_rest.IsEmpty)
            {
                int end = _rest.IndexOfAny((byte)'\n', (byte)'\r');
                Current = end < 0 ? _rest : _rest[..end];
                _rest = end < 0 ? default : _rest[(end + 1)..];
                if (!Current.IsEmpty)
                {
                    return true;
                }
            }

            return false;
        }
    }
}
