using Tacit.Hosting;

namespace Tacit.Gateway.Pseudonyms;

/// <summary>How many requests one pseudonym may make. Windows are those of the clock in UTC, which divide every epoch, so that a new epoch multiplies no limit.</summary>
public sealed record PseudonymLimits
{
    /// <summary>Requests in a minute. Default: not limited.</summary>
    public int? PerMinute { get; init; }

    /// <summary>Requests in an hour. Default: not limited.</summary>
    public int? PerHour { get; init; }

    /// <summary>Requests in a day. Default: not limited.</summary>
    public int? PerDay { get; init; }

    internal void Validate(SettingsValidation validation, string name)
    {
        foreach ((int? limit, string key) in new[] { (PerMinute, nameof(PerMinute)), (PerHour, nameof(PerHour)), (PerDay, nameof(PerDay)) })
        {
            validation.Require(limit is null or > 0, $"{name}:{key}", "a limit is above zero", "Leave it out for no limit.");
        }
    }
}
