namespace Tacit.Inference;

/// <summary>One key of a pool and until when it is not to be used.</summary>
internal sealed class KeySlot(int number, ProviderKey? key, KeyUsage usage)
{
    private long _benchedUntil = long.MinValue;
    private volatile AttemptFailure _reason;

    /// <summary>Its place in the settings, from 1: what a log may call it. 0 for no key.</summary>
    public int Number => number;

    /// <summary>Null for the one slot of a backend that wants no key.</summary>
    public ProviderKey? Key => key;

    /// <summary>What it has used, and its budget.</summary>
    public KeyUsage Usage => usage;

    /// <summary>Why it was benched last.</summary>
    public AttemptFailure Reason => _reason;

    public bool IsUsableAt(long timestamp) => timestamp >= Volatile.Read(ref _benchedUntil);

    /// <returns>False if it was benched already, so that a burst of refusals is told once.</returns>
    public bool Bench(TimeProvider time, TimeSpan duration, AttemptFailure reason)
    {
        long now = time.GetTimestamp();
        bool usable = IsUsableAt(now);
        _reason = reason;
        Volatile.Write(ref _benchedUntil, now + (long)(duration.TotalSeconds * time.TimestampFrequency));
        return usable;
    }
}

/// <summary>A backend's keys, each request starting at the next one so that they share the load. Thread safe.</summary>
internal sealed class KeyRing
{
    private readonly KeySlot[] _slots;
    private readonly TimeProvider _time;
    private uint _next = uint.MaxValue;

    public KeyRing(IReadOnlyList<ProviderKey> keys, TimeProvider time, KeyBudget? budget = null)
    {
        _time = time;
        _slots = keys.Count == 0 ? [new KeySlot(0, null, new KeyUsage(budget, time))] : [.. keys.Select((key, i) => new KeySlot(i + 1, key, new KeyUsage(budget, time)))];
    }

    /// <summary>Why no key is usable, when none is: that one is busy is the better news, for it passes soonest.</summary>
    public AttemptFailure Reason => Array.Exists(_slots, slot => slot.Reason == AttemptFailure.KeyBusy || slot.Usage.IsUsedUp) ? AttemptFailure.KeyBusy : AttemptFailure.KeyRefused;

    public IReadOnlyList<KeySlot> Slots => _slots;

    /// <summary>Where a request starts.</summary>
    public int Start() => (int)(Interlocked.Increment(ref _next) % (uint)_slots.Length);

    /// <summary>The next usable key from <paramref name="start"/> on that this request has not tried; null when none is left.</summary>
    public KeySlot? Next(int start, ref int tried)
    {
        long now = _time.GetTimestamp();
        while (tried < _slots.Length)
        {
            KeySlot slot = _slots[(start + tried++) % _slots.Length];
            if (slot.IsUsableAt(now) && !slot.Usage.IsUsedUp)
            {
                return slot;
            }
        }

        return null;
    }
}
