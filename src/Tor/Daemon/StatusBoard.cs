using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;
using Tacit.Tor.Control;

namespace Tacit.Tor.Daemon;

/// <summary>Makes a status of what tor tells, notices when nothing moves, and lets readers wait for the next. Safe for use by several threads.</summary>
internal sealed partial class StatusBoard : IDisposable
{
    private readonly Lock _lock = new();
    private readonly TimeSpan _stuckAfter;
    private readonly bool _hasBridges;
    private readonly ITimer _timer;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TorStatus _status = new() { State = TorState.Starting };
    private string? _reason;
    private TorException? _failure;
    private bool _isClockSuspect;
    private int _best;

    public StatusBoard(TimeSpan stuckAfter, bool hasBridges, TimeProvider time)
    {
        _stuckAfter = stuckAfter;
        _hasBridges = hasBridges;
        _timer = time.CreateTimer(_ => NoteNoProgress(), null, stuckAfter, Timeout.InfiniteTimeSpan);
    }

    public TorStatus Status
    {
        get
        {
            lock (_lock)
            {
                return _status;
            }
        }
    }

    public async IAsyncEnumerable<TorStatus> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        TorStatus? last = null;
        while (true)
        {
            (TorStatus status, Task changed) = Now();
            if (status != last)
            {
                yield return last = status;
            }
            if (status.State == TorState.Stopped)
            {
                yield break;
            }
            await changed.WaitAsync(cancellationToken);
        }
    }

    /// <exception cref="TorException">It is stuck, or stopped.</exception>
    public async Task WaitUntilReadyAsync(CancellationToken cancellationToken)
    {
        await foreach (TorStatus status in WatchAsync(cancellationToken))
        {
            if (status.State == TorState.Ready)
            {
                return;
            }
            if (status.State is TorState.Stuck)
            {
                throw Stuck(status);
            }
        }
        throw new TorException(TorError.Died, "Tor was stopped before it was in the network.");
    }

    /// <summary>A process was started, of that version.</summary>
    public void Started(string version) => Change(status =>
    {
        // That it starts is no progress for one that ends again and again; it is for one that could not be started.
        bool isStuck = status.State == TorState.Stuck && _failure is null;
        _failure = null;
        return status with { State = isStuck ? TorState.Stuck : TorState.Starting, Version = version, Percent = 0, Tag = "", Summary = "" };
    });

    /// <summary>The process ended.</summary>
    public void Ended(string how) => Change(status => new TorStatus
    {
        // What was stuck stays so: the next start is not yet progress.
        State = status.State == TorState.Stuck ? TorState.Stuck : TorState.Restarting,
        Version = status.Version,
        Error = TorError.Died,
        Warning = how,
        Advice = "It is started again by itself.",
    });

    /// <summary>It could not be started again; it is tried further, and the person has to know.</summary>
    public void Failed(TorException failure)
    {
        lock (_lock)
        {
            _failure = failure;
        }
        Change(status => status with { State = TorState.Stuck, Error = failure.Error, Warning = null, Advice = failure.Message });
    }

    public void Stopped() => Change(status => new TorStatus { State = TorState.Stopped, Version = status.Version });

    /// <summary>An event, or the words of status/bootstrap-phase, which are the same without their first (control-spec, section 4.1.10).</summary>
    public void Note(ControlWords words)
    {
        switch (words.At(0))
        {
            case "STATUS_CLIENT":
                NoteClient(words.At(1), words.At(2), words);
                break;
            case "STATUS_GENERAL" when words.At(2) == "CLOCK_SKEW":
                NoteSkew(words.Number("SKEW") ?? words.Number("MIN_SKEW"));
                break;
            case "NETWORK_LIVENESS":
                bool isDown = words.At(1) == "DOWN";
                Change(status => status.State != TorState.Ready ? status : status with
                {
                    Warning = isDown ? "Tor has heard nothing from the network for a while." : null,
                    Advice = isDown ? "Check that this machine is online." : null,
                });
                break;
        }
    }

    public void NoteClient(string severity, string action, ControlWords words)
    {
        switch (action)
        {
            case "BOOTSTRAP":
                NoteBootstrap(severity, words);
                break;
            case "CIRCUIT_ESTABLISHED":
                Change(status => status.State == TorState.Ready ? status with { Warning = null, Advice = null } : status);
                break;
            case "CIRCUIT_NOT_ESTABLISHED":
                Change(status => status.State == TorState.Ready
                    ? status with { Warning = words["REASON"] == "CLOCK_JUMPED" ? "This machine slept, or its clock jumped; circuits are built anew." : "No circuit stands; new ones are built." }
                    : status);
                break;
        }
    }

    /// <summary>
    /// A line that tor logged at warn or err, without its time. A clock so wrong that certificates have expired, or are not valid yet, is told of in no event: it looks
    /// like relays that cannot be reached.
    /// </summary>
    public void NoteLog(string line)
    {
        if (ClockComplaint().IsMatch(line))
        {
            lock (_lock)
            {
                _isClockSuspect = true;
            }
            Change(status => status.State is TorState.Starting or TorState.Bootstrapping or TorState.Stuck && status.ClockSkew is null
                ? status with { Warning = ControlConnection.OneLine(line), Error = TorError.ClockSkewed, Advice = Advice.ForClock(null) }
                : status);
        }
    }

    /// <summary>The error that waiting for a status which is stuck ends in.</summary>
    public TorException Stuck(TorStatus status)
    {
        lock (_lock)
        {
            if (_failure is not null && status.Error == _failure.Error)
            {
                return _failure.Again();
            }
        }
        bool isDying = status.Error == TorError.Died;
        string complaint = status.Warning is { } warning ? $" {(isDying ? "" : "Tor says: ")}{warning.TrimEnd('.')}." : "";
        string what = isDying ? "Tor ends again and again." : $"Tor makes no progress at {status.Phase}.";
        return new TorException(status.Error ?? TorError.Stuck, $"{what}{complaint} {status.Advice}");
    }

    public void Dispose() => _timer.Dispose();

    [GeneratedRegex(@"your clock is|our clock is|check your time|certificates? (has |have )?(already )?(expired|not yet valid)", RegexOptions.IgnoreCase, 1000)]
    private static partial Regex ClockComplaint();

    private void NoteBootstrap(string severity, ControlWords words)
    {
        int percent = (int)Math.Clamp(words.Number("PROGRESS") ?? 0, 0, 100);
        bool isWarning = severity is "WARN" or "ERR";
        if (isWarning)
        {
            lock (_lock)
            {
                _reason = words["REASON"];
                _isClockSuspect |= _reason == "CLOCK_SKEW";
            }
        }
        Change(status =>
        {
            bool moved = percent > status.Percent || status.State is TorState.Starting or TorState.Restarting;
            if (moved)
            {
                _reason = isWarning ? _reason : null;
            }
            TorState state = percent == 100 ? TorState.Ready : status.State == TorState.Stuck && percent <= _best ? TorState.Stuck : TorState.Bootstrapping;
            TorStatus next = status with
            {
                State = state,
                Percent = percent,
                Tag = ControlConnection.OneLine(words["TAG"] ?? ""),
                Summary = ControlConnection.OneLine(words["SUMMARY"] ?? ""),
                Warning = isWarning ? ControlConnection.OneLine(words["WARNING"] ?? "") : moved ? null : status.Warning,
            };
            if (state == TorState.Ready)
            {
                _failure = null;
                _isClockSuspect = false;
                return next with { Warning = null, Advice = null, Error = null, ClockSkew = null };
            }
            return state == TorState.Stuck ? Judge(next) : moved ? next with { Error = status.ClockSkew is null ? null : TorError.ClockSkewed, Advice = null } : next;
        });
    }

    private void NoteSkew(long? seconds)
    {
        // Beyond 68 years nobody learns more, and TimeSpan could overflow.
        TimeSpan? skew = seconds is { } known ? TimeSpan.FromSeconds(Math.Clamp(known, int.MinValue, int.MaxValue)) : null;
        lock (_lock)
        {
            _isClockSuspect = true;
        }
        Change(status =>
        {
            if (status.State is TorState.Ready or TorState.Stopped)
            {
                return status;
            }
            bool isHopeless = skew?.Duration() >= Advice.HopelessSkew;
            return status with
            {
                State = isHopeless ? TorState.Stuck : status.State,
                ClockSkew = skew ?? status.ClockSkew,
                Error = TorError.ClockSkewed,
                Advice = Advice.ForClock(skew ?? status.ClockSkew),
            };
        });
    }

    private void NoteNoProgress() => Change(status => status.State is TorState.Starting or TorState.Bootstrapping or TorState.Restarting ? Judge(status) : status);

    /// <summary>Why nothing moves.</summary>
    private TorStatus Judge(TorStatus status)
    {
        bool isClock = _isClockSuspect && status.Error != TorError.Died;
        return status with
        {
            State = TorState.Stuck,
            Error = isClock ? TorError.ClockSkewed : status.Error ?? TorError.Stuck,
            Advice = isClock ? Advice.ForClock(status.ClockSkew) : status.Error == TorError.Died ? status.Advice : Advice.ForPhase(status.Tag, _reason, _hasBridges),
        };
    }

    private (TorStatus Status, Task Changed) Now()
    {
        lock (_lock)
        {
            return (_status, _changed.Task);
        }
    }

    private void Change(Func<TorStatus, TorStatus> change)
    {
        TaskCompletionSource changed;
        lock (_lock)
        {
            TorStatus next = _status.State == TorState.Stopped ? _status : change(_status);
            if (next == _status)
            {
                return;
            }
            // A tor that ends again and again gets as far as it got before: that is no progress.
            bool isProgress = next.Percent > _best
                || (_status.State is TorState.Stuck or TorState.Ready && next.State is TorState.Starting or TorState.Bootstrapping or TorState.Restarting);
            _best = next.State is TorState.Restarting && _status.State is TorState.Ready ? 0 : Math.Max(_best, next.Percent);
            _status = next;
            if (isProgress)
            {
                _timer.Change(_stuckAfter, Timeout.InfiniteTimeSpan);
            }
            changed = _changed;
            _changed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
        changed.TrySetResult();
    }
}
