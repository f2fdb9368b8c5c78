namespace Tacit.Hosting;

/// <summary>
/// Tells every part of a role that it is about to stop: readiness turns false, handlers end what can be taken up again elsewhere.
/// Shared by the role's public server, its management socket and its own loops.
/// </summary>
public sealed class DrainSignal : IDisposable
{
    private readonly CancellationTokenSource _source = new();

    public bool IsDraining => _source.IsCancellationRequested;

    /// <summary>Cancelled when the drain begins.</summary>
    public CancellationToken Token => _source.Token;

    public void Begin() => _source.Cancel();

    public void Dispose() => _source.Dispose();
}
