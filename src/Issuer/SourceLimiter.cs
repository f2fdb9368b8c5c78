using System.Net;
using Microsoft.AspNetCore.Http;
using Tacit.Hosting;
using Tacit.Hosting.Onion;

namespace Tacit.Issuer;

/// <summary>
/// A limit by where requests come from. Those over the onion service come from nowhere and have one bucket of their own, as large as those of so many addresses: it keeps
/// a flood from costing the issuer anything, and no client can be told from another to be held to less.
/// </summary>
internal sealed class SourceLimiter
{
    private readonly RateLimiter _addresses;
    private readonly RateLimiter _onion;
    private readonly TrustedProxies _proxies;

    /// <param name="burst">What one address may do at once.</param>
    /// <param name="perSecond">How fast it may go on.</param>
    /// <param name="sources">How it is found out where requests come from.</param>
    /// <param name="time">The clock.</param>
    public SourceLimiter(int burst, double perSecond, RequestSources sources, TimeProvider time)
    {
        (int onionAddresses, _proxies) = (sources.OnionAddresses, sources.Proxies);
        _addresses = new RateLimiter(burst, perSecond, time);
        _onion = new RateLimiter((int)Math.Min((long)burst * onionAddresses, int.MaxValue), perSecond * onionAddresses, time);
    }

    /// <summary>Takes one; false if there is none.</summary>
    public bool TryTake(HttpContext context) => TryTake(context, 1);

    /// <summary>Takes so many; false, and nothing is taken, if there are fewer.</summary>
    public bool TryTake(HttpContext context, int amount) =>
        context.IsOnion() ? _onion.TryTake([], amount) : _addresses.TryTake(SourceOf(AddressOf(context)), amount);

    /// <summary>Whether there is one, without taking it.</summary>
    public bool HasOne(HttpContext context) => context.IsOnion() ? _onion.HasOne([]) : _addresses.HasOne(SourceOf(AddressOf(context)));

    private IPAddress? AddressOf(HttpContext context) => _proxies.AddressOf(context.Connection.RemoteIpAddress, context.Request.Headers["X-Forwarded-For"]);

    /// <summary>The client's address, of IPv6 the network that one customer gets.</summary>
    internal static byte[] SourceOf(IPAddress? client)
    {
        if (client is null)
        {
            return [];
        }

        // A socket for both protocols shows an IPv4 client as ::ffff:a.b.c.d, whose first half is the same for the whole of IPv4.
        byte[] address = (client.IsIPv4MappedToIPv6 ? client.MapToIPv4() : client).GetAddressBytes();
        return address.Length == 16 ? address[..8] : address;
    }
}

/// <summary>How it is found out where requests come from.</summary>
/// <param name="OnionAddresses">As how many addresses the onion service's clients count together.</param>
/// <param name="Proxies">Who is believed that says for whom it asks.</param>
internal sealed record RequestSources(int OnionAddresses, TrustedProxies Proxies);
