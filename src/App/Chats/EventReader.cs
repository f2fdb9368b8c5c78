using System.Security.Cryptography;

namespace Tacit.App;

/// <summary>
/// Splits the bytes of a reply into the data of server-sent events (WHATWG HTML §9.2.6), however they are cut. An event that is larger than any provider sends ends
/// the reading instead of filling memory. Does no I/O; not thread safe.
/// </summary>
internal sealed class EventReader : IDisposable
{
    /// <summary>Largest line and largest event, in bytes.</summary>
    public const int MaxEventBytes = 4 << 20;

    private byte[] _line = new byte[4096];
    private int _lineLength;
    private byte[] _data = new byte[4096];
    private int _dataLength;
    private bool _hasData;
    private bool _afterReturn;
    private bool _isFirstLine = true;

    /// <summary>Takes a part of the reply and hands on the data of every event that it ends.</summary>
    /// <returns>False if an event is too large; nothing more may be given then.</returns>
    public bool Feed(ReadOnlySpan<byte> bytes, Action<ReadOnlySpan<byte>> handle)
    {
        while (!bytes.IsEmpty)
        {
            if (_afterReturn)
            {
                // CR LF is one line end, also where it comes in two parts.
                _afterReturn = false;
                if (bytes[0] == (byte)'\n')
                {
                    bytes = bytes[1..];
                    continue;
                }
            }
            int end = bytes.IndexOfAny((byte)'\n', (byte)'\r');
            if (!TryAppend(ref _line, ref _lineLength, end < 0 ? bytes : bytes[..end]))
            {
                return false;
            }
            if (end < 0)
            {
                return true;
            }
            _afterReturn = bytes[end] == (byte)'\r';
            bytes = bytes[(end + 1)..];
            if (!TakeLine(handle))
            {
                return false;
            }
        }
        return true;
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_line);
        CryptographicOperations.ZeroMemory(_data);
    }

    private bool TakeLine(Action<ReadOnlySpan<byte>> handle)
    {
        ReadOnlySpan<byte> line = _line.AsSpan(0, _lineLength);
        _lineLength = 0;
        if (_isFirstLine && line.StartsWith((ReadOnlySpan<byte>)[0xef, 0xbb, 0xbf]))
        {
            line = line[3..];
        }
        _isFirstLine = false;
        if (line.IsEmpty)
        {
            if (_hasData)
            {
                handle(_data.AsSpan(0, _dataLength));
            }
            (_hasData, _dataLength) = (false, 0);
            return true;
        }
        // Names, ids, retry times and comments say nothing here: what an event is stands in its data.
        if (!line.StartsWith("data"u8) || (line.Length > 4 && line[4] != (byte)':'))
        {
            return true;
        }
        ReadOnlySpan<byte> value = line.Length > 5 ? line[5..] : [];
        if (value.StartsWith(" "u8))
        {
            value = value[1..];
        }
        bool fits = (!_hasData || TryAppend(ref _data, ref _dataLength, "\n"u8)) && TryAppend(ref _data, ref _dataLength, value);
        _hasData = true;
        return fits;
    }

    private static bool TryAppend(ref byte[] buffer, ref int length, ReadOnlySpan<byte> bytes)
    {
        if (length + (long)bytes.Length > MaxEventBytes)
        {
            return false;
        }
        if (length + bytes.Length > buffer.Length)
        {
            byte[] larger = new byte[Math.Max(buffer.Length * 2, length + bytes.Length)];
            buffer.AsSpan(0, length).CopyTo(larger);
            CryptographicOperations.ZeroMemory(buffer);
            buffer = larger;
        }
        bytes.CopyTo(buffer.AsSpan(length));
        length += bytes.Length;
        return true;
    }
}
