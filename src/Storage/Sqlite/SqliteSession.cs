using SQLitePCL;

namespace Tacit.Storage.Sqlite;

/// <summary>One connection, used by one thread at a time.</summary>
internal sealed class SqliteSession : TransactionSession
{
    /// <summary>Statements kept prepared. Roles have some dozens; tables named by period add a few more each period, and the oldest go.</summary>
    private const int MaxStatements = 128;

    private readonly string _path;
    private readonly Dictionary<string, SqliteStatement> _statements = new(StringComparer.Ordinal);
    private readonly bool _canWrite;
    private long _uses;
    private bool _disposed;

    /// <summary>Whether the transaction is one work, which then needs no savepoint.</summary>
    private bool _alone;

    private SqliteSession(string path, sqlite3 handle, bool canWrite)
    {
        _path = path;
        _canWrite = canWrite;
        Handle = handle;
    }

    public override Dialect Dialect => Dialect.Sqlite;

    internal sqlite3 Handle { get; }

    internal override bool InTransaction => raw.sqlite3_get_autocommit(Handle) == 0;

    internal static SqliteSession Open(string path, bool canWrite, SqliteLimits limits)
    {
        int code = raw.sqlite3_open_v2(path, out sqlite3 handle, raw.SQLITE_OPEN_READWRITE | raw.SQLITE_OPEN_NOMUTEX, null);
        var session = new SqliteSession(path, handle, canWrite);
        try
        {
            session.Check(code);
            session.Check(raw.sqlite3_extended_result_codes(handle, 1));
            session.Check(raw.sqlite3_busy_timeout(handle, (int)limits.BusyTimeout.TotalMilliseconds));
            session.ExecuteScript(
                """
                PRAGMA foreign_keys = ON;
                PRAGMA trusted_schema = OFF;
                PRAGMA cell_size_check = ON;
                PRAGMA temp_store = MEMORY;
                """);
            if (canWrite)
            {
                session.ConfigureWriter(limits);
            }
            else
            {
                session.ExecuteScript("PRAGMA query_only = ON;");
            }

            return session;
        }
        catch
        {
            session.Dispose();
            throw;
        }
    }

    internal StorageException Error(int code) => !_canWrite && (code & 0xff) == raw.SQLITE_READONLY
        ? new StorageException(StorageErrorKind.Statement, "A work given to ReadAsync tried to write.")
        : SqliteErrors.Create(code, Handle, _path);

    // IMMEDIATE: the lock is taken here, not in the middle of the first work.
    internal override void Begin(int works)
    {
        _alone = works == 1;
        Execute(_canWrite ? "BEGIN IMMEDIATE" : "BEGIN");
    }

    internal override void Commit() => Execute("COMMIT");

    internal override void Rollback()
    {
        if (InTransaction)
        {
            // Without a transaction, or on an error, there is nothing left to roll back: SQLite has done it.
            _ = raw.sqlite3_exec(Handle, "ROLLBACK");
        }
    }

    // Under a savepoint SQLite keeps a copy of every page that is written, and most transactions are one work: the spends of all who wait.
    internal override void BeginWork()
    {
        if (!_alone)
        {
            Execute("SAVEPOINT work");
        }
    }

    internal override void EndWork()
    {
        if (!_alone)
        {
            Execute("RELEASE work");
        }
    }

    internal override void RollbackWork()
    {
        if (_alone)
        {
            Rollback();
            Begin(works: 1);
            return;
        }

        Execute("ROLLBACK TO work");
        Execute("RELEASE work");
    }

    internal override void ExecuteScript(string sql) => Check(raw.sqlite3_exec(Handle, sql));

    public override void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        foreach (SqliteStatement statement in _statements.Values)
        {
            statement.Dispose();
        }

        Handle.Dispose();
    }

    private protected override Cursor Open(string sql, ReadOnlySpan<SqlValue> args)
    {
        if (!_statements.TryGetValue(sql, out SqliteStatement? statement))
        {
            statement = Prepare(sql);
        }

        statement.LastUse = ++_uses;
        statement.Start(args);
        return statement;
    }

    private SqliteStatement Prepare(string sql)
    {
        Check(raw.sqlite3_prepare_v2(Handle, sql, out sqlite3_stmt handle, out string tail));
        if (handle.IsInvalid || !string.IsNullOrWhiteSpace(tail))
        {
            handle.Dispose();
            throw new StorageException(StorageErrorKind.Statement, "One statement at a time, without a comment behind it.");
        }

        var statement = new SqliteStatement(this, handle);
        if (_statements.Count >= MaxStatements)
        {
            (string oldest, SqliteStatement dropped) = _statements.Where(entry => !entry.Value.IsRunning).MinBy(entry => entry.Value.LastUse);
            _statements.Remove(oldest);
            dropped.Dispose();
        }

        _statements.Add(sql, statement);
        return statement;
    }

    private void ConfigureWriter(SqliteLimits limits)
    {
        // Before anything is written: a file that has pages ignores it.
        ExecuteScript($"PRAGMA page_size = {limits.PageSize};");
        string? mode = QuerySingle("PRAGMA journal_mode = WAL", static row => row.Text(0));
        if (mode != "wal")
        {
            throw new StorageException(
                StorageErrorKind.Unavailable,
                $"The file system of {_path} cannot hold a write-ahead log (journal mode is '{mode}'). Use a local disk, not a network share.");
        }

        // FULL: a commit that was reported survives a power cut, not only a crash. FAST secure delete: freed bytes within a written page are zeroed, which
        // costs no extra I/O; whole pages are not unless asked for, or dropping a period would rewrite it.
        long pageSize = QueryInt64("PRAGMA page_size") ?? limits.PageSize;
        ExecuteScript(
            $"""
            PRAGMA synchronous = FULL;
            PRAGMA wal_autocheckpoint = {limits.LogKibibytes * 1024L / pageSize};
            PRAGMA secure_delete = {(limits.ErasesFreedPages ? "ON" : "FAST")};
            PRAGMA cache_size = -{limits.WriterCacheKibibytes};
            """);
        if (limits.MaxPages is int pages)
        {
            ExecuteScript($"PRAGMA max_page_count = {pages};");
        }
    }

    private void Check(int code)
    {
        if (code != raw.SQLITE_OK)
        {
            throw Error(code);
        }
    }
}
