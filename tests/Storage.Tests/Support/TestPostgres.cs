using Tacit.Storage.Testing;

[assembly: AssemblyFixture(typeof(TestPostgres))]

namespace Tacit.Storage.Testing;

/// <summary>The PostgreSQL server of this test process, started with the first test that asks for a database and stopped after the last test. Each test has its own database.</summary>
public sealed class TestPostgres : IAsyncDisposable
{
    private static readonly Lazy<Task<PostgresProcess>> s_server = new(() => PostgresProcess.StartAsync());

    /// <summary>A new database's connection string. Where PostgreSQL is not installed the test is reported as skipped.</summary>
    public static async Task<string> CreateDatabaseAsync(bool overSocket = false)
    {
        SkipUnlessInstalled();
        return await (await s_server.Value).CreateDatabaseAsync(overSocket);
    }

    /// <inheritdoc cref="PostgresProcess.CopyDatabaseAsync"/>
    public static async Task<string> CopyDatabaseAsync(string connectionString) => await (await s_server.Value).CopyDatabaseAsync(connectionString);

    public static void SkipUnlessInstalled()
    {
        if (PostgresProcess.FindBinaries() is null)
        {
            Assert.Skip("PostgreSQL is not installed (apt-get install postgresql).");
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (s_server.IsValueCreated)
        {
            await (await s_server.Value).DisposeAsync();
        }
    }
}
