using System.Diagnostics;
using System.Security.Cryptography;

namespace Tacit.Storage;

public sealed class CrashTests : IDisposable
{
    private static readonly int s_rounds = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 100 : 5;

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-storage-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Kill_under_load_loses_no_completed_work_and_tears_none()
    {
        CancellationToken token = TestContext.Current.CancellationToken;
        string path = Path.Combine(_folder, "role.db");
        string log = Path.Combine(_folder, "notes");
        long completed = 0;
        for (int round = 0; round < s_rounds; round++)
        {
            using (Process child = CrashChild.Start(path, log))
            {
                await GrowAsync(log, beyond: completed, child, token);
                StorageException locked = await Assert.ThrowsAsync<StorageException>(() => OpenAsync(path, token));
                Assert.Equal(StorageErrorKind.Locked, locked.Kind);
                await Task.Delay(RandomNumberGenerator.GetInt32(100), token);
                child.Kill();
                await child.WaitForExitAsync(token);
            }

            byte[] notes = await File.ReadAllBytesAsync(log, token);
            completed = notes.Length;
            await using Database database = await OpenAsync(path, token);
            IReadOnlyList<(int Writer, long Total, long Entries)> rows = await database.ReadAsync(
                session => session.Query(
                    "SELECT writer, count, (SELECT count(*) FROM entry WHERE entry.writer = total.writer) FROM total ORDER BY writer",
                    row => (row.Int32(0), row.Int64(1), row.Int64(2))),
                token);
            foreach ((int writer, long total, long entries) in rows)
            {
                int noted = notes.Count(note => note == writer);
                Assert.Equal(total, entries);

                // A kill between the commit and the note leaves one work a round that was done but not noted.
                Assert.InRange(total, noted, noted + round + 1);
            }
        }

        Assert.True(completed > s_rounds);
    }

    private static Task<Database> OpenAsync(string path, CancellationToken token) => Database.OpenSqliteAsync(path, CrashChild.Schema, TimeProvider.System, token);

    private static async Task GrowAsync(string log, long beyond, Process child, CancellationToken token)
    {
        while (!File.Exists(log) || new FileInfo(log).Length <= beyond)
        {
            Assert.False(child.HasExited, "The child ended by itself.");
            await Task.Delay(10, token);
        }
    }
}
