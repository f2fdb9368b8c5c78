using System.Net;

namespace Tacit.Hosting.Tests;

/// <summary>Whose word counts for where a request comes from.</summary>
public sealed class TrustedProxiesTests
{
    [Theory]
    [InlineData("10.0.0.5", "203.0.113.9", "203.0.113.9")]
    [InlineData("10.0.0.5", "1.2.3.4, 203.0.113.9", "203.0.113.9")]
    [InlineData("10.0.0.5", "203.0.113.9, 10.0.0.7", "203.0.113.9")]
    [InlineData("10.0.0.5", "203.0.113.9:8080", "203.0.113.9")]
    [InlineData("10.0.0.5", "[2001:db8::1]:8080", "2001:db8::1")]
    [InlineData("198.51.100.1", "203.0.113.9", "198.51.100.1")]
    [InlineData(null, "203.0.113.9", "203.0.113.9")]
    [InlineData("10.0.0.5", "", null)]
    [InlineData("10.0.0.5", "unknown", null)]
    public void Forwarded_address_is_believed_from_the_back_and_from_trusted_proxies_only(string? peer, string forwarded, string? expected)
    {
        var proxies = new TrustedProxies(["10.0.0.0/8"]);

        Assert.Equal(expected, proxies.AddressOf(peer is null ? null : IPAddress.Parse(peer), [forwarded])?.ToString());
    }

    [Theory]
    [InlineData("10.0.0.5", true)]
    [InlineData("fd00::/8", true)]
    [InlineData("10.0.0.0/33", false)]
    [InlineData("proxy.example", false)]
    [InlineData("", false)]
    public void Network_is_an_address_or_a_prefix(string text, bool expected) => Assert.Equal(expected, TrustedProxies.IsNetwork(text));
}
