namespace Tacit.Gateway.Sealing;

/// <summary>
/// Ticks for all replies that wait together: what streams have gathered leaves at the same moments, so that when a chunk was sent tells no more than the tick. Still
/// while nothing waits.
/// </summary>
internal sealed class PaceClock : IAsyncDisposable
{
    private readonly TimeSpan _interval;
    private readonly ITimer _timer;
    private readonly Lock _gate = new();
    private List<ReplyPacer> _waiting = [];
    private List<ReplyPacer> _spare = [];
    private bool _isRunning;

    /// <param name="interval">Between two ticks.</param>
    /// <param name="time">The clock.</param>
    public PaceClock(TimeSpan interval, TimeProvider time)
    {
        _interval = interval;
        _timer = time.CreateTimer(static state => ((PaceClock)state!).Tick(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>False: nothing is gathered, and nobody waits for a tick.</summary>
    public bool IsOn => _interval > TimeSpan.Zero;

    /// <summary>Calls <see cref="ReplyPacer.OnTick"/> at the next tick, once.</summary>
    public void Add(ReplyPacer reply)
    {
        lock (_gate)
        {
            _waiting.Add(reply);
            if (!_isRunning)
            {
                _isRunning = true;
                _timer.Change(_interval, Timeout.InfiniteTimeSpan);
            }
        }
    }

    public ValueTask DisposeAsync() => _timer.DisposeAsync();

    private void Tick()
    {
        List<ReplyPacer> due;
        lock (_gate)
        {
            due = _waiting;
            _waiting = _spare;
            _spare = [];
            _isRunning = _waiting.Count > 0;

            // The next tick begins now, not after the work of this one, as long as there is anything to send.
            if (due.Count > 0)
            {
                _isRunning = true;
                _timer.Change(_interval, Timeout.InfiniteTimeSpan);
            }
        }

        foreach (ReplyPacer reply in due)
        {
            reply.OnTick();
        }

        due.Clear();
        lock (_gate)
        {
            _spare = due;
        }
    }
}
