using System.Globalization;
using Tacit.Storage.Transfer;

namespace Tacit.Storage;

/// <summary>What a role's schema does not say about its database, where that is to be moved.</summary>
public sealed record TransferRules
{
    /// <summary>The statement that makes a table which the role makes as it goes, in the form of a migration; null for a name that is none of its tables.</summary>
    public Func<string, string?> Create { get; init; } = static _ => null;

    /// <summary>Last work on the new database.</summary>
    public Action<Session> Finish { get; init; } = static _ => { };

    /// <summary>
    /// Last work on a PostgreSQL database that was moved away from: it stays where it is, and a role that is started on it by mistake must see that it is old.
    /// A SQLite file is renamed instead.
    /// </summary>
    public Action<Session> Retire { get; init; } = static _ => { };
}

/// <summary>How many rows of a table were moved.</summary>
public readonly record struct TransferredTable(string Name, long Rows);

/// <summary>
/// Moves a role's database between SQLite and PostgreSQL, table by table and row by row, while the role stands still. All rows go in one transaction and are counted
/// in it, so that there is a whole database or none: what was interrupted is begun anew, and a target that holds a row already is refused.
/// </summary>
public static class DatabaseTransfer
{
    /// <summary>What the file is renamed to, behind its name, when its rows are elsewhere.</summary>
    public const string MovedSuffix = ".moved";

    private const string UnfinishedSuffix = ".unfinished";

    /// <param name="sqlitePath">The database; renamed when all is there, so that no role starts on it again.</param>
    /// <param name="target">A database without a row.</param>
    /// <param name="migrations">The role's whole schema.</param>
    /// <param name="rules">What the schema does not say.</param>
    /// <param name="time">Dates the migrations.</param>
    /// <param name="cancellationToken">Gives up before the rows go.</param>
    /// <exception cref="StorageException">
    /// The role runs; or the target is not empty, or the file of an earlier move is still there (<see cref="StorageErrorKind.NotEmpty"/>).
    /// </exception>
    public static async Task<IReadOnlyList<TransferredTable>> ToPostgresAsync(
        string sqlitePath, PostgresOptions target, IReadOnlyList<Migration> migrations, TransferRules rules, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(target);
        ArgumentNullException.ThrowIfNull(rules);
        RequireFile(sqlitePath);
        RequireNoOlder(sqlitePath);
        IReadOnlyList<TransferredTable> moved;
        await using (Database from = await Database.OpenSqliteAsync(sqlitePath, migrations, time, cancellationToken))
        {
            await using Database to = await Database.OpenPostgresAsync(Patient(target), migrations, time, cancellationToken);
            moved = await TableCopy.RunAsync(from, to, rules, cancellationToken);
        }

        File.Move(sqlitePath, sqlitePath + MovedSuffix, overwrite: false);
        return moved;
    }

    /// <param name="source">The database. It stays, retired as the role wants it.</param>
    /// <param name="sqlitePath">The file to be made; none may be there.</param>
    /// <param name="migrations">The role's whole schema.</param>
    /// <param name="rules">What the schema does not say.</param>
    /// <param name="time">Dates the migrations.</param>
    /// <param name="cancellationToken">Gives up before the rows go.</param>
    /// <exception cref="StorageException">There is a file already (<see cref="StorageErrorKind.NotEmpty"/>), or one of the two cannot be used.</exception>
    public static async Task<IReadOnlyList<TransferredTable>> FromPostgresAsync(
        PostgresOptions source, string sqlitePath, IReadOnlyList<Migration> migrations, TransferRules rules, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(rules);
        if (File.Exists(sqlitePath))
        {
            throw new StorageException(StorageErrorKind.NotEmpty, $"There is a database {sqlitePath} already. Move it away first, if you are sure that no token, credit or key in it matters.");
        }

        // Under another name until it is whole; what an interruption left is thrown away.
        string unfinished = sqlitePath + UnfinishedSuffix;
        foreach (string rest in (string[])["", "-wal", "-shm"])
        {
            File.Delete(unfinished + rest);
        }

        IReadOnlyList<TransferredTable> moved;
        await using (Database from = await Database.OpenPostgresAsync(Patient(source), migrations, time, cancellationToken))
        {
            await using (Database to = await Database.OpenSqliteAsync(unfinished, migrations, time, cancellationToken))
            {
                moved = await TableCopy.RunAsync(from, to, rules, cancellationToken);
                await to.FoldLogAsync();
            }

            await from.WriteAsync(rules.Retire, cancellationToken);
        }

        File.Move(unfinished, sqlitePath, overwrite: false);
        File.Delete(unfinished + ".lock");
        return moved;
    }

    private static void RequireFile(string path)
    {
        if (!File.Exists(path))
        {
            throw new StorageException(
                StorageErrorKind.Unavailable,
                File.Exists(path + MovedSuffix)
                    ? $"The database {path} was moved before: {path + MovedSuffix} is what it was."
                    : string.Create(CultureInfo.InvariantCulture, $"There is no database {path}. Name its folder with --data."));
        }
    }

    /// <summary>What it is renamed to in the end must be free: to find that out then would leave two databases that a role can be started on.</summary>
    private static void RequireNoOlder(string path)
    {
        if (File.Exists(path + MovedSuffix))
        {
            throw new StorageException(
                StorageErrorKind.NotEmpty, $"There is a {path + MovedSuffix} of an earlier move, which is of no more use. Nothing was moved: remove it first.");
        }
    }

    /// <summary>A table is read and written in one piece, however long it is.</summary>
    private static PostgresOptions Patient(PostgresOptions options) => options with { Readers = 1, StatementTimeout = TimeSpan.FromHours(12) };
}
