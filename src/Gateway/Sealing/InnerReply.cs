using System.IO.Pipelines;
using Microsoft.AspNetCore.Http;

namespace Tacit.Gateway.Sealing;

/// <summary>
/// The way back for what an <see cref="InnerRequest"/> is answered: content is written as to any <see cref="PipeWriter"/>, and whoever implements it seals.
/// </summary>
internal abstract class InnerReply : PipeWriter, IDisposable
{
    /// <summary>Called once, before the first flush, or before <see cref="EndAsync"/> where nothing was flushed.</summary>
    public abstract void Begin(int status, IHeaderDictionary headers);

    /// <summary>All content is written. Marks the reply as whole; completes when the connection has taken it.</summary>
    public abstract ValueTask EndAsync(IHeaderDictionary trailers, CancellationToken cancellationToken);

    /// <summary>The reply will not be whole, and must not look so: what has not been sent is dropped, and no end is marked.</summary>
    public abstract void Abort();

    /// <summary>What is left is wiped.</summary>
    public abstract void Dispose();

    public sealed override void CancelPendingFlush()
    {
        // Nobody here cancels one but by the connection's end.
    }

    public sealed override void Complete(Exception? exception = null)
    {
        // Ended by EndAsync or Abort.
    }
}
