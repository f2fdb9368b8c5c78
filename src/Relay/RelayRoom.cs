using System.Net;
using System.Net.Sockets;

namespace Tacit.Relay;

/// <summary>
/// How many requests are under way, in all and of each client address: no crowd and no single one takes the relay from everybody else. An address is
/// in memory for as long as a request of it is. Thread safe.
/// </summary>
/// <param name="most">In all.</param>
/// <param name="mostOfOne">Of one address.</param>
/// <param name="mostOfOnion">Of all clients of the onion service together, who have no address.</param>
internal sealed class RelayRoom(int most, int mostOfOne, int mostOfOnion)
{
    /// <summary>Stands for the clients of the onion service: nobody connects from there.</summary>
    public static readonly IPAddress Onion = IPAddress.Any;

    /// <summary>What a subscriber of IPv6 usually has to itself, in bytes: a /64.</summary>
    private const int NetworkBytes = 8;

    private readonly Lock _gate = new();
    private readonly Dictionary<IPAddress, int> _of = [];
    private int _all;

    /// <summary>Requests under way.</summary>
    public int Count => Volatile.Read(ref _all);

    /// <param name="address">The client's, or <see cref="Onion"/>; null on a Unix socket, where all are one.</param>
    public bool TryEnter(IPAddress? address)
    {
        IPAddress network = NetworkOf(address);
        lock (_gate)
        {
            int ofOne = _of.GetValueOrDefault(network);
            int limit = network.Equals(Onion) ? mostOfOnion : mostOfOne;
            // Whoever comes over a Unix socket or from this machine is a reverse proxy, and so everybody.
            if (_all >= most || (ofOne >= limit && !IPAddress.IsLoopback(network) && !network.Equals(IPAddress.None)))
            {
                return false;
            }

            _all++;
            _of[network] = ofOne + 1;
            return true;
        }
    }

    public void Leave(IPAddress? address)
    {
        IPAddress network = NetworkOf(address);
        lock (_gate)
        {
            _all--;
            if (--_of[network] == 0)
            {
                _of.Remove(network);
            }
        }
    }

    private static IPAddress NetworkOf(IPAddress? address)
    {
        if (address is null)
        {
            return IPAddress.None;
        }

        IPAddress plain = address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address;
        if (plain.AddressFamily != AddressFamily.InterNetworkV6 || IPAddress.IsLoopback(plain))
        {
            return plain;
        }

        byte[] bytes = plain.GetAddressBytes();
        bytes.AsSpan(NetworkBytes).Clear();
        return new IPAddress(bytes);
    }
}
