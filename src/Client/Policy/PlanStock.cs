namespace Tacit.Client.Policy;

/// <summary>What the wallet knows of a plan when it decides whether to buy.</summary>
/// <param name="Held">Tokens ready to pay for a request.</param>
/// <param name="UsedPerDay">Tokens spent a day: the mean over the last <see cref="WalletPolicy.DaysOfUse"/> whole days, or over those since the first, but no
/// fewer than seven.</param>
internal readonly record struct PlanStock(long Held, double UsedPerDay)
{
    /// <param name="spent">Spent in the last <see cref="WalletPolicy.DaysOfUse"/> whole days.</param>
    /// <param name="days">Whole days since a token was first bought or spent.</param>
    public static PlanStock Of(long held, long spent, int days) => new(held, spent / (double)Math.Clamp(days, 7, WalletPolicy.DaysOfUse));
}

/// <summary>When the tokens of a key end.</summary>
/// <param name="Deadline">Redeems until then.</param>
/// <param name="ExchangeUntil">Is exchanged until then.</param>
internal readonly record struct KeyDeadline(DateTimeOffset Deadline, DateTimeOffset ExchangeUntil)
{
    /// <summary>How long before the deadline unspent tokens begin to be exchanged for those of the next period, as soon as its key is live.</summary>
    public TimeSpan Ahead => (ExchangeUntil - Deadline) / 2;

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
