using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.Tor.Socks;

/// <summary>Where a SOCKS port is: an IP address and port, or a Unix socket. Numeric, as a name would have to be looked up outside Tor.</summary>
internal sealed record SocksAddress(EndPoint EndPoint)
{
    /// <summary>Takes <c>127.0.0.1:9050</c>, <c>[::1]:9050</c>, <c>localhost:9050</c> and <c>unix:/path</c>; null if it is neither.</summary>
    public static SocksAddress? TryParse(string text)
    {
        if (text.StartsWith("unix:", StringComparison.Ordinal))
        {
            string path = text["unix:".Length..];
            return Path.IsPathRooted(path) && Encoding.UTF8.GetByteCount(path) < 104 && !path.Contains('\0', StringComparison.Ordinal) ? Unix(path) : null;
        }
        int colon = text.LastIndexOf(':');
        if (colon <= 0 || !ushort.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out ushort port) || port == 0)
        {
            return null;
        }
        string host = text[..colon];
        if (host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            return new SocksAddress(new IPEndPoint(IPAddress.Loopback, port));
        }
        bool isBracketed = host.StartsWith('[') && host.EndsWith(']');
        return IPAddress.TryParse(isBracketed ? host[1..^1] : host, out IPAddress? address) && address.AddressFamily == AddressFamily.InterNetworkV6 == isBracketed
            ? new SocksAddress(new IPEndPoint(address, port))
            : null;
    }

    public static SocksAddress Unix(string path) => new(new UnixDomainSocketEndPoint(path));

    public override string ToString() => EndPoint is UnixDomainSocketEndPoint ? "unix:" + EndPoint : EndPoint.ToString() ?? "";
}
