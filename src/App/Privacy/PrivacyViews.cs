using System.Text.Json.Serialization;

namespace Tacit.App;

/// <summary>Who has a part in a request.</summary>
[JsonConverter(typeof(PageEnum<PrivacyRole>))]
internal enum PrivacyRole
{
    Issuer,
    Signer,

    /// <summary>Whoever carries this machine's packets, and who watches them.</summary>
    Network,

    /// <summary>Whoever passes requests on: Tor's relays, and that of Oblivious HTTP.</summary>
    Relay,

    Gateway,
    Moderation,
    Provider,
}

/// <summary>Something that a part saw, as it was.</summary>
internal sealed record SightView(string What, string Value);

/// <summary>What one part saw of a conversation.</summary>
/// <param name="NeverSaw">What it saw of none of its requests.</param>
internal sealed record RoleView(PrivacyRole Role, IReadOnlyList<SightView> Saw, IReadOnlyList<string> NeverSaw);

/// <summary>What happened to a conversation's requests, and who saw what of them.</summary>
internal sealed record PrivacyView(IReadOnlyList<RequestTrace> Requests, IReadOnlyList<RoleView> Seen);
