using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tacit.Hosting.Onion;

/// <summary>How a role's onion service stands at one moment.</summary>
public sealed record OnionState
{
    /// <summary>Whether clients can find it.</summary>
    public bool IsPublished { get; init; }

    /// <summary>What tor is at, for people: <c>30 % (loading_status): …</c>.</summary>
    public string Tor { get; init; } = "not started";

    /// <summary>Tor's bootstrap progress, 0 to 100.</summary>
    public int Percent { get; init; }

    /// <summary>The version of the tor program; null while that is not known.</summary>
    public string? TorVersion { get; init; }

    /// <summary>Whether clients are asked for proof of work when many come at once.</summary>
    public bool HasProofOfWork { get; init; }

    /// <summary>Why it is not published, and what to try; null while nothing is wrong.</summary>
    public string? Fault { get; init; }
}

/// <summary>Answer to the operator's <c>GET /onion</c>.</summary>
/// <param name="Enabled">Whether the settings ask for an onion service.</param>
/// <param name="Address"><c>….onion</c>; null before the first was made.</param>
/// <param name="AuthorizedClients">How many clients may find it; 0 if everyone may.</param>
/// <param name="State">How it stands; null if it is not enabled.</param>
public sealed record OnionReport(bool Enabled, string? Address, int AuthorizedClients, OnionState? State);

/// <summary>JSON of <see cref="OnionReport"/>.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(OnionReport))]
public sealed partial class OnionJson : JsonSerializerContext;
