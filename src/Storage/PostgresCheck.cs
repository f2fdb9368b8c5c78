using System.Globalization;
using Npgsql;
using Tacit.Storage.Postgres;

namespace Tacit.Storage;

/// <summary>What an operator wants to know of a PostgreSQL database before a role uses it. Nothing is changed.</summary>
/// <param name="Name">Database and host.</param>
/// <param name="Login">Who it was entered as.</param>
/// <param name="Version">Of the server: 150014 for 15.14.</param>
/// <param name="IsPrivate">Whether the connection is encrypted or stays on this machine.</param>
/// <param name="MayCreateTables">Whether the login has that right.</param>
/// <param name="IsSuperuser">Whether the login has all rights, which no role needs.</param>
/// <param name="IsDurable">Whether a commit that was told survives a crash of the server.</param>
public sealed record PostgresCheck(string Name, string Login, int Version, bool IsPrivate, bool MayCreateTables, bool IsSuperuser, bool IsDurable)
{
    /// <summary>The oldest server that is known to do.</summary>
    public const int LeastVersion = 130000;

    /// <exception cref="StorageException">It cannot be reached or entered; says what to do.</exception>
    public static Task<PostgresCheck> RunAsync(string connectionString, CancellationToken cancellationToken) => Task.Run(
        async () =>
        {
            await using PostgresServer server = PostgresServer.Create(new PostgresOptions { ConnectionString = connectionString });
            await using NpgsqlConnection connection = server.Connect();
            try
            {
                return new PostgresCheck(
                    server.Name,
                    Ask(connection, "SELECT current_user"),
                    int.Parse(Ask(connection, "SELECT current_setting('server_version_num')"), CultureInfo.InvariantCulture),
                    PostgresServer.IsLocal(connection.Host ?? "") || Ask(connection, "SELECT CAST(ssl AS text) FROM pg_stat_ssl WHERE pid = pg_backend_pid()") == "true",
                    Ask(connection, "SELECT CAST(has_schema_privilege(current_schema(), 'CREATE') AS text)") == "true",
                    Ask(connection, "SELECT current_setting('is_superuser')") == "on",
                    Ask(connection, "SELECT current_setting('fsync')") == "on" && Ask(connection, "SELECT current_setting('synchronous_commit')") != "off");
            }
            catch (Exception e) when (e is NpgsqlException or FormatException or InvalidOperationException)
            {
                throw PostgresErrors.Create(e, server.Name);
            }
        },
        cancellationToken);

    private static string Ask(NpgsqlConnection connection, string sql)
    {
        using var command = new NpgsqlCommand(sql, connection);
        return command.ExecuteScalar() as string ?? "";
    }
}
