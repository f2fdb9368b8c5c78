using System.Net;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Tacit.Client.Transports;

/// <summary>
/// Connections by route and isolation key. Each pair has a handler of its own, so that nothing ever passes between two units; handlers expire when unused.
/// Thread safe.
/// </summary>
public sealed class TransportPool : IDisposable
{
    private readonly TransportOptions _options;
    private readonly TimeProvider _time;
    private readonly Dictionary<(Route Route, IsolationKey Key), Entry> _entries = [];
    private readonly ITimer _sweep;
    private bool _disposed;

    /// <summary>Does the work that gateways ask for of sealed requests; null does none.</summary>
    internal WorkSolver? Work { get; set; }

    /// <summary>Where the keys of <see cref="RouteKind.Oblivious"/> routes come from; set before there is such a route.</summary>
    internal SealingKeyFinder? SealingKeys { get; set; }

    public TransportPool(TransportOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        options.Validate();
        _options = options;
        _time = time;
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

    /// <summary>Sees to it, before anything is at stake, that what the route needs is there.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.SealingKeyUnavailable"/>: there is no key that may be sealed with.</exception>
    internal async Task PrepareAsync(Route route, CancellationToken cancellationToken)
    {
        if (route.Kind == RouteKind.Oblivious && SealingKeys is not null)
        {
            await SealingKeys(route.Gateway!, cancellationToken);
        }
    }

    /// <summary>Borrows the unit's connection; it is the borrower's until the lease is disposed.</summary>
    /// <param name="keep">Whether to keep the connection afterwards for the unit's next request. A unit of one request has none.</param>
    internal TransportLease Lease(Route route, IsolationKey key, bool keep)
    {
        lock (_entries)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_entries.TryGetValue((route, key), out Entry? entry))
            {
                entry = new Entry(Connect(route));
                _entries.Add((route, key), entry);
            }
            entry.Users++;
            return new TransportLease(entry.Invoker, () => Return((route, key), entry, keep), () => Discard((route, key), entry));
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
                entry.Invoker.Dispose();
            }
            _entries.Clear();
        }
        _sweep.Dispose();
    }

    private HttpMessageInvoker Connect(Route route) => route.Kind switch
    {
        RouteKind.Direct => new HttpMessageInvoker(DirectHandler()),
        RouteKind.Oblivious when SealingKeys is not null || route.Key is not null => new HttpMessageInvoker(new ObliviousHandler(new HttpMessageInvoker(DirectHandler()), route, SealingKeys, Work)),
        _ => throw new ArgumentOutOfRangeException(nameof(route), route.Kind, "No connector carries this kind of route."),
    };

    /// <summary>Nothing that a request did not put there itself: no cookies, redirects, proxies of the environment, trace headers, or resumed TLS sessions (law 9).</summary>
    private SocketsHttpHandler DirectHandler() => new()
    {
        UseCookies = false,
        AllowAutoRedirect = false,
        UseProxy = false,
        AutomaticDecompression = DecompressionMethods.None,
        ActivityHeadersPropagator = null,
        PreAuthenticate = false,
        Credentials = null,
        ConnectTimeout = _options.ConnectTimeout,
        PooledConnectionIdleTimeout = _options.IdleTimeout,
        MaxResponseHeadersLength = 64,
        // A reply that nobody wants is not read to its end first: the connection goes, and with it the unit's trace.
        MaxResponseDrainSize = 0,
        SslOptions = new SslClientAuthenticationOptions
        {
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            AllowTlsResume = false,
            AllowRenegotiation = false,
            RemoteCertificateValidationCallback = _options.PinnedKey.IsEmpty ? null : IsPinned,
        },
    };

    private bool IsPinned(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is not X509Certificate2 shown)
        {
            return false;
        }
        byte[] key = SHA256.HashData(shown.PublicKey.ExportSubjectPublicKeyInfo());
        return CryptographicOperations.FixedTimeEquals(key, _options.PinnedKey.Span);
    }

    /// <summary>The unit's next request gets a handler of its own; requests that use this one still go on with it.</summary>
    private void Discard((Route, IsolationKey) unit, Entry entry)
    {
        lock (_entries)
        {
            if (_entries.TryGetValue(unit, out Entry? current) && current == entry)
            {
                _entries.Remove(unit);
                entry.IsDiscarded = true;
            }
        }
    }

    private void Return((Route, IsolationKey) unit, Entry entry, bool keep)
    {
        HttpMessageInvoker? drop = null;
        lock (_entries)
        {
            entry.Users--;
            entry.LastUsed = _time.GetTimestamp();
            if (entry.Users == 0 && entry.IsDiscarded)
            {
                drop = entry.Invoker;
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
                    drop = entry.Invoker;
                }
            }
        }
        drop?.Dispose();
    }

    /// <summary>Under the lock: takes the longest unused handler out if more are idle than may be.</summary>
    private HttpMessageInvoker? EvictIfCrowded()
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
        return found!.Invoker;
    }

    private void Sweep()
    {
        List<HttpMessageInvoker> expired = [];
        lock (_entries)
        {
            foreach (((Route, IsolationKey) unit, Entry entry) in _entries.ToArray())
            {
                if (entry.Users == 0 && _time.GetElapsedTime(entry.LastUsed) >= _options.IdleTimeout)
                {
                    _entries.Remove(unit);
                    expired.Add(entry.Invoker);
                }
            }
        }
        expired.ForEach(invoker => invoker.Dispose());
    }

    private sealed class Entry(HttpMessageInvoker invoker)
    {
        public HttpMessageInvoker Invoker { get; } = invoker;

        public int Users { get; set; }

        public long LastUsed { get; set; }

        /// <summary>No longer among the entries: goes with its last user.</summary>
        public bool IsDiscarded { get; set; }
    }
}

/// <summary>The right to send through one unit's connection, until disposed.</summary>
internal sealed class TransportLease(HttpMessageInvoker invoker, Action giveBack, Action discard) : IDisposable
{
    private Action? _giveBack = giveBack;

    public HttpMessageInvoker Invoker { get; } = invoker;

    /// <summary>
    /// What the unit has of connections is believed in no longer, nor the way that they took: whoever asks next in it connects anew. To be called before the
    /// lease is disposed.
    /// </summary>
    public void Discard() => discard();

    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
