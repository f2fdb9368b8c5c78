using System.Globalization;

namespace Tacit.Storage;

/// <summary>What every database must do, whatever it is. One subclass per dialect; the dialect's own troubles have their own tests.</summary>
public abstract class DatabaseContract : IAsyncLifetime
{
    private const string Insert = "INSERT INTO thing (id, amount, note) VALUES ($1, $2, $3)";

    private static readonly Migration[] s_schema =
    [
        new(1, "things", "CREATE TABLE thing (id {blob} PRIMARY KEY, amount {int} NOT NULL CHECK (amount >= 0), note {text}) {without_rowid}"),
        new(2, "lines", "CREATE TABLE line (id {identity}, thing {blob} NOT NULL REFERENCES thing (id) DEFERRABLE INITIALLY DEFERRED) {strict}; CREATE INDEX line_thing ON line (thing)"),
    ];

    private Database? _database;

    private protected static CancellationToken Token => TestContext.Current.CancellationToken;

    private Database Database => _database!;

    public async ValueTask InitializeAsync() => _database = await OpenAsync(s_schema);

    public async ValueTask DisposeAsync()
    {
        if (_database is not null)
        {
            await Database.DisposeAsync();
        }

        await CleanUpAsync();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Values_of_every_type_come_back_as_they_went_in()
    {
        byte[] id = [0, 1, 255];
        await Database.WriteAsync(s => s.Execute(Insert, id, long.MaxValue, "ä€ 😀"), Token);
        await Database.WriteAsync(s => s.Execute(Insert, Array.Empty<byte>(), 0, ""), Token);
        await Database.WriteAsync(s => s.Execute(Insert, new byte[9].AsMemory(3, 2), true, SqlValue.Null), Token);
        await Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, (long?)3, new string('x', 100_000)), Token);

        IReadOnlyList<(byte[] Id, long Amount, string? Note)> rows = await Database.ReadAsync(
            s => s.Query("SELECT id, amount, note FROM thing ORDER BY id", row => (row.Blob(0), row.Int64(1), row.NullableText(2))), Token);

        Assert.Equal([], rows[0].Id);
        Assert.Equal("", rows[0].Note);
        Assert.Equal([0, 0], rows[1].Id);
        Assert.Equal(1, rows[1].Amount);
        Assert.Null(rows[1].Note);
        Assert.Equal(id, rows[2].Id);
        Assert.Equal(long.MaxValue, rows[2].Amount);
        Assert.Equal("ä€ 😀", rows[2].Note);
        Assert.Equal(100_000, rows[3].Note!.Length);
    }

    [Fact]
    public async Task Arguments_out_of_order_and_used_twice_go_where_their_number_says()
    {
        (byte[] Id, long Amount, string Note) row = await Database.WriteAsync(
            s => s.QuerySingle(
                "INSERT INTO thing (note, amount, id) VALUES ($3, $2, $1) RETURNING id, amount + $2, note", r => (r.Blob(0), r.Int64(1), r.Text(2)), new byte[] { 1 }, 2, "n"),
            Token);
        Assert.Equal([1], row.Id);
        Assert.Equal(4, row.Amount);
        Assert.Equal("n", row.Note);
    }

    [Fact]
    public async Task Conflicting_insert_changes_no_row_and_returns_none()
    {
        const string Once = "INSERT INTO thing (id, amount) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        Assert.Equal(1, await Database.WriteAsync(s => s.Execute(Once, new byte[] { 1 }, 1), Token));
        Assert.Equal(0, await Database.WriteAsync(s => s.Execute(Once, new byte[] { 1 }, 2), Token));
        Assert.Null(await Database.WriteAsync(s => s.QueryInt64(Once + " RETURNING amount", new byte[] { 1 }, 3), Token));
        Assert.Equal(1, await Database.ReadAsync(s => s.QueryInt64("SELECT amount FROM thing"), Token));
    }

    [Fact]
    public async Task Exception_undoes_its_own_work_alone_and_comes_out_as_thrown()
    {
        var thrown = new InvalidDataException();
        Task<int> before, failing, after;
        using (Hold())
        {
            before = Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, "before"), Token);
            failing = Database.WriteAsync<int>(
                s =>
                {
                    s.Execute(Insert, new byte[] { 2 }, 1, "failing");
                    s.Execute("UPDATE thing SET note = 'touched'");
                    throw thrown;
                },
                Token);
            after = Database.WriteAsync(s => s.Execute(Insert, new byte[] { 3 }, 1, "after"), Token);
        }

        Assert.Equal(1, await before);
        Assert.Equal(1, await after);
        Assert.Same(thrown, await Assert.ThrowsAsync<InvalidDataException>(() => failing));
        Assert.Equal(["before", "after"], await Database.ReadAsync(s => s.Query("SELECT note FROM thing ORDER BY id", row => row.Text(0)), Token));
    }

    [Fact]
    public async Task Refused_statement_undoes_the_whole_work()
    {
        StorageException refused = await Assert.ThrowsAsync<StorageException>(() => Database.WriteAsync(
            s =>
            {
                s.Execute(Insert, new byte[] { 1 }, 1, "first");
                s.Execute(Insert, new byte[] { 2 }, -1, "breaks the check");
            },
            Token));
        Assert.Equal(StorageErrorKind.Constraint, refused.Kind);
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task Works_run_in_order_and_see_those_before_them()
    {
        var counts = new List<Task<long?>>();
        using (Hold())
        {
            for (int i = 0; i < 100; i++)
            {
                byte[] id = [(byte)i];
                counts.Add(Database.WriteAsync(
                    s =>
                    {
                        s.Execute(Insert, id, 1, "");
                        return s.QueryInt64("SELECT count(*) FROM thing");
                    },
                    Token));
            }
        }

        Assert.Equal(Enumerable.Range(1, 100).Select(n => (long?)n), await Task.WhenAll(counts));
    }

    [Fact]
    public async Task Failed_commit_fails_every_work_of_the_group_and_keeps_none()
    {
        Task<int> good, dangling;
        Task<int> refused;
        using (Hold())
        {
            good = Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, ""), Token);

            // Refers to a thing that never comes; the check is deferred to the commit.
            dangling = Database.WriteAsync(s => s.Execute("INSERT INTO line (thing) VALUES ($1)", new byte[] { 9 }), Token);

            // Its refusal rests on a row that is not kept, so it must not come out as a fact.
            refused = Database.WriteAsync<int>(
                s => s.QueryInt64("SELECT count(*) FROM thing") == 1 ? throw new InvalidDataException("already there") : 0, Token);
        }

        foreach (Task<int> task in new[] { good, dangling, refused })
        {
            Assert.Equal(StorageErrorKind.Constraint, (await Assert.ThrowsAsync<StorageException>(() => task)).Kind);
        }

        Assert.Equal(0, await CountAsync());
        Assert.Equal(1, await Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, "again"), Token));
    }

    [Fact]
    public async Task Work_cancelled_while_it_waits_never_runs()
    {
        using var cancel = new CancellationTokenSource();
        bool ran = false;
        Task cancelled;
        using (Hold())
        {
            cancelled = Database.WriteAsync(_ => ran = true, cancel.Token);
            await cancel.CancelAsync();
        }

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Database.WriteAsync(_ => ran = true, cancel.Token));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Database.ReadAsync(_ => ran = true, cancel.Token));
        Assert.False(ran);
    }

    [Fact]
    public async Task Full_queue_makes_callers_wait_and_loses_none()
    {
        await using Database small = await OpenAsync(s_schema, queueCapacity: 3);
        using var cancel = new CancellationTokenSource();
        Task[] writes;
        Task impatient;
        using (Hold(small))
        {
            writes = [.. Enumerable.Range(0, 50).Select(i => small.WriteAsync(s => s.Execute(Insert, BitConverter.GetBytes(i), i, ""), Token))];
            impatient = small.WriteAsync(s => s.Execute(Insert, new byte[] { 9 }, 9, ""), cancel.Token);
            await cancel.CancelAsync();

            // It was waiting for room, so it hears at once and not when the writer gets there.
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => impatient);
        }

        await Task.WhenAll(writes);
        Assert.Equal(50, await small.ReadAsync(s => s.QueryInt64("SELECT count(*) FROM thing"), Token));
    }

    [Fact]
    public async Task Dispose_finishes_what_waits_and_refuses_what_comes_later()
    {
        Database small = await OpenAsync(s_schema, queueCapacity: 3);
        Task<int>[] accepted;
        Task<int> withoutRoom;
        Task disposal;
        using (Hold(small))
        {
            accepted = [.. Enumerable.Range(0, 3).Select(i => small.WriteAsync(s => s.Execute(Insert, BitConverter.GetBytes(i), i, ""), Token))];
            withoutRoom = small.WriteAsync(s => s.Execute(Insert, new byte[] { 9 }, 9, ""), Token);
            disposal = small.DisposeAsync().AsTask();
        }

        Assert.All(await Task.WhenAll(accepted), changed => Assert.Equal(1, changed));
        await disposal;
        await Assert.ThrowsAsync<ObjectDisposedException>(() => withoutRoom);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => small.WriteAsync(_ => 0, Token));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => small.ReadAsync(_ => 0, Token));
        await small.DisposeAsync();
    }

    [Fact]
    public async Task Write_from_within_a_work_is_refused_and_not_a_deadlock() =>
        await Assert.ThrowsAsync<InvalidOperationException>(() => Database.WriteAsync(
            _ =>
            {
                Task inner = Database.WriteAsync(_ => 0, Token);
                return inner.IsCompleted;
            },
            Token));

    [Fact]
    public async Task Callers_code_never_runs_on_the_writer()
    {
        int writer = await Database.WriteAsync(_ => Environment.CurrentManagedThreadId, Token);
        Task<int> pending;
        Task<int> continuation;
        using (Hold())
        {
            pending = Database.WriteAsync(_ => 0, Token);
            continuation = pending.ContinueWith(_ => Environment.CurrentManagedThreadId, Token, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        Assert.NotEqual(writer, await continuation);
    }

    [Fact]
    public async Task Reads_go_on_beside_the_writer_and_see_only_what_is_committed()
    {
        await Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, ""), Token);
        using var inside = new ManualResetEventSlim();
        using var leave = new ManualResetEventSlim();
        Task write = Database.WriteAsync(
            s =>
            {
                s.Execute(Insert, new byte[] { 2 }, 1, "");
                inside.Set();
                leave.Wait(Token);
            },
            Token);
        inside.Wait(Token);
        long?[] counts = await Task.WhenAll(Enumerable.Range(0, 32).Select(_ => Task.Run(CountAsync)));
        leave.Set();
        await write;

        Assert.All(counts, count => Assert.Equal(1, count));
        Assert.Equal(2, await CountAsync());
    }

    [Fact]
    public async Task Read_works_on_one_snapshot()
    {
        using var first = new ManualResetEventSlim();
        using var written = new ManualResetEventSlim();
        Task<(long? Before, long? After)> read = Task.Run(
            () => Database.ReadAsync(
                s =>
                {
                    long? before = s.QueryInt64("SELECT count(*) FROM thing");
                    first.Set();
                    written.Wait(Token);
                    return (before, s.QueryInt64("SELECT count(*) FROM thing"));
                },
                Token),
            Token);
        first.Wait(Token);
        await Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, ""), Token);
        written.Set();

        Assert.Equal((0, 0), await read);
    }

    [Fact]
    public async Task Write_in_a_read_is_refused()
    {
        StorageException refused = await Assert.ThrowsAsync<StorageException>(() => Database.ReadAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, ""), Token));
        Assert.Equal(StorageErrorKind.Statement, refused.Kind);
        Assert.Equal(0, await CountAsync());
    }

    [Fact]
    public async Task Tables_come_and_go_within_works()
    {
        // More periods than statements are kept, each with the same texts but for the table's name.
        for (int period = 0; period < 200; period++)
        {
            string table = string.Create(CultureInfo.InvariantCulture, $"spend_{period % 150}");
            byte[] id = [(byte)period];
            await Database.WriteAsync(s => s.Execute(s.Dialect.Render($"CREATE TABLE {table} (id {{blob}} PRIMARY KEY) {{without_rowid}}")), Token);
            Assert.Equal(1, await Database.WriteAsync(s => s.Execute($"INSERT INTO {table} (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", id), Token));
            Assert.Equal(1, await Database.ReadAsync(s => s.QueryInt64($"SELECT count(*) FROM {table}"), Token));
            await Database.WriteAsync(s => s.Execute($"DROP TABLE {table}"), Token);
        }
    }

    [Fact]
    public async Task Table_created_by_a_failing_work_is_not_there()
    {
        await Assert.ThrowsAsync<InvalidDataException>(() => Database.WriteAsync<int>(
            s =>
            {
                s.Execute(s.Dialect.Render("CREATE TABLE extra (id {int}) {strict}"));
                throw new InvalidDataException();
            },
            Token));
        await AssertErrorAsync(StorageErrorKind.NoTable, s => s.QueryInt64("SELECT count(*) FROM extra"));
    }

    [Fact]
    public async Task Wrong_statements_are_typed_errors()
    {
        await Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, SqlValue.Null), Token);
        await Database.WriteAsync(s => s.Execute(Insert, new byte[] { 2 }, 1, SqlValue.Null), Token);
        await AssertStatementErrorAsync(s => s.QueryInt64("SELEKT 1"));
        await AssertErrorAsync(StorageErrorKind.NoTable, s => s.QueryInt64("SELECT amount FROM nowhere"));
        await AssertStatementErrorAsync(s => s.QueryInt64("SELECT amount FROM thing WHERE id = $1"));
        await AssertStatementErrorAsync(s => s.QueryInt64("SELECT amount FROM thing WHERE id = $1", new byte[] { 1 }, 2));
        await AssertStatementErrorAsync(s => s.QueryInt64("SELECT 1; SELECT 2"));
        await AssertStatementErrorAsync(s => s.QueryInt64("SELECT amount FROM thing"));
        await AssertStatementErrorAsync(s => s.Query("SELECT note FROM thing", row => row.Text(0)));
        await AssertStatementErrorAsync(s => s.Query("SELECT note FROM thing", row => row.Int64(0)));
        await AssertStatementErrorAsync(s => s.Query("SELECT id FROM thing", row => row.Int64(0)));
        await AssertStatementErrorAsync(s => s.Query("SELECT amount FROM thing", row => row.Blob(0)));
    }

    [Fact]
    public async Task Statement_run_for_many_rows_tells_for_each_what_it_changed()
    {
        const string Once = "INSERT INTO thing (id, amount) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
        SqlValue[] rows = [new byte[] { 1 }, 1, new byte[] { 2 }, 2, new byte[] { 1 }, 3];
        Assert.Equal((int[])[1, 1, 0], await Database.WriteAsync(s => s.ExecuteMany(Once, 2, rows), Token));
        Assert.Equal((int[])[0, 0, 0], await Database.WriteAsync(s => s.ExecuteMany(Once, 2, rows), Token));
        Assert.Equal((int[])[2], await Database.WriteAsync(s => s.ExecuteMany("UPDATE thing SET amount = $1", 1, [7]), Token));
        Assert.Equal((int[])[], await Database.WriteAsync(s => s.ExecuteMany(Once, 2, []), Token));
        StorageException refused = await Assert.ThrowsAsync<StorageException>(
            () => Database.WriteAsync(s => s.ExecuteMany(Once, 2, [new byte[] { 3 }, 1, new byte[] { 4 }, -1]), Token));
        Assert.Equal(StorageErrorKind.Constraint, refused.Kind);
        Assert.Equal(2, await CountAsync());
    }

    [Fact]
    public async Task Work_that_fails_before_or_after_its_statements_leaves_its_neighbours_alone()
    {
        // Every way a work can end, between works that are kept.
        var outcomes = new List<Task<int>>();
        using (Hold())
        {
            for (byte i = 0; i < 24; i++)
            {
                byte[] id = [i];
                outcomes.Add((i % 6) switch
                {
                    1 => Database.WriteAsync<int>(_ => throw new InvalidDataException(), Token),
                    2 => Database.WriteAsync<int>(s => throw new InvalidDataException(s.Execute(Insert, id, 1, "").ToString(CultureInfo.InvariantCulture)), Token),
                    3 => Database.WriteAsync(s => s.Execute(Insert, id, -1, ""), Token),
                    4 => Database.WriteAsync(_ => 1, Token),
                    5 => Database.WriteAsync(s => s.Query("SELECT id FROM thing", row => row.Blob(0)).Count, Token),
                    _ => Database.WriteAsync(s => s.Execute(Insert, id, 1, ""), Token),
                });
            }
        }

        for (int i = 0; i < outcomes.Count; i++)
        {
            Exception? error = await Record.ExceptionAsync(() => outcomes[i]);
            Assert.Equal((i % 6) switch { 1 or 2 => typeof(InvalidDataException), 3 => typeof(StorageException), _ => null }, error?.GetType());
        }

        Assert.Equal([0, 6, 12, 18], await Database.ReadAsync(s => s.Query("SELECT id FROM thing ORDER BY id", row => (int)row.Blob(0)[0]), Token));
    }

    [Fact]
    public async Task Statement_whose_mapping_threw_can_run_again()
    {
        await Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, 1, ""), Token);
        const string Sql = "SELECT amount FROM thing";
        await Assert.ThrowsAsync<InvalidDataException>(() => Database.ReadAsync(s => s.Query<int>(Sql, _ => throw new InvalidDataException()), Token));
        Assert.Equal(1, await Database.ReadAsync(s => s.QueryInt64(Sql), Token));
    }

    [Fact]
    public async Task Error_names_no_value()
    {
        const string Secret = "canary-5d41402abc";
        StorageException refused = await Assert.ThrowsAsync<StorageException>(
            () => Database.WriteAsync(s => s.Execute(Insert, new byte[] { 1 }, -1, Secret), Token));
        Assert.DoesNotContain(Secret, refused.ToString(), StringComparison.Ordinal);
        Assert.Equal(StorageErrorKind.Constraint, refused.Kind);
    }

    /// <summary>A lone sync is what a write costs; a crowd that waits for one shares it, or a gateway serves a twentieth of what it does.</summary>
    [Fact]
    public async Task Writes_that_wait_share_commits()
    {
        const int Works = 512;
        string insert = $"INSERT INTO thing (id, amount, note) VALUES ($1, 1, {TransactionMark})";
        long commits = await CommitsAsync(Database);
        WriteCounts before = Database.Writes;
        Task[] writes;
        using (Hold())
        {
            writes = [.. Enumerable.Range(0, Works).Select(i => Database.WriteAsync(s => s.Execute(insert, BitConverter.GetBytes(i)), Token))];
        }

        await Task.WhenAll(writes);
        Assert.Equal(Works, await CountAsync());
        // Groups have 64 works at least, and one more may be of the work that held the writer.
        Assert.InRange(await CommitsAsync(Database) - commits, 1, 1 + (Works / 64));
        WriteCounts after = Database.Writes;
        Assert.Equal(Works + 1, after.Works - before.Works);
        Assert.InRange(after.Commits - before.Commits, 2, 1 + (Works / 64));
    }

    /// <summary>An expression of SQL that is the same in all works of one transaction, where <see cref="CommitsAsync"/> counts by that.</summary>
    private protected abstract string TransactionMark { get; }

    /// <summary>How many transactions that wrote something were made durable, by what the database itself has of them.</summary>
    private protected abstract Task<long> CommitsAsync(Database database);

    private protected abstract Task<Database> OpenAsync(IReadOnlyList<Migration> migrations, int? queueCapacity = null);

    private protected abstract ValueTask CleanUpAsync();

    /// <summary>Keeps the writer busy until disposed, so that what is written meanwhile becomes one group.</summary>
    private Releaser Hold() => Hold(Database);

    private static Releaser Hold(Database database)
    {
        var inside = new ManualResetEventSlim();
        var leave = new ManualResetEventSlim();
        Task held = database.WriteAsync(
            _ =>
            {
                inside.Set();
                leave.Wait(Token);
            },
            Token);
        inside.Wait(Token);
        return new Releaser(leave, held);
    }

    private Task<long?> CountAsync() => Database.ReadAsync(s => s.QueryInt64("SELECT count(*) FROM thing"), Token);

    private Task AssertStatementErrorAsync<T>(Func<Session, T> work) => AssertErrorAsync(StorageErrorKind.Statement, work);

    private async Task AssertErrorAsync<T>(StorageErrorKind kind, Func<Session, T> work)
    {
        StorageException error = await Assert.ThrowsAsync<StorageException>(() => Database.ReadAsync(work, Token));
        Assert.Equal(kind, error.Kind);
    }

    private sealed class Releaser(ManualResetEventSlim leave, Task held) : IDisposable
    {
        public void Dispose()
        {
            leave.Set();
            held.Wait(Token);
        }
    }
}
