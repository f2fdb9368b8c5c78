using System.Security.Cryptography;
using Tacit.Storage;

namespace Tacit.Gateway.Pseudonyms;

/// <summary>A ban as the operator made it.</summary>
/// <param name="Id">The pseudonym's id.</param>
/// <param name="Reason">Told to whoever presents it.</param>
/// <param name="Until">First moment at which it is over; null: never.</param>
public sealed record PseudonymBan(string Id, string Reason, DateTimeOffset? Until);

/// <summary>All bans and replacements, as one unchanging picture.</summary>
/// <param name="Version">Of the tables.</param>
/// <param name="Bans">By id.</param>
/// <param name="Successors">Old → new, of rotated pseudonyms.</param>
/// <param name="Predecessors">New → old.</param>
internal sealed record PseudonymRegister(
    long Version, IReadOnlyDictionary<string, PseudonymBan> Bans, IReadOnlyDictionary<string, string> Successors, IReadOnlyDictionary<string, string> Predecessors)
{
    public static PseudonymRegister Empty { get; } =
        new(0, new Dictionary<string, PseudonymBan>(), new Dictionary<string, string>(), new Dictionary<string, string>());
}

/// <summary>
/// What is kept of pseudonyms: bans, replacements, refusals by the day; counters are <see cref="PseudonymQuota"/>'s. A pseudonym is called by an HMAC of its input under
/// a key that all instances on the database share; the pseudonym itself is nowhere.
/// </summary>
internal sealed class PseudonymStore
{
    private const int KeySize = 32;

    private readonly Database _database;
    private readonly byte[] _key;

    private PseudonymStore(Database database, byte[] key)
    {
        _database = database;
        _key = key;
    }

    public static Migration Migration(int version) => new(version, "pseudonyms", """
        -- version goes up with every change of bans and replacements, so that instances see with one small read that there is none.
        CREATE TABLE pseudonym_state (
            id {int} NOT NULL PRIMARY KEY CHECK (id = 1),
            hash_key {blob} NOT NULL,
            version {int} NOT NULL
        ) {without_rowid};

        CREATE TABLE pseudonym_ban (
            pseudonym {text} NOT NULL PRIMARY KEY,
            reason {text} NOT NULL,
            until {int}
        ) {without_rowid};

        -- until: when the epoch ends, and the row with it.
        CREATE TABLE pseudonym_replacement (
            old {text} NOT NULL PRIMARY KEY,
            new {text} NOT NULL UNIQUE,
            until {int} NOT NULL
        ) {without_rowid};

        -- span: seconds; slot: which one of them since 1970. used: requests that were counted or set aside for an instance.
        CREATE TABLE pseudonym_count (
            pseudonym {text} NOT NULL,
            span {int} NOT NULL,
            slot {int} NOT NULL,
            used {int} NOT NULL,
            PRIMARY KEY (span, slot, pseudonym)
        ) {without_rowid};

        -- Prompts that moderation refused, by the day (since 1970).
        CREATE TABLE pseudonym_refusal (
            day {int} NOT NULL,
            pseudonym {text} NOT NULL,
            refused {int} NOT NULL,
            PRIMARY KEY (day, pseudonym)
        ) {without_rowid};
        """);

    public static async Task<PseudonymStore> OpenAsync(Database database, CancellationToken cancellationToken)
    {
        byte[] fresh = RandomNumberGenerator.GetBytes(KeySize);
        byte[] key = await database.WriteAsync(
            session =>
            {
                // Whichever instance is first decides.
                session.Execute("INSERT INTO pseudonym_state (id, hash_key, version) VALUES (1, $1, 1) ON CONFLICT (id) DO NOTHING", fresh);
                return session.QuerySingle("SELECT hash_key FROM pseudonym_state WHERE id = 1", static row => row.Blob(0))!;
            },
            cancellationToken);
        return new PseudonymStore(database, key);
    }

    /// <summary>What a pseudonym is called: 128 bits of HMAC-SHA-256 over its input, in hexadecimal. Without the authenticator, as with spends.</summary>
    public string IdOf(ReadOnlySpan<byte> tokenInput)
    {
        Span<byte> hash = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, tokenInput, hash);
        return Convert.ToHexStringLower(hash[..16]);
    }

    /// <summary>Null if nothing has changed since <paramref name="known"/>.</summary>
    public Task<PseudonymRegister?> ReadAsync(long known, CancellationToken cancellationToken) =>
        _database.ReadAsync<PseudonymRegister?>(
            session =>
            {
                long version = session.QueryInt64("SELECT version FROM pseudonym_state WHERE id = 1") ?? 0;
                if (version == known)
                {
                    return null;
                }

                IReadOnlyList<PseudonymBan> bans = session.Query(
                    "SELECT pseudonym, reason, until FROM pseudonym_ban",
                    static row => new PseudonymBan(row.Text(0), row.Text(1), row.NullableInt64(2) is long until ? DateTimeOffset.FromUnixTimeSeconds(until) : null));
                IReadOnlyList<(string Old, string New)> replaced = session.Query(
                    "SELECT old, new FROM pseudonym_replacement", static row => (row.Text(0), row.Text(1)));
                return new PseudonymRegister(
                    version, bans.ToDictionary(ban => ban.Id), replaced.ToDictionary(pair => pair.Old, pair => pair.New), replaced.ToDictionary(pair => pair.New, pair => pair.Old));
            },
            cancellationToken);

    public Task BanAsync(PseudonymBan ban, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                session.Execute(
                    "INSERT INTO pseudonym_ban (pseudonym, reason, until) VALUES ($1, $2, $3) ON CONFLICT (pseudonym) DO UPDATE SET reason = excluded.reason, until = excluded.until",
                    ban.Id, ban.Reason, ban.Until?.ToUnixTimeSeconds());
                Touch(session);
            },
            cancellationToken);

    /// <summary>False if it was not banned.</summary>
    public Task<bool> UnbanAsync(string id, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                int removed = session.Execute("DELETE FROM pseudonym_ban WHERE pseudonym = $1", id);
                Touch(session);
                return removed > 0;
            },
            cancellationToken);

    /// <summary>True if <paramref name="rotated"/> stands for <paramref name="old"/> from now on, or did before; false if one of them has another partner.</summary>
    public Task<bool> ReplaceAsync(string old, string rotated, DateTimeOffset until, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                if (session.Execute(
                    "INSERT INTO pseudonym_replacement (old, new, until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", old, rotated, until.ToUnixTimeSeconds()) > 0)
                {
                    Touch(session);
                    return true;
                }

                return session.QuerySingle("SELECT new FROM pseudonym_replacement WHERE old = $1", static row => row.Text(0), old) == rotated;
            },
            cancellationToken);

    public Task CountRefusalAsync(IReadOnlyList<string> ids, DateTimeOffset now, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                foreach (string id in ids)
                {
                    session.Execute(
                        """
                        INSERT INTO pseudonym_refusal (day, pseudonym, refused) VALUES ($1, $2, 1)
                        ON CONFLICT (day, pseudonym) DO UPDATE SET refused = pseudonym_refusal.refused + 1
                        """,
                        now.ToUnixTimeSeconds() / 86400, id);
                }
            },
            cancellationToken);

    /// <summary>Who was refused, limited or banned, the most refused first.</summary>
    public Task<IReadOnlyList<PseudonymLine>> ListAsync(DateTimeOffset now, int most, CancellationToken cancellationToken) =>
        _database.ReadAsync(
            session => session.Query(
                session.Dialect.Render("""
                    SELECT p.pseudonym, MAX(p.reason), MAX(p.until), MAX(p.banned), CAST(SUM(p.refused) AS {int}), CAST(SUM(p.used) AS {int}) FROM (
                      SELECT pseudonym, reason, until, 1 AS banned, 0 AS refused, 0 AS used FROM pseudonym_ban
                      UNION ALL SELECT pseudonym, NULL, NULL, 0, refused, 0 FROM pseudonym_refusal
                      UNION ALL SELECT pseudonym, NULL, NULL, 0, 0, used FROM pseudonym_count WHERE span = 86400 AND slot = $1
                    ) AS p GROUP BY p.pseudonym ORDER BY 5 DESC, 6 DESC, 1 LIMIT $2
                    """),
                static row => new PseudonymLine(
                    row.Text(0), row.Int64(4), row.Int64(5), row.Int64(3) > 0, row.NullableText(1),
                    row.NullableInt64(2) is long until ? DateTimeOffset.FromUnixTimeSeconds(until) : null),
                now.ToUnixTimeSeconds() / 86400, most),
            cancellationToken);

    /// <summary>Forgets what no longer means anything: windows and epochs that are over, bans that ended, refusals of more than 30 days ago.</summary>
    public Task PurgeAsync(DateTimeOffset now, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                long seconds = now.ToUnixTimeSeconds();
                foreach (long span in PseudonymQuota.Spans)
                {
                    session.Execute("DELETE FROM pseudonym_count WHERE span = $1 AND slot < $2", span, seconds / span);
                }

                // Of these somebody would miss what a clock that jumped ahead let go; of a window no more than its count.
                if (Forgetting.Look(session, "pseudonyms", seconds, 86400) is long looked)
                {
                    session.Execute("DELETE FROM pseudonym_refusal WHERE day < $1", (looked / 86400) - 30);
                    session.Execute("DELETE FROM pseudonym_ban WHERE until < $1", looked);
                    session.Execute("DELETE FROM pseudonym_replacement WHERE until < $1", looked);
                }
            },
            cancellationToken);

    private static void Touch(Session session) => session.Execute("UPDATE pseudonym_state SET version = version + 1 WHERE id = 1");
}
