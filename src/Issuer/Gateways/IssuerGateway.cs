using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Issuer.Gateways;

/// <summary>A gateway that honours the tokens: one of the setting <c>Gateways</c>.</summary>
public sealed record IssuerGateway
{
    /// <summary>Its one canonical name, on every transport.</summary>
    public required string Name { get; init; }

    /// <summary>Where clients reach it; at least one absolute URL.</summary>
    public required IReadOnlyList<string> Urls { get; init; }

    /// <summary>
    /// The gateway's own Ed25519 key, as <c>tacit gateway keys</c> prints it: what it signs its sealing keys with for this issuer, which publishes them. Null: it has none,
    /// or none that this issuer vouches for.
    /// </summary>
    public string? Key { get; init; }

    /// <summary>Where this issuer asks it for them, without Tor. Default: the first of <see cref="Urls"/> that is no onion service.</summary>
    public Uri? Address { get; init; }

    /// <param name="onion">The onion service that the gateway told of; null if it told of none.</param>
    internal DirectoryGateway ToDirectory(string? onion) => new(Name, DirectoryGateway.Order(onion, Urls));

    /// <summary>Where to ask; only for one with a <see cref="Key"/>.</summary>
    internal Uri Source => Address ?? new Uri(Urls.First(IsReachable));

    internal void Validate(SettingsValidation validation) => validation
        .Require(
            Key is null || PublicKeyText.TryParse(Key, out _), "Gateways", $"the key of {Name} is no 32-byte key", "Copy what `tacit gateway keys` prints at that gateway.")
        .Require(
            Address is null or { IsAbsoluteUri: true, Scheme: "http" or "https" }, "Gateways", $"the address of {Name} is no http or https URL",
            "Use the base URL at which this issuer reaches the gateway, such as https://gateway.example.")
        .Require(
            Urls.All(static url => !Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) || !OnionAddress.IsOnionHost(parsed.Host) || OnionAddress.IsValid(parsed.Host)), "Gateways",
            $"an onion address of {Name} is none of version 3", "Copy the 56 letters and digits before .onion, all of them.")
        .Require(
            Key is null || Address is not null || Urls.Any(IsReachable), "Gateways",
            $"nothing says where to ask {Name} for its sealing keys", "Set its Address, or list an absolute URL that is no onion service.");

    private static bool IsReachable(string url) => Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) && !OnionAddress.IsOnionHost(parsed.Host);
}
