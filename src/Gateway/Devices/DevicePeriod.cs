namespace Tacit.Gateway.Devices;

/// <summary>
/// The periods of devices' requests: from noon to noon, UTC, by when the signature was made; so that a copy of a request meets the first one's row, whenever it
/// comes. At noon, since the tables of tokens end at midnights.
/// </summary>
internal static class DevicePeriod
{
    private const long Day = 86400;

    /// <summary>How long after a period's end a repetition, signed anew, still looks for the row of its first.</summary>
    public static readonly TimeSpan LookBack = TimeSpan.FromHours(2);

    /// <summary>How long the rows stay after the period's end.</summary>
    public static readonly TimeSpan Kept = TimeSpan.FromDays(7);

    public static DateTimeOffset DeadlineOf(DateTimeOffset created) =>
        DateTimeOffset.FromUnixTimeSeconds((((created.ToUnixTimeSeconds() - (Day / 2)) / Day) * Day) + (Day / 2) + Day);

    public static bool IsDeadline(DateTimeOffset deadline) => deadline.ToUnixTimeSeconds() % Day == Day / 2;
}
