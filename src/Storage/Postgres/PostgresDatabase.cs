using System.Collections.Concurrent;

namespace Tacit.Storage.Postgres;

internal sealed class PostgresDatabase : Database
{
    private readonly PostgresServer _server;
    private readonly GroupCommit _writer;
    private readonly BlockingCollection<Work> _reads = [];
    private readonly Task _readersEnded;
    private readonly ManualResetEventSlim _closing;
    private bool _disposed;

    private PostgresDatabase(PostgresServer server, PostgresSession writer, ManualResetEventSlim closing)
    {
        _server = server;
        _closing = closing;
        _writer = new GroupCommit(writer, "writer of " + server.Name, server.Options.QueueCapacity, server.Options.MaxGroup);

        // Threads of their own, as they block on the network: a pool of two threads cannot spare one.
        _readersEnded = Task.WhenAll(Enumerable.Range(0, server.Options.Readers).Select(_ => Task.Factory.StartNew(
            Read, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)));
    }

    public override Dialect Dialect => Dialect.Postgres;

    public override bool IsShared => true;

    public override WriteCounts Writes => _writer.Counts;

    internal static Task<Database> OpenAsync(
        PostgresOptions options, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(migrations);
        ArgumentNullException.ThrowIfNull(time);
        return Task.Run<Database>(() => OpenCoreAsync(options, migrations, time, cancellationToken), cancellationToken);
    }

    public override Task<T> WriteAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        return _writer.EnqueueAsync(work, cancellationToken);
    }

    public override Task<T> ReadAsync<T>(Func<Session, T> work, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(work);
        if (cancellationToken.IsCancellationRequested)
        {
            return Task.FromCanceled<T>(cancellationToken);
        }

        var entry = new Work<T>(work, cancellationToken);
        try
        {
            _reads.Add(entry, CancellationToken.None);
        }
        catch (InvalidOperationException)
        {
            return Task.FromException<T>(new ObjectDisposedException(nameof(Database)));
        }

        return entry.Task;
    }

    public override Task FoldLogAsync() => Task.CompletedTask;

    public override async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
        {
            return;
        }

        _reads.CompleteAdding();
        _closing.Set();
        await Task.WhenAll(_writer.DisposeAsync().AsTask(), _readersEnded);
        await _server.DisposeAsync();
        _reads.Dispose();
        _closing.Dispose();
    }

    private static async Task<Database> OpenCoreAsync(
        PostgresOptions options, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancellationToken)
    {
        PostgresServer server = PostgresServer.Create(options);
        var closing = new ManualResetEventSlim();
        PostgresSession? writer = null;
        try
        {
            using (PostgresSession session = PostgresSession.Migrating(server, closing))
            {
                Migrate(session, server, migrations, time, cancellationToken);
            }

            var marks = new CommitMarks(time);
            writer = PostgresSession.Writer(server, marks, closing);
            writer.Maintain(marks.CleanUpOthers);
            return new PostgresDatabase(server, writer, closing);
        }
        catch
        {
            writer?.Dispose();
            await server.DisposeAsync();
            closing.Dispose();
            throw;
        }
    }

    /// <summary>
    /// Instances that start at the same time take the steps in turn: each step begins with the insert of its number, which waits for another's. Only the making of the
    /// very first tables has nothing to wait at; whoever loses there tries again, and finds them.
    /// </summary>
    private static void Migrate(
        PostgresSession session, PostgresServer server, IReadOnlyList<Migration> migrations, TimeProvider time, CancellationToken cancellationToken)
    {
        for (int attempt = 1; ; attempt++)
        {
            try
            {
                session.Begin(works: 1);
                session.Execute(session.Dialect.Render(CommitMarks.Table));
                session.Commit();
                Migrator.Apply(session, server.Name, migrations, time, cancellationToken);
                return;
            }
            catch (StorageException e) when (attempt <= 8 && (e.Kind == StorageErrorKind.Constraint || session.MayRetry(e, attempt)))
            {
                session.Rollback();
                cancellationToken.ThrowIfCancellationRequested();
            }
        }
    }

    private void Read()
    {
        using PostgresSession session = PostgresSession.Reader(_server, _closing);
        foreach (Work work in _reads.GetConsumingEnumerable())
        {
            for (int attempt = 1; ; attempt++)
            {
                session.Begin(works: 1);
                StorageException? failure = work.Run(session);
                if (failure is { Trouble: not Trouble.None } && session.MayRetry(failure, attempt))
                {
                    continue;
                }

                // What was read is known: nobody needs to wait for the end of a transaction that changed nothing.
                work.Complete(null);
                Finish(session);
                break;
            }
        }
    }

    private static void Finish(PostgresSession session)
    {
        try
        {
            session.Commit();
        }
        catch (StorageException)
        {
            session.Rollback();
        }
    }
}
