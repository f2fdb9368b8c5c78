using Tacit.Storage.Testing;

namespace Tacit.Storage;

public sealed class DatabaseTransferTests : IDisposable
{
    private const int Rows = 1234;

    private static readonly Migration[] s_schema =
    [
        new(1, "things", "CREATE TABLE thing (id {blob} PRIMARY KEY, amount {int} NOT NULL, note {text}) {without_rowid}"),
        new(2, "lines", "CREATE TABLE line (id {identity}, thing {blob} NOT NULL REFERENCES thing (id)) {strict}; CREATE TABLE none (id {int} PRIMARY KEY) {strict}"),
    ];

    private static readonly TransferRules s_rules = new()
    {
        Create = static name => name.Equals("Extra_T1", StringComparison.OrdinalIgnoreCase) ? "CREATE TABLE Extra_T1 (id {int} PRIMARY KEY) {strict}" : null,
        Finish = static session => session.Execute("UPDATE Extra_T1 SET id = id + 1"),
        Retire = static session => session.Execute("INSERT INTO none (id) VALUES (1)"),
    };

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-transfer-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Role => Path.Combine(_folder, "role.db");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Database_goes_to_postgres_and_back_row_by_row()
    {
        PostgresOptions postgres = new() { ConnectionString = await TestPostgres.CreateDatabaseAsync() };
        IReadOnlyList<string> before = await FillAsync();
        IReadOnlyList<TransferredTable> there = await DatabaseTransfer.ToPostgresAsync(Role, postgres, s_schema, s_rules, TimeProvider.System, Token);
        Assert.Equal([("Extra_T1", 1L), ("line", 1L), ("none", 0L), ("thing", (long)Rows)], there.Select(t => (t.Name, t.Rows)).OrderBy(t => t.Name, StringComparer.Ordinal));
        Assert.False(File.Exists(Role));
        Assert.True(File.Exists(Role + DatabaseTransfer.MovedSuffix));
        await using (Database database = await Database.OpenPostgresAsync(postgres, s_schema, TimeProvider.System, Token))
        {
            Assert.Equal(before, await DumpAsync(database));
            // What the server counts up goes on behind what came.
            Assert.Equal(8, await database.WriteAsync(s => s.QueryInt64("INSERT INTO line (thing) SELECT id FROM thing LIMIT 1 RETURNING id"), Token));
        }

        await DatabaseTransfer.FromPostgresAsync(postgres, Role, s_schema, s_rules, TimeProvider.System, Token);
        await using (Database database = await Database.OpenSqliteAsync(Role, s_schema, TimeProvider.System, Token))
        {
            Assert.Equal(before, await DumpAsync(database));
            Assert.Equal((2L, 12L, 0L), await database.ReadAsync(s => (
                s.QueryInt64("SELECT COUNT(*) FROM line")!.Value, s.QueryInt64("SELECT id FROM extra_t1")!.Value, s.QueryInt64("SELECT COUNT(*) FROM none")!.Value), Token));
        }

        // Where what was renamed the first time is still there, the next move begins with nothing, and so leaves no second database.
        PostgresOptions next = new() { ConnectionString = await TestPostgres.CreateDatabaseAsync() };
        StorageException older = await Assert.ThrowsAsync<StorageException>(() => DatabaseTransfer.ToPostgresAsync(Role, next, s_schema, s_rules, TimeProvider.System, Token));
        Assert.Equal(StorageErrorKind.NotEmpty, older.Kind);
        Assert.True(File.Exists(Role));

        // What stays behind is retired, and was after the rows were read.
        await using Database old = await Database.OpenPostgresAsync(postgres, s_schema, TimeProvider.System, Token);
        Assert.Equal(1, await old.ReadAsync(s => s.QueryInt64("SELECT COUNT(*) FROM none"), Token));
        Assert.Equal(["role.db", "role.db.lock", "role.db.moved"], Directory.EnumerateFiles(_folder).Select(Path.GetFileName).Where(name => !name!.Contains("-wal", StringComparison.Ordinal) && !name.Contains("-shm", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Database_with_a_row_is_not_moved_to()
    {
        PostgresOptions postgres = new() { ConnectionString = await TestPostgres.CreateDatabaseAsync() };
        await FillAsync();
        await using (Database there = await Database.OpenPostgresAsync(postgres, s_schema, TimeProvider.System, Token))
        {
            await there.WriteAsync(s => s.Execute("INSERT INTO none (id) VALUES (7)"), Token);
        }

        StorageException e = await Assert.ThrowsAsync<StorageException>(() => DatabaseTransfer.ToPostgresAsync(Role, postgres, s_schema, s_rules, TimeProvider.System, Token));
        Assert.Equal(StorageErrorKind.NotEmpty, e.Kind);
        e = await Assert.ThrowsAsync<StorageException>(() => DatabaseTransfer.FromPostgresAsync(postgres, Role, s_schema, s_rules, TimeProvider.System, Token));
        Assert.Equal(StorageErrorKind.NotEmpty, e.Kind);
        Assert.True(File.Exists(Role));
    }

    [Fact]
    public async Task Move_that_fails_on_its_way_leaves_both_as_they_were_and_can_be_made_again()
    {
        PostgresOptions postgres = new() { ConnectionString = await TestPostgres.CreateDatabaseAsync() };
        IReadOnlyList<string> before = await FillAsync();
        TransferRules failing = s_rules with { Finish = static _ => throw new TimeoutException("the power went") };
        await Assert.ThrowsAsync<TimeoutException>(() => DatabaseTransfer.ToPostgresAsync(Role, postgres, s_schema, failing, TimeProvider.System, Token));
        Assert.True(File.Exists(Role));
        await using (Database there = await Database.OpenPostgresAsync(postgres, s_schema, TimeProvider.System, Token))
        {
            Assert.Equal(0, await there.ReadAsync(s => s.QueryInt64("SELECT COUNT(*) FROM thing"), Token));
        }

        await DatabaseTransfer.ToPostgresAsync(Role, postgres, s_schema, s_rules, TimeProvider.System, Token);
        await Assert.ThrowsAsync<TimeoutException>(() => DatabaseTransfer.FromPostgresAsync(postgres, Role, s_schema, failing, TimeProvider.System, Token));
        Assert.False(File.Exists(Role));
        await DatabaseTransfer.FromPostgresAsync(postgres, Role, s_schema, s_rules, TimeProvider.System, Token);
        await using Database back = await Database.OpenSqliteAsync(Role, s_schema, TimeProvider.System, Token);
        Assert.Equal(before, await DumpAsync(back));
    }

    [Fact]
    public async Task Database_in_use_or_with_a_stranger_s_table_is_not_moved()
    {
        PostgresOptions postgres = new() { ConnectionString = await TestPostgres.CreateDatabaseAsync() };
        await FillAsync();
        await using (Database runs = await Database.OpenSqliteAsync(Role, s_schema, TimeProvider.System, Token))
        {
            StorageException locked = await Assert.ThrowsAsync<StorageException>(() => DatabaseTransfer.ToPostgresAsync(Role, postgres, s_schema, s_rules, TimeProvider.System, Token));
            Assert.Equal(StorageErrorKind.Locked, locked.Kind);
        }

        StorageException foreign = await Assert.ThrowsAsync<StorageException>(
            () => DatabaseTransfer.ToPostgresAsync(Role, postgres, s_schema, new TransferRules(), TimeProvider.System, Token));
        Assert.Equal(StorageErrorKind.ForeignSchema, foreign.Kind);
        Assert.True(File.Exists(Role));
    }

    private async Task<IReadOnlyList<string>> FillAsync()
    {
        await using Database database = await Database.OpenSqliteAsync(Role, s_schema, TimeProvider.System, Token);
        await database.WriteAsync(
            s =>
            {
                for (int i = 0; i < Rows; i++)
                {
                    s.Execute("INSERT INTO thing (id, amount, note) VALUES ($1, $2, $3)", new byte[] { (byte)(i >> 8), (byte)(i & 255), 0 }, long.MaxValue - i, i % 3 == 0 ? null : $"ä€ {i}");
                }

                s.Execute("INSERT INTO line (id, thing) VALUES (7, $1)", new byte[] { 0, 5, 0 });
                s.Execute("CREATE TABLE Extra_T1 (id INTEGER PRIMARY KEY) STRICT");
                s.Execute("INSERT INTO Extra_T1 (id) VALUES (10)");
            },
            Token);
        return await DumpAsync(database);
    }

    private static Task<IReadOnlyList<string>> DumpAsync(Database database) => database.ReadAsync(
        s => s.Query("SELECT id, amount, note FROM thing ORDER BY amount DESC", static row => $"{Convert.ToHexString(row.Blob(0))} {row.Int64(1)} {row.NullableText(2) ?? "null"}"), Token);
}
