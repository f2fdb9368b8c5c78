namespace Tacit.Client.Transports;

/// <summary>
/// A connection that is made while the request that it is for is still being written down. Nothing of the request is on it before it is asked for. One that cannot be
/// made is no failure yet: whoever wants it then connects as if nothing had been begun, and hears from that why it cannot be.
/// </summary>
internal sealed class EarlyConnection : IDisposable
{
    /// <summary>A server may have let go of one that waited for longer, and a request must not be what finds out.</summary>
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _stop = new();
    private readonly TimeProvider _time;
    private readonly Task<(Stream Stream, long At)> _making;

    /// <param name="connect">Makes it, TLS included where the server has it.</param>
    public EarlyConnection(Func<CancellationToken, Task<Stream>> connect, TimeProvider time)
    {
        _time = time;
        CancellationToken stopped = _stop.Token;
        _making = Task.Run(async () => (await connect(stopped), time.GetTimestamp()), CancellationToken.None);
    }

    /// <summary>Completes when it is made, or cannot be.</summary>
    public Task Making => _making;

    /// <summary>The connection, which is the caller's from then on; null if there is none to be had.</summary>
    public async ValueTask<Stream?> FinishAsync(CancellationToken cancellationToken)
    {
        try
        {
            (Stream made, long at) = await _making.WaitAsync(cancellationToken);
            if (_time.GetElapsedTime(at) <= Fresh)
            {
                return made;
            }
            await made.DisposeAsync();
            return null;
        }
        catch (Exception) when (_making.IsFaulted || _making.IsCanceled)
        {
            return null;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>Nobody wants it any more.</summary>
    public void Dispose()
    {
        _stop.Cancel();
        _ = _making.ContinueWith(
            static made =>
            {
                if (made.IsCompletedSuccessfully)
                {
                    made.Result.Stream.Dispose();
                }
                else
                {
                    _ = made.Exception;
                }
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }
}
