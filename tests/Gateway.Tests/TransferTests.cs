using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Storage.Testing;

namespace Tacit.Gateway.Tests;

/// <summary>A gateway that grows from its file to PostgreSQL, and shrinks back: no spent token is forgotten on the way.</summary>
public sealed class TransferTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Spent_tokens_stay_spent_on_the_way_to_postgres_and_back()
    {
        string connection = await TestPostgres.CreateDatabaseAsync();
        await using TestGateway gateway = await TestGateway.CreateAsync(_ => { });
        TestToken first = gateway.Issuer.CreateToken("chat");
        await AskAsync(gateway, first);
        await gateway.StopAsync();

        await MoveAsync(gateway, connection, toPostgres: true);
        gateway.Configure = options => On(gateway, options, connection);
        await gateway.StartAsync();
        await IsSpentAsync(gateway, first);
        TestToken second = gateway.Issuer.CreateToken("chat");
        await AskAsync(gateway, second);
        await gateway.StopAsync();

        await MoveAsync(gateway, connection, toPostgres: false);
        gateway.Configure = options => options;
        await gateway.StartAsync();
        await IsSpentAsync(gateway, first);
        await IsSpentAsync(gateway, second);
        await AskAsync(gateway, gateway.Issuer.CreateToken("chat"));
        await gateway.StopAsync();

        // The database left behind knows nothing of what was spent since, and takes no token of the keys in use.
        gateway.Configure = options => On(gateway, options, connection);
        await gateway.StartAsync();
        using HttpResponseMessage closed = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await closed.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
    }

    private static async Task AskAsync(TestGateway gateway, TestToken token)
    {
        using HttpResponseMessage response = await gateway.AskAsync(token);
        await response.IsReplyAsync();
    }

    private static async Task IsSpentAsync(TestGateway gateway, TestToken token)
    {
        using HttpResponseMessage response = await gateway.AskAsync(token, TestGateway.Body("another question"));
        await response.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
    }

    private static async Task MoveAsync(TestGateway gateway, string connection, bool toPostgres)
    {
        IReadOnlyList<TransferredTable> moved = await GatewayTransfer.MoveAsync(gateway.Folder, connection, toPostgres, gateway.Time, Token);
        Assert.Contains(moved, table => table.Name.StartsWith("spends_", StringComparison.Ordinal) && table.Rows > 0);
    }

    private static GatewayOptions On(TestGateway gateway, GatewayOptions options, string connection)
    {
        string secret = Path.Combine(gateway.Folder, "postgres");
        File.WriteAllText(secret, connection);
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return options with { Database = new DatabaseOptions { Postgres = SecretReference.FromFile(secret), Readers = 1 } };
    }
}
