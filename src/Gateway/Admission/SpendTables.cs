using System.Globalization;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Sealing;
using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>
/// The spend tables and the statements on them. One table per period deadline, so that a whole period is forgotten by DROP TABLE and no row needs to
/// say when it came; no rowid, so that none says in which order (law 2).
/// </summary>
internal static class SpendTables
{
    public static IReadOnlyList<Migration> Migrations { get; } =
    [
        new Migration(1, "instances and periods", """
            CREATE TABLE instances (
                id {blob} NOT NULL PRIMARY KEY,
                address {text} NOT NULL,
                lease_until {int} NOT NULL
            ) {without_rowid};
            CREATE TABLE periods (
                deadline {int} NOT NULL PRIMARY KEY,
                dropped {int} NOT NULL
            ) {without_rowid};
            """),
        new Migration(2, "chains", """
            -- Which columns a period's table has; SpendLedger brings older ones up to date.
            ALTER TABLE periods ADD COLUMN layout {int} NOT NULL DEFAULT 1;

            -- Counters only. Each instance has rows of its own, so that none waits for another.
            CREATE TABLE chain_total (
                plan {text} NOT NULL,
                deadline {int} NOT NULL,
                instance {blob} NOT NULL,
                spent {int} NOT NULL,
                repeated {int} NOT NULL,
                renewed {int} NOT NULL,
                PRIMARY KEY (plan, deadline, instance)
            ) {without_rowid};
            """),
        new Migration(3, "keys closed after a restore", """
            -- There while the store is an old copy whose missing spends nobody knows: the keys of the next directory are closed.
            CREATE TABLE restored (
                id {int} NOT NULL PRIMARY KEY CHECK (id = 1)
            ) {without_rowid};
            CREATE TABLE closed_keys (
                key_id {blob} NOT NULL,
                deadline {int} NOT NULL,
                PRIMARY KEY (key_id, deadline)
            ) {without_rowid};
            """),
        PseudonymStore.Migration(4),
        ReplayGuard.Migration(5),
        SealingStore.Migration(6),
        DeviceStore.Migration(7),
        InstanceLease.Migration(8),
        Forgetting.Migration(9),
    ];

    /// <summary>The layout of a spend table as <see cref="Statements.Create"/> makes it.</summary>
    public const int Layout = 2;

    /// <summary>Statements are prepared once per text, so the handful of live periods keep theirs.</summary>
    internal sealed class Statements
    {
        public Statements(string table)
        {
            Create = $$"""
                CREATE TABLE IF NOT EXISTS {{table}} (
                    spend_id {blob} NOT NULL PRIMARY KEY,
                    request_tag {blob} NOT NULL,
                    owner {blob} NOT NULL,
                    state {int} NOT NULL,
                    returns {int} NOT NULL,
                    takeovers {int} NOT NULL,
                    successor {blob},
                    renewal_refused {int}
                ) {without_rowid}
                """;
            Upgrade = [$"ALTER TABLE {table} ADD COLUMN successor {{blob}}", $"ALTER TABLE {table} ADD COLUMN renewal_refused {{int}}"];
            Drop = $"DROP TABLE IF EXISTS {table}";
            Insert = $"INSERT INTO {table} (spend_id, request_tag, owner, state, returns, takeovers, successor) VALUES ($1, $2, $3, $4, 0, 0, $5) ON CONFLICT (spend_id) DO NOTHING";
            Read = $"SELECT request_tag, owner, state, returns, takeovers, successor, renewal_refused FROM {table} WHERE spend_id = $1";
            // Every change names the tenure it saw: on a database of several instances another may have been faster.
            Reuse = $"UPDATE {table} SET request_tag = $2, owner = $3, state = $4, takeovers = 0 WHERE spend_id = $1 AND state = 2 AND returns = $5";
            TakeOver = $"UPDATE {table} SET owner = $2, takeovers = takeovers + 1 WHERE spend_id = $1 AND state = 0 AND owner = $3 AND returns = $4 AND takeovers = $5";
            Finish = $"UPDATE {table} SET state = 1 WHERE spend_id = $1 AND state = 0 AND owner = $2 AND returns = $3 AND takeovers = $4";
            // No statement but the insert names the successor: what is bound once stays so (law 2).
            RefuseRenewal = $"UPDATE {table} SET renewal_refused = 1 WHERE spend_id = $1 AND owner = $2 AND returns = $3 AND takeovers = $4";
            Return = $"UPDATE {table} SET state = 2, returns = returns + 1 WHERE spend_id = $1 AND state = 0 AND owner = $2 AND returns = $3 AND takeovers = $4";
        }

        public string Create { get; }

        /// <summary>Brings a table of layout 1 to <see cref="Layout"/>.</summary>
        public IReadOnlyList<string> Upgrade { get; }

        public string Drop { get; }

        public string Insert { get; }

        public string Read { get; }

        public string Reuse { get; }

        public string TakeOver { get; }

        public string Finish { get; }

        public string Return { get; }

        public string RefuseRenewal { get; }
    }

    /// <summary>Deadlines are midnights, UTC, but nothing here depends on it: the name carries the second.</summary>
    public static string TableName(DateTimeOffset deadline) => "spends_" + deadline.UtcDateTime.ToString("yyyyMMdd'T'HHmmss", CultureInfo.InvariantCulture);
}

/// <summary>A spend row as read.</summary>
/// <param name="Successor">SHA-256 of the next token's request, for a chain token; set with the row and never changed.</param>
/// <param name="RenewalRefused">Whether the operator refused to sign it.</param>
internal readonly record struct SpendRow(
    byte[] RequestTag, byte[] Owner, SpendState State, int Returns, int Takeovers, byte[]? Successor, bool RenewalRefused)
{
    public static SpendRow From(Row row) =>
        new(row.Blob(0), row.Blob(1), (SpendState)row.Int32(2), row.Int32(3), row.Int32(4), row.NullableBlob(5), row.NullableInt64(6) is > 0);
}
