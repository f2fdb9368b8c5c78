namespace Tacit.Inference;

/// <summary>A place at a backend for one request, from the choice to the reply's end.</summary>
internal sealed class BackendLease(BackendPool pool, Backend backend, string model, int route, bool isTrial) : IDisposable
{
    private int _released;

    public Backend Backend => backend;

    /// <summary>The model's name there.</summary>
    public string Model => model;

    /// <summary>Its place in the model's list of routes.</summary>
    public int Route => route;

    /// <summary>Whether the backend's breaker lets this one in to see what happens.</summary>
    public bool IsTrial { get; set; } = isTrial;

    /// <summary>Whether the same request failed here before, and so was counted.</summary>
    public bool IsRepeated { get; init; }

    /// <summary>Whether its calls failed so far, in a way that is the backend's.</summary>
    public bool HasFailed { get; set; }

    /// <summary>The backend is asked, with one key.</summary>
    public void Called() => Interlocked.Increment(ref backend.Counts.Calls);

    /// <summary>The reply has begun.</summary>
    public void Began(TimeSpan firstByte) => pool.Began(this, firstByte);

    /// <summary>A call came to no reply.</summary>
    public void Failed(in Attempt attempt) => pool.Failed(this, attempt);

    /// <summary>The reply broke off, or turned out to be none.</summary>
    public void BrokeOff() => pool.BrokeOff(this);

    public void Dispose()
    {
        if (Interlocked.Exchange(ref _released, 1) == 0)
        {
            pool.Release(this);
        }
    }
}

/// <summary>Why there is no place.</summary>
internal enum NoPlace
{
    None,

    /// <summary>No backend that was not asked yet is there to be asked.</summary>
    NobodyLeft,

    /// <summary>All are at work on as much as they may, and as many wait as may.</summary>
    QueueFull,

    /// <summary>No place came free in time.</summary>
    WaitedTooLong,
}

/// <summary>A place, or why there is none.</summary>
internal readonly record struct Placing(BackendLease? Lease, NoPlace Reason);

/// <summary>A request that waits for a place, at all backends that could answer it at once.</summary>
internal sealed class Waiter(Route[] routes, ulong tried, ulong failed) : TaskCompletionSource<Placing>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    private readonly List<(int Route, LinkedListNode<Waiter> Node)> _standing = [];

    public Route[] Routes => routes;

    /// <summary>The routes on which the request failed before, one bit each.</summary>
    public ulong Failed => failed;

    public TimeSpan Patience { get; private set; }

    public bool IsStanding => _standing.Count > 0;

    /// <summary>Stands in every queue that has room.</summary>
    public void Stand()
    {
        for (int i = 0; i < routes.Length; i++)
        {
            Backend backend = routes[i].Backend;
            if ((tried >> i & 1) == 0 && backend.Settings is { } settings && backend.Queue.Count < settings.QueueLength)
            {
                _standing.Add((i, backend.Queue.AddLast(this)));
                Patience = settings.QueueTimeout > Patience ? settings.QueueTimeout : Patience;
            }
        }
    }

    public void Leave()
    {
        foreach ((_, LinkedListNode<Waiter> node) in _standing)
        {
            node.List!.Remove(node);
        }

        _standing.Clear();
    }

    /// <summary>Whether one of those it waits for may be asked, once there is a place.</summary>
    public bool HasHope()
    {
        foreach ((int route, _) in _standing)
        {
            if (routes[route].Backend.IsAvailable(routes[route].Model))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Its route to that backend, where it waits for it and may ask it.</summary>
    public int RouteTo(Backend backend)
    {
        foreach ((int route, _) in _standing)
        {
            if (routes[route].Backend == backend && backend.IsAvailable(routes[route].Model))
            {
                return route;
            }
        }

        return -1;
    }
}

/// <summary>One way to get a model: who serves it, and its name there.</summary>
internal readonly record struct Route(Backend Backend, string Model);
