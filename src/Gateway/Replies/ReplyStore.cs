using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Tacit.Gateway.Admission;

namespace Tacit.Gateway.Replies;

/// <summary>The replies of this process, live and kept, by spend id. Memory only (law 4): what ends with the process is answered from the spend row.</summary>
internal sealed class ReplyStore : IAsyncDisposable
{
    private static readonly TimeSpan s_sweep = TimeSpan.FromSeconds(5);

    /// <summary>What a kept reply costs beside its bytes: objects, tags and table entries, measured and rounded up.</summary>
    private const int Overhead = 512;

    /// <summary>What the renewal of a chain adds: the successor's hash, the blind signature, their objects.</summary>
    public const int RenewalOverhead = 1024;

    private readonly ReplyTable _replies = new();
    private readonly ConcurrentQueue<(long EndedAt, Reply Reply)> _kept = new();
    private readonly MemoryRoom _room;
    private readonly TimeSpan _keep;
    private readonly TimeProvider _time;
    private readonly ITimer _timer;
    private readonly Lock _sweeping = new();
    private int _live;

    public ReplyStore(MemoryRoom room, TimeSpan keep, TimeProvider time)
    {
        _room = room;
        _keep = keep;
        _time = time;
        _timer = time.CreateTimer(_ => Sweep(), null, s_sweep, s_sweep);
    }

    /// <summary>Replies whose end is still to come.</summary>
    public int Live => Volatile.Read(ref _live);

    /// <summary>Where its replies' blocks lie.</summary>
    public SealedBlocks Blocks { get; } = new();

    public int Count => _replies.Count;

    public bool TryGet(SpendId id, [NotNullWhen(true)] out Reply? reply) => _replies.TryGetValue(id, out reply);

    /// <summary>Whether this process is answering a request with this token.</summary>
    public bool IsLive(SpendId id) => _replies.TryGetValue(id, out Reply? reply) && !reply.HasEnded;

    /// <summary>Reserves room, false if there is none. Given back by <see cref="Forget"/> or, what was not needed, by <see cref="Keep"/>.</summary>
    public bool TryReserve(long bytes, out long reserved)
    {
        reserved = bytes + Overhead;
        return _room.TryReserve(reserved);
    }

    public void ReleaseUnused(long reserved) => _room.Release(reserved);

    /// <summary>Adds a reply that is about to be claimed; false if one with this id is there already.</summary>
    public bool TryAdd(Reply reply)
    {
        if (!_replies.TryAdd(reply))
        {
            return false;
        }

        Interlocked.Increment(ref _live);
        return true;
    }

    /// <summary>The reply has ended and stays for a while, for whoever presents the same token and body again.</summary>
    public void Keep(Reply reply)
    {
        Interlocked.Decrement(ref _live);
        long needed = reply.Length + Overhead + (reply.Renewal is null ? 0 : RenewalOverhead);
        _room.Release(reply.Reserved - needed);
        reply.Reserved = needed;
        _kept.Enqueue((_time.GetTimestamp(), reply));
    }

    /// <summary>The reply is of no use to anyone who comes later: the token is not spent, or not by this.</summary>
    public void Forget(Reply reply)
    {
        Interlocked.Decrement(ref _live);
        _replies.Remove(reply);
        _room.Release(reply.Reserved);
    }

    /// <summary>The time to drain is over: what still lives ends now.</summary>
    public void StopAll()
    {
        foreach (Reply reply in _replies.Values)
        {
            reply.Stop(StopReason.ShuttingDown);
        }
    }

    /// <summary>Waits until no reply lives, at most so long.</summary>
    public async Task WaitUntilIdleAsync(TimeSpan atMost, CancellationToken cancellationToken)
    {
        // Asked for once, at the end: a look every so often is simpler than a signal that every reply would have to give.
        long start = _time.GetTimestamp();
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (Live > 0 && _time.GetElapsedTime(start) < atMost)
        {
            await timer.WaitForNextTickAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        foreach (Reply reply in _replies.Values)
        {
            reply.Wipe();
        }

        _replies.Clear();
        _kept.Clear();
    }

    private void Sweep()
    {
        // A timer may come while its last call still runs; two of them would each take what the other had looked at.
        if (!_sweeping.TryEnter())
        {
            return;
        }

        try
        {
            while (_kept.TryPeek(out (long EndedAt, Reply Reply) oldest) && _time.GetElapsedTime(oldest.EndedAt) >= _keep)
            {
                _kept.TryDequeue(out _);
                Remove(oldest.Reply);
            }
        }
        finally
        {
            _sweeping.Exit();
        }
    }

    private void Remove(Reply reply)
    {
        // Whoever still reads it holds its memory: counted for as long, or those who read slowly could take more than there is room for.
        _replies.Remove(reply);
        reply.Release(_room);
    }
}
