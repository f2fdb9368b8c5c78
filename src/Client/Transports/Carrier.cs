using System.Net;

namespace Tacit.Client.Transports;

/// <summary>How a connection is made.</summary>
public enum Carrier
{
    /// <summary>By this machine itself: the other side sees its address, and its network sees the other side's.</summary>
    Direct,

    /// <summary>By Tor, which looks names up as well.</summary>
    Tor,
}

/// <summary>How the client's connections are made.</summary>
public enum CarrierChoice
{
    /// <summary>By Tor, but for addresses on this machine itself: nothing leaves it on the way there.</summary>
    TorUnlessLocal,

    /// <summary>By Tor, every one.</summary>
    Tor,

    /// <summary>Directly, every one.</summary>
    Direct,
}

/// <summary>Which carrier an address gets, and which addresses get none: the one place where that is decided. Never a second choice where the first fails.</summary>
internal sealed class CarrierRules(CarrierChoice choice, bool exits)
{
    private const string OnionSuffix = ".onion";
    private const string Localhost = "localhost";

    /// <exception cref="ClientException"><see cref="ClientError.AddressRefused"/>.</exception>
    public Carrier For(Uri server)
    {
        if (choice == CarrierChoice.Direct)
        {
            return !IsOnion(server)
                ? Carrier.Direct
                : throw new ClientException(
                    ClientError.AddressRefused, $"{Name(server)} is an onion service, which only Tor reaches, and the setting Transport says to do without. Take that setting out, or use another address.", "tor_needed");
        }
        if (choice == CarrierChoice.TorUnlessLocal && IsThisMachine(server))
        {
            return Carrier.Direct;
        }
        return exits || IsOnion(server)
            ? Carrier.Tor
            : throw new ClientException(
                ClientError.AddressRefused,
                $"{Name(server)} is no onion service: Tor would reach it through an exit, which the settings do not allow. Use its onion address, or allow exits (Tor:Exits true, --tor-exits); or do without Tor (Transport direct), which shows it this machine's address.",
                "tor_exits_refused");
    }

    /// <summary>The address to take of several for the same server: its onion service where Tor is to be used, the first other one where it is not.</summary>
    /// <returns>Null if none of them may be used.</returns>
    public Uri? Choose(IReadOnlyCollection<Uri> addresses) => choice == CarrierChoice.Direct
        ? addresses.FirstOrDefault(address => !IsOnion(address))
        : addresses.FirstOrDefault(IsOnion) ?? addresses.FirstOrDefault(MayUse) ?? addresses.FirstOrDefault();

    public bool MayUse(Uri server) => IsOnion(server)
        ? choice != CarrierChoice.Direct
        : exits || choice == CarrierChoice.Direct || (choice == CarrierChoice.TorUnlessLocal && IsThisMachine(server));

    /// <summary>Also with the root's dot, which must not bring it to a resolver (RFC 7686, section 2).</summary>
    public static bool IsOnion(Uri server) => server.IdnHost.TrimEnd('.').EndsWith(OnionSuffix, StringComparison.OrdinalIgnoreCase);

    /// <summary>Whether it is an address of this machine that nobody has to be asked for: <c>localhost</c>, or a loopback address as a number.</summary>
    public static bool IsThisMachine(Uri server) =>
        server.IdnHost.Equals(Localhost, StringComparison.OrdinalIgnoreCase) || (IPAddress.TryParse(server.IdnHost, out IPAddress? address) && IPAddress.IsLoopback(address));

    /// <summary>Without a user name and password, should the address have them: messages are logged.</summary>
    public static string Name(Uri server) => server.GetComponents(UriComponents.SchemeAndServer, UriFormat.UriEscaped);
}
