using System.Buffers.Binary;

namespace Tacit.Gateway.Admission;

/// <summary>SHA-256(token input ‖ extensions), 32 bytes: what a token is called once it is spent. Held by value, so that tables of it need no comparer.</summary>
internal readonly struct SpendId : IEquatable<SpendId>, IComparable<SpendId>
{
    public const int SizeInBytes = 32;

    private readonly ulong _a;
    private readonly ulong _b;
    private readonly ulong _c;
    private readonly ulong _d;

    public SpendId(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(bytes.Length, SizeInBytes);
        _a = BinaryPrimitives.ReadUInt64BigEndian(bytes);
        _b = BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]);
        _c = BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]);
        _d = BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]);
    }

    public byte[] ToArray()
    {
        var bytes = new byte[SizeInBytes];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, _a);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(8), _b);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(16), _c);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(24), _d);
        return bytes;
    }

    // Not a comparison of secrets: the id is the hash of what the gateway was shown, and the database compares it in the open as well.
    public bool Equals(SpendId other) => _a == other._a && _b == other._b && _c == other._c && _d == other._d;

    /// <summary>In the order of the tables' keys.</summary>
    public int CompareTo(SpendId other) =>
        _a != other._a ? _a.CompareTo(other._a)
        : _b != other._b ? _b.CompareTo(other._b)
        : _c != other._c ? _c.CompareTo(other._c)
        : _d.CompareTo(other._d);

    public override bool Equals(object? obj) => obj is SpendId other && Equals(other);

    public override int GetHashCode() => unchecked((int)_a);

    public override string ToString() => "[scrubbed]";
}
