using System.Diagnostics.CodeAnalysis;
using Tacit.Crypto;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Admission;

internal enum SignatureVerdict
{
    Valid,

    /// <summary>Valid, but made with another salt than the one beside it, which no honest client sends: it makes checks dear.</summary>
    ValidWithOtherSalt,

    Invalid,

    /// <summary>The queue is full, or whoever waited has gone; nothing was done.</summary>
    Busy,
}

/// <summary>Who waits for a signature.</summary>
/// <param name="Connection">Whose lane to wait in.</param>
/// <param name="IsProven">Whether the connection has presented a good token before.</param>
/// <param name="Gone">Cancelled when the connection is gone: then there is nothing to check any more.</param>
internal readonly record struct Presenter(string Connection, bool IsProven, CancellationToken Gone)
{
    /// <summary>Whether the connection carries one request at a time, as HTTP/1.1 has it.</summary>
    public bool IsSequential { get; init; } = true;
}

/// <summary>
/// The one dear step before the spend, bounded. While there is a processor to spare a signature is checked at once, on the caller's thread: a hop to another
/// costs as much as the check itself. Beyond that, requests wait in a queue for a few threads of its own, so that the pool stays free for connections.
/// </summary>
/// <remarks>
/// <para>
/// Connections that have presented a good token before are served first, and have room of their own: a flood of false tokens, on however many connections,
/// waits behind whoever was honest once. Within each kind there is one lane per connection, served in turn, so that one with many requests waits behind itself.
/// Every eighth turn is the others' all the same: nobody honest begins as proven.
/// </para>
/// <para>
/// A 0xDA7A check takes as long as all else of several requests, and thirty at once little longer than one if they came with their salts
/// (docs/adr/0008). So only one that comes alone is checked at once; whatever comes soon behind another waits for its turn among the pool's work, behind
/// the requests that have arrived already, and all that wait by then are checked together. Never those of proven connections together with others: false
/// tokens would slow them down. There is no timer: as soon as nothing else is ready, the check begins.
/// </para>
/// </remarks>
internal sealed class SignatureQueue : IAsyncDisposable, IThreadPoolWorkItem
{
    private const int TurnsForProven = 7;

    /// <summary>So often a check is put off because others came meanwhile.</summary>
    private const int MostDelays = 8;

    /// <summary>With fewer checks than one in so long the processor is idle, and waiting for others would be for nothing.</summary>
    private static readonly TimeSpan s_idle = TimeSpan.FromMilliseconds(5);

    private readonly object _gate = new();
    private readonly SignatureLanes _proven;
    private readonly SignatureLanes _others;
    private readonly Thread[] _workers;
    private readonly int _maxInline;
    private readonly TimeProvider _time;
    private long _lastDear;
    private string? _lastConnection;
    private int _inline;
    private int _waiting;
    private int _turnsTaken;
    private int _gathering;
    private int _gathered;
    private int _delays;
    private bool _closed;

    /// <summary>Checks that wait.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <param name="workers">Threads of its own.</param>
    /// <param name="capacity">Most requests that wait, of each kind.</param>
    /// <param name="maxInline">Most that are checked at once on their callers' threads.</param>
    /// <param name="time">The clock.</param>
    public SignatureQueue(int workers, int capacity, int maxInline, TimeProvider time)
    {
        _proven = new SignatureLanes(capacity);
        _others = new SignatureLanes(capacity);
        _maxInline = maxInline;
        _time = time;
        _lastDear = time.GetTimestamp() - time.TimestampFrequency;
        _workers = new Thread[workers];
        for (int i = 0; i < workers; i++)
        {
            _workers[i] = new Thread(Work) { IsBackground = true, Name = "token signatures" };
            _workers[i].Start();
        }
    }

    /// <param name="key">Found by the token's key id and extensions.</param>
    /// <param name="token">Not disposed before the result is there.</param>
    /// <param name="salt">What came beside the token, or null.</param>
    /// <param name="presenter">Who waits.</param>
    [SuppressMessage("Reliability", "CA2012", Justification = "A result that is there is returned as one.")]
    public ValueTask<SignatureVerdict> VerifyAsync(RedemptionKey key, Token token, byte[]? salt, Presenter presenter)
    {
        var item = new WaitingToken(key, token, key.Type is TokenType.PartiallyBlindRsa ? salt : null, presenter);
        bool gathers = item.Verifier is { PreferredCount: > 1 } && !IsAlone(presenter);
        if (!gathers && Volatile.Read(ref _waiting) == 0)
        {
            try
            {
                if (Interlocked.Increment(ref _inline) <= _maxInline)
                {
                    return new ValueTask<SignatureVerdict>(Verify(item));
                }
            }
            finally
            {
                Interlocked.Decrement(ref _inline);
            }
        }

        lock (_gate)
        {
            if (_closed || !(presenter.IsProven ? _proven : _others).TryAdd(item))
            {
                return new ValueTask<SignatureVerdict>(SignatureVerdict.Busy);
            }

            _waiting++;
            if (!gathers)
            {
                Monitor.Pulse(_gate);
            }
            else if (_gathering == 0)
            {
                _gathering = 1;
                _gathered = _waiting;
                _delays = 0;
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
            }
        }

        return new ValueTask<SignatureVerdict>(item.Task);
    }

    /// <summary>The pool has come to what was behind the requests that had arrived: begins the check, unless more came meanwhile.</summary>
    void IThreadPoolWorkItem.Execute()
    {
        lock (_gate)
        {
            if (_waiting > _gathered && _waiting < TokenBatchVerifier.MaxCount && _delays < MostDelays)
            {
                _gathered = _waiting;
                _delays++;
                ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
                return;
            }

            _gathering = 0;
            Monitor.Pulse(_gate);
        }
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

    /// <summary>Serves whose turn it is, on this thread; false if none waits. For tests, which have no workers.</summary>
    internal bool TryServe()
    {
        lock (_gate)
        {
            if (_waiting == 0)
            {
                return false;
            }
        }

        List<WaitingToken> items = [];
        return TryTake(items) && Serve(items);
    }

    /// <summary>Whether no dear check was wanted of late but by the same client, who waited for the answer: then nobody can be waiting beside it.</summary>
    private bool IsAlone(Presenter presenter)
    {
        long now = _time.GetTimestamp();
        string? last = Interlocked.Exchange(ref _lastConnection, presenter.Connection);
        return _time.GetElapsedTime(Interlocked.Exchange(ref _lastDear, now), now) >= s_idle || (presenter.IsSequential && last == presenter.Connection);
    }

    private static SignatureVerdict Verify(WaitingToken item)
    {
        if (item.Verifier is not { } verifier)
        {
            return item.Key.PublicKey.Verify(item.Token) ? SignatureVerdict.Valid : SignatureVerdict.Invalid;
        }

        BatchVerdict verdict = default;
        verifier.Verify([new SaltedToken(item.Token, item.Salt)], new Span<BatchVerdict>(ref verdict));
        return ToVerdict(verdict);
    }

    private static SignatureVerdict ToVerdict(BatchVerdict verdict) => verdict switch
    {
        BatchVerdict.Valid => SignatureVerdict.Valid,
        BatchVerdict.ValidWithOtherSalt => SignatureVerdict.ValidWithOtherSalt,
        _ => SignatureVerdict.Invalid,
    };

    private static bool Serve(List<WaitingToken> items)
    {
        // Whoever hangs up at once is owed nothing: else new connections alone would keep the queue full of work for nobody.
        foreach (WaitingToken gone in items.FindAll(item => item.Presenter.Gone.IsCancellationRequested))
        {
            items.Remove(gone);
            gone.SetResult(SignatureVerdict.Busy);
        }

        try
        {
            if (items.Count == 1)
            {
                items[0].SetResult(Verify(items[0]));
            }
            else if (items.Count > 1)
            {
                Span<BatchVerdict> verdicts = stackalloc BatchVerdict[items.Count];
                items[0].Verifier!.Verify(items.ConvertAll(item => new SaltedToken(item.Token, item.Salt)).ToArray(), verdicts);
                for (int i = 0; i < items.Count; i++)
                {
                    items[i].SetResult(ToVerdict(verdicts[i]));
                }
            }
        }
#pragma warning disable CA1031 // It belongs to the requests that wait, and this thread must live on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            items.ForEach(item => item.TrySetException(e));
        }

        return true;
    }

    private void Work()
    {
        List<WaitingToken> items = [];
        while (TryTake(items))
        {
            Serve(items);
            items.Clear();
            // Behind whoever waits for the processor: a row of checks would otherwise keep the sockets from their turn (docs/adr/0033).
            Thread.Yield();
        }
    }

    private bool TryTake(List<WaitingToken> items)
    {
        lock (_gate)
        {
            while (_waiting == 0)
            {
                if (_closed)
                {
                    return false;
                }

                Monitor.Wait(_gate);
            }

            bool others = _proven.IsEmpty || (!_others.IsEmpty && _turnsTaken >= TurnsForProven);
            _turnsTaken = others ? 0 : _turnsTaken + 1;
            SignatureLanes lanes = others ? _others : _proven;
            WaitingToken first = lanes.Take();
            items.Add(first);
            if (first.Verifier is { PreferredCount: > 1 and int most })
            {
                lanes.TakeWith(first, items, most);
            }

            _waiting -= items.Count;
            if (_waiting > 0 && _gathering == 0)
            {
                Monitor.Pulse(_gate);
            }

            return true;
        }
    }
}
