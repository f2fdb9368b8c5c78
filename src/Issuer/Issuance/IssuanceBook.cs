using Tacit.Issuer.Accounts;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Pseudonyms;
using Tacit.Storage;

namespace Tacit.Issuer.Issuance;

internal enum ChargeStatus
{
    /// <summary>Everything is paid for, now or before: it may be signed.</summary>
    Paid,

    InsufficientCredits,

    /// <summary>An element that was never paid for asks for a key that no longer issues.</summary>
    KeyNoLongerIssues,

    /// <summary>All chains of a subscription's period have been started.</summary>
    ChainsUsed,

    /// <summary>The account has all tokens of a plan that costs nothing that it gets in this period.</summary>
    FreeUsed,
}

/// <summary>What came of a charge.</summary>
/// <param name="Status">Unless <see cref="ChargeStatus.Paid"/>, nothing was changed.</param>
/// <param name="Required">Credits that the new elements cost.</param>
/// <param name="Available">Credits the account has, where they do not suffice.</param>
/// <param name="IsRepeated">Whether some of it was paid for before.</param>
internal readonly record struct ChargeResult(ChargeStatus Status, long Required, long Available, bool IsRepeated = false);

/// <summary>
/// Which blinded elements which account has paid for. The row of an element and its debit are one transaction, so that however often and in whatever batch
/// an element comes, it is paid for once, and what was paid for is signed again for nothing.
/// </summary>
internal sealed class IssuanceBook
{
    /// <summary>Tokens that one account gets of a plan that costs nothing, in one period: each is a row, and no debit bounds them.</summary>
    internal const int MaxFreePerKey = 1000;

    private readonly Database _database;

    public IssuanceBook(Database database)
    {
        _database = database;
    }

    /// <summary>Notes keys before anything is issued under them, so that their rows can be dropped when they retire.</summary>
    public Task RegisterKeysAsync(IReadOnlyList<IssuanceKey> keys) =>
        _database.WriteAsync(
            session =>
            {
                foreach (IssuanceKey key in keys)
                {
                    session.Execute(
                        "INSERT INTO issuing_key (key_ref, plan, retires_at) VALUES ($1, $2, $3) ON CONFLICT (key_ref) DO NOTHING",
                        key.KeyRef, key.PlanId, key.ExchangeUntil.ToUnixTimeSeconds());
                }
            });

    /// <summary>Debits what of <paramref name="items"/> this account has not paid for yet, all or nothing; durable when it completes.</summary>
    public async Task<ChargeResult> ChargeAsync(
        ReadOnlyMemory<byte> accountHash, IReadOnlyList<IssuanceItem> items, DateTimeOffset now, long day, CancellationToken cancellationToken)
    {
        // An account that can't pay is turned away by a read: it must not be able to keep the writer busy for nothing.
        ChargeResult? refusal = await _database.ReadAsync(session => Judge(session, accountHash, items, now), cancellationToken);
        if (refusal is not null)
        {
            return refusal.Value;
        }

        try
        {
            return await _database.WriteAsync(session => Charge(session, accountHash, items, now, day), cancellationToken);
        }
        catch (InsufficientCreditsException e)
        {
            return new ChargeResult(ChargeStatus.InsufficientCredits, e.Required, e.Available);
        }
        catch (KeyNoLongerIssuesException)
        {
            return new ChargeResult(ChargeStatus.KeyNoLongerIssues, 0, 0);
        }
        catch (FreeUsedException)
        {
            return new ChargeResult(ChargeStatus.FreeUsed, 0, 0);
        }
        catch (ChainsUsedException)
        {
            return new ChargeResult(ChargeStatus.ChainsUsed, 0, 0);
        }
    }

    /// <summary>
    /// How many accounts were given tokens under each key, in the order of the keys: counted on the first question of a day and kept for the rest of it, so that no
    /// change in it says when within a day somebody came.
    /// </summary>
    public async Task<long[]> CountAccountsAsync(IReadOnlyList<IssuanceKey> keys, long day)
    {
        // Counting millions takes its time, so it is done where nobody waits; only what it came to goes through the writer.
        (long Accounts, bool IsNew)[] counts = await _database.ReadAsync(
            session => keys.Select(key =>
                session.QueryInt64("SELECT accounts FROM crowd WHERE key_ref = $1 AND day >= $2", key.KeyRef, day) is long known
                    ? (known, false)
                    : (session.QueryInt64("SELECT COUNT(DISTINCT account) FROM issued WHERE key_ref = $1", key.KeyRef) ?? 0, true)).ToArray());
        if (!counts.Any(count => count.IsNew))
        {
            return [.. counts.Select(count => count.Accounts)];
        }

        return await _database.WriteAsync(
            session =>
            {
                var told = new long[keys.Count];
                for (int i = 0; i < told.Length; i++)
                {
                    (told[i], bool isNew) = counts[i];
                    if (isNew && session.Execute(
                        """
                        INSERT INTO crowd (key_ref, day, accounts) VALUES ($1, $2, $3)
                        ON CONFLICT (key_ref) DO UPDATE SET day = excluded.day, accounts = excluded.accounts WHERE crowd.day < excluded.day
                        """,
                        keys[i].KeyRef, day, told[i]) == 0)
                    {
                        // Another issuer on this database was first.
                        told[i] = session.QueryInt64("SELECT accounts FROM crowd WHERE key_ref = $1", keys[i].KeyRef) ?? 0;
                    }
                }

                return told;
            });
    }

    /// <summary>For each item, whether this account paid for it before.</summary>
    public Task<bool[]> FindPaidAsync(ReadOnlyMemory<byte> accountHash, IReadOnlyList<IssuanceItem> items, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session =>
            {
                var paid = new bool[items.Count];
                if (AccountBook.FindId(session, accountHash) is long account)
                {
                    for (int i = 0; i < paid.Length; i++)
                    {
                        paid[i] = IsPaid(session, account, items[i]);
                    }
                }

                return paid;
            },
            cancellationToken);

    /// <summary>
    /// Gives back what was paid for an element that turned out impossible to sign, and forgets it. The row goes with the refund, so that it is given once.
    /// </summary>
    public Task RefundAsync(ReadOnlyMemory<byte> accountHash, IssuanceItem item, long day) =>
        _database.WriteAsync(
            session =>
            {
                if (AccountBook.FindId(session, accountHash) is not long account)
                {
                    return;
                }

                long price = session.QueryInt64(
                    "SELECT price FROM issued WHERE key_ref = $1 AND account = $2 AND element = $3", item.Key.KeyRef, account, item.ElementHash) ?? 0;
                int removed = session.Execute(
                    "DELETE FROM issued WHERE key_ref = $1 AND account = $2 AND element = $3", item.Key.KeyRef, account, item.ElementHash);
                if (removed > 0 && item.Key.ChainLimit is not null)
                {
                    Subscriptions.TakeBack(session, account, item.Key, day);
                }
                else if (removed > 0 && price > 0)
                {
                    LedgerBook.Post(session, LedgerTransaction.Refund(account, item.Key.PlanId, 1, price, day));
                }
            });

    /// <summary>
    /// Drops up to <paramref name="limit"/> rows of keys that were found to have retired <paramref name="delay"/> ago; returns how many, so that the writer is
    /// held up for a moment only.
    /// </summary>
    public Task<int> DropRetiredAsync(DateTimeOffset now, TimeSpan delay, int limit, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                long seconds = now.ToUnixTimeSeconds();
                session.Execute("UPDATE issuing_key SET over_since = $1 WHERE retires_at <= $1 AND over_since IS NULL", seconds);
                session.Execute("UPDATE issuing_key SET over_since = NULL WHERE retires_at > $1 AND over_since IS NOT NULL", seconds);
                int dropped = 0;
                foreach ((long keyRef, string plan, long retiresAt) in session.Query(
                    "SELECT key_ref, plan, retires_at FROM issuing_key WHERE over_since <= $1",
                    static row => (row.Int64(0), row.Text(1), row.Int64(2)), (now - delay).ToUnixTimeSeconds()))
                {
                    dropped += session.Execute(
                        """
                        DELETE FROM issued WHERE key_ref = $1 AND (account, element) IN
                          (SELECT account, element FROM issued WHERE key_ref = $1 LIMIT $2)
                        """,
                        keyRef, limit - dropped);
                    dropped += Subscriptions.DropRetired(session, plan, retiresAt, limit - dropped);
                    dropped += PseudonymBook.DropRetired(session, keyRef, limit - dropped);
                    if (dropped >= limit)
                    {
                        return dropped;
                    }

                    session.Execute("DELETE FROM issuing_key WHERE key_ref = $1", keyRef);
                    session.Execute("DELETE FROM crowd WHERE key_ref = $1", keyRef);
                }

                return dropped;
            },
            cancellationToken);

    private static ChargeResult? Judge(Session session, ReadOnlyMemory<byte> accountHash, IReadOnlyList<IssuanceItem> items, DateTimeOffset now)
    {
        long? account = AccountBook.FindId(session, accountHash);
        long balance = account is null ? 0 : session.QueryInt64("SELECT balance FROM account WHERE id = $1", account.Value) ?? 0;
        long most = 0;
        bool isPlain = true;
        foreach (IssuanceItem item in items)
        {
            most = checked(most + item.Key.Price);
            isPlain &= item.Key.IssuesAt(now) && item.Key.ChainLimit is null;
        }

        if (balance >= most && isPlain && account is not null)
        {
            return null;
        }

        long required = 0;
        var chains = new Dictionary<IssuanceKey, int>();
        foreach (IssuanceItem item in items)
        {
            if (account is null || !IsPaid(session, account.Value, item))
            {
                if (!item.Key.IssuesAt(now))
                {
                    return new ChargeResult(ChargeStatus.KeyNoLongerIssues, 0, 0);
                }

                if (item.Key.ChainLimit is not null)
                {
                    chains[item.Key] = chains.GetValueOrDefault(item.Key) + 1;
                }
                else
                {
                    required = checked(required + item.Key.Price);
                }
            }
        }

        if (Subscriptions.Judge(session, account, chains) is not long forChains)
        {
            return new ChargeResult(ChargeStatus.ChainsUsed, 0, 0);
        }

        required = checked(required + forChains);
        if (required > balance || (account is null && chains.Count > 0))
        {
            return new ChargeResult(ChargeStatus.InsufficientCredits, required, balance);
        }

        // Without an account only what costs nothing gets here; there is nothing to remember, since repeating it costs nothing either.
        return account is null ? new ChargeResult(ChargeStatus.Paid, 0, 0) : null;
    }

    private static ChargeResult Charge(Session session, ReadOnlyMemory<byte> accountHash, IReadOnlyList<IssuanceItem> items, DateTimeOffset now, long day)
    {
        if (AccountBook.FindId(session, accountHash) is not long account)
        {
            // Deleted since it was looked at.
            long all = 0;
            foreach (IssuanceItem item in items)
            {
                all = checked(all + item.Key.Price);
            }

            return new ChargeResult(ChargeStatus.InsufficientCredits, all, 0);
        }

        var sums = new Dictionary<string, (int Count, long Credits)>(StringComparer.Ordinal);
        var chains = new Dictionary<IssuanceKey, int>();
        var free = new HashSet<IssuanceKey>();
        long required = 0;
        bool isRepeated = false;
        foreach (IssuanceItem item in items)
        {
            int inserted = session.Execute(
                "INSERT INTO issued (key_ref, account, element, price) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
                item.Key.KeyRef, account, item.ElementHash, item.Key.ChainLimit is null ? item.Key.Price : 0);
            if (inserted == 0)
            {
                isRepeated = true;
                continue;
            }

            if (!item.Key.IssuesAt(now))
            {
                throw new KeyNoLongerIssuesException();
            }

            if (item.Key.ChainLimit is not null)
            {
                chains[item.Key] = chains.GetValueOrDefault(item.Key) + 1;
                continue;
            }

            if (item.Key.Price == 0)
            {
                free.Add(item.Key);
            }

            (int count, long credits) = sums.GetValueOrDefault(item.Key.PlanId);
            sums[item.Key.PlanId] = (count + 1, checked(credits + item.Key.Price));
            required = checked(required + item.Key.Price);
        }

        foreach (IssuanceKey key in free)
        {
            if (session.QueryInt64("SELECT COUNT(*) FROM issued WHERE key_ref = $1 AND account = $2", key.KeyRef, account) > MaxFreePerKey)
            {
                throw new FreeUsedException();
            }
        }

        long balance = session.QueryInt64("SELECT balance FROM account WHERE id = $1", account) ?? 0;
        if (balance < required)
        {
            throw new InsufficientCreditsException(required, balance);
        }

        foreach ((string planId, (int count, long credits)) in sums)
        {
            if (credits > 0)
            {
                LedgerBook.Post(session, LedgerTransaction.Tokens(account, planId, count, credits, day));
            }
        }

        foreach ((IssuanceKey key, int count) in chains)
        {
            required = checked(required + Subscriptions.Start(session, account, key, count, day));
        }

        return new ChargeResult(ChargeStatus.Paid, required, balance - required, isRepeated);
    }

    private static bool IsPaid(Session session, long account, IssuanceItem item) =>
        session.QueryInt64(
            "SELECT 1 FROM issued WHERE key_ref = $1 AND account = $2 AND element = $3", item.Key.KeyRef, account, item.ElementHash) is not null;

    private sealed class KeyNoLongerIssuesException : Exception;

    private sealed class FreeUsedException : Exception;
}
