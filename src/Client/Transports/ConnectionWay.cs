using System.Net;
using System.Net.Sockets;
using Tacit.Tor;

namespace Tacit.Client.Transports;

/// <summary>The way that a unit's connections to a server take: on which circuit, or to which address.</summary>
/// <param name="circuit">Over Tor, the identity that its circuits have; null connects directly.</param>
internal sealed class ConnectionWay(TorIsolation? circuit)
{
    private volatile EndPoint? _remote;

    public TorIsolation? Circuit { get; } = circuit;

    /// <summary>What the last connection was made to; null over Tor, and before the first.</summary>
    public string? Remote => (_remote as IPEndPoint) switch
    {
        null => null,
        { Address.IsIPv4MappedToIPv6: true } mapped => new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port).ToString(),
        IPEndPoint other => other.ToString(),
    };

    public NetworkStream Made(Socket socket)
    {
        _remote = socket.RemoteEndPoint;
        return new NetworkStream(socket, ownsSocket: true);
    }
}
