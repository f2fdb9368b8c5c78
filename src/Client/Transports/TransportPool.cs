using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Tor;

namespace Tacit.Client.Transports;

/// <summary>
/// Connections by route and isolation key; nothing of this project makes one elsewhere. Each pair has a handler of its own and, over Tor, a circuit of its own, so that
/// nothing ever passes between two units; handlers expire when unused, circuits with the conversation. Thread safe.
/// </summary>
public sealed class TransportPool : IDisposable, IAsyncDisposable
{
    private readonly TransportOptions _options;
    private readonly TimeProvider _time;
    private readonly Dictionary<(Route Route, IsolationKey Key), Entry> _entries = [];
    private readonly Connectors _connectors;
    private readonly Circuits _circuits;
    private readonly TorCarrier? _tor;
    private readonly ITimer _sweep;
    private bool _disposed;

    /// <summary>Does the work that gateways ask for of sealed requests; null does none.</summary>
    internal WorkSolver? Work { get; set; }

    /// <summary>Where the keys of <see cref="RouteKind.Oblivious"/> routes come from; set before there is such a route.</summary>
    internal SealingKeyFinder? SealingKeys { get; set; }

    /// <exception cref="ClientException"><see cref="ClientError.InvalidSetting"/>.</exception>
    public TransportPool(TransportOptions options, TimeProvider time, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        _options = options;
        _time = time;
        Rules = new CarrierRules(options.Carrier, options.Tor.Exits);
        Sightings = new Sightings(time);
        _circuits = new Circuits(time);
        _tor = options.Carrier == CarrierChoice.Direct ? null : new TorCarrier(options.Tor, options.Progress, time, loggers ?? NullLoggerFactory.Instance);
        _connectors = new Connectors(options, _tor, time);
        _sweep = time.CreateTimer(_ => Sweep(), null, options.IdleTimeout, options.IdleTimeout);
    }

    /// <summary>Handlers that are held at the moment, in use or idle.</summary>
    public int Count
    {
        get
        {
            lock (_entries)
            {
                return _entries.Count;
            }
        }
    }

    /// <summary>How connections are made, and whether they can be now. Asks nobody.</summary>
    public CarrierStatus Status => _tor?.Status ?? new CarrierStatus(Carrier.Direct, CarrierState.Unneeded);

    internal CarrierRules Rules { get; }

    /// <summary>Which servers answered lately, and which did not.</summary>
    internal Sightings Sightings { get; }

    /// <summary>Has Tor started, if the route needs it, before something waits for it; what comes of it is in <see cref="Status"/>.</summary>
    internal void StartFor(Route route)
    {
        if (Rules.MayUse(route.ServerAddress) && Rules.For(route.ServerAddress) == Carrier.Tor)
        {
            _tor!.Start();
        }
    }

    /// <summary>
    /// Gives every conversation another circuit than it had, and has Tor forget what it learned on the old ones. Requests under way end as they began. Nothing happens
    /// where Tor is not used.
    /// </summary>
    /// <returns>False if Tor is not ours to tell; the circuits are others all the same.</returns>
    public async Task<bool> TakeNewIdentityAsync(CancellationToken cancellationToken = default)
    {
        if (_tor is null)
        {
            return false;
        }
        List<Entry> idle = [];
        lock (_entries)
        {
            _circuits.Clear();
            foreach (((Route, IsolationKey) unit, Entry entry) in _entries.ToArray())
            {
                // One in use goes as soon as it is given back; whoever comes meanwhile gets another.
                _entries.Remove(unit);
                entry.IsDiscarded = true;
                if (entry.Users == 0)
                {
                    idle.Add(entry);
                }
            }
        }
        idle.ForEach(entry => entry.Dispose());
        return await _tor.TakeNewIdentityAsync(cancellationToken);
    }

    /// <summary>Sees to it, before anything is at stake, that what the route needs is there: waits for Tor, and has a key to seal with.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.SealingKeyUnavailable"/>: there is no key that may be sealed with.
    /// <see cref="ClientError.TorUnavailable"/>, <see cref="ClientError.TorUnusable"/>: Tor is needed and not there. <see cref="ClientError.AddressRefused"/>: the settings
    /// do not allow this address.</exception>
    internal async Task PrepareAsync(Route route, CancellationToken cancellationToken)
    {
        await ReadyAsync(route, cancellationToken);
        if (route.Kind == RouteKind.Oblivious && SealingKeys is not null)
        {
            await SealingKeys(route.Gateway!, cancellationToken);
        }
    }

    /// <summary>A document that is the same for everybody, asked for on a connection of its own.</summary>
    /// <param name="address">Where it is.</param>
    /// <param name="maxBytes">A longer one is none.</param>
    /// <exception cref="ClientException"><see cref="ClientError.GatewayUnreachable"/>, <see cref="ClientError.TorUnavailable"/>, <see cref="ClientError.TorUnusable"/>,
    /// <see cref="ClientError.AddressRefused"/>.</exception>
    public async Task<(int Status, byte[] Body)> GetAsync(Uri address, int maxBytes, CancellationToken cancellationToken = default)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        try
        {
            ServiceReply reply = await new AnonymousCaller(this, _time).SendAsync(
                Route.Direct(new Uri(address.GetLeftPart(UriPartial.Authority))), request, maxBytes, cancellationToken);
            return (reply.Status, reply.Body);
        }
        catch (TransportException e)
        {
            throw e.ToClientException(ClientError.GatewayUnreachable, e.Message);
        }
    }

    /// <summary>Waits until connections to the route's server can be made.</summary>
    /// <inheritdoc cref="PrepareAsync" path="/exception"/>
    internal async Task ReadyAsync(Route route, CancellationToken cancellationToken)
    {
        if (Rules.For(route.ServerAddress) == Carrier.Tor)
        {
            await _tor!.ReadyAsync(cancellationToken);
        }
    }

    /// <summary>The circuit that carries a unit's connections now, as our tor tells; or why it does not.</summary>
    internal Task<(CircuitFacts? Circuit, string? Problem)> FindCircuitAsync(TorIsolation circuit) => _tor!.FindCircuitAsync(circuit);

    /// <summary>The circuits of our tor that carry connections of this client; none without one. Asks nobody else.</summary>
    public Task<IReadOnlyList<CircuitStatus>> GetCircuitsAsync(CancellationToken cancellationToken = default) =>
        _tor?.GetCircuitsAsync(cancellationToken) ?? Task.FromResult<IReadOnlyList<CircuitStatus>>([]);

    /// <summary>How long a call of <paramref name="time"/> at the most may take on this route: over Tor, making the circuit comes on top.</summary>
    internal TimeSpan Patience(Route route, TimeSpan time) => Rules.For(route.ServerAddress) == Carrier.Tor ? time + _options.Tor.ConnectTimeout : time;

    /// <summary>Borrows the unit's connection; it is the borrower's until the lease is disposed.</summary>
    /// <param name="keep">Whether to keep the connection afterwards for the unit's next request. A unit of one request has none.</param>
    /// <exception cref="ClientException"><see cref="ClientError.AddressRefused"/>.</exception>
    internal TransportLease Lease(Route route, IsolationKey key, bool keep)
    {
        Carrier carrier = Rules.For(route.ServerAddress);
        lock (_entries)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_entries.TryGetValue((route, key), out Entry? entry))
            {
                TorIsolation? circuit = carrier == Carrier.Tor ? _circuits.Of(route, key, keep) : null;
                var way = new ConnectionWay(circuit);
                entry = new Entry(Connect(route, way), way);
                _entries.Add((route, key), entry);
            }
            entry.Users++;
            return new TransportLease(entry.Invoker, entry.Way, () => Return((route, key), entry, keep), () => Discard((route, key), entry));
        }
    }

    /// <summary>
    /// Borrows the unit's connection as <see cref="Lease"/> does, and begins to make it if the unit has had none, so that it is there by the time a request may leave.
    /// </summary>
    /// <inheritdoc cref="Lease" path="/exception"/>
    internal TransportLease Approach(Route route, IsolationKey key, bool keep)
    {
        TransportLease lease = Lease(route, key, keep);
        lease.Way.Begin(stopped => _connectors.ConnectEarlyAsync(route.ServerAddress, lease.Way, stopped), _time);
        return lease;
    }

    /// <summary>Ends the connections and our Tor.</summary>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        if (_tor is not null)
        {
            await _tor.DisposeAsync();
        }
    }

    public void Dispose()
    {
        lock (_entries)
        {
            if (_disposed)
            {
                return;
            }
            _disposed = true;
            foreach (Entry entry in _entries.Values)
            {
                entry.Dispose();
            }
            _entries.Clear();
        }
        _sweep.Dispose();
    }

    private HttpMessageInvoker Connect(Route route, ConnectionWay way) => route.Kind switch
    {
        RouteKind.Direct => new HttpMessageInvoker(_connectors.Make(way)),
        RouteKind.Oblivious when SealingKeys is not null || route.Key is not null =>
            new HttpMessageInvoker(new ObliviousHandler(new HttpMessageInvoker(_connectors.Make(way)), route, SealingKeys, Work)),
        _ => throw new ArgumentOutOfRangeException(nameof(route), route.Kind, "No connector carries this kind of route."),
    };

    /// <summary>
    /// The unit's next request gets a handler of its own, and over Tor another circuit, as it may have been the circuit that broke; requests that use this one still go on with it.
    /// </summary>
    private void Discard((Route, IsolationKey) unit, Entry entry)
    {
        lock (_entries)
        {
            if (_entries.TryGetValue(unit, out Entry? current) && current == entry)
            {
                _entries.Remove(unit);
                _circuits.Forget(unit.Item1, unit.Item2);
                entry.IsDiscarded = true;
            }
        }
    }

    private void Return((Route, IsolationKey) unit, Entry entry, bool keep)
    {
        Entry? drop = null;
        lock (_entries)
        {
            entry.Users--;
            entry.LastUsed = _time.GetTimestamp();
            if (entry.Users == 0 && entry.IsDiscarded)
            {
                drop = entry;
            }
            else if (entry.Users == 0 && !_disposed)
            {
                if (keep && _options.MaxIdle > 0)
                {
                    drop = EvictIfCrowded();
                }
                else
                {
                    _entries.Remove(unit);
                    drop = entry;
                }
            }
        }
        drop?.Dispose();
    }

    /// <summary>Under the lock: takes the longest unused handler out if more are idle than may be.</summary>
    private Entry? EvictIfCrowded()
    {
        int idle = 0;
        (Route, IsolationKey) oldest = default;
        Entry? found = null;
        foreach (((Route, IsolationKey) unit, Entry entry) in _entries)
        {
            if (entry.Users == 0)
            {
                idle++;
                if (found is null || entry.LastUsed < found.LastUsed)
                {
                    (oldest, found) = (unit, entry);
                }
            }
        }
        if (idle <= _options.MaxIdle)
        {
            return null;
        }
        _entries.Remove(oldest);
        return found;
    }

    private void Sweep()
    {
        List<Entry> expired = [];
        lock (_entries)
        {
            foreach (((Route, IsolationKey) unit, Entry entry) in _entries.ToArray())
            {
                if (entry.Users == 0 && _time.GetElapsedTime(entry.LastUsed) >= _options.IdleTimeout)
                {
                    _entries.Remove(unit);
                    expired.Add(entry);
                }
            }
            _circuits.Sweep();
        }
        expired.ForEach(entry => entry.Dispose());
    }

    private sealed class Entry(HttpMessageInvoker invoker, ConnectionWay way) : IDisposable
    {
        public HttpMessageInvoker Invoker { get; } = invoker;

        public ConnectionWay Way { get; } = way;

        public int Users { get; set; }

        public long LastUsed { get; set; }

        /// <summary>No longer among the entries: goes with its last user.</summary>
        public bool IsDiscarded { get; set; }

        public void Dispose()
        {
            Invoker.Dispose();
            Way.Dispose();
        }
    }
}

/// <summary>The right to send through one unit's connection, until disposed.</summary>
internal sealed class TransportLease(HttpMessageInvoker invoker, ConnectionWay way, Action giveBack, Action discard) : IDisposable
{
    private Action? _giveBack = giveBack;

    public HttpMessageInvoker Invoker { get; } = invoker;

    /// <summary>Where its connections go.</summary>
    public ConnectionWay Way { get; } = way;

    /// <summary>
    /// What the unit has of connections is believed in no longer, nor the way that they took: whoever asks next in it connects anew. To be called before the
    /// lease is disposed.
    /// </summary>
    public void Discard() => discard();

    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
