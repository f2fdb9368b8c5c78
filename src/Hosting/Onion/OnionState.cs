using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tacit.Hosting.Onion;

/// <summary>How a role's onion service stands at one moment.</summary>
/// <param name="IsPublished">Whether clients can find it.</param>
/// <param name="Tor">What tor is at, for people: <c>30 % (loading_status): …</c>.</param>
/// <param name="Percent">Tor's bootstrap progress, 0 to 100.</param>
/// <param name="TorVersion">The version of the tor program; null while that is not known.</param>
/// <param name="HasProofOfWork">Whether clients are asked for proof of work when many come at once.</param>
/// <param name="Fault">Why it is not published, and what to try; null while nothing is wrong.</param>
public sealed record OnionState(
    bool IsPublished = false, string Tor = "not started", int Percent = 0, string? TorVersion = null, bool HasProofOfWork = false, string? Fault = null);

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
