using Tacit.Issuer.Accounts;
using Tacit.Issuer.Issuance;
using Tacit.Issuer.Ledger;
using Tacit.Storage;

namespace Tacit.Issuer.Pseudonyms;

internal enum PseudonymVerdict
{
    /// <summary>This element is the account's, now or since before: it may be signed.</summary>
    Granted,

    /// <summary>The account has another one under this key.</summary>
    OtherElement,

    /// <summary>The account has paid too little.</summary>
    Unpaid,
}

/// <summary>
/// Which one element each account has under each key of pseudonyms. A pseudonym is good for one element an account, whatever is lost: the row is durable before the
/// signature leaves, and the same element is signed again.
/// </summary>
internal sealed class PseudonymBook
{
    private readonly Database _database;
    private readonly long _minimum;
    private readonly bool _vouchersCount;

    /// <param name="database">The issuer's.</param>
    /// <param name="minimum">Credits that an account must have paid.</param>
    /// <param name="vouchersCount">Whether credits from vouchers count as paid.</param>
    public PseudonymBook(Database database, long minimum, bool vouchersCount)
    {
        _database = database;
        _minimum = minimum;
        _vouchersCount = vouchersCount;
    }

    public async Task<PseudonymVerdict> GrantAsync(ReadOnlyMemory<byte> accountHash, IssuanceItem item, CancellationToken cancellationToken)
    {
        // Whoever gets nothing is answered by a read, and so is a repetition.
        PseudonymVerdict? verdict = await _database.ReadAsync(session => Judge(session, accountHash, item), cancellationToken);
        if (verdict is not null)
        {
            return verdict.Value;
        }

        return await _database.WriteAsync(
            session =>
            {
                if (Judge(session, accountHash, item) is PseudonymVerdict meanwhile)
                {
                    return meanwhile;
                }

                long account = AccountBook.FindId(session, accountHash)!.Value;
                int inserted = session.Execute(
                    "INSERT INTO pseudonym (key_ref, account, element) VALUES ($1, $2, $3) ON CONFLICT (key_ref, account) DO NOTHING",
                    item.Key.KeyRef, account, item.ElementHash);

                // Another issuer on the same database may have been faster.
                return inserted == 1 ? PseudonymVerdict.Granted : Judge(session, accountHash, item) ?? PseudonymVerdict.OtherElement;
            },
            cancellationToken);
    }

    /// <summary>Forgets an element that can never be signed, so that the account may send another.</summary>
    public Task WithdrawAsync(ReadOnlyMemory<byte> accountHash, IssuanceItem item) =>
        _database.WriteAsync(
            session =>
            {
                if (AccountBook.FindId(session, accountHash) is long account)
                {
                    session.Execute(
                        "DELETE FROM pseudonym WHERE key_ref = $1 AND account = $2 AND element = $3", item.Key.KeyRef, account, item.ElementHash);
                }
            });

    /// <summary>Drops up to <paramref name="limit"/> rows of a key that retired.</summary>
    public static int DropRetired(Session session, long keyRef, int limit) => session.Execute(
        "DELETE FROM pseudonym WHERE key_ref = $1 AND account IN (SELECT account FROM pseudonym WHERE key_ref = $1 LIMIT $2)", keyRef, limit);

    /// <summary>Null if the element is new and may be granted.</summary>
    private PseudonymVerdict? Judge(Session session, ReadOnlyMemory<byte> accountHash, IssuanceItem item)
    {
        if (AccountBook.FindId(session, accountHash) is not long account)
        {
            return PseudonymVerdict.Unpaid;
        }

        if (session.QuerySingle(
            "SELECT element FROM pseudonym WHERE key_ref = $1 AND account = $2", static row => row.Blob(0), item.Key.KeyRef, account) is byte[] known)
        {
            return known.AsSpan().SequenceEqual(item.ElementHash) ? PseudonymVerdict.Granted : PseudonymVerdict.OtherElement;
        }

        return PaidSum.Of(session, account, _vouchersCount) < _minimum ? PseudonymVerdict.Unpaid : null;
    }
}
