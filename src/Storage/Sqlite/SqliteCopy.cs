using System.Globalization;

namespace Tacit.Storage.Sqlite;

/// <summary>What <see cref="DatabaseCopy"/> does to SQLite files.</summary>
internal static class SqliteCopy
{
    /// <summary>
    /// VACUUM INTO rather than the backup API: one read transaction, so that the copy is one moment of the database however busy it is, where the API begins anew
    /// whenever another process writes; and nothing of freed pages comes along.
    /// </summary>
    internal static void Write(string path, string copyPath)
    {
        SqliteLibrary.EnsureLoaded();
        if (!File.Exists(path))
        {
            throw Unusable($"There is no database {path}.");
        }

        if (File.Exists(copyPath))
        {
            throw Unusable($"{copyPath} is there already, and no copy is overwritten. Name another file.");
        }

        string unfinished = copyPath + ".part";
        try
        {
            Remove(unfinished);
            // An empty file of the right mode: SQLite would create it readable by others.
            new FileStream(unfinished, OwnerLock.PrivateFile(FileMode.CreateNew, FileShare.ReadWrite)).Dispose();
            using (SqliteSession session = SqliteSession.Open(path, canWrite: true, SqliteLimits.Default))
            {
                session.ExecuteScript($"VACUUM INTO '{unfinished.Replace("'", "''", StringComparison.Ordinal)}'");
            }

            Check(unfinished);
            Sync(unfinished);
            File.Move(unfinished, copyPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable($"The copy {copyPath} cannot be written. Check its folder's owner, permissions and free space.", e);
        }
        finally
        {
            Remove(unfinished);
        }
    }

    /// <returns>Where the database that was there before is now; null if there was none.</returns>
    internal static async Task<string?> PutBackAsync(
        string copyPath, string path, IReadOnlyList<Migration> migrations, Action<Session> adapt, TimeProvider time, CancellationToken cancellationToken)
    {
        SqliteLibrary.EnsureLoaded();
        path = Path.GetFullPath(path);
        if (!File.Exists(copyPath))
        {
            throw Unusable($"There is no copy {copyPath}.");
        }

        string next = path + ".restoring";
        try
        {
            using OwnerLock owner = OwnerLock.Take(path);
            Remove(next);
            await using (FileStream from = File.OpenRead(copyPath))
            await using (var to = new FileStream(next, OwnerLock.PrivateFile(FileMode.CreateNew, FileShare.None)))
            {
                await from.CopyToAsync(to, cancellationToken);
            }

            Check(next);
            // As the role would open it: another role's copy, or a newer program's, is refused here and nothing has changed.
            await using (Database database = await SqliteDatabase.OpenAsync(next, migrations, time, SqliteLimits.Default, cancellationToken))
            {
                await database.WriteAsync(adapt, cancellationToken);
            }

            Sync(next);
            string? aside = File.Exists(path) ? KeepAside(path) : null;
            // One step: at no moment is there no database, which a role that starts would take for a first start.
            File.Move(next, path, overwrite: true);
            return aside;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable($"The database {path} cannot be replaced. Check its folder's owner, permissions and free space.", e);
        }
        finally
        {
            Remove(next);
        }
    }

    private static void Check(string path)
    {
        using SqliteSession session = SqliteSession.Open(path, canWrite: false, SqliteLimits.Default);
        if (session.Query("PRAGMA integrity_check", static row => row.Text(0)) is not ["ok"] || session.Query("PRAGMA foreign_key_check", static _ => 0).Count > 0)
        {
            throw new StorageException(StorageErrorKind.Corrupt, $"The database {path} is damaged. Take an older copy.");
        }
    }

    private static void Sync(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
        file.Flush(flushToDisk: true);
    }

    /// <summary>A copy of the file as it is, its log folded in, or beside it where it is too damaged for that: the new file must not find a log.</summary>
    private static string KeepAside(string path)
    {
        string aside;
        int number = 1;
        do
        {
            aside = string.Create(CultureInfo.InvariantCulture, $"{path}.replaced-{number++}");
        }
        while (File.Exists(aside));

        try
        {
            // The last connection folds the log in when it is closed.
            SqliteSession.Open(path, canWrite: true, SqliteLimits.Default).Dispose();
        }
        catch (StorageException)
        {
            // Damaged, which may be why it is replaced.
        }

        foreach (string suffix in (ReadOnlySpan<string>)["-wal", "-shm"])
        {
            if (File.Exists(path + suffix))
            {
                File.Move(path + suffix, aside + suffix);
            }
        }

        File.Copy(path, aside);
        return aside;
    }

    private static void Remove(string path)
    {
        foreach (string suffix in (ReadOnlySpan<string>)["", "-wal", "-shm", ".lock"])
        {
            if (File.Exists(path + suffix))
            {
                File.Delete(path + suffix);
            }
        }
    }

    private static StorageException Unusable(string message, Exception? inner = null) => new(StorageErrorKind.Unavailable, message, inner);
}
