using Tacit.Issuer.Ledger;
using Tacit.Storage;

namespace Tacit.Issuer.Payments;

/// <summary>
/// What an account owes: credits of a payment that went back after they had been turned into tokens, which nobody can find and take. A balance never goes
/// negative; what is owed stands beside it, is shown to its owner, and comes off the next deposit.
/// </summary>
internal static class Debt
{
    /// <summary>Takes credits of a reversed payment from the account, and notes what it no longer has as owed.</summary>
    public static void TakeBack(Session session, long account, long credits, long day)
    {
        long balance = LockBalance(session, account) ?? 0;
        long taken = Math.Min(balance, credits);
        LedgerBook.Post(session, LedgerTransaction.Reversal(account, taken, credits - taken, day));
        if (credits > taken)
        {
            session.Execute("UPDATE account SET owed = owed + $1 WHERE id = $2", credits - taken, account);
        }
    }

    /// <summary>A reversal was undone: first what is owed is forgiven, the rest is credited. A deleted account gets nothing.</summary>
    public static void GiveAgain(Session session, long account, long credits, long day)
    {
        bool exists = LockBalance(session, account) is not null;
        long forgiven = exists ? Math.Min(Owed(session, account), credits) : credits;
        if (exists && forgiven > 0)
        {
            session.Execute("UPDATE account SET owed = owed - $1 WHERE id = $2", forgiven, account);
        }

        LedgerBook.Post(session, LedgerTransaction.ReversalUndone(account, credits - forgiven, forgiven, day));
    }

    /// <summary>Pays what is owed from what the account has now. To be called after a deposit, in its transaction.</summary>
    public static void Settle(Session session, long account, long day)
    {
        long owed = Owed(session, account);
        if (owed == 0)
        {
            return;
        }

        long paid = Math.Min(owed, LockBalance(session, account) ?? 0);
        if (paid > 0)
        {
            session.Execute("UPDATE account SET owed = owed - $1 WHERE id = $2", paid, account);
            LedgerBook.Post(session, LedgerTransaction.DebtPaid(account, paid, day));
        }
    }

    private static long Owed(Session session, long account) => session.QueryInt64("SELECT owed FROM account WHERE id = $1", account) ?? 0;

    /// <summary>The balance, held until the transaction ends; null if there is no such account any more.</summary>
    private static long? LockBalance(Session session, long account)
    {
        session.Execute("UPDATE account SET balance = balance WHERE id = $1", account);
        return session.QueryInt64("SELECT balance FROM account WHERE id = $1", account);
    }
}
