using System.Diagnostics.CodeAnalysis;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

internal enum SignatureVerdict
{
    Valid,
    Invalid,

    /// <summary>The queue is full; nothing was done.</summary>
    Busy,
}

/// <summary>
/// The one dear step before the spend, bounded. While there is a processor to spare a signature is checked at once, on the caller's thread: a hop to another
/// costs as much as the check itself. Beyond that, requests wait in a queue for a few threads of its own, so that the pool stays free for
/// connections; one lane per connection, served in turn, so that a connection that floods waits behind itself.
/// </summary>
internal sealed class SignatureQueue : IAsyncDisposable
{
    private const int MaxPerLane = 16;

    private readonly object _gate = new();
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private readonly Queue<Lane> _turns = new();
    private readonly Thread[] _workers;
    private readonly int _capacity;
    private readonly int _maxInline;
    private int _inline;
    private int _waiting;
    private bool _closed;

    /// <param name="workers">Threads of its own.</param>
    /// <param name="capacity">Most requests that wait.</param>
    public SignatureQueue(int workers, int capacity)
    {
        _capacity = capacity;
        _maxInline = Math.Max(1, Environment.ProcessorCount);
        _workers = new Thread[workers];
        for (int i = 0; i < workers; i++)
        {
            _workers[i] = new Thread(Work) { IsBackground = true, Name = "token signatures" };
            _workers[i].Start();
        }
    }

    /// <param name="key">Found by the token's key id and extensions.</param>
    /// <param name="token">Not disposed before the result is there.</param>
    /// <param name="connection">Whose lane to wait in.</param>
    [SuppressMessage("Reliability", "CA2012", Justification = "A result that is there is returned as one.")]
    public ValueTask<SignatureVerdict> VerifyAsync(RedemptionKey key, Token token, string connection)
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

        var item = new Item(key, token);
        lock (_gate)
        {
            if (_closed || _waiting >= _capacity)
            {
                return new ValueTask<SignatureVerdict>(SignatureVerdict.Busy);
            }

            if (!_lanes.TryGetValue(connection, out Lane? lane))
            {
                lane = new Lane(connection);
                _lanes.Add(connection, lane);
                _turns.Enqueue(lane);
            }
            else if (lane.Items.Count >= MaxPerLane)
            {
                return new ValueTask<SignatureVerdict>(SignatureVerdict.Busy);
            }

            lane.Items.Enqueue(item);
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

        // They end within one check.
        foreach (Thread worker in _workers)
        {
            worker.Join();
        }

        return ValueTask.CompletedTask;
    }

    private static SignatureVerdict Verify(RedemptionKey key, Token token) => key.PublicKey.Verify(token) ? SignatureVerdict.Valid : SignatureVerdict.Invalid;

    private void Work()
    {
        while (TryTake(out Item? item))
        {
            try
            {
                item.SetResult(Verify(item.Key, item.Token));
            }
#pragma warning disable CA1031 // It belongs to the request that waits, and this thread must live on.
            catch (Exception e)
#pragma warning restore CA1031
            {
                item.SetException(e);
            }
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

            Lane lane = _turns.Dequeue();
            item = lane.Items.Dequeue();
            _waiting--;
            if (lane.Items.Count > 0)
            {
                _turns.Enqueue(lane);
            }
            else
            {
                _lanes.Remove(lane.Connection);
            }

            return true;
        }
    }

    private sealed class Lane(string connection)
    {
        public string Connection => connection;

        public Queue<Item> Items { get; } = new();
    }

    private sealed class Item(RedemptionKey key, Token token) : TaskCompletionSource<SignatureVerdict>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public RedemptionKey Key => key;

        public Token Token => token;
    }
}
