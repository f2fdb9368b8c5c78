namespace Tacit.Issuer.Payments.Providers;

/// <summary>What a provider's signed webhook says, in terms that both providers share.</summary>
/// <param name="EventId">The provider's id of the event, the same in every delivery.</param>
internal abstract record PaymentNotice(string EventId);

/// <summary>Money has arrived.</summary>
/// <param name="EventId">The provider's id of the event.</param>
/// <param name="Reference">Ours, of the checkout; null if the payment was not begun here.</param>
/// <param name="PaymentId">What refunds and disputes will name.</param>
/// <param name="Total">What was paid, in the currency's smallest unit; reversals are fractions of it.</param>
/// <param name="Sale">What was sold, to be compared with what the checkout offered.</param>
internal sealed record PaymentReceived(string EventId, string? Reference, string PaymentId, long Total, SoldItem Sale) : PaymentNotice(EventId);

/// <summary>The checkout ended without money.</summary>
internal sealed record CheckoutEnded(string EventId, string? Reference) : PaymentNotice(EventId);

/// <summary>
/// Money goes back, or did not after all. The latest word about one reversal counts, whatever the order in which they come: that of the higher
/// <see cref="Finality"/>, then of the later <see cref="Occurred"/>, then of the larger amount.
/// </summary>
/// <param name="EventId">The provider's id of the event.</param>
/// <param name="PaymentId">Which payment.</param>
/// <param name="ReversalId">Which refund, dispute or adjustment.</param>
/// <param name="Amount">How much goes back, in the payment's smallest unit; 0 if nothing does; negative if it undoes another one.</param>
/// <param name="Finality">0 for a state that may change, 1 for one that does not.</param>
/// <param name="Occurred">When, in seconds of UNIX time, as the provider says.</param>
internal sealed record PaymentReversed(string EventId, string PaymentId, string ReversalId, long Amount, int Finality, long Occurred) : PaymentNotice(EventId)
{
    /// <summary>The reversal that stands for all refunds of a payment together, where the provider tells their sum.</summary>
    public const string AllRefunds = "refunds";

    /// <summary>Before the id of one refund that is also part of <see cref="AllRefunds"/>. Its amount is negative once it has failed.</summary>
    public const string OneRefund = "refunds/";
}

/// <summary>An event of a kind that moves no credits.</summary>
internal sealed record NothingToDo(string EventId) : PaymentNotice(EventId);

/// <summary>What a payment was for: Stripe tells amount and currency, Paddle the id of the price.</summary>
internal readonly record struct SoldItem(long Amount, string Currency, string? PriceId)
{
    public bool Is(SoldItem offered) => PriceId is not null || offered.PriceId is not null
        ? string.Equals(PriceId, offered.PriceId, StringComparison.Ordinal)
        : Amount == offered.Amount && string.Equals(Currency, offered.Currency, StringComparison.OrdinalIgnoreCase);
}
