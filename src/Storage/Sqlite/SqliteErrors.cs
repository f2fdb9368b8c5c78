using SQLitePCL;

namespace Tacit.Storage.Sqlite;

/// <summary>From SQLite's result codes (sqlite.org/rescode.html) to ours.</summary>
internal static class SqliteErrors
{
    // Growing the shared-memory index is the first thing that fails on a full disk, and it has a code of its own.
    private const int IoErrorShmSize = raw.SQLITE_IOERR | (19 << 8);

    private const int IoErrorShmMap = raw.SQLITE_IOERR | (21 << 8);

    internal static StorageException Create(int code, sqlite3? database, string path)
    {
        bool noTable = code == raw.SQLITE_ERROR && database is { IsInvalid: false }
            && raw.sqlite3_errmsg(database).utf8_to_string().StartsWith("no such table", StringComparison.Ordinal);
        int extended = database is { IsInvalid: false } ? raw.sqlite3_extended_errcode(database) : code;
        if ((extended & 0xff) != (code & 0xff))
        {
            extended = code;
        }

        // SQLite's text names tables, columns and tokens of the statement, never a bound value.
        string detail = database is { IsInvalid: false } ? raw.sqlite3_errmsg(database).utf8_to_string() : raw.sqlite3_errstr(code).utf8_to_string();
        detail = $"({detail}, SQLite {extended})";
        return (code & 0xff) switch
        {
            raw.SQLITE_FULL => DiskFull(path, detail),
            raw.SQLITE_IOERR when extended is IoErrorShmSize or IoErrorShmMap => DiskFull(path, detail),
            raw.SQLITE_BUSY or raw.SQLITE_LOCKED => new(
                StorageErrorKind.Locked, $"The database {path} is locked by another program. Close whatever else has it open {detail}."),
            raw.SQLITE_CORRUPT => new(
                StorageErrorKind.Corrupt, $"The database {path} is damaged. Stop the role, keep the file, and restore it from a backup {detail}."),
            raw.SQLITE_NOTADB => new(
                StorageErrorKind.Corrupt, $"The file {path} is not a database. Move it away, or restore the database from a backup {detail}."),
            raw.SQLITE_READONLY or raw.SQLITE_PERM or raw.SQLITE_CANTOPEN or raw.SQLITE_AUTH => new(
                StorageErrorKind.Unavailable, $"The database {path} cannot be opened for writing. Check the owner and permissions of the file and its folder {detail}."),
            raw.SQLITE_IOERR or raw.SQLITE_NOMEM => new(
                StorageErrorKind.Unavailable, $"The database {path} cannot be read or written. Check the disk (dmesg) and free memory {detail}."),
            raw.SQLITE_CONSTRAINT => new(StorageErrorKind.Constraint, $"The database refused a change that breaks its rules {detail}."),
            _ when noTable => new(StorageErrorKind.NoTable, $"A statement names a table that is not there {detail}."),
            _ => new(StorageErrorKind.Statement, $"The database could not run a statement {detail}."),
        };
    }

    private static StorageException DiskFull(string path, string detail) =>
        new(StorageErrorKind.DiskFull, $"The disk that holds {path} is full. Nothing was changed; make room and try again {detail}.");
}
