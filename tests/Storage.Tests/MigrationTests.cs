namespace Tacit.Storage;

public sealed class MigrationTests : IDisposable
{
    private static readonly Migration s_first = new(1, "first", "CREATE TABLE a (x {int} NOT NULL) {strict}");
    private static readonly Migration s_second = new(2, "second", "CREATE TABLE b (x {text} NOT NULL) {strict}; INSERT INTO b (x) SELECT 'row ' || x FROM a");

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-storage-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Step_is_applied_once_and_later_ones_are_added_to_a_database_with_data()
    {
        await using (Database database = await OpenAsync(s_first))
        {
            await database.WriteAsync(s => s.Execute("INSERT INTO a (x) VALUES (7)"), Token);
        }

        for (int i = 0; i < 2; i++)
        {
            await using Database database = await OpenAsync(s_first, s_second);
            Assert.Equal(["row 7"], await database.ReadAsync(s => s.Query("SELECT x FROM b", row => row.Text(0)), Token));
        }
    }

    [Fact]
    public async Task Newer_schema_is_refused_and_left_alone()
    {
        await (await OpenAsync(s_first, s_second)).DisposeAsync();
        Assert.Equal(StorageErrorKind.NewerSchema, (await Assert.ThrowsAsync<StorageException>(() => OpenAsync(s_first))).Kind);
        await (await OpenAsync(s_first, s_second)).DisposeAsync();
    }

    [Fact]
    public async Task Another_roles_database_and_an_edited_step_are_refused()
    {
        await (await OpenAsync(s_first)).DisposeAsync();
        Migration[] others = [s_first with { Name = "other" }, s_first with { Sql = s_first.Sql + " " }];
        foreach (Migration other in others)
        {
            Assert.Equal(StorageErrorKind.ForeignSchema, (await Assert.ThrowsAsync<StorageException>(() => OpenAsync(other, s_second))).Kind);
        }

        await (await OpenAsync(s_first with { Sql = s_first.Sql.ReplaceLineEndings("\r\n") }, s_second)).DisposeAsync();
    }

    [Fact]
    public async Task Failing_step_leaves_nothing_of_itself_and_all_before_it()
    {
        Migration failing = new(2, "failing", "CREATE TABLE c (x {int}) {strict}; CREATE TABLE a (x {int}) {strict}");
        Assert.Equal(StorageErrorKind.Statement, (await Assert.ThrowsAsync<StorageException>(() => OpenAsync(s_first, failing))).Kind);
        await using Database database = await OpenAsync(s_first);
        Assert.Equal(["a"], await database.ReadAsync(s => s.Query("SELECT name FROM sqlite_schema WHERE name IN ('a', 'c')", row => row.Text(0)), Token));
    }

    [Fact]
    public async Task Gap_in_the_versions_is_a_fault_of_the_program() =>
        await Assert.ThrowsAsync<ArgumentException>(() => OpenAsync(s_first, s_second with { Version = 3 }));

    [Theory]
    [InlineData("CREATE TABLE a (x {number})")]
    [InlineData("CREATE TABLE a (x {int)")]
    public async Task Unknown_placeholder_is_a_fault_of_the_program(string sql) =>
        await Assert.ThrowsAsync<ArgumentException>(() => OpenAsync(new Migration(1, "bad", sql)));

    private Task<Database> OpenAsync(params Migration[] migrations) =>
        Database.OpenSqliteAsync(Path.Combine(_folder, "role.db"), migrations, TimeProvider.System, Token);
}
