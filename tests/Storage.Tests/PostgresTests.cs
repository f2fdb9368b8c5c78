using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Tacit.Storage.Testing;

namespace Tacit.Storage;

/// <summary>PostgreSQL's own troubles: connections that break, servers that restart, instances that collide.</summary>
public sealed class PostgresTests
{
    private static readonly Migration[] s_schema =
    [
        new(1, "notes", "CREATE TABLE note (id {int} NOT NULL PRIMARY KEY, text {text} NOT NULL) {strict}; CREATE TABLE counter (id {int} NOT NULL PRIMARY KEY, value {int} NOT NULL) {strict}"),
        new(2, "counters", "INSERT INTO counter (id, value) VALUES (1, 0), (2, 0)"),
    ];

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<bool, int> Cuts => new(
        from serializable in (bool[])[true, false]
        from cut in Enum.GetValues<Cut>()
        where cut != Cut.None
        select (serializable, (int)cut));

    [Theory]
    [MemberData(nameof(Cuts))]
    public async Task Work_whose_commit_was_never_answered_takes_effect_exactly_once(bool serializable, int cut)
    {
        string direct = await TestPostgres.CreateDatabaseAsync();
        await using var proxy = new CuttingProxy(new NpgsqlConnectionStringBuilder(direct).Port);
        await using Database database = await OpenAsync(Through(proxy, direct), serializable);
        int runs = 0;
        long value = await database.WriteAsync(
            session =>
            {
                runs++;
                long next = session.QueryInt64("UPDATE counter SET value = value + 1 WHERE id = 1 RETURNING value") ?? 0;
                if (runs == 1)
                {
                    proxy.Arm((Cut)cut);
                }

                return next;
            },
            Token);

        Assert.Equal(1, proxy.Cuts);
        Assert.Equal(1, value);
        Assert.Equal(1, await database.ReadAsync(session => session.QueryInt64("SELECT value FROM counter WHERE id = 1"), Token));

        // Delivered, it stands and is not run again; otherwise it did not happen and was.
        Assert.Equal(cut == (int)Cut.AfterDelivery ? 1 : 2, runs);
    }

    [Fact]
    public async Task Work_whose_connection_breaks_between_its_statements_runs_again_as_a_whole()
    {
        string direct = await TestPostgres.CreateDatabaseAsync();
        await using var proxy = new CuttingProxy(new NpgsqlConnectionStringBuilder(direct).Port);
        await using Database database = await OpenAsync(Through(proxy, direct));
        foreach (Cut cut in (Cut[])[Cut.BeforeDelivery, Cut.AfterDelivery])
        {
            bool armed = false;
            await database.WriteAsync(
                session =>
                {
                    session.Execute("UPDATE counter SET value = value + 1 WHERE id = 1");
                    if (!armed)
                    {
                        armed = true;
                        proxy.Arm(cut);
                    }

                    session.Execute("UPDATE counter SET value = value + 1 WHERE id = 2");
                },
                Token);
            bool read = false;
            Assert.NotNull(await database.ReadAsync(
                session =>
                {
                    if (!read)
                    {
                        read = true;
                        proxy.Arm(cut);
                    }

                    return session.QueryInt64("SELECT value FROM counter WHERE id = 1");
                },
                Token));
        }

        Assert.Equal(4, proxy.Cuts);
        Assert.Equal([2, 2], await ReadCountersAsync(database));
    }

    [Fact]
    public async Task Server_that_restarts_in_order_or_crashes_under_load_loses_no_work_and_does_none_twice()
    {
        TestPostgres.SkipUnlessInstalled();
        await using PostgresProcess server = await PostgresProcess.StartAsync();
        await using Database database = await OpenAsync(await server.CreateDatabaseAsync(), patience: TimeSpan.FromSeconds(30));
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Token);
        long done = 0;
        Task[] writers = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(
            async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    // Not idempotent on purpose: one that ran twice would count twice.
                    await database.WriteAsync(session => session.Execute("UPDATE counter SET value = value + 1 WHERE id = 1"), Token);
                    Interlocked.Increment(ref done);
                    await database.ReadAsync(session => session.QueryInt64("SELECT value FROM counter WHERE id = 1"), Token);
                }
            },
            Token))];
        foreach (bool crash in (bool[])[true, false, true])
        {
            long before = Volatile.Read(ref done);
            await UntilAsync(() => Volatile.Read(ref done) > before + 50);
            await server.RestartAsync(crash);
        }

        long last = Volatile.Read(ref done);
        await UntilAsync(() => Volatile.Read(ref done) > last + 50);
        await stop.CancelAsync();
        await Task.WhenAll(writers);
        Assert.Equal([done, 0], await ReadCountersAsync(database));
    }

    [Fact]
    public async Task Server_that_stays_away_is_a_typed_error_fails_fast_from_then_on_and_works_again_when_it_is_back()
    {
        TestPostgres.SkipUnlessInstalled();
        await using PostgresProcess server = await PostgresProcess.StartAsync();
        await using Database database = await OpenAsync(await server.CreateDatabaseAsync(), patience: TimeSpan.FromMilliseconds(300));
        await server.StopAsync(crash: true);
        for (int i = 0; i < 3; i++)
        {
            StorageException error = await Assert.ThrowsAsync<StorageException>(
                () => database.WriteAsync(session => session.Execute("UPDATE counter SET value = value + 1 WHERE id = 1"), Token));
            Assert.Equal((StorageErrorKind.Unavailable, false), (error.Kind, error.IsOutcomeUnknown));
            error = await Assert.ThrowsAsync<StorageException>(() => database.ReadAsync(session => session.QueryInt64("SELECT value FROM counter WHERE id = 1"), Token));
            Assert.Equal(StorageErrorKind.Unavailable, error.Kind);
        }

        await server.LaunchAsync();
        await database.WriteAsync(session => session.Execute("UPDATE counter SET value = value + 1 WHERE id = 1"), Token);
        Assert.Equal([1, 0], await ReadCountersAsync(database));
    }

    [Fact]
    public async Task Commit_that_nobody_can_settle_says_that_its_outcome_is_unknown()
    {
        TestPostgres.SkipUnlessInstalled();
        await using PostgresProcess server = await PostgresProcess.StartAsync();
        string direct = await server.CreateDatabaseAsync();
        await using var proxy = new CuttingProxy(new NpgsqlConnectionStringBuilder(direct).Port);
        await using Database database = await OpenAsync(Through(proxy, direct), patience: TimeSpan.FromMilliseconds(300));
        StorageException error = await Assert.ThrowsAsync<StorageException>(() => database.WriteAsync(
            session =>
            {
                session.Execute("UPDATE counter SET value = value + 1 WHERE id = 1");
                proxy.Arm(Cut.BeforeDelivery);
                server.StopAsync(crash: true).Wait(Token);
            },
            Token));
        Assert.Equal((StorageErrorKind.Unavailable, true), (error.Kind, error.IsOutcomeUnknown));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Instances_that_change_the_same_rows_at_once_lose_no_change(bool serializable)
    {
        string connection = await TestPostgres.CreateDatabaseAsync();
        await using Database one = await OpenAsync(connection, serializable);
        await using Database other = await OpenAsync(connection, serializable);

        // One in each order: on READ COMMITTED they wait for each other until the server finds the deadlock.
        await Task.WhenAll(new[] { one, other }.SelectMany((database, turn) => Enumerable.Range(0, 150).Select(_ => database.WriteAsync(
            session =>
            {
                session.Execute("UPDATE counter SET value = value + 1 WHERE id = $1", turn == 0 ? 1 : 2);
                session.Execute("UPDATE counter SET value = value + 1 WHERE id = $1", turn == 0 ? 2 : 1);
            },
            Token))));
        Assert.Equal([300, 300], await ReadCountersAsync(one));
    }

    [Fact]
    public async Task Works_of_two_instances_run_as_if_one_after_the_other()
    {
        // Each looks at what both have and adds only where there is room: under weaker isolation the two would see room at the same time.
        string connection = await TestPostgres.CreateDatabaseAsync(overSocket: true);
        await using Database one = await OpenAsync(connection);
        await using Database other = await OpenAsync(connection);
        int[] added = await Task.WhenAll(Enumerable.Range(0, 60).Select(i => (i % 2 == 0 ? one : other).WriteAsync(
            session => session.QueryInt64("SELECT CAST(SUM(value) AS BIGINT) FROM counter") < 20
                ? session.Execute("UPDATE counter SET value = value + 1 WHERE id = $1", 1 + (i % 2))
                : 0,
            Token)));
        Assert.Equal(20, added.Sum());
        Assert.Equal(20, (await ReadCountersAsync(one)).Sum());
    }

    [Fact]
    public async Task Instances_that_start_at_once_on_an_empty_database_make_its_schema_once()
    {
        string connection = await TestPostgres.CreateDatabaseAsync();
        Database[] instances = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => OpenAsync(connection)));
        Assert.Equal([0, 0], await ReadCountersAsync(instances[^1]));
        foreach (Database instance in instances)
        {
            await instance.DisposeAsync();
        }

        Migration[] others = [s_schema[0], s_schema[1] with { Sql = "SELECT 1" }];
        StorageException foreign = await Assert.ThrowsAsync<StorageException>(
            () => Database.OpenPostgresAsync(new PostgresOptions { ConnectionString = connection }, others, TimeProvider.System, Token));
        Assert.Equal(StorageErrorKind.ForeignSchema, foreign.Kind);
        StorageException newer = await Assert.ThrowsAsync<StorageException>(
            () => Database.OpenPostgresAsync(new PostgresOptions { ConnectionString = connection }, [s_schema[0]], TimeProvider.System, Token));
        Assert.Equal(StorageErrorKind.NewerSchema, newer.Kind);
    }

    [Fact]
    public async Task Migration_that_fails_leaves_nothing_of_itself()
    {
        string connection = await TestPostgres.CreateDatabaseAsync();
        Migration failing = new(3, "failing", "CREATE TABLE extra (x {int}) {strict}; CREATE TABLE note (x {int}) {strict}");
        StorageException error = await Assert.ThrowsAsync<StorageException>(
            () => Database.OpenPostgresAsync(new PostgresOptions { ConnectionString = connection }, [.. s_schema, failing], TimeProvider.System, Token));

        // The second of them is there already; which another instance might have made at this moment, so it was tried again before.
        Assert.Equal(StorageErrorKind.Constraint, error.Kind);
        await using Database database = await OpenAsync(connection);
        error = await Assert.ThrowsAsync<StorageException>(() => database.ReadAsync(session => session.QueryInt64("SELECT x FROM extra"), Token));
        Assert.Equal(StorageErrorKind.NoTable, error.Kind);
    }

    [Fact]
    public async Task Wrong_connection_strings_are_typed_errors_that_hold_no_password()
    {
        string connection = await TestPostgres.CreateDatabaseAsync();
        const string Password = "canary-8d1f";
        string[] wrong =
        [
            "nonsense;=" + Password,
            "Host=127.0.0.1;Password=" + Password,
            connection + ";Colour=" + Password,
            new NpgsqlConnectionStringBuilder(connection) { Database = "missing", Password = Password }.ConnectionString,
            new NpgsqlConnectionStringBuilder(connection) { Username = "nobody", Password = Password }.ConnectionString,
            new NpgsqlConnectionStringBuilder(connection) { Port = 1, Password = Password }.ConnectionString,

            // Elsewhere means TLS, which this server has not.
            new NpgsqlConnectionStringBuilder(connection) { SslMode = SslMode.VerifyFull, Password = Password }.ConnectionString,
        ];
        foreach (string text in wrong)
        {
            StorageException error = await Assert.ThrowsAsync<StorageException>(() => OpenAsync(text, patience: TimeSpan.Zero));
            Assert.Equal(StorageErrorKind.Unavailable, error.Kind);
            Assert.DoesNotContain(Password, error.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Check_tells_what_login_and_server_are()
    {
        TestPostgres.SkipUnlessInstalled();
        await using PostgresProcess server = await PostgresProcess.StartAsync();
        string connection = await server.CreateDatabaseAsync();
        PostgresCheck owner = await PostgresCheck.RunAsync(connection, Token);
        Assert.True(owner.Version >= PostgresCheck.LeastVersion);

        // The test server is one for tests: on this machine, by its superuser, and without syncs.
        Assert.Equal(("tacit", true, true, true, false), (owner.Login, owner.IsPrivate, owner.MayCreateTables, owner.IsSuperuser, owner.IsDurable));
        await server.ExecuteAsync("postgres", "CREATE ROLE visitor LOGIN");
        PostgresCheck visitor = await PostgresCheck.RunAsync(new NpgsqlConnectionStringBuilder(connection) { Username = "visitor" }.ConnectionString, Token);
        Assert.Equal(("visitor", false, false), (visitor.Login, visitor.MayCreateTables, visitor.IsSuperuser));
        await Assert.ThrowsAsync<StorageException>(() => PostgresCheck.RunAsync(new NpgsqlConnectionStringBuilder(connection) { Port = 1 }.ConnectionString, Token));
    }

    [Fact]
    public async Task Role_that_is_owner_of_its_database_and_nothing_else_can_do_all_it_needs()
    {
        TestPostgres.SkipUnlessInstalled();
        await using PostgresProcess server = await PostgresProcess.StartAsync();
        await server.ExecuteAsync("postgres", "CREATE ROLE tacit_gateway LOGIN");
        await server.ExecuteAsync("postgres", "CREATE DATABASE tacit_gateway OWNER tacit_gateway TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
        await server.ExecuteAsync("postgres", "REVOKE ALL ON DATABASE tacit_gateway FROM PUBLIC");
        string connection = new NpgsqlConnectionStringBuilder(server.ConnectionString("tacit_gateway")) { Username = "tacit_gateway" }.ConnectionString;
        await using Database database = await OpenAsync(connection);
        await database.WriteAsync(session => session.Execute(session.Dialect.Render("CREATE TABLE period (id {blob} PRIMARY KEY) {without_rowid}")), Token);
        await database.WriteAsync(session => session.Execute("DROP TABLE period"), Token);
        await database.WriteAsync(session => session.Execute("UPDATE counter SET value = value + 1 WHERE id = 1"), Token);
    }

    [Fact]
    public async Task Marks_of_commits_do_not_pile_up()
    {
        string connection = await TestPostgres.CreateDatabaseAsync();
        await using (Database database = await OpenAsync(connection))
        {
            for (int i = 0; i < 600; i++)
            {
                await database.WriteAsync(session => session.Execute("UPDATE counter SET value = value + 1 WHERE id = 1"), Token);
            }

            Assert.True(await database.ReadAsync(session => session.QueryInt64("SELECT count(*) FROM storage_commits"), Token) <= 256);
        }

        await using Database again = await OpenAsync(connection);
        Assert.Equal(0, await again.ReadAsync(session => session.QueryInt64("SELECT count(*) FROM storage_commits"), Token));
    }

    private static Task<Database> OpenAsync(string connection, bool serializable = true, TimeSpan? patience = null) => Database.OpenPostgresAsync(
        new PostgresOptions { ConnectionString = connection, Serializable = serializable, Readers = 2, Patience = patience ?? TimeSpan.FromSeconds(20) },
        s_schema, TimeProvider.System, Token);

    private static string Through(CuttingProxy proxy, string connection) =>
        new NpgsqlConnectionStringBuilder(connection) { Port = proxy.Port, SslMode = SslMode.Disable }.ConnectionString;

    private static Task<IReadOnlyList<long>> ReadCountersAsync(Database database) =>
        database.ReadAsync(session => session.Query("SELECT value FROM counter ORDER BY id", row => row.Int64(0)), Token);

    private static async Task UntilAsync(Func<bool> condition)
    {
        for (int i = 0; !condition(); i++)
        {
            Assert.True(i < 6000, "It did not happen within a minute.");
            await Task.Delay(10, Token);
        }
    }
}
