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
    private long _start;
    private bool _hasBegun;
    private volatile CancellationTokenSource _source;
    private volatile bool _isStopped;
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

    /// <summary>Of the attempt that runs now.</summary>
    public CancellationToken Token { get; private set; }

    public bool IsStream { get; }

    /// <summary>What is left of the total.</summary>
    public TimeSpan Left => _budgets.Total - _time.GetElapsedTime(_start);

    public CallPhase Phase { get; private set; }

    /// <summary>Whether it is the total, and not the phase's own budget, that ends this phase.</summary>
    public bool IsLast { get; private set; }

    /// <summary>The first-byte phase of one attempt begins. The total goes on from the first attempt: what came before was a wait for a place, which has its own budget.</summary>
    public void Begin(ProviderBudgets budgets)
    {
        _budgets = budgets;
        if (!_hasBegun)
        {
            _hasBegun = true;
            _start = _time.GetTimestamp();
        }

        if (_source.IsCancellationRequested)
        {
            // The attempt before ran out of its time. Not disposed of: whoever cancels may be at it.
            _source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, _time);
            Token = _source.Token;
            if (_isStopped)
            {
                _source.Cancel();
            }
        }

        Enter(CallPhase.FirstByte);
    }

    public void Enter(CallPhase phase)
    {
        TimeSpan budget = phase switch
        {
            CallPhase.Idle => _budgets.Idle,
            _ => IsStream ? _budgets.FirstByte : _budgets.FirstByteUnstreamed,
        };
        TimeSpan left = Left;
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

    public void Cancel()
    {
        _isStopped = true;
        _source.Cancel();
    }

    public void Dispose() => _source.Dispose();
}
