using Microsoft.Extensions.Logging;

namespace Tacit.Inference;

/// <summary>
/// Chooses who answers: of the backends that serve a model and are well, those of the lowest priority number, of these the one with the fewest requests, of
/// equals the first. Where all are full, the request waits for whichever has a place first. Thread safe.
/// </summary>
/// <remarks>One lock for all: what is done under it is a look at a handful of backends, and a waiter stands in several queues at once.</remarks>
internal sealed partial class BackendPool(IReadOnlyList<Backend> backends, TimeProvider time, ILogger log)
{
    private readonly Lock _gate = new();
    private int _waiting;

    /// <summary>All backends as they are now.</summary>
    public IReadOnlyList<BackendStatus> Status
    {
        get
        {
            lock (_gate)
            {
                return [.. from backend in backends where backend.Settings is not null select StatusOf(backend)];
            }
        }
    }

    /// <summary>Whether checks leave at least one backend to be asked. Not the breakers: what prompts can bring about must not take a gateway out of its balancer.</summary>
    public bool IsServing
    {
        get
        {
            lock (_gate)
            {
                return backends.Any(backend => backend.Health != HealthState.Down);
            }
        }
    }

    /// <summary>A place for a request.</summary>
    /// <param name="tried">The routes that are not to be taken, one bit each.</param>
    /// <param name="failed">The routes on which this request failed before.</param>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public ValueTask<Placing> TakeAsync(Route[] routes, ulong tried, ulong failed, CancellationToken cancellationToken)
    {
        Waiter waiter;
        lock (_gate)
        {
            if (_waiting > 0)
            {
                // Someone's time may have come by the clock alone: a breaker's.
                Pump();
            }

            (int best, bool isAnyAvailable) = Choose(routes, tried);
            if (best >= 0)
            {
                return new ValueTask<Placing>(new Placing(Enter(routes[best], best, failed), NoPlace.None));
            }

            if (!isAnyAvailable)
            {
                return new ValueTask<Placing>(new Placing(null, NoPlace.NobodyLeft));
            }

            waiter = new Waiter(routes, tried, failed);
            waiter.Stand();
            if (!waiter.HasHope())
            {
                waiter.Leave();
                for (int i = 0; i < routes.Length; i++)
                {
                    if ((tried >> i & 1) == 0)
                    {
                        routes[i].Backend.Counts.QueueFull++;
                    }
                }

                return new ValueTask<Placing>(new Placing(null, NoPlace.QueueFull));
            }

            _waiting++;
        }

        return new ValueTask<Placing>(WaitAsync(waiter, routes, tried, cancellationToken));
    }

    public void Began(BackendLease lease, TimeSpan firstByte)
    {
        lock (_gate)
        {
            Backend backend = lease.Backend;
            backend.Counts.Replies++;
            backend.Counts.FirstByte += firstByte;
            if (backend.Health != HealthState.Down)
            {
                backend.Fault = BackendFault.None;
                backend.FaultStatus = 0;
            }

            lease.HasFailed = false;
            Report(lease, CallOutcome.Success);
        }
    }

    public void Failed(BackendLease lease, in Attempt attempt)
    {
        lock (_gate)
        {
            Backend.Tally counts = lease.Backend.Counts;
            switch (attempt.Failure)
            {
                case AttemptFailure.Unreachable:
                    counts.Unreachable++;
                    break;
                case AttemptFailure.TimedOut:
                    counts.TimedOut++;
                    break;
                case AttemptFailure.Failed:
                    counts.Failed++;
                    break;
                default:
                    counts.Refused++;
                    break;
            }

            if (attempt.IsBackendsFault)
            {
                lease.HasFailed = true;
                lease.Backend.Fault = attempt.Fault;
                lease.Backend.FaultStatus = attempt.Status;
            }
        }
    }

    public void BrokeOff(BackendLease lease)
    {
        lock (_gate)
        {
            lease.Backend.Counts.BrokenOff++;
            lease.Backend.Fault = BackendFault.ConnectionLost;
            lease.Backend.FaultStatus = 0;
            Report(lease, CallOutcome.Failure);
        }
    }

    public void Release(BackendLease lease)
    {
        lock (_gate)
        {
            lease.Backend.Outstanding--;
            if (lease.HasFailed && (lease.IsTrial || !lease.IsRepeated))
            {
                // Once for a request, however many keys it was asked with and however often it came back, and not at all if one of them did: one prompt is one vote.
                Report(lease, CallOutcome.Failure);
            }
            else if (lease.IsTrial)
            {
                // It said nothing of the backend: the next one is the trial.
                Report(lease, CallOutcome.Neutral);
            }

            Pump();
        }
    }

    /// <summary>Takes in what a look at a backend found.</summary>
    public void Tell(Backend backend, HealthFinding finding)
    {
        lock (_gate)
        {
            backend.Counts.Checks++;
            HealthState before = backend.Health;
            HealthOptions options = backend.Settings!.Health!;
            bool hasAny = finding.Models is null || backend.Settings.Models.Values.Any(finding.Models.Contains);
            BackendFault fault = finding.IsWell && !hasAny ? BackendFault.ModelMissing : finding.Fault;
            if (finding.IsWell && hasAny)
            {
                backend.FailedChecks = 0;
                backend.Health = HealthState.Up;
                backend.Models = finding.Models;
                // What requests met is not unmade by a check: that is how a backend lies about its health.
                if (before != HealthState.Up || fault != BackendFault.None)
                {
                    (backend.Fault, backend.FaultStatus) = (fault, finding.Status);
                }
            }
            else
            {
                backend.Counts.ChecksFailed++;
                backend.FailedChecks++;
                (backend.Fault, backend.FaultStatus) = (fault, finding.Status);
                if (before == HealthState.Unknown || backend.FailedChecks >= options.Failures)
                {
                    backend.Health = HealthState.Down;
                }
            }

            if (backend.Health != before)
            {
                if (backend.Health == HealthState.Down)
                {
                    LogDown(log, backend.Name, fault, finding.Status);
                }
                else if (before == HealthState.Down)
                {
                    LogUp(log, backend.Name);
                }
            }

            DropTheHopeless(backend);
            Pump();
        }
    }

    private static (int Best, bool IsAnyAvailable) Choose(Route[] routes, ulong tried)
    {
        int best = -1;
        bool isAny = false;
        for (int i = 0; i < routes.Length; i++)
        {
            Backend backend = routes[i].Backend;
            if ((tried >> i & 1) != 0 || !backend.IsAvailable(routes[i].Model))
            {
                continue;
            }

            isAny = true;
            if (backend.HasPlace && (best < 0 || (backend.Priority, backend.Outstanding).CompareTo((routes[best].Backend.Priority, routes[best].Backend.Outstanding)) < 0))
            {
                best = i;
            }
        }

        return (best, isAny);
    }

    private BackendLease Enter(Route route, int index, ulong failed)
    {
        route.Backend.Outstanding++;
        return new BackendLease(this, route.Backend, route.Model, index, route.Backend.Breaker.Enter()) { IsRepeated = (failed >> index & 1) != 0 };
    }

    private void Report(BackendLease lease, CallOutcome outcome)
    {
        bool isTrial = lease.IsTrial;
        lease.IsTrial = false;
        bool wasClosed = lease.Backend.Breaker.State == BreakerState.Closed;
        if (lease.Backend.Breaker.Report(outcome, isTrial))
        {
            if (wasClosed)
            {
                LogOpened(log, lease.Backend.Name, lease.Backend.Fault, lease.Backend.FaultStatus);
            }

            DropTheHopeless(lease.Backend);
        }
        else if (!wasClosed && lease.Backend.Breaker.State == BreakerState.Closed)
        {
            LogClosed(log, lease.Backend.Name);
            Pump();
        }
    }

    /// <summary>Gives free places to those who wait, each backend's in the order they came.</summary>
    private void Pump()
    {
        if (_waiting == 0)
        {
            return;
        }

        foreach (Backend backend in backends)
        {
            LinkedListNode<Waiter>? node = backend.Queue.First;
            while (node is not null && backend.HasPlace)
            {
                LinkedListNode<Waiter>? next = node.Next;
                Waiter waiter = node.Value;
                if (waiter.RouteTo(backend) is >= 0 and int route)
                {
                    End(waiter, new Placing(Enter(waiter.Routes[route], route, waiter.Failed), NoPlace.None));
                }

                node = next;
            }
        }
    }

    private void DropTheHopeless(Backend backend)
    {
        LinkedListNode<Waiter>? node = backend.Queue.First;
        while (node is not null)
        {
            LinkedListNode<Waiter>? next = node.Next;
            if (!node.Value.HasHope())
            {
                End(node.Value, new Placing(null, NoPlace.NobodyLeft));
            }

            node = next;
        }
    }

    private void End(Waiter waiter, Placing placing)
    {
        waiter.Leave();
        _waiting--;
        waiter.SetResult(placing);
    }

    private async Task<Placing> WaitAsync(Waiter waiter, Route[] routes, ulong tried, CancellationToken cancellationToken)
    {
        bool isCancelled = false;
        try
        {
            return await waiter.Task.WaitAsync(waiter.Patience, time, cancellationToken);
        }
        catch (TimeoutException)
        {
        }
        catch (OperationCanceledException)
        {
            isCancelled = true;
        }

        lock (_gate)
        {
            if (waiter.IsStanding)
            {
                End(waiter, new Placing(null, NoPlace.WaitedTooLong));
                for (int i = 0; i < routes.Length && !isCancelled; i++)
                {
                    if ((tried >> i & 1) == 0)
                    {
                        routes[i].Backend.Counts.QueueTimeouts++;
                    }
                }
            }
        }

        Placing placing = await waiter.Task;
        if (isCancelled)
        {
            placing.Lease?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
        }

        return placing;
    }

    private static BackendStatus StatusOf(Backend backend)
    {
        Backend.Tally c = backend.Counts;
        return new BackendStatus(
            backend.Name, backend.Health, backend.Breaker.State, backend.Fault, backend.FaultStatus == 0 ? null : backend.FaultStatus,
            backend.Models is { } models ? [.. backend.Settings!.Models.Values.Where(name => !models.Contains(name)).Distinct()] : [],
            backend.Outstanding, backend.Settings!.MaxConcurrency, backend.Queue.Count,
            new BackendCounts(
                c.Calls, c.Replies, c.Unreachable, c.Failed, c.TimedOut, c.BrokenOff, c.Refused, backend.Breaker.Opened, c.QueueFull, c.QueueTimeouts, c.Checks, c.ChecksFailed,
                c.FirstByte.TotalSeconds));
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Backend {Backend} is down: {Fault}, status {Status}. It is not asked until a check finds it well")]
    private static partial void LogDown(ILogger log, string backend, BackendFault fault, int status);

    [LoggerMessage(Level = LogLevel.Information, Message = "Backend {Backend} is up again")]
    private static partial void LogUp(ILogger log, string backend);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Backend {Backend} fails too many requests and is left alone for a while; the last one: {Fault}, status {Status}")]
    private static partial void LogOpened(ILogger log, string backend, BackendFault fault, int status);

    [LoggerMessage(Level = LogLevel.Information, Message = "Backend {Backend} answers requests again")]
    private static partial void LogClosed(ILogger log, string backend);
}
