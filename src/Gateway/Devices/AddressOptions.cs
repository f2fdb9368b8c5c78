using Tacit.Hosting;

namespace Tacit.Gateway.Devices;

/// <summary>
/// How much one network address may ask of one instance. Addresses are in memory only, under a key of the process; the 2^64 addresses of an IPv6 network count as one.
/// </summary>
public sealed record AddressOptions
{
    /// <summary>Requests in any ten seconds. Default: not limited.</summary>
    public int? Burst { get; init; }

    /// <summary>Requests in any minute. Default: not limited.</summary>
    public int? PerMinute { get; init; }

    /// <summary>Requests in any hour. Default: not limited.</summary>
    public int? PerHour { get; init; }

    /// <summary>Devices that may be registered from one address in any hour. Default 10.</summary>
    public int RegistrationsPerHour { get; init; } = 10;

    /// <summary>Whether requests with tokens count as well. Not behind Tor or a relay, where all come from one. Default false.</summary>
    public bool Tokens { get; init; }

    /// <summary>
    /// Proxies whose <c>X-Forwarded-For</c> is believed, and the other instances of this gateway: addresses, or networks such as <c>10.0.0.0/8</c>. Default: none.
    /// </summary>
    public IReadOnlyList<string> TrustedProxies { get; init; } = [];

    internal RateLimits Rates => new(Burst, PerMinute, PerHour, null);

    internal RateLimits Registrations => new(null, null, RegistrationsPerHour, null);

    internal void Validate(SettingsValidation validation, string name)
    {
        validation
            .Require(
                TrustedProxies.All(Hosting.TrustedProxies.IsNetwork), $"{name}:TrustedProxies", "one of these is no address or network",
                "Write addresses such as 10.0.0.5, or networks such as 10.0.0.0/8 or fd00::/8.")
            .RequireRange(RegistrationsPerHour, 1, 1_000_000, $"{name}:RegistrationsPerHour");
        foreach ((int? limit, string key) in new[] { (Burst, nameof(Burst)), (PerMinute, nameof(PerMinute)), (PerHour, nameof(PerHour)) })
        {
            validation.Require(limit is null or > 0, $"{name}:{key}", "a limit is above zero", "Leave it out for no limit.");
        }
    }
}
