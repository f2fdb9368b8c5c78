namespace Tacit.Issuer.Payments;

/// <summary>Answer to the operator's <c>GET /payments</c>.</summary>
/// <param name="OpenCheckouts">Checkouts that were begun and neither paid nor ended; they are forgotten after 90 days.</param>
/// <param name="Payments">Payments that were credited.</param>
/// <param name="Credits">Credits that they brought.</param>
/// <param name="Reversed">Of these, credits whose money went back.</param>
/// <param name="Owed">Of these, credits that were already turned into tokens; they come off the account's next deposit.</param>
/// <param name="Strays">Payments that no checkout asked for, or another amount than asked for, the newest first; at most 100. Nothing was credited.</param>
public sealed record PaymentReport(long OpenCheckouts, long Payments, long Credits, long Reversed, long Owed, IReadOnlyList<StrayPayment> Strays);

/// <summary>Money that came without credits: to be looked up at the provider, and refunded or answered with a voucher.</summary>
/// <param name="Provider"><c>stripe</c> or <c>paddle</c>.</param>
/// <param name="Payment">The provider's id of it.</param>
/// <param name="Reason"><c>unknown reference</c>, <c>other amount</c> or <c>paid twice</c>.</param>
/// <param name="Day">When it was first heard of, UTC.</param>
public sealed record StrayPayment(string Provider, string Payment, string Reason, DateOnly Day);
