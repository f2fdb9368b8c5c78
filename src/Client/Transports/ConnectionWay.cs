using System.Net;
using System.Net.Sockets;
using Tacit.Tor;

namespace Tacit.Client.Transports;

/// <summary>The way that a unit's connections to a server take: on which circuit, or to which address. Thread safe.</summary>
/// <param name="circuit">Over Tor, the identity that its circuits have; null connects directly.</param>
internal sealed class ConnectionWay(TorIsolation? circuit) : IDisposable
{
    private readonly Lock _gate = new();
    private EarlyConnection? _early;
    private bool _isUsed;
    private volatile EndPoint? _remote;

    public TorIsolation? Circuit { get; } = circuit;

    /// <summary>What the last connection was made to; null over Tor, and before the first.</summary>
    public string? Remote => (_remote as IPEndPoint) switch
    {
        null => null,
        { Address.IsIPv4MappedToIPv6: true } mapped => new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port).ToString(),
        IPEndPoint other => other.ToString(),
    };

    /// <summary>What was begun and not yet taken.</summary>
    public EarlyConnection? Begun
    {
        get
        {
            lock (_gate)
            {
                return _early;
            }
        }
    }

    public NetworkStream Made(Socket socket)
    {
        _remote = socket.RemoteEndPoint;
        return new NetworkStream(socket, ownsSocket: true);
    }

    /// <summary>Begins the unit's first connection; nothing happens where there was one, or one was begun.</summary>
    public void Begin(Func<CancellationToken, Task<Stream>> connect, TimeProvider time)
    {
        lock (_gate)
        {
            if (!_isUsed)
            {
                _isUsed = true;
                _early = new EarlyConnection(connect, time);
            }
        }
    }

    /// <summary>What was begun, which is the caller's then; null if there is nothing.</summary>
    public EarlyConnection? TakeBegun()
    {
        lock (_gate)
        {
            _isUsed = true;
            EarlyConnection? early = _early;
            _early = null;
            return early;
        }
    }

    public void Dispose() => TakeBegun()?.Dispose();
}
