using System.Runtime.InteropServices;

namespace Tacit.Storage;

/// <summary>
/// One thread that takes every work that waits, runs them in one transaction and commits once: the cost of a sync is shared by all who wait for it, and a
/// lone work waits for nobody. The thread is its own because it blocks on the disk: a pool of two threads cannot spare one.
/// </summary>
internal sealed class GroupCommit : IAsyncDisposable
{
    /// <summary>How often the writer lets others go first before it begins.</summary>
    private const int MaxTurns = 4;

    /// <summary>Works among which a sync costs each next to nothing. To wait for more would leave nobody with anything to do while the disk works.</summary>
    private const int Enough = 16;

    private static readonly TimeSpan s_longestWait = TimeSpan.FromMilliseconds(0.2);

    private readonly TransactionSession _session;
    private readonly int _maxGroup;
    private readonly SemaphoreSlim _room;
    private readonly object _gate = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Thread _thread;
    private readonly Queue<Work> _waiting = new();
    private long _commits;
    private long _works;
    private bool _closed;

    /// <param name="session">The one writing connection; disposed with this.</param>
    /// <param name="name">The thread's name.</param>
    /// <param name="capacity">How many works may wait before callers wait to get in.</param>
    /// <param name="maxGroup">How many works one transaction takes at most, so that the first of them does not wait for ever.</param>
    internal GroupCommit(TransactionSession session, string name, int capacity, int maxGroup)
    {
        _session = session;
        _maxGroup = maxGroup;
        _room = new SemaphoreSlim(capacity);
        _thread = new Thread(Run) { Name = name, IsBackground = true };
        _thread.Start();
    }

    /// <summary>What was made durable since the start.</summary>
    internal WriteCounts Counts => new(Volatile.Read(ref _works), Volatile.Read(ref _commits));

    internal Task<T> EnqueueAsync<T>(Func<Session, T> work, CancellationToken cancellationToken)
    {
        if (Environment.CurrentManagedThreadId == _thread.ManagedThreadId)
        {
            throw new InvalidOperationException("A work may not start another write: it would wait for itself.");
        }

        var entry = new Work<T>(work, cancellationToken);
        return cancellationToken.IsCancellationRequested ? Task.FromCanceled<T>(cancellationToken)
            : _room.Wait(0, CancellationToken.None) ? Add(entry)
            : WaitForRoomAsync(entry, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _closed = true;
            Monitor.Pulse(_gate);
        }

        await _ended.Task;
    }

    private async Task<T> WaitForRoomAsync<T>(Work<T> entry, CancellationToken cancellationToken)
    {
        await _room.WaitAsync(cancellationToken);
        return await Add(entry);
    }

    private Task<T> Add<T>(Work<T> entry)
    {
        lock (_gate)
        {
            if (_closed)
            {
                // Hand the room on, so that everyone who waits for it gets here too.
                _room.Release();
                return Task.FromException<T>(new ObjectDisposedException(nameof(Database)));
            }

            _waiting.Enqueue(entry);
            if (_waiting.Count == 1)
            {
                Monitor.Pulse(_gate);
            }
        }

        return entry.Task;
    }

    private void Run()
    {
        var group = new List<Work>();
        try
        {
            while (TryTake(group))
            {
                for (int next = 0; next < group.Count;)
                {
                    next = CommitFrom(group, next);
                }

                group.Clear();
            }
        }
        finally
        {
            _session.Dispose();
            _ended.SetResult();
        }
    }

    private bool TryTake(List<Work> group)
    {
        lock (_gate)
        {
            while (_waiting.Count == 0)
            {
                if (_closed)
                {
                    return false;
                }

                Monitor.Wait(_gate);
            }
        }

        // A few times behind whoever is about to add a work: on a busy processor that makes groups four times as large, and on an idle one it costs nothing.
        // Not for longer than a quick disk takes: a turn can be long where a crowd computes.
        long since = TimeProvider.System.GetTimestamp();
        for (int turn = 0; turn < MaxTurns && _waiting.Count < Enough && (turn == 0 || TimeProvider.System.GetElapsedTime(since) < s_longestWait); turn++)
        {
            Thread.Yield();
        }

        lock (_gate)
        {
            while (group.Count < _maxGroup && _waiting.TryDequeue(out Work? work))
            {
                group.Add(work);
            }
        }

        _room.Release(group.Count);
        return true;
    }

    /// <summary>Runs the works from <paramref name="first"/> on in one transaction and tells them their outcome. Returns the first that it did not get to.</summary>
    private int CommitFrom(List<Work> group, int first)
    {
        int limit = group.Count;
        for (int attempt = 1; ; attempt++)
        {
            (int end, StorageException? failure) = TryCommit(group, first, limit);
            if (failure is null || !_session.MayRetry(failure, attempt))
            {
                foreach (Work work in CollectionsMarshal.AsSpan(group)[first..end])
                {
                    work.Complete(failure);
                }

                return end;
            }

            // Apart from the second time on, so that what collides again and again keeps nobody else from their turn.
            limit = attempt == 1 ? limit : first + 1;
        }
    }

    private (int End, StorageException? Failure) TryCommit(List<Work> group, int first, int limit)
    {
        int end = first;
        StorageException? failure = null;
        try
        {
            _session.Begin(limit - first);
            while (end < limit && _session.InTransaction)
            {
                failure = group[end++].Run(_session);
            }

            if (_session.InTransaction)
            {
                _session.Commit();
                failure = null;
                Volatile.Write(ref _commits, _commits + 1);
                Volatile.Write(ref _works, _works + end - first);
            }
            else
            {
                // The database gave the transaction up, and with it what the works before this one did. Those behind it start anew.
                failure ??= new StorageException(StorageErrorKind.Statement, "A work ended the transaction, or hid the error that did.");
            }
        }
#pragma warning disable CA1031 // Whatever it is, the works of this group must hear of it and the thread must live on.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _session.Rollback();
            failure = e as StorageException ?? new StorageException(StorageErrorKind.Unavailable, "The database failed in an unexpected way.", e);
            end = limit;
        }

        return (end, failure);
    }
}

/// <summary>A work in the queue, and later its outcome. An outcome is told only after the commit: even a refusal may rest on what others in the group wrote.</summary>
internal abstract class Work
{
    /// <summary>Runs within the open transaction, alone undoable. Returns the storage error if that is what went wrong.</summary>
    internal abstract StorageException? Run(TransactionSession session);

    /// <summary>Tells the outcome, or <paramref name="failure"/> of the whole transaction in its place. Never runs the caller's code on this thread.</summary>
    internal abstract void Complete(StorageException? failure);
}

internal sealed class Work<T>(Func<Session, T> work, CancellationToken cancellationToken) : Work
{
    private readonly TaskCompletionSource<T> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private T? _result;
    private Exception? _exception;
    private bool _cancelled;

    internal Task<T> Task => _completion.Task;

    internal override StorageException? Run(TransactionSession session)
    {
        // It may be the second run: nothing of the first was kept.
        _exception = null;
        _cancelled = cancellationToken.IsCancellationRequested;
        if (_cancelled)
        {
            return null;
        }

        try
        {
            session.BeginWork();
            _result = work(session);
            session.EndWork();
            return null;
        }
#pragma warning disable CA1031 // It belongs to the caller, who gets it with the task.
        catch (Exception e)
#pragma warning restore CA1031
        {
            _exception = e;
            if (session.InTransaction)
            {
                session.RollbackWork();
            }

            return e as StorageException;
        }
    }

    internal override void Complete(StorageException? failure)
    {
        if (_cancelled)
        {
            _completion.SetCanceled(cancellationToken);
        }
        else if (failure is not null)
        {
            _completion.SetException(failure.Again());
        }
        else if (_exception is not null)
        {
            _completion.SetException(_exception);
        }
        else
        {
            _completion.SetResult(_result!);
        }
    }
}
