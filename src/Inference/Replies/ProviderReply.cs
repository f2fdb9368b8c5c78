using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A reply that has begun. Read it to the end, or dispose it, which stops the provider.</summary>
public sealed class ProviderReply : IAsyncDisposable
{
    private readonly ReplySource _source;

    internal ProviderReply(ReplySource source) => _source = source;

    /// <summary>Always 200: everything else is a <see cref="ProviderException"/>.</summary>
    public int Status { get; } = 200;

    /// <summary>One of two constants; the provider's own header is not passed on.</summary>
    public string ContentType => IsEventStream ? "text/event-stream" : "application/json";

    public bool IsEventStream => _source.IsEventStream;

    /// <summary>
    /// Appends what comes next to <paramref name="into"/>: one or more whole server-sent events, or the whole JSON reply at once. One read at a time.
    /// </summary>
    /// <returns>False at the end, with nothing appended.</returns>
    /// <exception cref="ProviderException">The reply is not whole. What was appended before stays valid; nothing of the failed read was appended.</exception>
    /// <exception cref="OperationCanceledException">The caller cancelled. The reply cannot be read any further.</exception>
    public ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(into);
        return _source.ReadAsync(into, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _source.DisposeAsync();
        _source.Lease?.Dispose();
    }
}

/// <summary>Where a reply comes from: a server, or the demo model.</summary>
internal abstract class ReplySource : IAsyncDisposable
{
    public abstract bool IsEventStream { get; }

    /// <summary>The place at the backend that it comes from; set once it has begun.</summary>
    public virtual BackendLease? Lease { get; set; }

    public abstract ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken);

    public abstract ValueTask DisposeAsync();
}
