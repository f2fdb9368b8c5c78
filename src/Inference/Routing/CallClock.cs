namespace Tacit.Inference;

/// <summary>Which of a call's budgets runs now.</summary>
internal enum CallPhase
{
    /// <summary>Waiting for the reply to begin.</summary>
    FirstByte,

    /// <summary>Waiting for more of it.</summary>
    Idle,
}

/// <summary>
/// The budgets of one provider call on one timer. Each phase runs against its own budget or what is left of the total, whichever is less;
/// when it is used up, or the caller cancels, everything that waits under <see cref="Token"/> ends.
/// </summary>
internal sealed class CallClock : IDisposable
{
    private static readonly Action<object?> CancelSource = static state => ((CallClock)state!).Cancel();

    private readonly TimeProvider _time;
    private readonly long _start;
    private readonly CancellationTokenSource _source;
    private ProviderBudgets _budgets;

    public CallClock(TimeProvider time, ProviderBudgets budgets, bool stream)
    {
        _time = time;
        _budgets = budgets;
        IsStream = stream;
        _start = time.GetTimestamp();
        _source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        Token = _source.Token;
    }

    public CancellationToken Token { get; }

    public bool IsStream { get; }

    public CallPhase Phase { get; private set; }

    /// <summary>Whether it is the total, and not the phase's own budget, that ends this phase.</summary>
    public bool IsLast { get; private set; }

    /// <summary>The first-byte phase of one attempt begins. The total goes on from the first attempt.</summary>
    public void Begin(ProviderBudgets budgets)
    {
        _budgets = budgets;
        Enter(CallPhase.FirstByte);
    }

    public void Enter(CallPhase phase)
    {
        TimeSpan budget = phase switch
        {
            CallPhase.Idle => _budgets.Idle,
            _ => IsStream ? _budgets.FirstByte : _budgets.FirstByteUnstreamed,
        };
        TimeSpan left = _budgets.Total - _time.GetElapsedTime(_start);
        Phase = phase;
        IsLast = left <= budget;
        if (IsLast)
        {
            budget = left > TimeSpan.Zero ? left : TimeSpan.Zero;
        }

        _source.CancelAfter(budget);
    }

    /// <summary>For as long as the result lives, the caller's cancellation ends this call.</summary>
    public CancellationTokenRegistration Follow(CancellationToken caller) => caller.UnsafeRegister(CancelSource, this);

    public void Cancel() => _source.Cancel();

    public void Dispose() => _source.Dispose();
}
