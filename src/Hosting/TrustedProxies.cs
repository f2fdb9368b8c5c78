using System.Diagnostics.CodeAnalysis;
using System.Net;

namespace Tacit.Hosting;

/// <summary>Proxies whose <c>X-Forwarded-For</c> is believed, and by it where a request really comes from. Only limits ask; nothing is written down.</summary>
public sealed class TrustedProxies
{
    private readonly IPNetwork[] _trusted;

    /// <param name="networks">Addresses, or networks such as <c>10.0.0.0/8</c>; what is neither trusts nobody.</param>
    public TrustedProxies(IEnumerable<string> networks)
    {
        ArgumentNullException.ThrowIfNull(networks);
        _trusted = [.. networks.Select(text => TryParseNetwork(text, out IPNetwork network) ? network : default)];
    }

    /// <summary>Whether a setting is one.</summary>
    public static bool IsNetwork(string? text) => TryParseNetwork(text, out _);

    /// <summary>Where the request comes from, as far as it is to be believed; null for a trusted proxy that does not say, and where there is no address.</summary>
    /// <param name="peer">The other end of the connection.</param>
    /// <param name="forwarded">The values of <c>X-Forwarded-For</c>.</param>
    public IPAddress? AddressOf(IPAddress? peer, IEnumerable<string?> forwarded)
    {
        IPAddress? address = Plain(peer);
        if (address is not null && !IsTrusted(address))
        {
            return address;
        }

        // From the back: each proxy added whom it saw, and only what trusted ones added is true. A Unix socket is as trusted as who may open it.
        foreach (string part in string.Join(',', forwarded).Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Reverse())
        {
            if (!TryParse(part, out IPAddress? hop))
            {
                return null;
            }

            if (!IsTrusted(hop))
            {
                return hop;
            }
        }

        return null;
    }

    private bool IsTrusted(IPAddress address) => Array.Exists(_trusted, network => network.Contains(address));

    private static IPAddress? Plain(IPAddress? address) => address is { IsIPv4MappedToIPv6: true } ? address.MapToIPv4() : address;

    private static bool TryParse(string text, [NotNullWhen(true)] out IPAddress? address)
    {
        // With a port, as some proxies write it, or without.
        address = IPAddress.TryParse(text, out IPAddress? bare) ? bare : IPEndPoint.TryParse(text, out IPEndPoint? end) ? end.Address : null;
        address = Plain(address);
        return address is not null;
    }

    private static bool TryParseNetwork(string? text, out IPNetwork network)
    {
        if (IPAddress.TryParse(text, out IPAddress? address))
        {
            network = new IPNetwork(address, address.GetAddressBytes().Length * 8);
            return true;
        }

        return IPNetwork.TryParse(text, out network);
    }
}
