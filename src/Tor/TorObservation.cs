using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Tacit.Tor;

/// <summary>
/// What Tor tells of circuits and connections, without a gap from the moment <see cref="TorService.ObserveAsync"/> returned, over restarts of tor. Ends with the
/// service. Dispose of it: the telling costs Tor something.
/// </summary>
public sealed class TorObservation : IAsyncEnumerable<TorEvent>, IAsyncDisposable
{
    /// <summary>Events kept for a reader that is slow.</summary>
    private const int MostKept = 1 << 16;

    private readonly Channel<TorEvent> _events = Channel.CreateBounded<TorEvent>(new BoundedChannelOptions(MostKept) { FullMode = BoundedChannelFullMode.Wait });
    private readonly Func<TorObservation, ValueTask> _end;

    internal TorObservation(Func<TorObservation, ValueTask> end) => _end = end;

    /// <exception cref="TorException">The reader was so slow that events were lost.</exception>
    public async IAsyncEnumerator<TorEvent> GetAsyncEnumerator(CancellationToken cancellationToken = default)
    {
        await foreach (TorEvent told in ReadAsync(cancellationToken))
        {
            yield return told;
        }
    }

    public ValueTask DisposeAsync() => _end(this);

    internal void Tell(TorEvent told)
    {
        if (!_events.Writer.TryWrite(told))
        {
            End(new TorException(TorError.NoControl, "Tor told of more circuits and connections than were read in time."));
        }
    }

    internal void End(TorException? why = null) => _events.Writer.TryComplete(why);

    private async IAsyncEnumerable<TorEvent> ReadAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (await _events.Reader.WaitToReadAsync(cancellationToken))
        {
            while (_events.Reader.TryRead(out TorEvent? told))
            {
                yield return told;
            }
        }
    }
}
