using System.Buffers.Binary;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>
/// The wallet's journal: every method is one transaction, durable when it returns, and names the states it leads from. A transition whose row is in none of
/// them changes nothing and throws <see cref="ClientError.JournalCorrupt"/>: two parts of the program would be spending the same token.
/// </summary>
internal sealed partial class WalletJournal
{
    private readonly Database _database;
    private readonly WalletKeys _keys;
    private readonly TimeProvider _time;

    public WalletJournal(Database database, WalletKeys keys, TimeProvider time)
    {
        _database = database;
        _keys = keys;
        _time = time;
    }

    public Database Database => _database;

    public WalletKeys Keys => _keys;

    private long Now => _time.GetUtcNow().ToUnixTimeSeconds();

    /// <summary>How many tokens of each plan are in which state.</summary>
    public Task<IReadOnlyList<(TokenSeries Series, TokenState State, long Count)>> CountAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                $"SELECT {TokenSeries.Columns}, t.state, COUNT(*) FROM series s JOIN token t ON t.series = s.id WHERE s.namespace <> {ChainNamespace} GROUP BY s.id, t.state ORDER BY s.plan, s.deadline, s.id, t.state",
                row => (TokenSeries.Read(row), (TokenState)row.Int32(12), row.Int64(13))),
            cancellationToken);

    /// <summary>Tokens of a plan that are held and not expired.</summary>
    public Task<long> CountHeldAsync(string plan, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.QueryInt64(
                "SELECT COUNT(*) FROM token t JOIN series s ON s.id = t.series WHERE t.state = 3 AND s.plan = $1 AND s.deadline > $2", plan, Now) ?? 0,
            cancellationToken);

    public Task<IReadOnlyList<HistoryEntry>> HistoryAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                "SELECT day, what, plan, amount FROM history ORDER BY day, what, plan",
                row => new HistoryEntry(DateOnly.FromDayNumber(row.Int32(0)), (HistoryKind)row.Int32(1), row.Text(2), row.Int64(3))),
            cancellationToken);

    public Task<DateTimeOffset?> NextRefillAsync(CancellationToken cancellationToken) =>
        _database.ReadAsync<DateTimeOffset?>(
            session => session.QueryInt64("SELECT next_refill FROM wallet WHERE id = 1") is long at ? DateTimeOffset.FromUnixTimeSeconds(at) : null,
            cancellationToken);

    public Task SetNextRefillAsync(DateTimeOffset at, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session => session.Execute("UPDATE wallet SET next_refill = $1 WHERE id = 1", at.ToUnixTimeSeconds()), cancellationToken);

    /// <summary>
    /// Gives up what its key's grace has outlived, by this machine's clock and by the issuer's word: its directory lists the key no more. So a clock that jumps ahead
    /// and is put right costs nothing.
    /// </summary>
    /// <param name="directory">The newest that is believed. It says nothing of another issuer's keys: of those the clock alone tells.</param>
    /// <param name="cancellationToken">Before anything is written.</param>
    public Task ExpireAsync(IssuerDirectory directory, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                foreach (long series in FindOver(session, directory, $"s.exchange_until <= $1 AND s.namespace <> {ChainNamespace} AND t.state IN (1, 2, 3, 4, 6, 7)"))
                {
                    session.Execute(
                        """
                        UPDATE token SET state = 8, sealed_token = NULL, sealed_randomness = NULL WHERE series = $1 AND state IN (1, 2, 3, 4, 6, 7)
                        AND NOT EXISTS (SELECT 1 FROM request r WHERE r.series = token.series AND r.idx = token.idx)
                        """,
                        series);
                }
                // Successors that were reserved for a token which ended in another way.
                session.Execute(
                    """
                    UPDATE token SET state = 8, sealed_randomness = NULL
                    WHERE state IN (1, 2) AND EXISTS (
                        SELECT 1 FROM token p WHERE p.series = token.predecessor_series AND p.idx = token.predecessor_idx AND p.state IN (5, 8))
                    """);
            },
            cancellationToken);

    /// <summary>A voucher is in the account: its code is no longer needed. Counts once, however often the issuer says so.</summary>
    public Task DepositedAsync(string issuer, byte[] codeHash, long added, long credits, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                if (session.Execute("UPDATE voucher SET state = 1, sealed_code = NULL, credits = $2 WHERE code_hash = $1 AND state = 0", codeHash, added) == 1)
                {
                    Note(session, HistoryKind.Deposited, "", added);
                }
                session.Execute("UPDATE account SET credits = $2 WHERE issuer = $1", issuer, credits);
            },
            cancellationToken);

    /// <summary>A prompt had to wait for a fill.</summary>
    public Task NoteFilledAtPromptAsync(string plan, CancellationToken cancellationToken) =>
        _database.WriteAsync(session => Note(session, HistoryKind.FilledAtPrompt, plan, 1), cancellationToken);

    /// <summary>What a sealed token or its randomness belongs to.</summary>
    public static byte[] PlaceOf(ReadOnlySpan<byte> what, TokenPlace place)
    {
        byte[] bytes = new byte[what.Length + 16];
        what.CopyTo(bytes);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(what.Length), place.Series);
        BinaryPrimitives.WriteInt64BigEndian(bytes.AsSpan(what.Length + 8), place.Index);
        return bytes;
    }

    /// <summary>The series that the condition picks by the time $1, without those whose key the directory still lists.</summary>
    private IReadOnlyList<long> FindOver(Session session, IssuerDirectory directory, string condition) =>
    [
        .. session.Query($"SELECT DISTINCT {TokenSeries.Columns} FROM series s JOIN token t ON t.series = s.id WHERE {condition}", row => TokenSeries.Read(row), Now)
            .Where(series => series.Issuer != directory.IssuerName || !directory.TryFindPlanKey(series.KeyId, series.Extensions, out _, out _))
            .Select(series => series.Id),
    ];

    private void Note(Session session, HistoryKind what, string plan, long amount)
    {
        // By the day and never finer: the user's own disk need not remember when each question was asked.
        int day = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime).DayNumber;
        session.Execute(
            """
            INSERT INTO history (day, what, plan, amount) VALUES ($1, $2, $3, $4)
            ON CONFLICT (day, what, plan) DO UPDATE SET amount = history.amount + excluded.amount
            """,
            day, (int)what, plan, amount);
    }

    private static void Expect(int rows, string transition)
    {
        if (rows != 1)
        {
            throw new ClientException(ClientError.JournalCorrupt, $"The wallet's journal does not allow this step: {transition}.");
        }
    }
}
