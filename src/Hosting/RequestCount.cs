namespace Tacit.Hosting;

/// <summary>The requests that a server is at, and a way to wait for the last one.</summary>
internal sealed class RequestCount
{
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _running;
    private volatile bool _closed;

    public void Enter() => Interlocked.Increment(ref _running);

    public void Leave()
    {
        if (Interlocked.Decrement(ref _running) == 0 && _closed)
        {
            _idle.TrySetResult();
        }
    }

    /// <summary>Completes once no request runs; to be called when new ones are refused.</summary>
    public Task WaitUntilIdleAsync()
    {
        _closed = true;
        if (Volatile.Read(ref _running) == 0)
        {
            _idle.TrySetResult();
        }

        return _idle.Task;
    }
}
