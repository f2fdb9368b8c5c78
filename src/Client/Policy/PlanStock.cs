namespace Tacit.Client.Policy;

/// <summary>What the wallet knows of a plan when it decides whether to buy.</summary>
/// <param name="Held">Tokens ready to pay for a request.</param>
internal readonly record struct PlanStock(long Held);

/// <summary>When the tokens of a key end.</summary>
/// <param name="Deadline">Redeems until then.</param>
/// <param name="ExchangeUntil">Is exchanged until then.</param>
internal readonly record struct KeyDeadline(DateTimeOffset Deadline, DateTimeOffset ExchangeUntil)
{
    /// <summary>How long before the deadline unspent tokens begin to be exchanged for those of the next period, whose key is live by then.</summary>
    public TimeSpan Ahead => (ExchangeUntil - Deadline) / 8;

    public bool IsNear(DateTimeOffset now) => now >= Deadline - Ahead;
}

/// <summary>Where a prompt may get its token from.</summary>
internal enum TokenSource
{
    /// <summary>Held, or returned to this very conversation, or one restored.</summary>
    Wallet,

    /// <summary>One returned to another conversation, exchanged now.</summary>
    Exchange,

    /// <summary>Bought now, which links prompt and account by time.</summary>
    Purchase,

    /// <summary>One more that was restored and may turn out spent.</summary>
    Restored,
}
