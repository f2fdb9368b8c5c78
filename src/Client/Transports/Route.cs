namespace Tacit.Client.Transports;

/// <summary>How a request is carried. A further way of carrying is a further member here and a connector for it.</summary>
public enum RouteKind
{
    /// <summary>HTTP or HTTPS straight to the server, which sees the client's address.</summary>
    Direct,
}

/// <summary>Where a request goes and how it is carried there: plain data, on which a connector acts.</summary>
/// <param name="Kind">The way of carrying.</param>
/// <param name="Address">The server's base address, <c>http</c> or <c>https</c>.</param>
public sealed record Route(RouteKind Kind, Uri Address)
{
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
