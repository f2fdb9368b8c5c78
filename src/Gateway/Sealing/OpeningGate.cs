namespace Tacit.Gateway.Sealing;

/// <summary>
/// Bounds what opening sealed requests may take, which anybody can ask for before anything is known of who asks: so many at once, so many that wait, and no more.
/// </summary>
internal sealed class OpeningGate(int concurrent, int waiting) : IAsyncDisposable
{
    private readonly SemaphoreSlim _places = new(concurrent, concurrent);
    private int _waiting;

    /// <summary>False if too many wait already. After true, <see cref="Leave"/> has to follow.</summary>
    public async ValueTask<bool> TryEnterAsync(CancellationToken cancellationToken)
    {
        if (_places.Wait(0, CancellationToken.None))
        {
            return true;
        }

        try
        {
            if (Interlocked.Increment(ref _waiting) > waiting)
            {
                return false;
            }

            await _places.WaitAsync(cancellationToken);
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
