namespace Tacit.Gateway.Sealing;

/// <summary>
/// Bounds what opening sealed requests may take, which anybody can ask for before anything is known of who asks: so many at once, so many that wait, and no more.
/// </summary>
internal sealed class OpeningGate(int concurrent, int waiting) : IAsyncDisposable
{
    private readonly SemaphoreSlim _places = new(concurrent, concurrent);
    private int _waiting;
    private long _entered;
    private long _refused;

    /// <summary>Requests that wait.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Those that were let through since the start.</summary>
    public long Entered => Volatile.Read(ref _entered);

    /// <summary>Those that found too many waiting.</summary>
    public long Refused => Volatile.Read(ref _refused);

    /// <summary>False if too many wait already. After true, <see cref="Leave"/> has to follow.</summary>
    public async ValueTask<bool> TryEnterAsync(CancellationToken cancellationToken)
    {
        if (_places.Wait(0, CancellationToken.None))
        {
            Interlocked.Increment(ref _entered);
            return true;
        }

        try
        {
            if (Interlocked.Increment(ref _waiting) > waiting)
            {
                Interlocked.Increment(ref _refused);
                return false;
            }

            await _places.WaitAsync(cancellationToken);
            Interlocked.Increment(ref _entered);
            return true;
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
    }

    public void Leave() => _places.Release();

    public ValueTask DisposeAsync()
    {
        _places.Dispose();
        return ValueTask.CompletedTask;
    }
}
