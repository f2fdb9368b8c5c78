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

    private protected override ValueTask CleanUpAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }
}
