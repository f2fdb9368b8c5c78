namespace Tacit.Storage.Sqlite;

/// <summary>
/// Marks a database as this process's until disposed, or until the process dies, however it dies. SQLite alone would let a second process in, and two
/// gateways on one file would answer for each other's replies. A file of its own, as closing any other handle on the database file would drop the locks
/// SQLite holds on it (sqlite.org/howtocorrupt.html §2.2), and its exclusive mode would shut out our own readers.
/// </summary>
internal sealed class OwnerLock : IDisposable
{
    private readonly FileStream _file;

    private OwnerLock(FileStream file)
    {
        _file = file;
    }

    internal static OwnerLock Take(string databasePath)
    {
        string path = databasePath + ".lock";
        try
        {
            // On Unix FileShare.None is flock(LOCK_EX | LOCK_NB), which also keeps apart two owners within one process.
            return new OwnerLock(new FileStream(path, PrivateFile(FileMode.OpenOrCreate, FileShare.None)));
        }
        catch (IOException e) when (IsHeld(e))
        {
            throw new StorageException(
                StorageErrorKind.Locked,
                $"The database {databasePath} is in use by another process. Stop that one first, or use another data folder (--data).",
                e);
        }
    }

    internal static FileStreamOptions PrivateFile(FileMode mode, FileShare share)
    {
        var options = new FileStreamOptions { Mode = mode, Access = FileAccess.ReadWrite, Share = share, BufferSize = 0 };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        return options;
    }

    // The file stays: deleting it would let one process lock the old file and another the new one.
    public void Dispose() => _file.Dispose();

    // .NET passes the system's own code on: EAGAIN on Linux and macOS, ERROR_SHARING_VIOLATION on Windows.
    private static bool IsHeld(IOException e) => e.HResult is 11 or 35 or unchecked((int)0x8007_0020);
}
