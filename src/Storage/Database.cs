using Tacit.Storage.Postgres;
using Tacit.Storage.Sqlite;

namespace Tacit.Storage;

/// <summary>
/// The database of one role. Works are functions over a <see cref="Session"/>; they may run on any thread, must not wait for anything, and touch nothing but
/// the session and what they return: on PostgreSQL a work may run more than once, when nothing of the run before was kept. Errors are
/// <see cref="StorageException"/>s.
/// </summary>
public abstract class Database : IAsyncDisposable
{
    private protected Database()
    {
    }

    public abstract Dialect Dialect { get; }

    /// <summary>Whether other processes may have it open and write to it, too.</summary>
    public abstract bool IsShared { get; }

    /// <summary>What was written since it was opened.</summary>
    public abstract WriteCounts Writes { get; }

    /// <summary>
    /// Opens (or creates, readable by this user only) the SQLite file at <paramref name="path"/> and brings its schema up to date. One process at a time
    /// owns a file; a second one gets <see cref="StorageErrorKind.Locked"/>. WAL, full sync, foreign keys on.
    /// </summary>
    /// <param name="path">The file; <c>-wal</c>, <c>-shm</c> and <c>.lock</c> appear beside it.</param>
    /// <param name="migrations">The role's whole schema, versions 1, 2, 3….</param>
    /// <param name="time">Dates the migrations.</param>
    /// <param name="cancellationToken">Gives up between migrations.</param>
    public static Task<Database> OpenSqliteAsync(
        string path, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancellationToken = default) =>
        SqliteDatabase.OpenAsync(path, migrations, time, SqliteLimits.Default, cancellationToken);

    /// <inheritdoc cref="OpenSqliteAsync(string, IReadOnlyList{Migration}, TimeProvider, CancellationToken)"/>
    /// <param name="eraseFreedPages">
    /// Whether whole pages that a deletion frees are overwritten with zeros, too, for a database whose rows must be gone when they are deleted. The write-ahead log
    /// keeps them until it is checkpointed, at the latest when the database is closed.
    /// </param>
    public static Task<Database> OpenSqliteAsync(
        string path, IReadOnlyList<Migration> migrations, TimeProvider time, bool eraseFreedPages, CancellationToken cancellationToken = default) =>
        SqliteDatabase.OpenAsync(path, migrations, time, SqliteLimits.Default with { ErasesFreedPages = eraseFreedPages }, cancellationToken);

    /// <summary>
    /// Opens a PostgreSQL database (13 or later) and brings its schema up to date; several instances may do so at the same time, and share it. A work whose connection broke
    /// or that collided with another instance's runs again when it is certain that nothing of it was kept.
    /// </summary>
    /// <param name="options">Where it is, and sizes.</param>
    /// <param name="migrations">The role's whole schema, versions 1, 2, 3….</param>
    /// <param name="time">Dates the migrations.</param>
    /// <param name="cancellationToken">Gives up between migrations.</param>
    public static Task<Database> OpenPostgresAsync(
        PostgresOptions options, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancellationToken = default) =>
        PostgresDatabase.OpenAsync(options, migrations, time, cancellationToken);

    /// <summary>
    /// Runs a work that may write and completes once its effect is durable. All works that wait share one transaction and one sync of the disk, in the order
    /// they came; each is atomic by itself: an exception from it undoes it alone and comes out here. A work sees the effect of those before it, so even an
    /// exception waits for the commit. When many wait already, this waits for room first. Cancelling takes a work out of the queue; once it runs it stays.
    /// </summary>
    public abstract Task<T> WriteAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default);

    /// <inheritdoc cref="WriteAsync{T}"/>
    public Task WriteAsync(Action<Session> work, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        return WriteAsync(
            session =>
            {
                work(session);
                return 0;
            },
            cancellationToken);
    }

    /// <summary>Runs a work that only reads, on a snapshot of what is committed. Several run at the same time, beside the writer.</summary>
    public abstract Task<T> ReadAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default);

    /// <summary>
    /// Folds SQLite's write-ahead log into the file and empties it, so that nothing is left in it of rows that were deleted or overwritten before. Waits for works under
    /// way. On PostgreSQL it does nothing: what is left there of deleted rows, VACUUM and the server's own log decide.
    /// </summary>
    /// <exception cref="StorageException"><see cref="StorageErrorKind.Locked"/>: something else kept the log in use.</exception>
    public abstract Task FoldLogAsync();

    /// <summary>Finishes the works that wait, refuses new ones with <see cref="ObjectDisposedException"/>, and gives the database free.</summary>
    public abstract ValueTask DisposeAsync();
}

/// <summary>How many works were written in how many transactions: what a sync of the disk is shared by.</summary>
/// <param name="Works">Works of transactions that were committed, also those that failed by themselves.</param>
/// <param name="Commits">The transactions.</param>
public readonly record struct WriteCounts(long Works, long Commits);
