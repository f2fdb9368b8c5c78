using System.Buffers.Binary;
using System.Globalization;
using Tacit.Storage.Sqlite;

namespace Tacit.Storage;

public sealed class SqliteContractTests : DatabaseContract
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-storage-").FullName;
    private int _opened;

    private protected override Task<Database> OpenAsync(IReadOnlyList<Migration> migrations, int? queueCapacity = null)
    {
        var limits = SqliteLimits.Default;
        return SqliteDatabase.OpenAsync(
            Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"{_opened++}.db")),
            migrations,
            TimeProvider.System,
            limits with { QueueCapacity = queueCapacity ?? limits.QueueCapacity },
            Token);
    }

    private protected override string TransactionMark => "''";

    /// <summary>The commit frames in the write-ahead log (sqlite.org/fileformat2.html, section 4.1): those that name the size of the database.</summary>
    private protected override Task<long> CommitsAsync(Database database)
    {
        using var log = new FileStream(Path.Combine(_folder, "0.db-wal"), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        byte[] header = new byte[32];
        if (log.ReadAtLeast(header, header.Length, throwOnEndOfStream: false) < header.Length)
        {
            return Task.FromResult(0L);
        }

        int pageSize = BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(8));
        long commits = 0;
        byte[] frame = new byte[24 + pageSize];
        // What is behind the last frame is of an earlier round, and has another salt.
        while (log.ReadAtLeast(frame, frame.Length, throwOnEndOfStream: false) == frame.Length && frame.AsSpan(8, 8).SequenceEqual(header.AsSpan(16, 8)))
        {
            commits += BinaryPrimitives.ReadInt32BigEndian(frame.AsSpan(4)) != 0 ? 1 : 0;
        }

        return Task.FromResult(commits);
    }

    private protected override ValueTask CleanUpAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }
}
