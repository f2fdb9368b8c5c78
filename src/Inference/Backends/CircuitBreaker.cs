using System.Security.Cryptography;
using System.Text.Json.Serialization;

namespace Tacit.Inference;

/// <summary>The states of a backend's circuit breaker.</summary>
[JsonConverter(typeof(JsonStringEnumConverter<BreakerState>))]
public enum BreakerState
{
    /// <summary>Requests go through.</summary>
    [JsonStringEnumMemberName("closed")]
    Closed,

    /// <summary>None does, until its time is over.</summary>
    [JsonStringEnumMemberName("open")]
    Open,

    /// <summary>One at a time does, as a trial.</summary>
    [JsonStringEnumMemberName("half_open")]
    HalfOpen,
}

/// <summary>What a call says about the backend.</summary>
internal enum CallOutcome
{
    /// <summary>Nothing: the request was refused for what it is, or its caller left.</summary>
    Neutral,
    Success,
    Failure,
}

/// <summary>
/// Closed → open, when enough of a window's calls fail; open → half-open, when its time is over; half-open → closed or open again by one trial. The calls of a
/// window are counted in a ring of slices. Not thread safe: the pool's lock is held.
/// </summary>
/// <remarks>
/// A share and not a row of failures: a single success of a backend that fails most calls must not keep it in. A least number besides: two failures in a quiet
/// night are no reason. Results of calls that began before it opened are not looked at while it is open, only the trial's is.
/// </remarks>
internal sealed class CircuitBreaker(BreakerOptions options, TimeProvider time)
{
    private const int Slices = 10;

    private readonly (long Slice, int Good, int Bad)[] _window = new (long, int, int)[Slices];
    private readonly long _sliceTicks = options.Window.Ticks / Slices;
    private bool _isClosed = true;
    private bool _isTrialOut;
    private TimeSpan _openUntil;
    private TimeSpan _closedAt;
    private int _openings;

    /// <summary>How often it opened since the start, failed trials included.</summary>
    public long Opened { get; private set; }

    private TimeSpan Now => time.GetElapsedTime(0);

    public BreakerState State => _isClosed ? BreakerState.Closed : Now < _openUntil ? BreakerState.Open : BreakerState.HalfOpen;

    /// <summary>Whether a call may go now.</summary>
    public bool CanEnter => _isClosed || (!_isTrialOut && Now >= _openUntil);

    /// <summary>A call goes.</summary>
    /// <returns>Whether it is the trial.</returns>
    public bool Enter()
    {
        if (_isClosed)
        {
            return false;
        }

        _isTrialOut = true;
        return true;
    }

    /// <summary>What a call came to; once for each, but that a reply may break off after its success.</summary>
    /// <returns>True if it opened by this.</returns>
    public bool Report(CallOutcome outcome, bool isTrial)
    {
        if (isTrial)
        {
            _isTrialOut = false;
        }

        if (outcome == CallOutcome.Neutral || (!_isClosed && !isTrial))
        {
            return false;
        }

        if (!_isClosed)
        {
            return Try(outcome);
        }

        long slice = Now.Ticks / _sliceTicks;
        ref (long Slice, int Good, int Bad) counts = ref _window[slice % Slices];
        if (counts.Slice != slice)
        {
            counts = (slice, 0, 0);
        }

        if (outcome == CallOutcome.Success)
        {
            counts.Good++;
            return false;
        }

        counts.Bad++;
        return IsTooMuch(slice) && Open();
    }

    private bool Try(CallOutcome outcome)
    {
        if (outcome == CallOutcome.Failure)
        {
            return Open();
        }

        _isClosed = true;
        _closedAt = Now;
        Array.Clear(_window);
        return false;
    }

    private bool IsTooMuch(long slice)
    {
        int good = 0;
        int bad = 0;
        foreach ((long at, int goodThen, int badThen) in _window)
        {
            if (at > slice - Slices)
            {
                good += goodThen;
                bad += badThen;
            }
        }

        return bad >= options.MinFailures && bad * 100L >= (good + bad) * (long)options.FailurePercent;
    }

    private bool Open()
    {
        // Times double while it fails soon after it was let in again; a whole window without is a new beginning.
        bool isFresh = _isClosed && Now - _closedAt >= options.Window;
        _openings = isFresh ? 1 : Math.Min(_openings + 1, 20);
        _isClosed = false;
        long ticks = Math.Min(options.OpenFor.Ticks << Math.Min(_openings - 1, 20), options.OpenForAtMost.Ticks);
        // Up to a tenth more, so that several gateways do not all come back at once.
        _openUntil = Now + new TimeSpan(ticks + (ticks / 1000 * RandomNumberGenerator.GetInt32(101)));
        Opened++;
        return true;
    }
}
