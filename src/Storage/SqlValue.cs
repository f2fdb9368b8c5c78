using System.Runtime.InteropServices;

namespace Tacit.Storage;

/// <summary>
/// An argument of a statement: a 64-bit integer, text, bytes or NULL. Converts implicitly from what fits, so that nothing is boxed and an argument of
/// another type does not compile. Bytes are not copied before the statement runs.
/// </summary>
public readonly struct SqlValue
{
    private readonly object? _reference;
    private readonly long _number;

    private SqlValue(SqlValueKind kind, object? reference, long number)
    {
        Kind = kind;
        _reference = reference;
        _number = number;
    }

    /// <summary>SQL NULL; also what a default value, a null array and a null string are.</summary>
    public static SqlValue Null => default;

    internal SqlValueKind Kind { get; }

    internal long Number => _number;

    internal string Text => (string)_reference!;

    internal ReadOnlySpan<byte> Bytes => Memory.Span;

    internal ReadOnlyMemory<byte> Memory => new((byte[])_reference!, (int)(_number >> 32), (int)(_number & int.MaxValue));

    public static implicit operator SqlValue(long value) => new(SqlValueKind.Integer, null, value);

    public static implicit operator SqlValue(int value) => new(SqlValueKind.Integer, null, value);

    public static implicit operator SqlValue(bool value) => new(SqlValueKind.Integer, null, value ? 1 : 0);

    public static implicit operator SqlValue(long? value) => value is long number ? number : Null;

    public static implicit operator SqlValue(string? value) => value is null ? Null : new(SqlValueKind.Text, value, 0);

    public static implicit operator SqlValue(byte[]? value) => value is null ? Null : new(SqlValueKind.Bytes, value, value.Length);

    public static implicit operator SqlValue(Memory<byte> value) => (ReadOnlyMemory<byte>)value;

    public static implicit operator SqlValue(ReadOnlyMemory<byte> value) =>
        MemoryMarshal.TryGetArray(value, out ArraySegment<byte> segment) && segment.Array is not null
            ? new(SqlValueKind.Bytes, segment.Array, ((long)segment.Offset << 32) | (uint)segment.Count)
            : new(SqlValueKind.Bytes, value.ToArray(), value.Length);
}

internal enum SqlValueKind : byte
{
    Null,
    Integer,
    Text,
    Bytes,
}
