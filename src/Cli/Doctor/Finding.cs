using System.Text.Json.Serialization;

namespace Tacit.Cli.Doctor;

[JsonConverter(typeof(JsonStringEnumConverter<Verdict>))]
internal enum Verdict
{
    [JsonStringEnumMemberName("ok")]
    Fine,

    /// <summary>Works, but not as it should: told, and no failure.</summary>
    [JsonStringEnumMemberName("warning")]
    Warning,

    [JsonStringEnumMemberName("broken")]
    Broken,
}

/// <summary>What one check found.</summary>
/// <param name="Check">What was looked at.</param>
/// <param name="Detail">What is there.</param>
/// <param name="Fix">What to do; null if nothing.</param>
internal sealed record Finding(string Check, Verdict Verdict, string Detail, string? Fix = null)
{
    public static Finding Fine(string check, string detail) => new(check, Verdict.Fine, detail);

    public static Finding Warn(string check, string detail, string fix) => new(check, Verdict.Warning, detail, fix);

    public static Finding Broken(string check, string detail, string fix) => new(check, Verdict.Broken, detail, fix);
}

internal sealed record DoctorReport(bool Healthy, IReadOnlyList<Finding> Findings);
