using System.Buffers.Binary;

namespace Tacit.Protocol;

/// <summary>Reads big-endian structures (RFC 8446, section 3) from a span. A read past the end fails and moves nothing.</summary>
internal ref struct WireReader
{
    private ReadOnlySpan<byte> _rest;

    public WireReader(ReadOnlySpan<byte> bytes) => _rest = bytes;

    public readonly bool AtEnd => _rest.IsEmpty;

    public readonly int Remaining => _rest.Length;

    public bool TryReadByte(out byte value)
    {
        if (_rest.IsEmpty)
        {
            value = 0;
            return false;
        }

        value = _rest[0];
        _rest = _rest[1..];
        return true;
    }

    public bool TryReadUInt16(out ushort value)
    {
        if (!BinaryPrimitives.TryReadUInt16BigEndian(_rest, out value))
        {
            return false;
        }

        _rest = _rest[2..];
        return true;
    }

    public bool TryReadInt64(out long value)
    {
        if (!BinaryPrimitives.TryReadInt64BigEndian(_rest, out value))
        {
            return false;
        }

        _rest = _rest[8..];
        return true;
    }

    public bool TryReadUInt64(out ulong value)
    {
        if (!BinaryPrimitives.TryReadUInt64BigEndian(_rest, out value))
        {
            return false;
        }

        _rest = _rest[8..];
        return true;
    }

    public bool TryReadBytes(int count, out ReadOnlySpan<byte> value)
    {
        if (count > _rest.Length)
        {
            value = default;
            return false;
        }

        value = _rest[..count];
        _rest = _rest[count..];
        return true;
    }

    /// <summary>A vector with a one-byte length.</summary>
    public bool TryReadVector8(out ReadOnlySpan<byte> value)
    {
        WireReader before = this;
        if (TryReadByte(out byte length) && TryReadBytes(length, out value))
        {
            return true;
        }

        this = before;
        value = default;
        return false;
    }

    /// <summary>A vector with a two-byte length.</summary>
    public bool TryReadVector16(out ReadOnlySpan<byte> value)
    {
        WireReader before = this;
        if (TryReadUInt16(out ushort length) && TryReadBytes(length, out value))
        {
            return true;
        }

        this = before;
        value = default;
        return false;
    }

    /// <summary>
    /// A QUIC variable-length integer (RFC 9000, section 16) that fits in 30 bits. Only the shortest encoding is taken, as RFC 9420,
    /// section 2.1.2 asks for vectors: a message has one encoding, not four.
    /// </summary>
    public bool TryReadVarint(out int value)
    {
        value = 0;
        if (_rest.IsEmpty)
        {
            return false;
        }

        int length = 1 << (_rest[0] >> 6);
        if (length == 8 || length > _rest.Length)
        {
            return false;
        }

        int read = _rest[0] & 0x3f;
        for (int i = 1; i < length; i++)
        {
            read = (read << 8) | _rest[i];
        }

        if (length != VarintSize(read))
        {
            return false;
        }

        value = read;
        _rest = _rest[length..];
        return true;
    }

    public static int VarintSize(int value) => value < 1 << 6 ? 1 : value < 1 << 14 ? 2 : 4;
}
