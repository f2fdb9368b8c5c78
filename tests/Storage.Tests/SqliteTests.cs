using System.Diagnostics;
using System.Security.Cryptography;
using Tacit.Storage.Sqlite;

namespace Tacit.Storage;

/// <summary>SQLite's own troubles: the file, the disk, the library.</summary>
public sealed class SqliteTests : IDisposable
{
    private const string Insert = "INSERT INTO thing (id, body) VALUES ($1, $2)";

    private static readonly Migration[] s_schema = [new(1, "things", "CREATE TABLE thing (id {int} PRIMARY KEY, body {blob} NOT NULL) {strict}")];

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-storage-").FullName;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private string DatabasePath => Path.Combine(_folder, "role.db");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Commits_are_synced_and_the_schema_is_not_trusted()
    {
        await using Database database = await OpenAsync();
        (long Sync, long Keys, long Trusted, string Journal) settings = await database.WriteAsync(
            s => (s.QueryInt64("PRAGMA synchronous")!.Value, s.QueryInt64("PRAGMA foreign_keys")!.Value, s.QueryInt64("PRAGMA trusted_schema")!.Value,
                s.QuerySingle("PRAGMA journal_mode", row => row.Text(0))!),
            Token);
        Assert.Equal((2, 1, 0, "wal"), settings);
    }

    [Fact]
    public async Task Files_are_readable_by_their_owner_only_and_the_log_is_folded_in_at_the_end()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Unix file modes");
        await using (Database database = await OpenAsync())
        {
            await database.WriteAsync(s => s.Execute(Insert, 1, new byte[10]), Token);
            foreach (string file in Directory.EnumerateFiles(_folder))
            {
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
            }

            Assert.True(File.Exists(DatabasePath + "-wal"));
        }

        Assert.False(File.Exists(DatabasePath + "-wal"));
        Assert.False(File.Exists(DatabasePath + "-shm"));
    }

    [Fact]
    public async Task Second_owner_is_refused_until_the_first_is_gone()
    {
        await using (await OpenAsync())
        {
            StorageException locked = await Assert.ThrowsAsync<StorageException>(() => OpenAsync());
            Assert.Equal(StorageErrorKind.Locked, locked.Kind);
        }

        await (await OpenAsync()).DisposeAsync();
    }

    [Fact]
    public async Task Lock_that_something_else_holds_is_a_typed_error_and_passes()
    {
        await using Database database = await OpenAsync(new SqliteLimits { BusyTimeout = TimeSpan.FromMilliseconds(20) });
        using (SqliteSession intruder = SqliteSession.Open(DatabasePath, canWrite: true, SqliteLimits.Default))
        {
            intruder.Begin(works: 1);
            Assert.Equal(StorageErrorKind.Locked, (await Assert.ThrowsAsync<StorageException>(() => WriteAsync(database, 1, 10))).Kind);
            intruder.Rollback();
        }

        await WriteAsync(database, 1, 10);
    }

    [Fact]
    public async Task File_that_is_no_database_is_refused_and_left_alone()
    {
        byte[] content = RandomNumberGenerator.GetBytes(8192);
        await File.WriteAllBytesAsync(DatabasePath, content, Token);
        Assert.Equal(StorageErrorKind.Corrupt, (await Assert.ThrowsAsync<StorageException>(() => OpenAsync())).Kind);
        Assert.Equal(content, await File.ReadAllBytesAsync(DatabasePath, Token));
    }

    [Fact]
    public async Task Damaged_pages_are_a_typed_error_each_time_they_are_met()
    {
        await using (Database database = await OpenAsync())
        {
            for (int i = 0; i < 50; i++)
            {
                await WriteAsync(database, i, 2000);
            }
        }

        await using (FileStream file = File.OpenWrite(DatabasePath))
        {
            // Everything behind the schema's pages.
            file.Position = 4 * 4096;
            await file.WriteAsync(RandomNumberGenerator.GetBytes((int)(file.Length - file.Position)), Token);
        }

        await using Database damaged = await OpenAsync();
        for (int i = 0; i < 2; i++)
        {
            Assert.Equal(
                StorageErrorKind.Corrupt,
                (await Assert.ThrowsAsync<StorageException>(() => damaged.ReadAsync(s => s.Query("SELECT body FROM thing", row => row.Blob(0)), Token))).Kind);
            Assert.Equal(
                StorageErrorKind.Corrupt,
                (await Assert.ThrowsAsync<StorageException>(() => damaged.WriteAsync(s => s.Execute("UPDATE thing SET body = body"), Token))).Kind);
        }
    }

    [Fact]
    public async Task Full_database_is_a_typed_error_and_goes_on_when_there_is_room()
    {
        await using Database database = await OpenAsync(new SqliteLimits { MaxPages = 20 });
        int written = 0;
        StorageException full = await Assert.ThrowsAsync<StorageException>(async () =>
        {
            for (; written < 100; written++)
            {
                await WriteAsync(database, written, 3000);
            }
        });
        Assert.Equal(StorageErrorKind.DiskFull, full.Kind);
        Assert.InRange(written, 1, 30);

        await database.WriteAsync(s => s.Query("PRAGMA max_page_count = 10000", row => row.Int64(0)), Token);
        for (; written < 100; written++)
        {
            await WriteAsync(database, written, 3000);
        }

        Assert.Equal(100, await database.ReadAsync(s => s.QueryInt64("SELECT count(*) FROM thing"), Token));
    }

    [Fact]
    public async Task Full_disk_is_a_typed_error_and_keeps_exactly_what_was_completed()
    {
        string disk = Directory.CreateDirectory(Path.Combine(_folder, "disk")).FullName;
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", disk), "Needs the right to mount a file system.");
        try
        {
            string filler = Path.Combine(disk, "filler");
            await File.WriteAllBytesAsync(filler, new byte[500_000], Token);
            var completed = new List<int>();
            string path = Path.Combine(disk, "role.db");
            await using (Database database = await Database.OpenSqliteAsync(path, s_schema, TimeProvider.System, Token))
            {
                // Small and large works at once: the disk fills within statements, within commits and within checkpoints.
                int failures = 0;
                for (int round = 0; failures < 10; round++)
                {
                    Task<int>[] works = [.. Enumerable.Range(round * 10, 10).Select(i => WriteAsync(database, i, i % 7 * 5_000))];
                    for (int i = 0; i < works.Length; i++)
                    {
                        try
                        {
                            await works[i];
                            completed.Add((round * 10) + i);
                        }
                        catch (StorageException e)
                        {
                            Assert.Equal(StorageErrorKind.DiskFull, e.Kind);
                            failures++;
                        }
                    }
                }

                Assert.Equal(completed, await IdsAsync(database));
                Assert.Equal(StorageErrorKind.DiskFull, (await Assert.ThrowsAsync<StorageException>(() => WriteAsync(database, -2, 2_000_000))).Kind);
                File.Delete(filler);
                await WriteAsync(database, -1, 10_000);
                completed.Insert(0, -1);
                Assert.Equal(completed, await IdsAsync(database));
            }

            await using Database reopened = await Database.OpenSqliteAsync(path, s_schema, TimeProvider.System, Token);
            Assert.Equal(completed, await IdsAsync(reopened));
        }
        finally
        {
            await RunAsync("umount", disk);
        }
    }

    [Fact]
    public async Task No_room_to_create_the_database_is_a_typed_error()
    {
        string disk = Directory.CreateDirectory(Path.Combine(_folder, "disk")).FullName;
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", "size=16k,mode=0700", "tmpfs", disk), "Needs the right to mount a file system.");
        try
        {
            StorageException full = await Assert.ThrowsAsync<StorageException>(
                () => Database.OpenSqliteAsync(Path.Combine(disk, "role.db"), s_schema, TimeProvider.System, Token));
            Assert.Equal(StorageErrorKind.DiskFull, full.Kind);
        }
        finally
        {
            await RunAsync("umount", disk);
        }
    }

    [Fact]
    public async Task Read_only_disk_is_a_typed_error()
    {
        string disk = Directory.CreateDirectory(Path.Combine(_folder, "disk")).FullName;
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", "size=2m,mode=0700", "tmpfs", disk), "Needs the right to mount a file system.");
        try
        {
            string path = Path.Combine(disk, "role.db");
            await (await Database.OpenSqliteAsync(path, s_schema, TimeProvider.System, Token)).DisposeAsync();
            Assert.True(await RunAsync("mount", "-o", "remount,ro", disk));
            StorageException error = await Assert.ThrowsAsync<StorageException>(() => Database.OpenSqliteAsync(path, s_schema, TimeProvider.System, Token));
            Assert.Equal(StorageErrorKind.Unavailable, error.Kind);
        }
        finally
        {
            await RunAsync("umount", disk);
        }
    }

    [Fact]
    public async Task Path_that_cannot_be_a_database_is_a_typed_error()
    {
        string file = Path.Combine(_folder, "file");
        await File.WriteAllTextAsync(file, "x", Token);
        foreach (string path in new[] { Path.Combine(file, "role.db"), _folder })
        {
            StorageException error = await Assert.ThrowsAsync<StorageException>(() => Database.OpenSqliteAsync(path, s_schema, TimeProvider.System, Token));
            Assert.Equal(StorageErrorKind.Unavailable, error.Kind);
        }
    }

    [Fact]
    public void Missing_library_is_a_typed_error_that_names_the_package()
    {
        StorageException error = Assert.Throws<StorageException>(() => SqliteLibrary.Load(["libsqlite3-that-is-not-there.so.0"]));
        Assert.Equal(StorageErrorKind.Unavailable, error.Kind);
        Assert.Contains("libsqlite3-0", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Old_library_is_a_typed_error()
    {
        Assert.Equal(StorageErrorKind.Unavailable, Assert.Throws<StorageException>(() => SqliteLibrary.CheckVersion(3_034_001, "3.34.1")).Kind);
        SqliteLibrary.CheckVersion(3_037_000, "3.37.0");
    }

    private static Task<int> WriteAsync(Database database, int id, int size) => database.WriteAsync(s => s.Execute(Insert, id, new byte[size]), Token);

    private static async Task<IEnumerable<int>> IdsAsync(Database database) =>
        await database.ReadAsync(s => s.Query("SELECT id FROM thing ORDER BY id", row => row.Int32(0)), Token);

    private static async Task<bool> RunAsync(string command, params string[] args)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(command, args) { RedirectStandardError = true })!;
            await process.WaitForExitAsync(Token);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    private Task<Database> OpenAsync(SqliteLimits? limits = null) =>
        SqliteDatabase.OpenAsync(DatabasePath, s_schema, TimeProvider.System, limits ?? SqliteLimits.Default, Token);
}
