using System.Diagnostics;
using Npgsql;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage.Testing;

namespace Tacit.Gateway.Tests;

/// <summary>The backup of a gateway on PostgreSQL as docs/operating.md tells it: PostgreSQL's own tools, and one statement before the gateway starts again.</summary>
public sealed class PostgresDumpTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Record_put_back_by_pg_restore_and_marked_takes_no_token_that_may_have_been_spent_since()
    {
        string connection = await TestPostgres.CreateDatabaseAsync();
        string other = await TestPostgres.CreateDatabaseAsync();
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.Configure = options => On(prepare, options, connection));
        using (HttpResponseMessage before = await gateway.AskAsync(gateway.Issuer.CreateToken("chat")))
        {
            await before.IsReplyAsync();
        }

        string dump = Path.Combine(gateway.Folder, "dump");
        await RunAsync("pg_dump", connection, "--format=custom", "--file=" + dump);
        TestToken after = gateway.Issuer.CreateToken("chat");
        using (HttpResponseMessage response = await gateway.AskAsync(after))
        {
            await response.IsReplyAsync();
        }
        await gateway.StopAsync();

        await RunAsync("pg_restore", other, "--no-owner", dump);
        string page = await File.ReadAllTextAsync(Path.Combine(Root(), "docs/operating.md"), Token);
        const string mark = "INSERT INTO restored (id) VALUES (1)";
        Assert.Contains(mark, page, StringComparison.Ordinal);
        await RunAsync("psql", other, "--quiet", "--command=" + mark);

        gateway.Configure = options => On(gateway, options, other);
        await gateway.StartAsync();
        using HttpResponseMessage forgotten = await gateway.AskAsync(after, TestGateway.Body("3+3?"));
        await forgotten.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
    }

    private static GatewayOptions On(TestGateway gateway, GatewayOptions options, string connection)
    {
        string secret = Path.Combine(gateway.Folder, "postgres");
        File.WriteAllText(secret, connection);
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return options with { Database = new DatabaseOptions { Postgres = SecretReference.FromFile(secret), Readers = 1 } };
    }

    private static async Task RunAsync(string tool, string connection, params string[] arguments)
    {
        NpgsqlConnectionStringBuilder target = new(connection);
        ProcessStartInfo start = new(
            Path.Combine(PostgresProcess.FindBinaries()!, tool),
            [$"--host={target.Host}", $"--port={target.Port}", $"--username={target.Username}", $"--dbname={target.Database}", .. arguments])
        {
            RedirectStandardError = true,
        };
        start.Environment["PGPASSWORD"] = target.Password;
        using Process process = Process.Start(start)!;
        string error = await process.StandardError.ReadToEndAsync(Token);
        await process.WaitForExitAsync(Token);
        Assert.True(process.ExitCode == 0, error);
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Tacit.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("The tests do not run in the tree.");
    }
}
