namespace Tacit.Issuer;

/// <summary>
/// Token buckets in a table of fixed size, so that no number of accounts or addresses can fill the memory. Keys that fall on one place share its bucket; where
/// they fall can't be chosen from outside, since the hash is the process's own.
/// </summary>
internal sealed class RateLimiter
{
    private const int Slots = 1 << 14;

    private readonly (double Level, long Timestamp)[] _slots = new (double, long)[Slots];
    private readonly Lock _gate = new();
    private readonly int _burst;
    private readonly double _perSecond;
    private readonly TimeProvider _time;

    public RateLimiter(int burst, double perSecond, TimeProvider time)
    {
        _burst = burst;
        _perSecond = perSecond;
        _time = time;
        Array.Fill(_slots, (burst, time.GetTimestamp()));
    }

    /// <summary>Takes one; false if there is none.</summary>
    public bool TryTake(ReadOnlySpan<byte> key) => Spend(key, 1, 1);

    /// <summary>Takes so many; false, and nothing is taken, if there are fewer.</summary>
    public bool TryTake(ReadOnlySpan<byte> key, int amount) => Spend(key, amount, amount);

    /// <summary>Whether there is one, without taking it.</summary>
    public bool HasOne(ReadOnlySpan<byte> key) => Spend(key, 1, 0);

    private bool Spend(ReadOnlySpan<byte> key, int needed, int amount)
    {
        var hash = default(HashCode);
        hash.AddBytes(key);
        int slot = hash.ToHashCode() & (Slots - 1);
        lock (_gate)
        {
            (double level, long timestamp) = _slots[slot];
            long now = _time.GetTimestamp();
            level = Math.Min(_burst, level + (_time.GetElapsedTime(timestamp, now).TotalSeconds * _perSecond));
            bool isThere = level >= needed;
            _slots[slot] = (isThere ? level - amount : level, now);
            return isThere;
        }
    }
}
