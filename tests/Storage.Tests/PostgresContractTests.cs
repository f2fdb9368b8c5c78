using Tacit.Storage.Testing;

namespace Tacit.Storage;

public sealed class PostgresContractTests : DatabaseContract
{
    private protected override async Task<Database> OpenAsync(IReadOnlyList<Migration> migrations, int? queueCapacity = null)
    {
        var options = new PostgresOptions { ConnectionString = await TestPostgres.CreateDatabaseAsync() };
        return await Database.OpenPostgresAsync(options with { QueueCapacity = queueCapacity ?? options.QueueCapacity }, migrations, TimeProvider.System, Token);
    }

    /// <summary>Every transaction has the time of its begin, which all its works see.</summary>
    private protected override string TransactionMark => "CAST(now() AS text)";

    private protected override async Task<long> CommitsAsync(Database database) =>
        await database.ReadAsync(s => s.QueryInt64("SELECT count(DISTINCT note) FROM thing"), Token) ?? 0;

    private protected override ValueTask CleanUpAsync() => ValueTask.CompletedTask;
}
