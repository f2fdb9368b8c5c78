using Tacit.Tor;

namespace Tacit.Client.Transports;

/// <summary>
/// The identities that units have towards Tor, which makes circuits by them. A unit that goes on keeps its own for as long as the conversation lives, also while it has
/// no connection; each server gets another. Not thread safe: the pool's lock is around it.
/// </summary>
internal sealed class Circuits(TimeProvider time)
{
    /// <summary>As long as a conversation is taken for a living one.</summary>
    private static readonly TimeSpan Lifetime = TimeSpan.FromMinutes(30);

    private readonly Dictionary<(Route Route, IsolationKey Key), Kept> _kept = [];

    /// <param name="keep">Whether the unit goes on after this request.</param>
    public TorIsolation Of(Route route, IsolationKey key, bool keep)
    {
        if (!keep)
        {
            return TorIsolation.Create();
        }
        if (!_kept.TryGetValue((route, key), out Kept? kept))
        {
            _kept.Add((route, key), kept = new Kept(TorIsolation.Create()));
        }
        kept.LastUsed = time.GetTimestamp();
        return kept.Identity;
    }

    public void Forget(Route route, IsolationKey key) => _kept.Remove((route, key));

    public void Clear() => _kept.Clear();

    public void Sweep()
    {
        foreach (((Route, IsolationKey) unit, Kept kept) in _kept.ToArray())
        {
            if (time.GetElapsedTime(kept.LastUsed) >= Lifetime)
            {
                _kept.Remove(unit);
            }
        }
    }

    private sealed class Kept(TorIsolation identity)
    {
        public TorIsolation Identity { get; } = identity;

        public long LastUsed { get; set; }
    }
}
