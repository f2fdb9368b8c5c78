namespace Tacit.Inference;

/// <summary>
/// A provider and what is known of it: whether it is well, how many requests it has, how many wait for it, and what came of those before. What changes is
/// changed under the pool's lock.
/// </summary>
internal sealed class Backend
{
    /// <param name="settings">Null for the demo model, which has no limits.</param>
    public Backend(IProvider provider, BackendOptions? settings, InferenceOptions options, TimeProvider time)
    {
        Provider = provider;
        Settings = settings;
        MaxConcurrency = settings?.MaxConcurrency ?? int.MaxValue;
        Breaker = new CircuitBreaker(settings?.Breaker ?? options.Breaker, time);
        Health = settings?.Health is null ? HealthState.Unchecked : HealthState.Unknown;
    }

    public IProvider Provider { get; }

    public BackendOptions? Settings { get; }

    public string Name => Provider.Name;

    public int MaxConcurrency { get; }

    public int Priority => Settings?.Priority ?? 0;

    public CircuitBreaker Breaker { get; }

    /// <summary>Those who wait for a place here; each may wait elsewhere as well.</summary>
    public LinkedList<Waiter> Queue { get; } = [];

    public int Outstanding { get; set; }

    public HealthState Health { get; set; }

    /// <summary>How many checks in a row failed.</summary>
    public int FailedChecks { get; set; }

    /// <summary>The names of the models it has; null if all it is asked for, as far as is known.</summary>
    public IReadOnlySet<string>? Models { get; set; }

    public BackendFault Fault { get; set; }

    public int FaultStatus { get; set; }

    /// <summary>Sums since the start, for whoever measures.</summary>
    public Tally Counts { get; } = new();

    public bool HasPlace => Outstanding < MaxConcurrency;

    /// <summary>Whether it may be asked for this model of its own, places apart.</summary>
    public bool IsAvailable(string model) => Health != HealthState.Down && Models?.Contains(model) != false && Breaker.CanEnter;

    internal sealed class Tally
    {
        public long Calls;
        public long Replies;
        public long Unreachable;
        public long Failed;
        public long TimedOut;
        public long BrokenOff;
        public long Refused;
        public long QueueFull;
        public long QueueTimeouts;
        public long Checks;
        public long ChecksFailed;
        public TimeSpan FirstByte;
    }
}
