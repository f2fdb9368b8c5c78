using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Devices;

/// <summary>What admits requests to this gateway.</summary>
public enum AdmissionMode
{
    /// <summary>Blind tokens of the issuer.</summary>
    Tokens,

    /// <summary>Signatures of devices, and no issuer.</summary>
    Device,

    /// <summary>Either.</summary>
    Both,
}

/// <summary>Who may register a device.</summary>
public enum DeviceRegistration
{
    /// <summary>Nobody: the operator lists devices.</summary>
    Closed,

    /// <summary>Whoever has the invitation code.</summary>
    Invitation,

    /// <summary>Everybody.</summary>
    Open,
}

/// <summary>A device that the operator's settings list.</summary>
public sealed record ListedDevice
{
    /// <summary>Its public key, as <c>tacit device show</c> gives it: 32 bytes in base64url.</summary>
    public string Key { get; init; } = "";

    /// <summary>What the operator calls it.</summary>
    public string Name { get; init; } = "";
}

/// <summary>Which devices may ask without tokens, and what each may use.</summary>
public sealed record DeviceOptions
{
    public const int MaxNameLength = 64;

    /// <summary>Devices, by settings. Those of <c>tacit gateway devices add</c> come beside them; one that was removed there stays so.</summary>
    public IReadOnlyList<ListedDevice> Allow { get; init; } = [];

    /// <summary>A file with a device a line: its key, a space, its name; <c>#</c> begins a comment. Read again when it changes. Default: none.</summary>
    public string? AllowFile { get; init; }

    /// <summary>Who may register a device at <c>POST /api/devices</c>. Default: nobody.</summary>
    public DeviceRegistration Registration { get; init; } = DeviceRegistration.Closed;

    /// <summary>The code that a registration by invitation needs.</summary>
    public SecretReference? InvitationCode { get; init; }

    /// <summary>How many devices may be registered, beside those that the operator lists. Default 1000.</summary>
    public int MaxRegistered { get; init; } = 1000;

    /// <summary>The models that devices may ask. Default: all that this gateway serves.</summary>
    public IReadOnlyList<string>? Models { get; init; }

    /// <summary>Most bytes of a request. Default 1 MiB.</summary>
    public int MaxInputBytes { get; init; } = 1 << 20;

    /// <summary>Most output tokens of a request, over all its choices. Default 4096.</summary>
    public int MaxOutputTokens { get; init; } = 4096;

    /// <summary>Requests in any ten seconds. Default: not limited.</summary>
    public int? Burst { get; init; }

    /// <summary>Requests in any minute. Default 60.</summary>
    public int? PerMinute { get; init; } = 60;

    /// <summary>Requests in any hour. Default: not limited.</summary>
    public int? PerHour { get; init; }

    /// <summary>Requests in any 24 hours. Default: not limited.</summary>
    public int? PerDay { get; init; }

    /// <summary>Requests of a device that one instance answers at a time. Default 4.</summary>
    public int Concurrency { get; init; } = 4;

    /// <summary>Output tokens of a device in a day (UTC). Default: not limited.</summary>
    public long? OutputTokensPerDay { get; init; }

    internal RateLimits Rates => new(Burst, PerMinute, PerHour, PerDay);

    internal void Validate(SettingsValidation validation, string name)
    {
        validation
            .Require(
                Allow.All(device => DeviceKeyId.TryParse(device.Key, out _) && IsName(device.Name)), $"{name}:Allow", "a device has no readable key, or a name of more than 64 printable characters",
                "Copy the key from `tacit device show` on that device.")
            .Require(
                Registration != DeviceRegistration.Invitation || InvitationCode is not null, $"{name}:InvitationCode", "a registration by invitation needs a code",
                "Point it to one as env:NAME or file:PATH.")
            .Require(Models is null or { Count: > 0 }, $"{name}:Models", "no model is listed", "List at least one, or leave it out for all.")
            .RequireRange(MaxRegistered, 0, 1_000_000, $"{name}:MaxRegistered")
            .RequireRange(MaxInputBytes, 1024, 1 << 30, $"{name}:MaxInputBytes")
            .RequireRange(MaxOutputTokens, 0, 1 << 24, $"{name}:MaxOutputTokens")
            .RequireRange(Concurrency, 1, 1 << 20, $"{name}:Concurrency")
            .Require(OutputTokensPerDay is null or > 0, $"{name}:OutputTokensPerDay", "a limit is above zero", "Leave it out for no limit.");
        foreach ((int? limit, string key) in new[] { (Burst, nameof(Burst)), (PerMinute, nameof(PerMinute)), (PerHour, nameof(PerHour)), (PerDay, nameof(PerDay)) })
        {
            validation.Require(limit is null or > 0, $"{name}:{key}", "a limit is above zero", "Leave it out for no limit.");
        }
    }

    internal static bool IsName(string? name) => name is { Length: <= MaxNameLength } && !name.Any(char.IsControl);
}
