using Tacit.Storage;

namespace Tacit.Issuer.Ledger;

/// <summary>What an account ever paid for, in credits: deposits less what was taken back of them. Whatever moves credits without anybody paying is left out.</summary>
internal static class PaidSum
{
    /// <param name="session">The books.</param>
    /// <param name="account">Whose.</param>
    /// <param name="vouchersCount">Whether vouchers count: an operator who gives them away does not want that.</param>
    public static long Of(Session session, long account, bool vouchersCount)
    {
        // A reversed payment takes back also what the account no longer had: that part is owed (Debt) and stands in no leg of the account's. A debt that is paid comes off
        // a deposit that counted, so it is not counted again.
        long paid = session.QueryInt64(
            """
            SELECT CAST(SUM(p.amount) AS bigint) FROM ledger_posting p JOIN ledger_transaction t ON t.id = p.ledger_transaction
            WHERE p.account = $1 AND t.kind IN ('payment', 'reversal', 'reversal-undone', 'owed')
            """,
            account) ?? 0;
        long owed = session.QueryInt64("SELECT owed FROM account WHERE id = $1", account) ?? 0;
        long vouchers = !vouchersCount ? 0 : session.QueryInt64(
            """
            SELECT CAST(SUM(p.amount) AS bigint) FROM ledger_posting p JOIN ledger_transaction t ON t.id = p.ledger_transaction
            WHERE p.account = $1 AND t.kind = 'voucher'
            """,
            account) ?? 0;
        return checked(paid - owed + vouchers);
    }
}
