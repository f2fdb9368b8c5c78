namespace Tacit.App.Tests;

/// <summary>The system's clock, parts of which fail while they are told to.</summary>
internal sealed class BrittleTime : TimeProvider
{
    private volatile bool _clockFails;
    private volatile bool _timersFail;

    /// <summary>Whether nobody can tell what time it is.</summary>
    public bool ClockFails
    {
        get => _clockFails;
        set => _clockFails = value;
    }

    /// <summary>Whether timers cannot be ended.</summary>
    public bool TimersFail
    {
        get => _timersFail;
        set => _timersFail = value;
    }

    public override DateTimeOffset GetUtcNow() => ClockFails ? throw new InvalidOperationException("The clock has stopped.") : base.GetUtcNow();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        new BrittleTimer(this, base.CreateTimer(callback, state, dueTime, period));

    private sealed class BrittleTimer(BrittleTime time, ITimer timer) : ITimer
    {
        public bool Change(TimeSpan dueTime, TimeSpan period) => timer.Change(dueTime, period);

        public void Dispose()
        {
            timer.Dispose();
            if (time.TimersFail)
            {
                throw new InvalidOperationException("The timer does not end.");
            }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
