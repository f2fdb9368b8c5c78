using Tacit.Issuer.Accounts;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Payments.Providers;
using Tacit.Storage;

namespace Tacit.Issuer.Payments;

/// <summary>What came of a notice.</summary>
internal enum NoticeOutcome
{
    /// <summary>It moved credits, or changed what a later one will.</summary>
    Applied,

    /// <summary>It was known, or moves nothing.</summary>
    Unchanged,

    /// <summary>Money came that no checkout of ours asked for; kept for the operator.</summary>
    Stray,
}

/// <summary>
/// Payments in the database. Each notice is applied in one transaction, and the state after a set of notices does not depend on their order or on how often each
/// came: a payment is credited once by its id, and what of it is reversed is computed anew from the latest word about each refund and dispute.
/// </summary>
internal sealed class PaymentBook
{
    private const int Open = 0;
    private const int Ended = 1;
    private const int Paid = 2;

    /// <summary>Checkouts that were never paid, and reversals of payments that are not ours, are forgotten after this many days.</summary>
    private const int ForgetAfterDays = 90;

    /// <summary>And this much later: a clock that jumped ahead and was put right must not have lost an open checkout, whose money then comes for nothing.</summary>
    private const int ForgetDelayDays = 7;

    private readonly Database _database;

    public PaymentBook(Database database)
    {
        _database = database;
    }

    /// <summary>Notes a checkout before the provider is asked for it. The account may not exist yet: only its hash is kept.</summary>
    public Task OpenCheckoutAsync(
        byte[] reference, string provider, ReadOnlyMemory<byte> keyHash, CreditPack pack, SoldItem offer, long day, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                if (Forgetting.Look(session, "checkouts", day, ForgetDelayDays) is long looked)
                {
                    long before = looked - ForgetAfterDays;
                    session.Execute("DELETE FROM checkout WHERE state <> $1 AND day < $2", Paid, before);
                    session.Execute(
                        "DELETE FROM reversal WHERE day < $1 AND NOT EXISTS (SELECT 1 FROM payment p WHERE p.provider = reversal.provider AND p.id = reversal.payment AND p.state = $2)",
                        before, Paid);
                    session.Execute("DELETE FROM payment WHERE state = $1 AND day < $2", Open, before);
                }

                session.Execute(
                    "INSERT INTO checkout (reference, provider, key_hash, credits, amount, currency, price, state, day) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                    reference, provider, keyHash, pack.Credits, offer.Amount, offer.Currency, offer.PriceId, Open, day);
            },
            cancellationToken);

    /// <summary>Applies what a provider said, durably when it completes.</summary>
    public Task<NoticeOutcome> ApplyAsync(string provider, PaymentNotice notice, long day) =>
        notice switch
        {
            PaymentReceived received => _database.WriteAsync(session => Receive(session, provider, received, day)),
            PaymentReversed reversed => _database.WriteAsync(session => Reverse(session, provider, reversed, day)),
            CheckoutEnded { Reference: string reference } => _database.WriteAsync(session => EndCheckout(session, provider, reference)),
            _ => Task.FromResult(NoticeOutcome.Unchanged),
        };

    private static NoticeOutcome EndCheckout(Session session, string provider, string text) =>
        PaymentReference.TryParse(text, out byte[]? reference)
        && session.Execute("UPDATE checkout SET state = $1 WHERE reference = $2 AND provider = $3 AND state = $4", Ended, reference, provider, Open) == 1
            ? NoticeOutcome.Applied
            : NoticeOutcome.Unchanged;

    private static NoticeOutcome Receive(Session session, string provider, PaymentReceived notice, long day)
    {
        if (notice.Reference is null)
        {
            // The operator sells other things through the same provider.
            return NoticeOutcome.Unchanged;
        }

        PaymentRow payment = Lock(session, provider, notice.PaymentId, day);
        if (payment.State != Open)
        {
            return NoticeOutcome.Unchanged;
        }

        if (FindStray(session, provider, notice, out CheckoutRow checkout) is string stray)
        {
            session.Execute("UPDATE payment SET state = $1, stray = $2 WHERE provider = $3 AND id = $4", Ended, stray, provider, notice.PaymentId);
            return NoticeOutcome.Stray;
        }

        long? known = AccountBook.FindId(session, checkout.KeyHash);
        long account = known ?? LedgerTransaction.NewId();
        if (known is null)
        {
            AccountBook.Open(session, account, checkout.KeyHash);
        }

        session.Execute(
            "UPDATE payment SET state = $1, account = $2, credits = $3, total = $4 WHERE provider = $5 AND id = $6",
            Paid, account, checkout.Credits, notice.Total, provider, notice.PaymentId);
        LedgerBook.Post(session, LedgerTransaction.Payment(account, checkout.Credits, day));
        Debt.Settle(session, account, day);
        Recompute(session, provider, notice.PaymentId, Lock(session, provider, notice.PaymentId, day), day);
        return NoticeOutcome.Applied;
    }

    /// <summary>Why no checkout of ours asked for this payment; null if one did, and it is now paid.</summary>
    private static string? FindStray(Session session, string provider, PaymentReceived notice, out CheckoutRow checkout)
    {
        if (!PaymentReference.TryParse(notice.Reference!, out byte[]? reference)
            || !session.TryQuerySingle(
                "SELECT key_hash, credits, amount, currency, price FROM checkout WHERE reference = $1 AND provider = $2",
                static row => new CheckoutRow(row.Blob(0), row.Int64(1), new SoldItem(row.Int64(2), row.Text(3), row.NullableText(4))),
                out checkout, reference, provider))
        {
            checkout = default;
            return "unknown reference";
        }

        if (!notice.Sale.Is(checkout.Offer) || notice.Total < 1)
        {
            return "other amount";
        }

        // The condition, not an earlier look: two payments of one checkout may be told of at once.
        return session.Execute("UPDATE checkout SET state = $1 WHERE reference = $2 AND state <> $1", Paid, reference) == 1 ? null : "paid twice";
    }

    private static NoticeOutcome Reverse(Session session, string provider, PaymentReversed notice, long day)
    {
        // A reversal may be told of before its payment; it then waits.
        PaymentRow payment = Lock(session, provider, notice.PaymentId, day);
        int changed = session.Execute(
            """
            INSERT INTO reversal (provider, payment, id, amount, finality, occurred, day) VALUES ($1, $2, $3, $4, $5, $6, $7)
            ON CONFLICT (provider, payment, id) DO UPDATE SET amount = excluded.amount, finality = excluded.finality, occurred = excluded.occurred
            WHERE excluded.finality > reversal.finality
               OR (excluded.finality = reversal.finality AND excluded.occurred > reversal.occurred)
               OR (excluded.finality = reversal.finality AND excluded.occurred = reversal.occurred AND excluded.amount > reversal.amount)
            """,
            provider, notice.PaymentId, notice.ReversalId, notice.Amount, notice.Finality, notice.Occurred, day);
        if (changed == 0)
        {
            return NoticeOutcome.Unchanged;
        }

        Recompute(session, provider, notice.PaymentId, payment, day);
        return NoticeOutcome.Applied;
    }

    /// <summary>Takes back, or gives again, what the sum of all reversals says; never more than the account has: the rest is owed.</summary>
    private static void Recompute(Session session, string provider, string id, PaymentRow payment, long day)
    {
        if (payment.State != Paid)
        {
            return;
        }

        long back = (long)Int128.Clamp(SumOfReversals(session, provider, id), 0, payment.Total);
        // Rounded up: a refund of money is never less than that of credits.
        long target = (long)(((Int128)payment.Credits * back + payment.Total - 1) / payment.Total);
        if (target == payment.Reversed)
        {
            return;
        }

        session.Execute("UPDATE payment SET reversed = $1 WHERE provider = $2 AND id = $3", target, provider, id);
        if (target > payment.Reversed)
        {
            Debt.TakeBack(session, payment.Account, target - payment.Reversed, day);
        }
        else
        {
            Debt.GiveAgain(session, payment.Account, payment.Reversed - target, day);
        }
    }

    /// <summary>
    /// Refunds may be told of by their sum, one by one, or both, each late or not at all. Neither way of counting ever says more than went back: the sum at
    /// its highest less all that failed (a sum that falls when a refund fails may then hide a later one), and those single ones that have not failed.
    /// </summary>
    private static Int128 SumOfReversals(Session session, string provider, string id)
    {
        Int128 others = 0, single = 0, together = 0;
        foreach ((string reversal, long amount) in session.Query(
            "SELECT id, amount FROM reversal WHERE provider = $1 AND payment = $2", static row => (row.Text(0), row.Int64(1)), provider, id))
        {
            if (reversal == PaymentReversed.AllRefunds)
            {
                together += amount;
            }
            else if (!reversal.StartsWith(PaymentReversed.OneRefund, StringComparison.Ordinal))
            {
                others += amount;
            }
            else if (amount > 0)
            {
                single += amount;
            }
            else
            {
                together += amount;
            }
        }

        return others + Int128.Max(single, together);
    }

    /// <summary>
    /// The payment's row, made if it is new. The update that changes nothing holds it against other issuers on the same database, so that what is read after it
    /// includes what they wrote; FOR UPDATE would do the same and is not in every dialect.
    /// </summary>
    private static PaymentRow Lock(Session session, string provider, string id, long day)
    {
        session.Execute(
            "INSERT INTO payment (provider, id, state, account, credits, total, reversed, day) VALUES ($1, $2, $3, 0, 0, 0, 0, $4) ON CONFLICT (provider, id) DO NOTHING",
            provider, id, Open, day);
        session.Execute("UPDATE payment SET reversed = reversed WHERE provider = $1 AND id = $2", provider, id);
        session.TryQuerySingle(
            "SELECT state, account, credits, total, reversed FROM payment WHERE provider = $1 AND id = $2",
            static row => new PaymentRow((int)row.Int64(0), row.Int64(1), row.Int64(2), row.Int64(3), row.Int64(4)), out PaymentRow payment, provider, id);
        return payment;
    }

    /// <summary>What the operator is shown.</summary>
    public Task<PaymentReport> ReportAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            static session => new PaymentReport(
                OpenCheckouts: session.QueryInt64("SELECT COUNT(*) FROM checkout WHERE state = 0") ?? 0,
                Payments: session.QueryInt64("SELECT COUNT(*) FROM payment WHERE state = 2") ?? 0,
                Credits: session.QueryInt64("SELECT CAST(SUM(credits) AS bigint) FROM payment WHERE state = 2") ?? 0,
                Reversed: session.QueryInt64("SELECT CAST(SUM(reversed) AS bigint) FROM payment WHERE state = 2") ?? 0,
                Owed: session.QueryInt64("SELECT CAST(SUM(owed) AS bigint) FROM account") ?? 0,
                Strays: session.Query(
                    "SELECT provider, id, stray, day FROM payment WHERE stray IS NOT NULL ORDER BY day DESC, provider, id LIMIT 100",
                    static row => new StrayPayment(row.Text(0), row.Text(1), row.Text(2), LedgerDay.ToDate(row.Int64(3))))),
            cancellationToken);

    private readonly record struct CheckoutRow(byte[] KeyHash, long Credits, SoldItem Offer);

    private readonly record struct PaymentRow(int State, long Account, long Credits, long Total, long Reversed);
}
