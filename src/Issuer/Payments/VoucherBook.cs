using Tacit.Issuer.Accounts;
using Tacit.Issuer.Ledger;
using Tacit.Storage;

namespace Tacit.Issuer.Payments;

internal enum RedemptionStatus
{
    Redeemed,

    /// <summary>This account redeemed it before; nothing was added now.</summary>
    AlreadyRedeemed,

    /// <summary>Another account redeemed it.</summary>
    Spent,

    Unknown,

    Expired,
}

/// <summary>What came of a voucher.</summary>
/// <param name="Status">Whether its credits are, or were before, added to this account.</param>
/// <param name="VoucherCredits">What the voucher is worth; 0 where that is none of the caller's business.</param>
/// <param name="Balance">The account's credits afterwards.</param>
internal readonly record struct RedemptionResult(RedemptionStatus Status, long VoucherCredits, long Balance);

/// <summary>Vouchers in the database: hashes of codes of 128 random bits, what they are worth, and who redeemed them.</summary>
internal sealed class VoucherBook
{
    private readonly Database _database;

    public VoucherBook(Database database)
    {
        _database = database;
    }

    /// <param name="codeHashes">SHA-256 of each code.</param>
    /// <param name="credits">What each is worth, at least 1.</param>
    /// <param name="expiresDay">Last day on which they can be redeemed.</param>
    /// <param name="cancellationToken">Gives up before anything is written.</param>
    public Task CreateAsync(IReadOnlyList<byte[]> codeHashes, long credits, long expiresDay, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                foreach (byte[] hash in codeHashes)
                {
                    session.Execute("INSERT INTO voucher (code_hash, credits, expires_day) VALUES ($1, $2, $3)", hash, credits, expiresDay);
                }
            },
            cancellationToken);

    public async Task<RedemptionResult> RedeemAsync(
        ReadOnlyMemory<byte> keyHash, ReadOnlyMemory<byte> codeHash, long today, CancellationToken cancellationToken)
    {
        // Guesses are answered by a read, so that they never hold up the writer.
        RedemptionResult? answer = await _database.ReadAsync(session => Judge(session, keyHash, codeHash, today), cancellationToken);
        if (answer is not null)
        {
            return answer.Value;
        }

        return await _database.WriteAsync(
            session =>
            {
                // Somebody else may have come in between.
                if (Judge(session, keyHash, codeHash, today) is RedemptionResult meanwhile)
                {
                    return meanwhile;
                }

                long? known = AccountBook.FindId(session, keyHash);
                long account = known ?? LedgerTransaction.NewId();
                int taken = session.Execute("UPDATE voucher SET redeemed_by = $1 WHERE code_hash = $2 AND redeemed_by IS NULL", account, codeHash);
                if (taken == 0)
                {
                    return new RedemptionResult(RedemptionStatus.Spent, 0, 0);
                }

                if (known is null)
                {
                    AccountBook.Open(session, account, keyHash);
                }

                long credits = session.QueryInt64("SELECT credits FROM voucher WHERE code_hash = $1", codeHash) ?? 0;
                LedgerBook.Post(session, LedgerTransaction.Voucher(account, credits, today));
                Debt.Settle(session, account, today);
                return new RedemptionResult(RedemptionStatus.Redeemed, credits, Balance(session, account));
            },
            cancellationToken);
    }

    /// <summary>The answer if nothing has to be written; null for a voucher that can be redeemed.</summary>
    private static RedemptionResult? Judge(Session session, ReadOnlyMemory<byte> keyHash, ReadOnlyMemory<byte> codeHash, long today)
    {
        if (!session.TryQuerySingle(
            "SELECT credits, expires_day, redeemed_by FROM voucher WHERE code_hash = $1",
            static row => (Credits: row.Int64(0), ExpiresDay: row.Int64(1), RedeemedBy: row.NullableInt64(2)),
            out (long Credits, long ExpiresDay, long? RedeemedBy) voucher, codeHash))
        {
            return new RedemptionResult(RedemptionStatus.Unknown, 0, 0);
        }

        if (voucher.RedeemedBy is long owner)
        {
            return AccountBook.FindId(session, keyHash) == owner
                ? new RedemptionResult(RedemptionStatus.AlreadyRedeemed, voucher.Credits, Balance(session, owner))
                : new RedemptionResult(RedemptionStatus.Spent, 0, 0);
        }

        return voucher.ExpiresDay < today ? new RedemptionResult(RedemptionStatus.Expired, 0, 0) : null;
    }

    private static long Balance(Session session, long account) =>
        session.QueryInt64("SELECT balance FROM account WHERE id = $1", account) ?? 0;
}
