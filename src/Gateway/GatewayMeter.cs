using System.Collections.Frozen;
using System.Diagnostics.Metrics;
using System.Globalization;
using Microsoft.AspNetCore.Http;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Endpoints;
using Tacit.Inference;
using Tacit.Storage;

namespace Tacit.Gateway;

/// <summary>
/// The gateway's figures (docs/operating.md, "Metrics"). Sums and distributions over everybody: no instrument has more than one tag, and no tag a value that comes
/// from a request, a plan, a token or an address. Nothing here is kept by request; in particular there is no correlation id, which would join what the log, the
/// collector and the provider hold of one prompt.
/// </summary>
internal sealed class GatewayMeter
{
    private static readonly InstrumentAdvice<double> s_short = new() { HistogramBucketBoundaries = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] };
    private static readonly InstrumentAdvice<double> s_long = new() { HistogramBucketBoundaries = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900] };
    private static readonly InstrumentAdvice<double> s_counts = new() { HistogramBucketBoundaries = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024] };

    /// <summary>The statuses that the gateway answers, as text made once. What is not among them counts as other.</summary>
    private static readonly FrozenDictionary<int, string> s_statuses =
        ((int[])[200, 400, 401, 403, 404, 405, 408, 409, 413, 415, 422, 428, 429, 500, 502, 503, 504]).ToFrozenDictionary(status => status, status => status.ToString(CultureInfo.InvariantCulture));

    private readonly bool _isOn;
    private readonly Histogram<double> _request;
    private readonly Counter<long> _responses;

    public GatewayMeter(IMeterFactory meters, bool isOn)
    {
        _isOn = isOn;
        Meter meter = meters.Create("Tacit.Gateway");
        _request = meter.CreateHistogram("tacit.gateway.request.duration", "s", "From a request for a reply to the reply's last byte.", null, s_long);
        _responses = meter.CreateCounter<long>("tacit.gateway.responses", null, "Answers to requests for a reply, by status.");
        FirstToken = meter.CreateHistogram("tacit.gateway.first.token", "s", "From the spend to the first piece of the reply, moderation and provider in it.", null, s_long);
        Backend = meter.CreateHistogram("tacit.gateway.backend.reply", "s", "From the spend to the begin of the provider's reply.", null, s_long);
        OutputTokens = meter.CreateCounter<long>("tacit.gateway.output.tokens", null, "Tokens of replies that have ended, by their usage; estimated where they tell none.");
        Spend = meter.CreateHistogram("tacit.gateway.spend.duration", "s", "From asking for a spend to its durable record.", null, s_short);
        SpendGroup = meter.CreateHistogram("tacit.gateway.spend.group", null, "Spends that were one work of the database.", null, s_counts);
        Meter = meter;
    }

    public Meter Meter { get; }

    public Histogram<double> FirstToken { get; }

    public Histogram<double> Backend { get; }

    public Counter<long> OutputTokens { get; }

    public Histogram<double> Spend { get; }

    public Histogram<double> SpendGroup { get; }

    /// <summary>The same handler where nobody listens; else one that takes the time around it.</summary>
    public RequestDelegate Around(RequestDelegate handler, TimeProvider time) => !_isOn ? handler : async context =>
    {
        long began = time.GetTimestamp();
        try
        {
            await handler(context);
        }
        finally
        {
            _request.Record(time.GetElapsedTime(began).TotalSeconds);
            // One tag is passed by value; its text exists already.
            _responses.Add(1, new KeyValuePair<string, object?>("status", context.RequestAborted.IsCancellationRequested ? "vanished" : s_statuses.GetValueOrDefault(context.Response.StatusCode, "other")));
        }
    };

    /// <summary>What is looked at when somebody asks.</summary>
    public void Observe(GatewayParts parts, Database database)
    {
        if (!_isOn)
        {
            return;
        }

        Gauge("tacit.gateway.replies.live", "Replies that providers are at.", () => parts.Replies.Live);
        Gauge("tacit.gateway.replies.held", "Replies in memory, live and kept.", () => parts.Replies.Count);
        Gauge("tacit.gateway.signatures.waiting", "Requests that wait for their signature to be checked.", () => parts.Signatures.Waiting);
        Gauge("tacit.gateway.openings.waiting", "Sealed requests that wait to be opened.", () => parts.Openings.Waiting);
        Count("tacit.gateway.openings", "Sealed requests that were let through to be opened.", () => parts.Openings.Entered);
        Count("tacit.gateway.openings.refused", "Sealed requests that found too many waiting.", () => parts.Openings.Refused);
        Gauge("tacit.gateway.work.bits", "Bits of work that are asked for at this moment.", () => parts.Work.Bits);
        Gauge("tacit.gateway.ready", "1 while requests are taken and somebody is there to answer them.", () => parts.Router.IsServing && !parts.Drain.IsDraining ? 1 : 0);

        Count("tacit.gateway.database.works", "Works that were written to the database.", () => database.Writes.Works);
        Count("tacit.gateway.database.commits", "Transactions they were written in, each with a sync of the disk.", () => database.Writes.Commits);

        OfBackends("tacit.backend.outstanding", "Requests that the backend is at work on.", status => status.Outstanding);
        OfBackends("tacit.backend.queued", "Requests that wait for the backend.", status => status.Queued);
        OfBackends("tacit.backend.breaker", "The breaker: 0 closed, 1 open, 2 half open.", status => (int)status.Breaker);
        OfBackends("tacit.backend.up", "0 if its checks say that it is down, else 1.", status => status.Health == HealthState.Down ? 0 : 1);
        SumOfBackends("tacit.backend.calls", null, "Times the backend was asked.", counts => counts.Calls);
        SumOfBackends("tacit.backend.replies", null, "Replies that began.", counts => counts.Replies);
        SumOfBackends("tacit.backend.unreachable", null, "Calls without a connection.", counts => counts.Unreachable);
        SumOfBackends("tacit.backend.failed", null, "Calls that failed before the reply.", counts => counts.Failed);
        SumOfBackends("tacit.backend.timed.out", null, "Calls whose reply did not begin in time.", counts => counts.TimedOut);
        SumOfBackends("tacit.backend.broken.off", null, "Replies that broke off after they had begun.", counts => counts.BrokenOff);
        SumOfBackends("tacit.backend.refused", null, "Calls refused for the key or the request.", counts => counts.Refused);
        SumOfBackends("tacit.backend.opened", null, "Times the breaker opened.", counts => counts.Opened);
        SumOfBackends("tacit.backend.queue.full", null, "Requests that found no place, not even to wait.", counts => counts.QueueFull);
        SumOfBackends("tacit.backend.queue.timeouts", null, "Requests that waited too long.", counts => counts.QueueTimeouts);
        SumOfBackends("tacit.backend.first.byte", "s", "From call to the first byte, of all replies together.", counts => counts.FirstByteSeconds);

        void Gauge(string name, string description, Func<int> look) => Meter.CreateObservableGauge(name, look, null, description);
        void Count(string name, string description, Func<long> look) => Meter.CreateObservableCounter(name, look, null, description);
        void OfBackends(string name, string description, Func<BackendStatus, int> look) => Meter.CreateObservableGauge(
            name, () => parts.Router.Backends.Select(status => new Measurement<int>(look(status), new KeyValuePair<string, object?>("backend", status.Name))), null, description);
        void SumOfBackends(string name, string? unit, string description, Func<BackendCounts, double> look) => Meter.CreateObservableCounter(
            name, () => parts.Router.Backends.Select(status => new Measurement<double>(look(status.Counts), new KeyValuePair<string, object?>("backend", status.Name))), unit, description);
    }
}
