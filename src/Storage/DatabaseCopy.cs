using Tacit.Storage.Sqlite;

namespace Tacit.Storage;

/// <summary>
/// Copies of a SQLite database, for backups. What a copy forgets is the role's to know: it adapts the database when it is put back. A database on PostgreSQL is
/// copied with that server's own tools.
/// </summary>
public static class DatabaseCopy
{
    /// <summary>Writes one moment of a database to a file, readable by this user only, while its owner goes on. Checked and synced; never over another file.</summary>
    /// <exception cref="StorageException">It cannot be read, or the copy cannot be written.</exception>
    public static Task WriteAsync(string databasePath, string copyPath, CancellationToken cancellationToken = default) =>
        Task.Run(() => SqliteCopy.Write(Path.GetFullPath(databasePath), Path.GetFullPath(copyPath)), cancellationToken);

    /// <summary>
    /// Puts a copy in the place of a database that nobody has open, all or nothing: it is checked, brought to this program's schema and adapted first. What was
    /// there is kept beside it.
    /// </summary>
    /// <param name="copyPath">The copy. Stays as it is.</param>
    /// <param name="databasePath">The database.</param>
    /// <param name="migrations">The role's whole schema.</param>
    /// <param name="adapt">A work on the database before it is put there.</param>
    /// <param name="time">Dates the migrations.</param>
    /// <param name="cancellationToken">Gives up before anything has changed.</param>
    /// <returns>Where what was there is now; null if there was nothing.</returns>
    /// <exception cref="StorageException">The copy is damaged, another role's or a newer program's; or the role runs.</exception>
    public static Task<string?> PutBackAsync(
        string copyPath, string databasePath, IReadOnlyList<Migration> migrations, Action<Session> adapt, TimeProvider time,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(migrations);
        ArgumentNullException.ThrowIfNull(adapt);
        return SqliteCopy.PutBackAsync(copyPath, databasePath, migrations, adapt, time, cancellationToken);
    }
}
