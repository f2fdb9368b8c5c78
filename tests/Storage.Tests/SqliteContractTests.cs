namespace Tacit.Storage;

public sealed class SqliteContractTests : DatabaseContract
{
    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-storage-").FullName;

    private protected override Task<Database> OpenAsync(IReadOnlyList<Migration> migrations) =>
        Database.OpenSqliteAsync(Path.Combine(_folder, "role.db"), migrations, TimeProvider.System, TestContext.Current.CancellationToken);

    private protected override ValueTask CleanUpAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }
}
