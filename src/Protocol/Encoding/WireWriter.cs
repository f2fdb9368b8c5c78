using System.Buffers.Binary;

namespace Tacit.Protocol;

/// <summary>Writes big-endian structures into a span of known size. Encoders compute their size first, so running over is a bug.</summary>
internal ref struct WireWriter
{
    private readonly Span<byte> _destination;
    private int _written;

    public WireWriter(Span<byte> destination) => _destination = destination;

    public readonly int Written => _written;

    public void WriteByte(byte value) => _destination[_written++] = value;

    public void WriteUInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16BigEndian(_destination[_written..], value);
        _written += 2;
    }

    public void WriteInt64(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(_destination[_written..], value);
        _written += 8;
    }

    public void WriteUInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64BigEndian(_destination[_written..], value);
        _written += 8;
    }

    public void WriteBytes(ReadOnlySpan<byte> value)
    {
        value.CopyTo(_destination[_written..]);
        _written += value.Length;
    }

    public void WriteVector8(ReadOnlySpan<byte> value)
    {
        WriteByte(checked((byte)value.Length));
        WriteBytes(value);
    }

    public void WriteVector16(ReadOnlySpan<byte> value)
    {
        WriteUInt16(checked((ushort)value.Length));
        WriteBytes(value);
    }

    /// <summary>A QUIC variable-length integer (RFC 9000, section 16) in its shortest form, below 2^30.</summary>
    public void WriteVarint(int value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(value, 1 << 30);
        switch (WireReader.VarintSize(value))
        {
            case 1:
                WriteByte((byte)value);
                break;
            case 2:
                WriteUInt16((ushort)(0x4000 | value));
                break;
            default:
                WriteUInt16((ushort)(0x8000 | (value >> 16)));
                WriteUInt16((ushort)(value & 0xffff));
                break;
        }
    }
}
