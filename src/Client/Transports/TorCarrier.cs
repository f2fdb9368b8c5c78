using Microsoft.Extensions.Logging;
using Tacit.Tor;

namespace Tacit.Client.Transports;

/// <summary>
/// The client's Tor: started when something first needs it, and shared with another process of ours that runs one in the same folder. What needs it waits until it is ready
/// or hears why it is not; there is no other way out of here. Thread safe.
/// </summary>
internal sealed class TorCarrier(TorSettings settings, IProgress<CarrierStatus>? progress, TimeProvider time, ILoggerFactory loggers) : IAsyncDisposable
{
    /// <summary>The code of the error where it is not ready.</summary>
    public const string Unavailable = "tor_unavailable";

    private static readonly TimeSpan ReportEvery = TimeSpan.FromMilliseconds(250);

    /// <summary>How long tor is given to tell of its circuits.</summary>
    private static readonly TimeSpan AnswerTime = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _gate = new();
    private Task<SharedTor>? _start;

    public CarrierStatus Status => Started switch
    {
        null => new CarrierStatus(Carrier.Tor, CarrierState.Idle, Source: settings.Socks),
        { IsCompletedSuccessfully: true } start => Describe(start.Result),
        { IsFaulted: true } start => new CarrierStatus(Carrier.Tor, CarrierState.Failed, Problem: start.Exception.InnerException!.Message, Source: settings.Socks),
        _ => new CarrierStatus(Carrier.Tor, CarrierState.Starting, Source: settings.Socks),
    };

    private Task<SharedTor>? Started
    {
        get
        {
            lock (_gate)
            {
                return _start;
            }
        }
    }

    /// <summary>Has it started; what comes of it is in <see cref="Status"/>.</summary>
    public void Start() => _ = StartOnceAsync();

    /// <summary>Waits until connections can be made.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.TorUnavailable"/>, <see cref="ClientError.TorUnusable"/>.</exception>
    public async Task ReadyAsync(CancellationToken cancellationToken)
    {
        if (Status.State == CarrierState.Ready)
        {
            return;
        }
        using var late = new CancellationTokenSource(settings.ReadyTimeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, late.Token);
        using var waited = new CancellationTokenSource();
        Task reporting = ReportAsync(waited.Token);
        try
        {
            SharedTor tor = await StartOnceAsync().WaitAsync(either.Token);
            await tor.Service.WaitUntilReadyAsync(either.Token);
        }
        catch (TorException e)
        {
            throw new ClientException(
                e.IsTransient ? ClientError.TorUnavailable : ClientError.TorUnusable,
                $"Tor is not ready, and nothing is sent without it. {e.Message}", Unavailable, inner: e);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw _stop.IsCancellationRequested
                ? new ClientException(ClientError.ShuttingDown, "The client is shutting down.")
                : new ClientException(ClientError.TorUnavailable, $"Tor is not ready, and nothing is sent without it. It goes on trying: {Status.Describe()}.", Unavailable);
        }
        finally
        {
            await waited.CancelAsync();
            await reporting;
        }
    }

    /// <summary>Connects by name: nothing is looked up here.</summary>
    /// <exception cref="TorException">Tor could not, or is not there.</exception>
    public async ValueTask<Stream> ConnectAsync(string host, int port, TorIsolation identity, CancellationToken cancellationToken)
    {
        SharedTor tor = await StartOnceAsync().WaitAsync(cancellationToken);
        try
        {
            return await tor.Service.Connector.ConnectAsync(host, port, identity, cancellationToken);
        }
        catch (TorException e) when (e.Error == TorError.SocksUnreachable && tor.IsBorrowed)
        {
            // The process that ran it has ended: the next attempt starts one of our own.
            await ForgetAsync(tor);
            throw;
        }
    }

    /// <returns>False if Tor is not ours to tell.</returns>
    public async Task<bool> TakeNewIdentityAsync(CancellationToken cancellationToken)
    {
        if (Started is not { IsCompletedSuccessfully: true } start)
        {
            // None was used yet.
            return true;
        }
        if (start.Result.IsBorrowed || settings.Socks is not null)
        {
            return false;
        }
        try
        {
            await start.Result.Service.NewIdentityAsync(cancellationToken);
            return true;
        }
        catch (TorException e)
        {
            throw new ClientException(ClientError.TorUnavailable, e.Message, Unavailable, inner: e);
        }
    }

    /// <summary>The circuit that carries the connections of an identity now, as tor tells of it; or why that is not known.</summary>
    public async Task<(CircuitFacts? Circuit, string? Problem)> FindCircuitAsync(TorIsolation identity)
    {
        if (Started is not { IsCompletedSuccessfully: true } start)
        {
            return (null, "Tor has ended.");
        }
        if (start.Result.IsBorrowed || settings.Socks is not null)
        {
            return (null, "This Tor is another program's, which alone it tells of its circuits.");
        }
        using var patience = new CancellationTokenSource(AnswerTime, time);
        try
        {
            TorService tor = start.Result.Service;
            IReadOnlyList<TorConnection> connections = await tor.ConnectionsAsync(patience.Token);
            IReadOnlyList<TorCircuit> circuits = await tor.CircuitsAsync(patience.Token);
            return CircuitOf(identity, connections, circuits) is { Path.Count: > 0 } found
                ? (new CircuitFacts([.. found.Path.Select(hop => new CircuitHop(hop.Nickname, hop.Fingerprint))], found.OnionAddress), null)
                : (null, "Tor knows of no such circuit any more.");
        }
        catch (Exception e) when (e is TorException or OperationCanceledException or ObjectDisposedException)
        {
            return (null, "Tor did not tell.");
        }
    }

    /// <summary>The circuits that carry connections of ours, or were built for one, as tor tells of them; none where it is not ours to ask.</summary>
    public async Task<IReadOnlyList<CircuitStatus>> GetCircuitsAsync(CancellationToken cancellationToken)
    {
        if (Started is not { IsCompletedSuccessfully: true } start || start.Result.IsBorrowed || settings.Socks is not null)
        {
            return [];
        }
        using var patience = new CancellationTokenSource(AnswerTime, time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, cancellationToken);
        try
        {
            return StatusesOf(await start.Result.Service.CircuitsAsync(either.Token));
        }
        catch (Exception e) when (e is TorException or ObjectDisposedException || (e is OperationCanceledException && !cancellationToken.IsCancellationRequested))
        {
            return [];
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        if (Started is Task<SharedTor> start)
        {
            try
            {
                await (await start).DisposeAsync();
            }
            catch (Exception e) when (e is TorException or OperationCanceledException)
            {
                // It never started.
            }
        }
        _stop.Dispose();
    }

    /// <summary>The start that is under way or done; another one if the last failed.</summary>
    private Task<SharedTor> StartOnceAsync()
    {
        lock (_gate)
        {
            return _start is null or { IsFaulted: true } or { IsCanceled: true } ? _start = SharedTor.StartAsync(settings, time, loggers, _stop.Token) : _start;
        }
    }

    /// <summary>
    /// The circuit of the identity that connections are on: it has others, by which it met the onion service. Tor tells of circuits whose they are, of connections on which
    /// circuit they are.
    /// </summary>
    internal static TorCircuit? CircuitOf(TorIsolation identity, IReadOnlyList<TorConnection> connections, IReadOnlyList<TorCircuit> circuits)
    {
        HashSet<string> used = [.. connections.Where(connection => connection.Status == "SUCCEEDED").Select(connection => connection.CircuitId)];
        TorCircuit[] own = [.. circuits.Where(circuit => circuit.IsOf(identity) && circuit.Status == "BUILT")];
        // The connection may have ended since; which of them met the service is still known.
        return own.LastOrDefault(circuit => used.Contains(circuit.Id)) ?? own.LastOrDefault(circuit => circuit.OnionState == "HSCR_JOINED");
    }

    /// <summary>Those with SOCKS credentials, which every unit of ours has and tor's own circuits have not.</summary>
    internal static IReadOnlyList<CircuitStatus> StatusesOf(IReadOnlyList<TorCircuit> circuits) =>
    [
        .. circuits.Where(circuit => circuit.SocksUserName is not null && circuit.Path.Count > 0 && circuit.Status is not "FAILED" and not "CLOSED")
            .Select(circuit => new CircuitStatus(circuit.Status == "BUILT", new CircuitFacts([.. circuit.Path.Select(hop => new CircuitHop(hop.Nickname, hop.Fingerprint))], circuit.OnionAddress))),
    ];

    private async Task ForgetAsync(SharedTor tor)
    {
        lock (_gate)
        {
            if (_start is not { IsCompletedSuccessfully: true } || _start.Result != tor)
            {
                return;
            }
            _start = null;
        }
        await tor.DisposeAsync();
    }

    private async Task ReportAsync(CancellationToken cancellationToken)
    {
        if (progress is null)
        {
            return;
        }
        try
        {
            while (true)
            {
                progress.Report(Status);
                await Task.Delay(ReportEvery, time, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            if (Status is { State: CarrierState.Ready } ready)
            {
                progress.Report(ready);
            }
        }
    }

    private static CarrierStatus Describe(SharedTor tor)
    {
        TorStatus status = tor.Service.Status;
        CarrierState state = status.State switch
        {
            TorState.Ready or TorState.External => CarrierState.Ready,
            TorState.Stuck => CarrierState.Stuck,
            TorState.Stopped => CarrierState.Failed,
            _ => CarrierState.Starting,
        };
        string? problem = string.Join(' ', new[] { status.Warning, status.Advice }.Where(text => !string.IsNullOrEmpty(text))) is { Length: > 0 } said && state != CarrierState.Ready ? said : null;
        return new CarrierStatus(
            Carrier.Tor, state, state == CarrierState.Ready ? 100 : status.Percent, NullIfEmpty(status.Tag), NullIfEmpty(status.Summary), status.Version, problem, tor.Source);
    }

    private static string? NullIfEmpty(string text) => text.Length == 0 ? null : text;
}
