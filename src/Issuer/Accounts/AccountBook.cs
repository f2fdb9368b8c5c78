using Tacit.Issuer.Issuance;
using Tacit.Issuer.Ledger;
using Tacit.Storage;

namespace Tacit.Issuer.Accounts;

/// <summary>One line of an account's history: everything of one kind and plan on one day.</summary>
internal sealed record HistoryEntry(long Day, string Kind, string? PlanId, long Quantity, long Credits);

/// <summary>What an account is shown of itself.</summary>
internal sealed record AccountView(long Balance, long Owed, IReadOnlyList<HistoryEntry> History, IReadOnlyList<HeldSubscription> Subscriptions)
{
    /// <summary>Of an account that was never credited: the issuer has nothing stored of it and can't tell it from an unknown one.</summary>
    public static AccountView Empty { get; } = new(0, 0, [], []);
}

/// <summary>
/// Accounts in the database. An account is the SHA-256 of its key and exists from its first credit; the key has 128 random bits, so that a
/// plain hash can't be searched.
/// </summary>
internal sealed class AccountBook
{
    // A history is for people; who needs more than a year of busy days asks twice, before and after.
    private const int MaxHistoryEntries = 1000;

    private readonly Database _database;

    public AccountBook(Database database)
    {
        _database = database;
    }

    /// <summary>Whether the account was ever credited.</summary>
    public Task<bool> ExistsAsync(ReadOnlyMemory<byte> keyHash, CancellationToken cancellationToken) =>
        _database.ReadAsync(session => FindId(session, keyHash) is not null, cancellationToken);

    public Task<AccountView> ViewAsync(ReadOnlyMemory<byte> keyHash, DateTimeOffset now, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session =>
            {
                if (FindId(session, keyHash) is not long id)
                {
                    return AccountView.Empty;
                }

                long balance = session.QueryInt64("SELECT balance FROM account WHERE id = $1", id) ?? 0;
                IReadOnlyList<HistoryEntry> history = session.Query(
                    """
                    SELECT t.day, t.kind, t.plan, SUM(t.quantity), SUM(p.amount) FROM ledger_posting p
                    JOIN ledger_transaction t ON t.id = p.ledger_transaction WHERE p.account = $1
                    GROUP BY t.day, t.kind, t.plan ORDER BY t.day DESC, t.kind, t.plan LIMIT $2
                    """,
                    static row => new HistoryEntry(row.Int64(0), row.Text(1), row.NullableText(2), row.Int64(3), row.Int64(4)),
                    id, MaxHistoryEntries);
                long owed = session.QueryInt64("SELECT owed FROM account WHERE id = $1", id) ?? 0;
                return new AccountView(balance, owed, history, Subscriptions.Of(session, id, now));
            },
            cancellationToken);

    /// <summary>
    /// Forgets the account and what was issued to it; credits it still held are forfeited. The ledger keeps its amounts under a number that no key leads to
    /// any more. Deleting what does not exist changes nothing.
    /// </summary>
    public Task DeleteAsync(ReadOnlyMemory<byte> keyHash, long day, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                if (FindId(session, keyHash) is not long id)
                {
                    return;
                }

                long balance = session.QueryInt64("SELECT balance FROM account WHERE id = $1", id) ?? 0;
                if (balance > 0)
                {
                    LedgerBook.Post(session, LedgerTransaction.Closed(id, balance, day));
                }

                foreach (long keyRef in session.Query("SELECT key_ref FROM issuing_key", static row => row.Int64(0)))
                {
                    session.Execute("DELETE FROM issued WHERE key_ref = $1 AND account = $2", keyRef, id);
                }

                Subscriptions.Delete(session, id);
                session.Execute("DELETE FROM pseudonym WHERE account = $1", id);
                session.Execute("DELETE FROM account WHERE id = $1", id);
            },
            cancellationToken);

    public static long? FindId(Session session, ReadOnlyMemory<byte> keyHash) =>
        session.QueryInt64("SELECT id FROM account WHERE key_hash = $1", keyHash);

    /// <summary>The account comes to exist, without credits.</summary>
    public static void Open(Session session, long id, ReadOnlyMemory<byte> keyHash) =>
        session.Execute("INSERT INTO account (id, key_hash, balance) VALUES ($1, $2, 0)", id, keyHash);
}
