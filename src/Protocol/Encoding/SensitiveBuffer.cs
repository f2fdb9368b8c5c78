using System.Buffers;
using System.Security.Cryptography;

namespace Tacit.Protocol;

/// <summary>
/// A growing buffer for prompts, replies and keys (law 4): pooled bytes that are wiped when the buffer grows, is cleared and is disposed.
/// Not thread safe. Memory handed out is invalid after the next growth, <see cref="Clear"/> or <see cref="Dispose"/>.
/// </summary>
public sealed class SensitiveBuffer : IBufferWriter<byte>, IDisposable
{
    private const int DefaultCapacity = 1024;

    private byte[]? _bytes;
    private int _written;

    /// <param name="initialCapacity">In bytes; rented at once.</param>
    public SensitiveBuffer(int initialCapacity = DefaultCapacity)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(initialCapacity);
        _bytes = ArrayPool<byte>.Shared.Rent(Math.Max(initialCapacity, 16));
    }

    /// <summary>How many bytes are written.</summary>
    public int WrittenCount => _written;

    /// <summary>How many bytes fit without growing.</summary>
    public int Capacity => Bytes.Length;

    public ReadOnlyMemory<byte> WrittenMemory => Bytes.AsMemory(0, _written);

    public ReadOnlySpan<byte> WrittenSpan => Bytes.AsSpan(0, _written);

    /// <summary>What is written from a place on, to be completed where it stands.</summary>
    internal Span<byte> WrittenInPlace(int start) => Bytes.AsSpan(start, _written - start);

    private byte[] Bytes => _bytes ?? throw new ObjectDisposedException(nameof(SensitiveBuffer));

    public void Advance(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Bytes.Length - _written);
        _written += count;
    }

    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return Bytes.AsMemory(_written);
    }

    public Span<byte> GetSpan(int sizeHint = 0)
    {
        Reserve(sizeHint);
        return Bytes.AsSpan(_written);
    }

    public void Write(ReadOnlySpan<byte> value)
    {
        Reserve(value.Length);
        value.CopyTo(Bytes.AsSpan(_written));
        _written += value.Length;
    }

    /// <summary>Drops and wipes everything after the first <paramref name="count"/> bytes.</summary>
    public void Truncate(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _written);
        CryptographicOperations.ZeroMemory(Bytes.AsSpan(count, _written - count));
        _written = count;
    }

    /// <summary>Drops and wipes the first <paramref name="count"/> bytes; what follows moves to the front.</summary>
    public void RemoveFirst(int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, _written);
        byte[] bytes = Bytes;
        bytes.AsSpan(count, _written - count).CopyTo(bytes);
        CryptographicOperations.ZeroMemory(bytes.AsSpan(_written - count, count));
        _written -= count;
    }

    /// <summary>Wipes the whole buffer, also what was lent out by <see cref="GetSpan"/> and never advanced over, and keeps it for reuse.</summary>
    public void Clear()
    {
        CryptographicOperations.ZeroMemory(Bytes);
        _written = 0;
    }

    public void Dispose()
    {
        byte[]? bytes = Interlocked.Exchange(ref _bytes, null);
        _written = 0;
        if (bytes is not null)
        {
            WipeAndReturn(bytes);
        }
    }

    /// <summary>Says nothing of what it holds.</summary>
    public override string ToString() => "[scrubbed]";

    private void Reserve(int sizeHint)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sizeHint);
        byte[] old = Bytes;
        int needed = checked(_written + Math.Max(sizeHint, 1));
        if (needed <= old.Length)
        {
            return;
        }

        int doubled = (int)Math.Min(2L * old.Length, Array.MaxLength);
        byte[] grown = ArrayPool<byte>.Shared.Rent(Math.Max(needed, doubled));
        old.AsSpan(0, _written).CopyTo(grown);
        _bytes = grown;
        WipeAndReturn(old);
    }

    private static void WipeAndReturn(byte[] bytes)
    {
        // Not Return(clearArray: true): the pool may skip the clearing of an array that it does not keep.
        CryptographicOperations.ZeroMemory(bytes);
        ArrayPool<byte>.Shared.Return(bytes);
    }
}
