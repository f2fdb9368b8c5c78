using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.Storage;

/// <summary>Brings a schema up to date, one transaction per step, and refuses one that is not this program's.</summary>
internal static class Migrator
{
    private const string Table = "CREATE TABLE IF NOT EXISTS schema_migrations (version {int} PRIMARY KEY, name {text} NOT NULL, checksum {blob} NOT NULL, applied {text} NOT NULL) {strict}";

    internal static void Apply(TransactionSession session, string path, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancellationToken)
    {
        for (int i = 0; i < migrations.Count; i++)
        {
            if (migrations[i].Version != i + 1)
            {
                throw new ArgumentException("Migrations are numbered 1, 2, 3… in order.", nameof(migrations));
            }
        }

        InTransaction(session, () => session.Execute(session.Dialect.Render(Table)));
        IReadOnlyList<(int Version, byte[] Checksum)> applied = Applied(session);
        Check(path, migrations, applied);
        foreach (Migration migration in migrations.Skip(applied.Count))
        {
            cancellationToken.ThrowIfCancellationRequested();
            InTransaction(session, () =>
            {
                // First of all: where several instances share a database, this waits for another that is at the same step, and finds it done.
                if (session.Execute(
                    "INSERT INTO schema_migrations (version, name, checksum, applied) VALUES ($1, $2, $3, $4) ON CONFLICT (version) DO NOTHING",
                    migration.Version,
                    migration.Name,
                    Checksum(migration),
                    time.GetUtcNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)) == 1)
                {
                    session.ExecuteScript(session.Dialect.Render(migration.Sql));
                }
            });
        }

        if (applied.Count < migrations.Count)
        {
            // Another program may have been faster at one of them.
            Check(path, migrations, Applied(session));
        }
    }

    private static IReadOnlyList<(int Version, byte[] Checksum)> Applied(TransactionSession session)
    {
        IReadOnlyList<(int Version, byte[] Checksum)> applied = [];
        InTransaction(session, () => applied = session.Query(
            "SELECT version, checksum FROM schema_migrations ORDER BY version", static row => (row.Int32(0), row.Blob(1))));
        return applied;
    }

    private static void Check(string path, IReadOnlyList<Migration> migrations, IReadOnlyList<(int Version, byte[] Checksum)> applied)
    {
        if (applied.Count > migrations.Count)
        {
            throw new StorageException(
                StorageErrorKind.NewerSchema,
                $"The database {path} has schema version {applied[^1].Version}; this program knows {migrations.Count}. Run the newer program that wrote it.");
        }

        for (int i = 0; i < applied.Count; i++)
        {
            if (applied[i].Version != i + 1 || !applied[i].Checksum.AsSpan().SequenceEqual(Checksum(migrations[i])))
            {
                throw new StorageException(
                    StorageErrorKind.ForeignSchema,
                    $"The database {path} was not made by this program's schema ('{migrations[i].Name}' differs). Is it another role's file? Point the role to its own data folder (--data).");
            }
        }
    }

    // Over the text before placeholders are replaced: the same on every database.
    private static byte[] Checksum(Migration migration) =>
        SHA256.HashData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{migration.Version}\n{migration.Name}\n{migration.Sql.ReplaceLineEndings("\n")}")));

    private static void InTransaction(TransactionSession session, Action step)
    {
        session.Begin(works: 1);
        try
        {
            step();
            session.Commit();
        }
        catch
        {
            session.Rollback();
            throw;
        }
    }
}
