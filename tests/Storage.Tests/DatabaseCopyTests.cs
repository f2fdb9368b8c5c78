namespace Tacit.Storage;

public sealed class DatabaseCopyTests : IDisposable
{
    private const string Insert = "INSERT INTO entry (id, pair) VALUES ($1, $2)";

    private static readonly Migration[] s_schema = [new(1, "entries", "CREATE TABLE entry (id {int} PRIMARY KEY, pair {int} NOT NULL) {strict}")];

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-copy-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string Role => Path.Combine(_folder, "role.db");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Copies_under_load_hold_whole_works_and_all_that_was_durable_before()
    {
        await using Database database = await OpenAsync(Role);
        using var stop = new CancellationTokenSource();
        long written = 0;
        Task writer = Task.Run(
            async () =>
            {
                for (long i = 0; !stop.IsCancellationRequested; i++)
                {
                    // Two rows or none.
                    await database.WriteAsync(
                        s =>
                        {
                            s.Execute(Insert, i * 2, i);
                            s.Execute(Insert, (i * 2) + 1, i);
                        },
                        Token);
                    Interlocked.Exchange(ref written, i + 1);
                }
            },
            Token);
        for (int copy = 0; copy < 5; copy++)
        {
            await WaitForAsync(() => Interlocked.Read(ref written) > (copy + 1) * 20);
            long before = Interlocked.Read(ref written);
            string path = Path.Combine(_folder, $"copy-{copy}");
            await DatabaseCopy.WriteAsync(Role, path, Token);
            string back = Path.Combine(_folder, $"back-{copy}.db");
            Assert.Null(await DatabaseCopy.PutBackAsync(path, back, s_schema, static _ => { }, TimeProvider.System, Token));
            await using Database restored = await OpenAsync(back);
            (long rows, long pairs) = await restored.ReadAsync(
                s => (s.QueryInt64("SELECT COUNT(*) FROM entry")!.Value, s.QueryInt64("SELECT COUNT(DISTINCT pair) FROM entry")!.Value), Token);
            Assert.Equal(rows, pairs * 2);
            Assert.True(pairs >= before);
        }

        await stop.CancelAsync();
        await writer;
    }

    [Fact]
    public async Task Copy_is_for_its_owner_only_and_never_overwrites()
    {
        await using (await OpenAsync(Role))
        {
        }

        string copy = Path.Combine(_folder, "it's a copy");
        await DatabaseCopy.WriteAsync(Role, copy, Token);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(copy));
        }

        await Assert.ThrowsAsync<StorageException>(() => DatabaseCopy.WriteAsync(Role, copy, Token));
        await Assert.ThrowsAsync<StorageException>(() => DatabaseCopy.WriteAsync(Path.Combine(_folder, "none.db"), copy + "2", Token));
        await Assert.ThrowsAsync<StorageException>(() => DatabaseCopy.WriteAsync(Role, Path.Combine(_folder, "no", "folder"), Token));
        Assert.Equal(["it's a copy", "role.db", "role.db.lock"], Directory.EnumerateFiles(_folder).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Restore_adapts_the_copy_and_keeps_what_was_there()
    {
        await FillAsync(Role, 3);
        string copy = Path.Combine(_folder, "copy");
        await DatabaseCopy.WriteAsync(Role, copy, Token);
        await using (Database database = await OpenAsync(Role))
        {
            await database.WriteAsync(s => s.Execute(Insert, 100, 0), Token);
            StorageException locked = await Assert.ThrowsAsync<StorageException>(
                () => DatabaseCopy.PutBackAsync(copy, Role, s_schema, static _ => { }, TimeProvider.System, Token));
            Assert.Equal(StorageErrorKind.Locked, locked.Kind);
        }

        string? aside = await DatabaseCopy.PutBackAsync(copy, Role, s_schema, s => s.Execute(Insert, 200, 0), TimeProvider.System, Token);
        Assert.Equal([0, 1, 2, 200], await IdsAsync(Role));
        Assert.Equal([0, 1, 2, 100], await IdsAsync(aside!));
        Assert.Equal([0, 1, 2], await IdsAsync(copy));
    }

    [Fact]
    public async Task Restore_that_cannot_be_changes_nothing()
    {
        await FillAsync(Role, 2);
        string foreign = Path.Combine(_folder, "foreign.db");
        await using (await Database.OpenSqliteAsync(foreign, [new(1, "other", "CREATE TABLE other (id {int} PRIMARY KEY) {strict}")], TimeProvider.System, Token))
        {
        }

        string damaged = Path.Combine(_folder, "damaged");
        await DatabaseCopy.WriteAsync(Role, damaged, Token);
        byte[] bytes = await File.ReadAllBytesAsync(damaged, Token);
        bytes.AsSpan(4096, 2000).Fill(0xa5);
        await File.WriteAllBytesAsync(damaged, bytes, Token);
        string fine = Path.Combine(_folder, "fine");
        await DatabaseCopy.WriteAsync(Role, fine, Token);

        await Assert.ThrowsAsync<StorageException>(() => PutBackAsync(foreign, static _ => { }));
        await Assert.ThrowsAsync<StorageException>(() => PutBackAsync(damaged, static _ => { }));
        await Assert.ThrowsAsync<StorageException>(() => PutBackAsync(Path.Combine(_folder, "none"), static _ => { }));
        await Assert.ThrowsAsync<InvalidOperationException>(() => PutBackAsync(fine, static _ => throw new InvalidOperationException()));
        Assert.Equal([0, 1], await IdsAsync(Role));
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder), file => file.Contains("restoring", StringComparison.Ordinal) || file.Contains("replaced", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Database_that_is_damaged_can_be_replaced()
    {
        await FillAsync(Role, 2);
        string copy = Path.Combine(_folder, "copy");
        await DatabaseCopy.WriteAsync(Role, copy, Token);
        await File.WriteAllBytesAsync(Role, new byte[8192], Token);
        await File.WriteAllBytesAsync(Role + "-wal", new byte[100], Token);
        Assert.NotNull(await PutBackAsync(copy, static _ => { }));
        Assert.Equal([0, 1], await IdsAsync(Role));
    }

    private Task<string?> PutBackAsync(string copy, Action<Session> adapt) => DatabaseCopy.PutBackAsync(copy, Role, s_schema, adapt, TimeProvider.System, Token);

    private static Task<Database> OpenAsync(string path) => Database.OpenSqliteAsync(path, s_schema, TimeProvider.System, Token);

    private static async Task FillAsync(string path, int count)
    {
        await using Database database = await OpenAsync(path);
        for (int i = 0; i < count; i++)
        {
            int id = i;
            await database.WriteAsync(s => s.Execute(Insert, id, 0), Token);
        }
    }

    private static async Task<IReadOnlyList<long>> IdsAsync(string path)
    {
        // A copy: opening would leave files beside the original.
        string temporary = path + ".look";
        File.Copy(path, temporary);
        await using Database database = await OpenAsync(temporary);
        return await database.ReadAsync(s => s.Query("SELECT id FROM entry ORDER BY id", row => row.Int64(0)), Token);
    }

    private static async Task WaitForAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(5, Token);
        }
    }
}
