namespace Tacit.Client;

/// <summary>
/// Prompts that wait for a chain: in the order they came, and not more than so many. One line for each set of plans that could serve. Memory only; thread safe.
/// </summary>
internal sealed class ChainQueue(int maxWaiting)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, LinkedList<TaskCompletionSource>> _lines = new(StringComparer.Ordinal);
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Ends when a chain may have become free, or have ended. To be taken before looking.</summary>
    public Task Changed
    {
        get
        {
            lock (_gate)
            {
                return _changed.Task;
            }
        }
    }

    /// <summary>A chain may have become free, or has ended.</summary>
    public void Pulse()
    {
        TaskCompletionSource before;
        lock (_gate)
        {
            before = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        before.SetResult();
    }

    /// <summary>A place at the end of a line; null if the line is as long as it may be.</summary>
    public ChainTurn? TryEnter(string line)
    {
        lock (_gate)
        {
            if (!_lines.TryGetValue(line, out LinkedList<TaskCompletionSource>? waiting))
            {
                _lines.Add(line, waiting = new LinkedList<TaskCompletionSource>());
            }
            // The first is not waiting for its turn but having it.
            if (waiting.Count > maxWaiting)
            {
                return null;
            }
            var turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            if (waiting.Count == 0)
            {
                turn.SetResult();
            }
            LinkedListNode<TaskCompletionSource> place = waiting.AddLast(turn);
            return new ChainTurn(turn.Task, () => Leave(line, place));
        }
    }

    private void Leave(string line, LinkedListNode<TaskCompletionSource> place)
    {
        lock (_gate)
        {
            LinkedList<TaskCompletionSource> waiting = place.List!;
            waiting.Remove(place);
            if (waiting.First is { } next)
            {
                next.Value.TrySetResult();
            }
            else
            {
                _lines.Remove(line);
            }
        }
    }
}

/// <summary>A place in a line, until disposed.</summary>
internal sealed class ChainTurn(Task come, Action leave) : IDisposable
{
    private Action? _leave = leave;

    /// <summary>Ends when this one is the first.</summary>
    public Task Come { get; } = come;

    public void Dispose() => Interlocked.Exchange(ref _leave, null)?.Invoke();
}
