using Tacit.Storage;

namespace Tacit.Issuer.Ledger;

/// <summary>An account has too few credits; thrown inside a work, so that the work is undone as a whole.</summary>
internal sealed class InsufficientCreditsException(long required, long available)
    : Exception("The account has too few credits.")
{
    public long Required { get; } = required;

    public long Available { get; } = available;
}

/// <summary>Writes ledger transactions, inside the database transaction of what they pay for.</summary>
internal static class LedgerBook
{
    /// <exception cref="InsufficientCreditsException">A customer's balance would fall below zero.</exception>
    public static void Post(Session session, LedgerTransaction transaction)
    {
        long id = LedgerTransaction.NewId();
        session.Execute(
            "INSERT INTO ledger_transaction (id, kind, day, plan, quantity) VALUES ($1, $2, $3, $4, $5)",
            id, transaction.Kind, transaction.Day, transaction.PlanId, transaction.Quantity);
        foreach (Posting posting in transaction.Postings)
        {
            if (posting.Account > 0)
            {
                MoveBalance(session, posting);
            }

            session.Execute("INSERT INTO ledger_posting (account, ledger_transaction, amount) VALUES ($1, $2, $3)", posting.Account, id, posting.Amount);
        }
    }

    private static void MoveBalance(Session session, Posting posting)
    {
        // The condition, not an earlier look, is what keeps the balance from going negative when several issuers share a database.
        int changed = session.Execute(
            "UPDATE account SET balance = balance + $1 WHERE id = $2 AND balance + $1 >= 0", posting.Amount, posting.Account);
        if (changed == 0)
        {
            long available = session.QueryInt64("SELECT balance FROM account WHERE id = $1", posting.Account) ?? 0;
            throw new InsufficientCreditsException(checked(-posting.Amount), available);
        }
    }
}
