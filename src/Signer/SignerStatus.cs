using System.Text.Json.Serialization;
using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>One key in one use, for the operator.</summary>
public sealed record SignerKeyStatus
{
    public required string Plan { get; init; }

    /// <summary><c>0x0002</c> or <c>0xDA7A</c>.</summary>
    public required string TokenType { get; init; }

    /// <summary>The key id, 64 hex digits.</summary>
    public required string KeyId { get; init; }

    public required DateTimeOffset NotBefore { get; init; }

    public required DateTimeOffset Start { get; init; }

    public required DateTimeOffset Deadline { get; init; }

    public required DateTimeOffset ExchangeUntil { get; init; }

    /// <summary><c>ahead</c>, <c>live</c>, <c>exchange</c> (past its deadline, within the grace) or <c>over</c>.</summary>
    public required string State { get; init; }

    internal static SignerKeyStatus Of(SignerKey key, PlanKey plan, DateTimeOffset now) => new()
    {
        Plan = plan.PlanId,
        TokenType = $"0x{(ushort)key.Type:X4}",
        KeyId = Convert.ToHexStringLower(key.TokenKeyId),
        NotBefore = plan.NotBefore,
        Start = plan.Start,
        Deadline = plan.Deadline,
        ExchangeUntil = plan.ExchangeUntil,
        State = now < plan.NotBefore ? "ahead" : now < plan.Deadline ? "live" : now < plan.ExchangeUntil ? "exchange" : "over",
    };
}

/// <summary>How a signer is doing.</summary>
public sealed record SignerStatus
{
    public required IReadOnlyList<SignerKeyStatus> Keys { get; init; }

    /// <summary>Blinded elements that wait or are being signed.</summary>
    public required int QueuedElements { get; init; }

    /// <summary>Whether a 0xDA7A key is being searched for.</summary>
    public required bool SearchingKey { get; init; }

    public long? CandidatesTried { get; init; }

    /// <summary>Why keys could not be rotated, or null.</summary>
    public string? Fault { get; init; }
}

/// <summary>What was signed under one plan in one period.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="Deadline">First moment after the period.</param>
/// <param name="Issued">For the issuer: tokens bought, and the same elements signed again.</param>
/// <param name="Exchanged">For gateways: tokens of request plans exchanged.</param>
/// <param name="Renewed">For gateways: chains moved.</param>
public sealed record SignerPlanTotals(string Plan, DateTimeOffset Deadline, long Issued, long Exchanged, long Renewed);

/// <summary>How many elements a signer signed; counters, and nothing of any one of them.</summary>
/// <param name="Plans">By deadline, then by plan.</param>
public sealed record SignerTotals(IReadOnlyList<SignerPlanTotals> Plans)
{
    internal static SignerTotals Of(IEnumerable<SigningTotal> totals) => new(
    [
        .. totals
            .GroupBy(total => (total.PlanId, Deadline: DeadlineOf(total)))
            .Select(group => new SignerPlanTotals(
                group.Key.PlanId, group.Key.Deadline, Sum(group, SigningPurpose.Issuance), Sum(group, SigningPurpose.Exchange), Sum(group, SigningPurpose.Renewal)))
            .OrderBy(plan => plan.Deadline).ThenBy(plan => plan.Plan, StringComparer.Ordinal),
    ]);

    private static long Sum(IEnumerable<SigningTotal> totals, SigningPurpose purpose) => totals.Where(total => total.Purpose == purpose).Sum(total => total.Signed);

    private static DateTimeOffset DeadlineOf(SigningTotal total) =>
        PeriodKinds.TryParse(total.PeriodKind, out PeriodKind kind) && Period.TryStartingAt(kind, total.PeriodStart, out Period period)
            ? period.Deadline
            : total.PeriodStart;
}

[JsonSerializable(typeof(SignerStatus))]
[JsonSerializable(typeof(SignerTotals))]
[JsonSerializable(typeof(IReadOnlyList<SignerKeyStatus>))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
public sealed partial class SignerJson : JsonSerializerContext;
