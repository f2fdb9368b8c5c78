using Tacit.Storage;

namespace Tacit.Issuer.Ledger;

/// <summary>What the books say of themselves. Every <c>Bad…</c> number is 0 in sound books.</summary>
/// <param name="Accounts">Accounts that exist.</param>
/// <param name="Outstanding">Credits that accounts hold.</param>
/// <param name="FromVouchers">Credits that ever came from vouchers.</param>
/// <param name="FromPayments">Credits that came from payments, less those whose money went back.</param>
/// <param name="Owed">Credits of reversed payments that had already been turned into tokens, and that no deposit has made good yet.</param>
/// <param name="TurnedIntoTokens">Credits turned into tokens and subscriptions, less refunds.</param>
/// <param name="Forfeited">Credits given up with deleted accounts.</param>
/// <param name="Elements">Blinded elements that were paid for and can still be signed again.</param>
/// <param name="BadTransactions">Transactions whose legs do not sum to zero, or that have none.</param>
/// <param name="BadBalances">Accounts whose balance is not the sum of their legs, or is negative.</param>
/// <param name="BadTotal">Sum over all legs.</param>
/// <param name="BadVouchers">Credits of redeemed vouchers, less those booked.</param>
/// <param name="BadPayments">Credits of payments less reversals, less those booked.</param>
public sealed record LedgerReport(
    long Accounts, long Outstanding, long FromVouchers, long FromPayments, long Owed, long TurnedIntoTokens, long Forfeited, long Elements,
    long BadTransactions, long BadBalances, long BadTotal, long BadVouchers, long BadPayments)
{
    public bool IsSound => BadTransactions == 0 && BadBalances == 0 && BadTotal == 0 && BadVouchers == 0 && BadPayments == 0
        && FromVouchers + FromPayments + Owed == Outstanding + TurnedIntoTokens + Forfeited;
}

/// <summary>Checks the invariants of the books, on one snapshot of the database.</summary>
internal static class LedgerAudit
{
    public static LedgerReport Run(Session session)
    {
        return new LedgerReport(
            Accounts: Number(session, "SELECT COUNT(*) FROM account"),
            Outstanding: Number(session, "SELECT SUM(balance) FROM account"),
            FromVouchers: checked(-Sum(session, IssuerAccounts.Vouchers)),
            FromPayments: checked(-Sum(session, IssuerAccounts.Payments)),
            Owed: checked(-Sum(session, IssuerAccounts.Owed)),
            TurnedIntoTokens: Sum(session, IssuerAccounts.Tokens),
            Forfeited: Sum(session, IssuerAccounts.Forfeited),
            Elements: Number(session, "SELECT COUNT(*) FROM issued"),
            BadTransactions: Number(session, """
                SELECT COUNT(*) FROM (
                  SELECT t.id FROM ledger_transaction t LEFT JOIN ledger_posting p ON p.ledger_transaction = t.id
                  GROUP BY t.id HAVING COALESCE(SUM(p.amount), 1) <> 0) AS unbalanced
                """),
            BadBalances: Number(session, """
                SELECT COUNT(*) FROM account a
                WHERE a.balance < 0 OR a.balance <> (SELECT COALESCE(SUM(p.amount), 0) FROM ledger_posting p WHERE p.account = a.id)
                """),
            BadTotal: Number(session, "SELECT SUM(amount) FROM ledger_posting"),
            BadVouchers: Number(session, "SELECT SUM(credits) FROM voucher WHERE redeemed_by IS NOT NULL")
                - checked(-Sum(session, IssuerAccounts.Vouchers)),
            BadPayments: Number(session, "SELECT CAST(SUM(credits - reversed) AS bigint) FROM payment WHERE state = 2")
                - checked(-Sum(session, IssuerAccounts.Payments)));
    }

    private static long Sum(Session session, long account) =>
        session.QueryInt64("SELECT SUM(amount) FROM ledger_posting WHERE account = $1", account) ?? 0;

    private static long Number(Session session, string sql) => session.QueryInt64(sql) ?? 0;
}
