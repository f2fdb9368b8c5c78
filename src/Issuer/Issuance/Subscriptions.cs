using Tacit.Issuer.Ledger;
using Tacit.Storage;

namespace Tacit.Issuer.Issuance;

/// <summary>All chains of a subscription's period have been started; thrown inside a work, so that the work is undone as a whole.</summary>
internal sealed class ChainsUsedException : Exception;

/// <summary>A subscription that an account holds.</summary>
internal sealed record HeldSubscription(string PlanId, DateTimeOffset Start, DateTimeOffset Deadline, int Elements);

/// <summary>
/// Which account holds which subscription in which period, and how many chains it has started. Bought by the first element, inside its transaction; what
/// the chains then do is not seen here.
/// </summary>
internal static class Subscriptions
{
    /// <summary>Chains beyond a plan's concurrency that an account may start in a period, for one that was lost with its device.</summary>
    public const int Restarts = 1;

    /// <summary>What new elements of these subscriptions would cost this account; null if there are too many of some.</summary>
    public static long? Judge(Session session, long? account, IReadOnlyDictionary<IssuanceKey, int> started)
    {
        long required = 0;
        foreach ((IssuanceKey key, int count) in started)
        {
            long? elements = account is null ? null : session.QueryInt64(
                "SELECT elements FROM subscription WHERE plan = $1 AND deadline = $2 AND account = $3",
                key.PlanId, key.PlanKey.Deadline.ToUnixTimeSeconds(), account.Value);
            if ((elements ?? 0) + count > key.ChainLimit)
            {
                return null;
            }

            required = checked(required + (elements is null ? key.Price : 0));
        }

        return required;
    }

    /// <summary>Notes new elements and, with the first of a period, buys the subscription; returns what that cost.</summary>
    /// <exception cref="ChainsUsedException">There are as many elements as the plan allows.</exception>
    /// <exception cref="InsufficientCreditsException">The account has too few credits.</exception>
    public static long Start(Session session, long account, IssuanceKey key, int count, long day)
    {
        long deadline = key.PlanKey.Deadline.ToUnixTimeSeconds();
        bool isBought = session.Execute(
            """
            INSERT INTO subscription (plan, deadline, account, period_start, elements, price) VALUES ($1, $2, $3, $4, 0, $5)
            ON CONFLICT (plan, deadline, account) DO NOTHING
            """,
            key.PlanId, deadline, account, key.PlanKey.Start.ToUnixTimeSeconds(), key.Price) == 1;

        // The condition, not an earlier look, is what keeps to the limit when several issuers share a database.
        int changed = session.Execute(
            "UPDATE subscription SET elements = elements + $1 WHERE plan = $2 AND deadline = $3 AND account = $4 AND elements + $1 <= $5",
            count, key.PlanId, deadline, account, key.ChainLimit!.Value);
        if (changed == 0)
        {
            throw new ChainsUsedException();
        }

        if (!isBought || key.Price == 0)
        {
            return 0;
        }

        LedgerBook.Post(session, LedgerTransaction.Subscription(account, key.PlanId, key.Price, day));
        return key.Price;
    }

    /// <summary>Takes back an element that nobody can sign; with the last one, the subscription and what it cost.</summary>
    public static void TakeBack(Session session, long account, IssuanceKey key, long day)
    {
        long deadline = key.PlanKey.Deadline.ToUnixTimeSeconds();
        session.Execute(
            "UPDATE subscription SET elements = elements - 1 WHERE plan = $1 AND deadline = $2 AND account = $3 AND elements > 0", key.PlanId, deadline, account);
        if (!session.TryQuerySingle(
            "DELETE FROM subscription WHERE plan = $1 AND deadline = $2 AND account = $3 AND elements = 0 RETURNING price",
            static row => row.Int64(0), out long price, key.PlanId, deadline, account))
        {
            return;
        }

        if (price > 0)
        {
            LedgerBook.Post(session, LedgerTransaction.Refund(account, key.PlanId, 1, price, day));
        }
    }

    /// <summary>Those whose period is not over, the earliest first.</summary>
    public static IReadOnlyList<HeldSubscription> Of(Session session, long account, DateTimeOffset now) => session.Query(
        "SELECT plan, period_start, deadline, elements FROM subscription WHERE account = $1 AND deadline > $2 ORDER BY deadline, plan",
        static row => new HeldSubscription(
            row.Text(0), DateTimeOffset.FromUnixTimeSeconds(row.Int64(1)), DateTimeOffset.FromUnixTimeSeconds(row.Int64(2)), row.Int32(3)),
        account, now.ToUnixTimeSeconds());

    public static void Delete(Session session, long account) => session.Execute("DELETE FROM subscription WHERE account = $1", account);

    /// <summary>Forgets up to <paramref name="limit"/> whose key retired at <paramref name="retiresAt"/> or before; returns how many.</summary>
    public static int DropRetired(Session session, string planId, long retiresAt, int limit) =>
        limit <= 0 ? 0 : session.Execute(
            """
            DELETE FROM subscription WHERE plan = $1 AND (deadline, account) IN
              (SELECT deadline, account FROM subscription WHERE plan = $1 AND deadline < $2 LIMIT $3)
            """,
            planId, retiresAt, limit);
}
