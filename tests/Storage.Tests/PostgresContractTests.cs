using Tacit.Storage.Testing;

namespace Tacit.Storage;

public sealed class PostgresContractTests : DatabaseContract
{
    private protected override async Task<Database> OpenAsync(IReadOnlyList<Migration> migrations, int? queueCapacity = null)
    {
        var options = new PostgresOptions { ConnectionString = await TestPostgres.CreateDatabaseAsync() };
        return await Database.OpenPostgresAsync(options with { QueueCapacity = queueCapacity ?? options.QueueCapacity }, migrations, TimeProvider.System, Token);
    }

    private protected override ValueTask CleanUpAsync() => ValueTask.CompletedTask;
}
