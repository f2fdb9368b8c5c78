namespace Tacit.Client;

/// <summary>What a wallet holds, from its own records: asking for it calls nobody.</summary>
public sealed record WalletStatus
{
    public required IReadOnlyList<PlanHoldings> Plans { get; init; }

    /// <summary>Subscriptions with chains that have not expired, by plan and period.</summary>
    public IReadOnlyList<SubscriptionHoldings> Subscriptions { get; init; } = [];

    /// <summary>By these, gateways can link requests to each other.</summary>
    public IReadOnlyList<PseudonymHoldings> Pseudonyms { get; init; } = [];

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

/// <summary>The chains of a subscription in one period, counted. Each is one request at a time.</summary>
public sealed record SubscriptionHoldings
{
    public required string Plan { get; init; }

    /// <summary>The end of the period.</summary>
    public required DateTimeOffset Until { get; init; }

    /// <summary>Free for a request.</summary>
    public required int Ready { get; init; }

    /// <summary>With a request, or with an exchange for their next token.</summary>
    public required int Busy { get; init; }

    /// <summary>Asked for and not answered yet.</summary>
    public required int Pending { get; init; }

    /// <summary>Somebody else went on with them. One of them can be started anew once a period.</summary>
    public required int Lost { get; init; }

    /// <summary>The gateway's operator refused to renew them.</summary>
    public required int Refused { get; init; }

    /// <summary>Whether the wallet buys the following period by itself.</summary>
    public required bool Renews { get; init; }

    /// <summary>When it will do so; null until that is drawn.</summary>
    public DateTimeOffset? RenewsAt { get; init; }
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
