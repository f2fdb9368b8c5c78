using System.Collections.Concurrent;

namespace Tacit.Storage.Sqlite;

internal sealed class SqliteDatabase : Database
{
    private readonly string _path;
    private readonly OwnerLock _owner;
    private readonly SqliteLimits _limits;
    private readonly GroupCommit _writer;
    private readonly ConcurrentBag<SqliteSession> _idleReaders = [];
    private readonly SemaphoreSlim _readers;
    private bool _disposed;

    private SqliteDatabase(string path, OwnerLock owner, SqliteSession writer, SqliteLimits limits)
    {
        _path = path;
        _owner = owner;
        _limits = limits;
        _readers = new SemaphoreSlim(limits.MaxReaders);
        _writer = new GroupCommit(writer, "writer of " + Path.GetFileName(path), limits.QueueCapacity, limits.MaxGroup);
    }

    public override Dialect Dialect => Dialect.Sqlite;

    public override bool IsShared => false;

    public override WriteCounts Writes => _writer.Counts;

    internal static Task<Database> OpenAsync(
        string path, IReadOnlyList<Migration> migrations, TimeProvider time, SqliteLimits limits, CancellationToken cancellationToken)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(migrations);
        ArgumentNullException.ThrowIfNull(time);

        // Recovery of the log and migrations may take long, and SQLite has no asynchronous calls.
        return Task.Run<Database>(() => Open(Path.GetFullPath(path), migrations, time, limits, cancellationToken), cancellationToken);
    }

    public override Task<T> WriteAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        return _writer.EnqueueAsync(work, cancellationToken);
    }

    public override async Task<T> ReadAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), typeof(Database));
        await _readers.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), typeof(Database));
            if (!_idleReaders.TryTake(out SqliteSession? session))
            {
                session = SqliteSession.Open(_path, canWrite: false, _limits);
            }

            try
            {
                session.Begin(works: 1);
                T result = work(session);
                session.Commit();
                return result;
            }
            finally
            {
                session.Rollback();
                _idleReaders.Add(session);
            }
        }
        finally
        {
            _readers.Release();
        }
    }

    public override async Task FoldLogAsync()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _disposed), typeof(Database));

        // The writer folds the log, too, whenever it has grown, and SQLite waits for works but not for that.
        for (int attempt = 0; attempt < 40; attempt++)
        {
            if (await Task.Run(TryFoldLog))
            {
                return;
            }

            await Task.Delay(25);
        }

        throw new StorageException(StorageErrorKind.Locked, $"The write-ahead log of {_path} is in use and could not be folded.");
    }

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        // Readers go first: the writer's connection is then the last one, and its closing folds the log into the file.
        for (int i = 0; i < _limits.MaxReaders; i++)
        {
            await _readers.WaitAsync();
        }

        foreach (SqliteSession reader in _idleReaders)
        {
            reader.Dispose();
        }

        _readers.Release(_limits.MaxReaders);
        await _writer.DisposeAsync();
        _owner.Dispose();
    }

    /// <summary>On a connection of its own, since the writer's is in a transaction whenever there is something to do. Works and this wait for each other.</summary>
    private bool TryFoldLog()
    {
        using SqliteSession session = SqliteSession.Open(_path, canWrite: true, _limits);
        return session.QueryInt64("PRAGMA wal_checkpoint(TRUNCATE)") == 0;
    }

    private static SqliteDatabase Open(
        string path, IReadOnlyList<Migration> migrations, TimeProvider time, SqliteLimits limits, CancellationToken cancellationToken)
    {
        SqliteLibrary.EnsureLoaded();
        OwnerLock? owner = null;
        SqliteSession? writer = null;
        try
        {
            CreateFile(path, out owner);
            writer = SqliteSession.Open(path, canWrite: true, limits);
            Migrator.Apply(writer, path, migrations, time, cancellationToken);
            return new SqliteDatabase(path, owner, writer, limits);
        }
        catch
        {
            writer?.Dispose();
            owner?.Dispose();
            throw;
        }
    }

    private static void CreateFile(string path, out OwnerLock owner)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            }
            else
            {
                Directory.CreateDirectory(Path.GetDirectoryName(path)!, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            }

            owner = OwnerLock.Take(path);
            if (!File.Exists(path))
            {
                // SQLite would create it readable by others; -wal and -shm take the mode of the file.
                new FileStream(path, OwnerLock.PrivateFile(FileMode.CreateNew, FileShare.ReadWrite)).Dispose();
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new StorageException(
                StorageErrorKind.Unavailable, $"The database {path} cannot be created or opened. Check the folder's owner, permissions and free space.", e);
        }
    }
}
