using Tacit.Protocol;

namespace Tacit.Client.Transports;

/// <summary>
/// What is sent to whom. How the connection is made is a choice apart (<see cref="Carrier"/>), which the pool makes by the settings, so that no caller can make another.
/// </summary>
public enum RouteKind
{
    /// <summary>HTTP or HTTPS straight to the server.</summary>
    Direct,

    /// <summary>Oblivious HTTP: sealed to the gateway, by way of a relay that sees the client's address and nothing else, or straight to the gateway.</summary>
    Oblivious,
}

/// <summary>Where a request goes and how it is carried there: plain data, on which a connector acts.</summary>
/// <param name="Kind">The way of carrying.</param>
/// <param name="Address">The server's base address, <c>http</c> or <c>https</c>.</param>
public sealed record Route(RouteKind Kind, Uri Address)
{
    /// <summary>Where sealed requests are posted; null if nothing is sealed.</summary>
    public Uri? Resource { get; private init; }

    /// <summary>The canonical name of the gateway that they are sealed to; null likewise.</summary>
    public string? Gateway { get; private init; }

    /// <summary>What to seal with, where that is not for the pool to find; null as a rule.</summary>
    internal ObliviousKeyConfiguration? Key { get; init; }

    /// <summary>The server that connections are made to, for people.</summary>
    internal string Server => CarrierRules.Name(ServerAddress);

    /// <summary>What connections are made to: with a relay the relay.</summary>
    internal Uri ServerAddress => Resource ?? Address;

    /// <param name="resource">The gateway's oblivious resource, or a relay's for it.</param>
    /// <param name="gateway">The gateway's canonical name.</param>
    public static Route Oblivious(Uri resource, string gateway)
    {
        ArgumentException.ThrowIfNullOrEmpty(gateway);
        return Direct(resource) with { Kind = RouteKind.Oblivious, Address = new Uri($"https://{gateway}/"), Resource = resource, Gateway = gateway };
    }

    public static Route Direct(Uri address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.IsAbsoluteUri && (address.Scheme == Uri.UriSchemeHttp || address.Scheme == Uri.UriSchemeHttps)
            ? new Route(RouteKind.Direct, address)
            : throw new ArgumentException("An address is absolute and begins with http:// or https://.", nameof(address));
    }

    /// <summary>The address of <paramref name="path"/> (which begins with a slash) under the base address.</summary>
    internal Uri Resolve(string path) => new(Address.GetLeftPart(UriPartial.Path).TrimEnd('/') + path);
}
