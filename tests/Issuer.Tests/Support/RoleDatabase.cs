using Tacit.Hosting;
using Tacit.Storage;
using Tacit.Storage.Testing;

namespace Tacit.Tests;

/// <summary>
/// The database of a role under test: a SQLite file in its data folder, or a database of the test process's PostgreSQL server for test classes whose name ends with
/// <c>OnPostgres</c>. Such a class inherits the tests of the one for SQLite and adds nothing.
/// </summary>
internal sealed class RoleDatabase
{
    private readonly string? _postgres;

    private RoleDatabase(string? postgres)
    {
        _postgres = postgres;
    }

    public static bool IsPostgres => TestContext.Current.TestClass?.TestClassName.EndsWith("OnPostgres", StringComparison.Ordinal) == true;

    /// <summary>The setting for the role.</summary>
    public DatabaseOptions Options { get; private init; } = new();

    /// <param name="secretPath">A file for the connection string, outside of the data folder.</param>
    public static async Task<RoleDatabase> CreateAsync(string secretPath)
    {
        if (!IsPostgres)
        {
            return new RoleDatabase(null);
        }

        return await AtAsync(await TestPostgres.CreateDatabaseAsync(), secretPath);
    }

    /// <summary>On PostgreSQL a copy of it as it is now, as a crash would leave it; for SQLite the files are the caller's to copy.</summary>
    public async Task<RoleDatabase> CopyAsync(string secretPath) => _postgres is null ? this : await AtAsync(await TestPostgres.CopyDatabaseAsync(_postgres), secretPath);

    /// <summary>All that is in it, and in the files of the data folder.</summary>
    public async Task<byte[]> ReadAllAsync(string dataFolder)
    {
        byte[] files = [.. Directory.GetFiles(dataFolder).Where(path => !path.EndsWith(".sock", StringComparison.Ordinal)).SelectMany(File.ReadAllBytes)];
        return _postgres is null ? files : [.. files, .. await PostgresProcess.ReadAllAsync(_postgres)];
    }

    /// <summary>Opens it beside the role, or in its place for SQLite.</summary>
    public Task<Database> OpenAsync(string sqlitePath, IReadOnlyList<Migration> migrations, TimeProvider time, bool serializable = true) => _postgres is string connection
        ? Database.OpenPostgresAsync(
            new PostgresOptions { ConnectionString = connection, Serializable = serializable, Readers = 2 }, migrations, time, TestContext.Current.CancellationToken)
        : Database.OpenSqliteAsync(sqlitePath, migrations, time, TestContext.Current.CancellationToken);

    private static async Task<RoleDatabase> AtAsync(string connection, string secretPath)
    {
        await File.WriteAllTextAsync(secretPath, connection);
        File.SetUnixFileMode(secretPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return new RoleDatabase(connection) { Options = new DatabaseOptions { Postgres = SecretReference.FromFile(secretPath), Readers = 2 } };
    }
}
