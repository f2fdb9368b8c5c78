using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Tests;

/// <summary>A spend record that is put back from a copy has forgotten spends; no token is taken that may be one of them.</summary>
public sealed class BackupTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Restored_record_refuses_every_token_that_may_have_been_spent_since()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken before = await SpendAsync(gateway);

        // Spends go on while the copy is made.
        TestToken[] during = [.. Enumerable.Range(0, 40).Select(_ => gateway.Issuer.CreateToken("chat"))];
        Task<HttpResponseMessage[]> asking = Task.WhenAll(during.Select(token => gateway.AskAsync(token)));
        string copy = Path.Combine(gateway.Folder, "copy");
        await DatabaseCopy.WriteAsync(Database(gateway), copy, Token);
        foreach (HttpResponseMessage response in await asking)
        {
            await response.IsReplyAsync();
            response.Dispose();
        }
        TestToken after = await SpendAsync(gateway);
        TestToken unspent = gateway.Issuer.CreateToken("chat");
        await Assert.ThrowsAsync<StorageException>(() => RestoreAsync(gateway, copy));
        await gateway.StopAsync();
        Assert.NotNull(await RestoreAsync(gateway, copy));

        int calls = gateway.Provider.Calls;
        for (int start = 0; start < 2; start++)
        {
            await gateway.StartAsync();
            foreach (TestToken token in (TestToken[])[before, after, unspent, .. during])
            {
                using HttpResponseMessage response = await gateway.AskAsync(token);
                await response.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
                Assert.False(response.Headers.Contains("WWW-Authenticate"));
            }
            await RefusesExchangeAsync(gateway, after);
            await gateway.StopAsync();
        }
        Assert.Equal(calls, gateway.Provider.Calls);
        Assert.Contains(gateway.Log.Lines, line => line.Contains("restored from a backup", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Restored_record_takes_the_next_period_and_keys_that_come_later()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.Issuer.AddPlan(TestGateway.ChatPlan, TestGateway.March.Next));
        await RestoreCopyAsync(gateway);
        await gateway.StartAsync();
        using (HttpResponseMessage closed = await gateway.AskAsync(gateway.Issuer.CreateToken("chat")))
        {
            await closed.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
        }

        // For the rest of this period another plan is sold: nobody takes a second key of one plan and period.
        gateway.Issuer.AddPlan(TestGateway.ChatPlan with { Id = "chat-anew" }, TestGateway.March);
        await gateway.PublishAsync();
        TestToken anew = gateway.Issuer.CreateToken("chat-anew");
        using (HttpResponseMessage taken = await gateway.AskAsync(anew))
        {
            await taken.IsReplyAsync();
        }

        gateway.Time.Advance(TestGateway.March.Next.IssueFrom - gateway.Time.GetUtcNow());
        TestToken next = gateway.Issuer.CreateToken("chat", keyIndex: 1);
        using (HttpResponseMessage taken = await gateway.AskAsync(next))
        {
            await taken.IsReplyAsync();
        }
        using HttpResponseMessage again = await gateway.AskAsync(next, TestGateway.Body("3+3?"));
        await again.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
    }

    [Fact]
    public async Task Restored_record_closes_keys_that_only_the_issuer_knows_of()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        await RestoreCopyAsync(gateway);

        // A key came after the directory that is kept on disk, and the issuer does not answer at the start.
        DirectoryFetch issuer = gateway.Fetch;
        gateway.Fetch = _ => throw new HttpRequestException("down");
        await gateway.StartAsync();
        gateway.Fetch = issuer;
        Plan other = TestGateway.ChatPlan with { Id = "other" };
        gateway.Issuer.AddPlan(other, TestGateway.March);
        await gateway.PublishAsync();
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("other"));
        await response.IsErrorAsync(401, ErrorCodes.TokenExpired, Routes.TokenUnspent);
    }

    [Fact]
    public async Task Restored_record_takes_tokens_again_only_where_the_operator_says_so()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken before = await SpendAsync(gateway);
        string copy = Path.Combine(gateway.Folder, "copy");
        await DatabaseCopy.WriteAsync(Database(gateway), copy, Token);
        TestToken after = await SpendAsync(gateway);
        await gateway.StopAsync();
        await GatewayBackup.RestoreAsync(copy, gateway.Folder, acceptsForgottenSpends: true, gateway.Time, Token);
        await gateway.StartAsync();
        using (HttpResponseMessage known = await gateway.AskAsync(before, TestGateway.Body("3+3?")))
        {
            await known.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        }
        using HttpResponseMessage forgotten = await gateway.AskAsync(after, TestGateway.Body("3+3?"));
        await forgotten.IsReplyAsync();
    }

    private static string Database(TestGateway gateway) => Path.Combine(gateway.Folder, GatewayBackup.DatabaseName);

    private static Task<string?> RestoreAsync(TestGateway gateway, string copy) =>
        GatewayBackup.RestoreAsync(copy, gateway.Folder, acceptsForgottenSpends: false, gateway.Time, Token);

    private static async Task RestoreCopyAsync(TestGateway gateway)
    {
        string copy = Path.Combine(gateway.Folder, "copy");
        await DatabaseCopy.WriteAsync(Database(gateway), copy, Token);
        await gateway.StopAsync();
        await RestoreAsync(gateway, copy);
    }

    private static async Task<TestToken> SpendAsync(TestGateway gateway)
    {
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage response = await gateway.AskAsync(token);
        await response.IsReplyAsync();
        return token;
    }

    private static async Task RefusesExchangeAsync(TestGateway gateway, TestToken token)
    {
        (TokenRequest successor, _) = gateway.Issuer.CreateSuccessor("chat");
        string body = $$"""{"token":"{{Convert(token.Token.Encoded.Span)}}","successor":"{{Convert(successor.Encode())}}"}""";
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Post, Routes.Exchange, body);
        Assert.Equal(401, (int)response.StatusCode);
        static string Convert(ReadOnlySpan<byte> bytes) => System.Buffers.Text.Base64Url.EncodeToString(bytes);
    }
}
