namespace Tacit.Hosting;

/// <summary>
/// Tells every part of a role that it is about to stop, in two steps: first readiness turns false while all goes on, so that a load balancer sends requests
/// elsewhere; then nothing new is taken and what runs ends. Shared by the role's public server, its management socket and its own loops.
/// </summary>
public sealed class DrainSignal : IDisposable
{
    private readonly CancellationTokenSource _draining = new();
    private readonly CancellationTokenSource _closing = new();

    /// <summary>Whether the first step is taken: not ready any more.</summary>
    public bool IsDraining => _draining.IsCancellationRequested;

    /// <summary>Whether the second step is taken: new requests are refused.</summary>
    public bool IsClosing => _closing.IsCancellationRequested;

    /// <summary>Cancelled by the first step.</summary>
    public CancellationToken Token => _draining.Token;

    /// <summary>Cancelled by the second step.</summary>
    public CancellationToken ClosingToken => _closing.Token;

    /// <summary>The first step.</summary>
    public void Begin() => _draining.Cancel();

    /// <summary>Both steps.</summary>
    public void Close()
    {
        _draining.Cancel();
        _closing.Cancel();
    }

    /// <summary>Completes with the second step.</summary>
    /// <exception cref="OperationCanceledException">The caller gave up before.</exception>
    public async Task WaitUntilClosingAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource closing = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using CancellationTokenRegistration registration = _closing.Token.Register(closing.SetResult);
        await closing.Task.WaitAsync(cancellationToken);
    }

    public void Dispose()
    {
        _draining.Dispose();
        _closing.Dispose();
    }
}
