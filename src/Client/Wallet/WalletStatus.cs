namespace Tacit.Client;

/// <summary>What a wallet holds, from its own records: asking for it calls nobody.</summary>
public sealed record WalletStatus
{
    public required IReadOnlyList<PlanHoldings> Plans { get; init; }

    /// <summary>Whether tokens can be restored from the seed.</summary>
    public required bool IsRecoverable { get; init; }

    /// <summary>Whether there is an account.</summary>
    public required bool HasAccount { get; init; }

    /// <summary>Credits of the account when the issuer last told; null if it never did.</summary>
    public required long? LastKnownCredits { get; init; }

    /// <summary>When the wallet will next talk to the issuer by itself; null if it does not do so.</summary>
    public DateTimeOffset? NextRefill { get; init; }
}

/// <summary>Tokens of one plan, counted.</summary>
public sealed record PlanHoldings
{
    public required string Plan { get; init; }

    /// <summary>Ready to pay for a request.</summary>
    public required long Held { get; init; }

    /// <summary>Asked for and not answered yet, or an index taken for it.</summary>
    public required long Pending { get; init; }

    /// <summary>With a request or an exchange that has not ended.</summary>
    public required long Presented { get; init; }

    /// <summary>Shown and not spent; the wallet exchanges them for fresh ones.</summary>
    public required long Returned { get; init; }

    /// <summary>Restored, or shown without an answer: may turn out spent.</summary>
    public required long Unknown { get; init; }

    public required long Spent { get; init; }

    /// <summary>Expired, or never signed.</summary>
    public required long Void { get; init; }

    /// <summary>The earliest deadline among those that are held.</summary>
    public DateTimeOffset? Deadline { get; init; }
}

/// <summary>What the history counts.</summary>
public enum HistoryKind
{
    /// <summary>Credits that vouchers brought.</summary>
    Deposited = 1,

    /// <summary>Tokens bought.</summary>
    Bought = 2,

    /// <summary>Tokens spent.</summary>
    Spent = 3,

    /// <summary>Tokens exchanged for fresh ones.</summary>
    Exchanged = 4,

    /// <summary>Tokens restored from the seed.</summary>
    Restored = 5,

    /// <summary>Fills that a prompt had to wait for, which links the two by time (law 6).</summary>
    FilledAtPrompt = 6,
}

/// <summary>One line of the history: per day, never finer.</summary>
/// <param name="Plan">The plan's id; empty where none is concerned.</param>
public sealed record HistoryEntry(DateOnly Day, HistoryKind Kind, string Plan, long Amount);
