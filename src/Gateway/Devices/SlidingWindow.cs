using System.Buffers.Binary;

namespace Tacit.Gateway.Devices;

/// <summary>
/// Counts what happened within the last span, in slots. A slot that has partly left the span still counts whole, so no span of the length ever holds more than its
/// limit, wherever it begins; what that costs is at most one slot's width of waiting longer. Not thread safe.
/// </summary>
internal sealed class SlidingWindow
{
    private readonly uint[] _counts;
    private readonly long _width;
    private long _slot;

    /// <param name="span">In seconds.</param>
    /// <param name="slots">Parts of the span, which divide it.</param>
    public SlidingWindow(long span, int slots)
    {
        _width = span / slots;
        _counts = new uint[slots + 1];
    }

    public int SizeInBytes => sizeof(long) + (_counts.Length * sizeof(uint));

    /// <summary>Whether nothing that happened still counts.</summary>
    public bool IsEmpty(long now)
    {
        Advance(now);
        return Total == 0;
    }

    /// <summary>How many seconds until one more is within the limit; 0 if it is now.</summary>
    public long Wait(long now, long limit)
    {
        Advance(now);
        long total = Total;
        if (total < limit)
        {
            return 0;
        }

        // The oldest slots leave first.
        for (int age = _counts.Length - 1; age >= 0; age--)
        {
            total -= _counts[Index(_slot - age)];
            if (total < limit)
            {
                return ((_slot - age + _counts.Length) * _width) - now;
            }
        }

        // A limit of none.
        return _counts.Length * _width;
    }

    public void Add(long now)
    {
        Advance(now);
        _counts[Index(_slot)]++;
    }

    /// <summary>Takes one back that was counted then, unless it no longer counts anyway.</summary>
    public void Remove(long then, long now)
    {
        Advance(now);
        long slot = then / _width;
        if (slot <= _slot && slot > _slot - _counts.Length && _counts[Index(slot)] > 0)
        {
            _counts[Index(slot)]--;
        }
    }

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteInt64BigEndian(destination, _slot);
        for (int i = 0; i < _counts.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(destination[(sizeof(long) + (i * sizeof(uint)))..], _counts[i]);
        }
    }

    public void Read(ReadOnlySpan<byte> source)
    {
        _slot = BinaryPrimitives.ReadInt64BigEndian(source);
        for (int i = 0; i < _counts.Length; i++)
        {
            _counts[i] = BinaryPrimitives.ReadUInt32BigEndian(source[(sizeof(long) + (i * sizeof(uint)))..]);
        }
    }

    private long Total
    {
        get
        {
            long total = 0;
            foreach (uint count in _counts)
            {
                total += count;
            }

            return total;
        }
    }

    /// <summary>A clock that goes back, or is behind another instance's, counts into the newest slot there is.</summary>
    private void Advance(long now)
    {
        long slot = now / _width;
        if (slot - _slot >= _counts.Length)
        {
            Array.Clear(_counts);
            _slot = slot;
        }

        while (_slot < slot)
        {
            _counts[Index(++_slot)] = 0;
        }
    }

    private int Index(long slot) => (int)(((slot % _counts.Length) + _counts.Length) % _counts.Length);
}
