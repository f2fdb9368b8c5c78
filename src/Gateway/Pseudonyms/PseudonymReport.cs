namespace Tacit.Gateway.Pseudonyms;

/// <summary>What is known of one pseudonym.</summary>
/// <param name="Id">32 hex digits: what it is called here. Nobody else calls it that.</param>
/// <param name="Refused">Prompts of the last 30 days that moderation refused.</param>
/// <param name="Today">Requests of today, rounded up to what instances have set aside; 0 where no limit by the day is set.</param>
/// <param name="IsBanned">Whether it is banned, or was until lately.</param>
/// <param name="Reason">Why.</param>
/// <param name="Until">Until when; null: for ever.</param>
public sealed record PseudonymLine(string Id, long Refused, long Today, bool IsBanned, string? Reason, DateTimeOffset? Until);

/// <summary>Pseudonyms that were refused, limited or banned, the most refused first.</summary>
public sealed record PseudonymReport(string Policy, IReadOnlyList<PseudonymLine> Pseudonyms);

/// <summary>A pseudonym by its id.</summary>
public sealed record PseudonymName(string Id);
