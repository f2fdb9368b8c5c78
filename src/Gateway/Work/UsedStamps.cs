namespace Tacit.Gateway.Work;

/// <summary>The stamps that were taken under one challenge, in memory only and bounded. Once it is full nothing more is taken under this challenge.</summary>
internal sealed class UsedStamps(int capacity)
{
    // 16 bytes of a hash that nobody can choose without doing the work: a collision of two costs its finder more than the stamp.
    private readonly HashSet<UInt128> _names = [];
    private readonly Lock _gate = new();

    /// <summary>False if it was taken before.</summary>
    public bool TryAdd(UInt128 name, out bool isFull)
    {
        lock (_gate)
        {
            isFull = _names.Count >= capacity;
            return !isFull && _names.Add(name);
        }
    }
}
