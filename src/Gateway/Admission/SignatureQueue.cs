using System.Diagnostics.CodeAnalysis;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

internal enum SignatureVerdict
{
    Valid,
    Invalid,

    /// <summary>The queue is full, or whoever waited has gone; nothing was done.</summary>
    Busy,
}

/// <summary>Who waits for a signature.</summary>
/// <param name="Connection">Whose lane to wait in.</param>
/// <param name="IsProven">Whether the connection has presented a good token before.</param>
/// <param name="Gone">Cancelled when the connection is gone: then there is nothing to check any more.</param>
internal readonly record struct Presenter(string Connection, bool IsProven, CancellationToken Gone);

/// <summary>
/// The one dear step before the spend, bounded. While there is a processor to spare a signature is checked at once, on the caller's thread: a hop to another
/// costs as much as the check itself. Beyond that, requests wait in a queue for a few threads of its own, so that the pool stays free for connections.
/// </summary>
/// <remarks>
/// Connections that have presented a good token before are served first, and have room of their own: a flood of false tokens, on however many connections,
/// waits behind whoever was honest once. Within each kind there is one lane per connection, served in turn, so that one with many requests waits behind itself.
/// Every eighth turn is the others' all the same: nobody honest begins as proven.
/// </remarks>
internal sealed class SignatureQueue : IAsyncDisposable
{
    private const int TurnsForProven = 7;

    private readonly object _gate = new();
    private readonly Lanes _proven;
    private readonly Lanes _others;
    private readonly Thread[] _workers;
    private readonly int _maxInline;
    private int _inline;
    private int _waiting;
    private int _turnsTaken;
    private bool _closed;

    /// <param name="workers">Threads of its own.</param>
    /// <param name="capacity">Most requests that wait, of each kind.</param>
    /// <param name="maxInline">Most that are checked at once on their callers' threads.</param>
    public SignatureQueue(int workers, int capacity, int maxInline)
    {
        _proven = new Lanes(capacity);
        _others = new Lanes(capacity);
        _maxInline = maxInline;
        _workers = new Thread[workers];
        for (int i = 0; i < workers; i++)
        {
            _workers[i] = new Thread(Work) { IsBackground = true, Name = "token signatures" };
            _workers[i].Start();
        }
    }

    /// <param name="key">Found by the token's key id and extensions.</param>
    /// <param name="token">Not disposed before the result is there.</param>
    /// <param name="presenter">Who waits.</param>
    [SuppressMessage("Reliability", "CA2012", Justification = "A result that is there is returned as one.")]
    public ValueTask<SignatureVerdict> VerifyAsync(RedemptionKey key, Token token, Presenter presenter)
    {
        if (Volatile.Read(ref _waiting) == 0)
        {
            try
            {
                if (Interlocked.Increment(ref _inline) <= _maxInline)
                {
                    return new ValueTask<SignatureVerdict>(Verify(key, token));
                }
            }
            finally
            {
                Interlocked.Decrement(ref _inline);
            }
        }

        var item = new Item(key, token, presenter.Gone);
        lock (_gate)
        {
            if (_closed || !(presenter.IsProven ? _proven : _others).TryAdd(presenter.Connection, item))
            {
                return new ValueTask<SignatureVerdict>(SignatureVerdict.Busy);
            }

            _waiting++;
            Monitor.Pulse(_gate);
        }

        return new ValueTask<SignatureVerdict>(item.Task);
    }

    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.PulseAll(_gate);
        }

        // They end within one check each for whatever still waits.
        foreach (Thread worker in _workers)
        {
            worker.Join();
        }

        return ValueTask.CompletedTask;
    }

    private static SignatureVerdict Verify(RedemptionKey key, Token token) => key.PublicKey.Verify(token) ? SignatureVerdict.Valid : SignatureVerdict.Invalid;

    /// <summary>Serves one that waits, on this thread; false if none does. For tests, which have no workers.</summary>
    internal bool TryServeOne()
    {
        lock (_gate)
        {
            if (_waiting == 0)
            {
                return false;
            }
        }

        return TryTake(out Item? item) && Serve(item);
    }

    private static bool Serve(Item item)
    {
        try
        {
            // Whoever hangs up at once is owed nothing: else new connections alone would keep the queue full of work for nobody.
            item.SetResult(item.Gone.IsCancellationRequested ? SignatureVerdict.Busy : Verify(item.Key, item.Token));
        }
#pragma warning disable CA1031 // It belongs to the request that waits, and this thread must live on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            item.SetException(e);
        }

        return true;
    }

    private void Work()
    {
        while (TryTake(out Item? item))
        {
            Serve(item);
        }
    }

    private bool TryTake([NotNullWhen(true)] out Item? item)
    {
        lock (_gate)
        {
            while (_waiting == 0)
            {
                if (_closed)
                {
                    item = null;
                    return false;
                }

                Monitor.Wait(_gate);
            }

            bool others = _proven.IsEmpty || (!_others.IsEmpty && _turnsTaken >= TurnsForProven);
            _turnsTaken = others ? 0 : _turnsTaken + 1;
            item = (others ? _others : _proven).Take();
            _waiting--;
            return true;
        }
    }

    /// <summary>Requests of one kind, one lane per connection, the lanes in turn.</summary>
    private sealed class Lanes(int capacity)
    {
        private const int MaxPerLane = 16;

        private readonly Dictionary<string, Queue<Item>> _lanes = new(StringComparer.Ordinal);
        private readonly Queue<string> _turns = new();
        private int _count;

        public bool IsEmpty => _count == 0;

        public bool TryAdd(string connection, Item item)
        {
            if (_count >= capacity)
            {
                return false;
            }

            if (!_lanes.TryGetValue(connection, out Queue<Item>? lane))
            {
                lane = new Queue<Item>();
                _lanes.Add(connection, lane);
                _turns.Enqueue(connection);
            }
            else if (lane.Count >= MaxPerLane)
            {
                return false;
            }

            lane.Enqueue(item);
            _count++;
            return true;
        }

        public Item Take()
        {
            string connection = _turns.Dequeue();
            Queue<Item> lane = _lanes[connection];
            Item item = lane.Dequeue();
            _count--;
            if (lane.Count > 0)
            {
                _turns.Enqueue(connection);
            }
            else
            {
                _lanes.Remove(connection);
            }

            return item;
        }
    }

    private sealed class Item(RedemptionKey key, Token token, CancellationToken gone)
        : TaskCompletionSource<SignatureVerdict>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public RedemptionKey Key => key;

        public Token Token => token;

        public CancellationToken Gone => gone;
    }
}
