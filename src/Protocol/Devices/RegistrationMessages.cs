using System.Text.Json.Serialization;

namespace Tacit.Protocol;

/// <summary>Body of <c>POST /api/devices</c>; the key is the one that signs the request.</summary>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record DeviceRegistrationRequest
{
    /// <summary>The operator's invitation, where one is needed.</summary>
    public string? Code { get; init; }

    public override string ToString() => "[scrubbed]";
}

/// <summary>Answer to <c>POST /api/devices</c>.</summary>
/// <param name="Device">The key that is on the list now.</param>
public sealed record RegisteredDevice(string Device);
