using System.Text.Json;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class AccountTests
{
    [Fact]
    public async Task Account_leaves_no_trace_before_its_first_credit()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync();
        Assert.Equal(0, await issuer.CreditsAsync(account));
        TestIssuer.AssertProblem(ProblemTypes.VoucherUnknown, await issuer.RedeemAsync(account, VoucherCode.Create().ToString()));
        TestIssuer.AssertProblem(ProblemTypes.InsufficientCredit, await issuer.RequestAsync(account, await issuer.BlindAsync(1)));
        Assert.Equal(0, (await issuer.Server.AuditAsync(TestIssuer.Token)).Accounts);
        byte[] hash = HashOf(account);
        await issuer.StopAsync();
        Assert.Equal(-1, (await issuer.ReadDiskAsync()).AsSpan().IndexOf(hash));
    }

    [Fact]
    public async Task Only_the_hash_of_the_key_is_stored()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 5);
        await issuer.StopAsync();
        byte[] disk = await issuer.ReadDiskAsync();
        Assert.True(disk.AsSpan().IndexOf(HashOf(account)) >= 0);
        Assert.True(AccountKey.TryParse(account, out AccountKey? key));
        Assert.Equal(-1, disk.AsSpan().IndexOf(key.Bytes));
        Assert.Equal(-1, disk.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(account)));
        Assert.Equal(-1, disk.AsSpan().IndexOf(System.Text.Encoding.ASCII.GetBytes(account.Replace("-", "", StringComparison.Ordinal))));
    }

    [Fact]
    public async Task Every_new_account_has_another_key()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        var keys = new HashSet<string>();
        for (int i = 0; i < 50; i++)
        {
            Assert.True(keys.Add(await issuer.CreateAccountAsync()));
        }
    }

    [Fact]
    public async Task History_has_days_kinds_and_plans_and_nothing_finer()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 10);
        Assert.Equal(200, (await issuer.RequestAsync(account, await issuer.BlindAsync(2))).Status);
        Assert.Equal(200, (await issuer.RequestAsync(account, await issuer.BlindAsync(3))).Status);
        issuer.Time.Advance(TimeSpan.FromDays(1));
        Assert.Equal(200, (await issuer.RequestAsync(account, await issuer.BlindAsync(1))).Status);

        AccountStatement statement = await issuer.StatementAsync(account);
        Assert.Equal(4, statement.Credits);
        Assert.Equal(
            [
                new AccountEntry(new DateOnly(2026, 11, 21), "tokens", 1, -1, "chat"),
                new AccountEntry(new DateOnly(2026, 11, 20), "tokens", 5, -5, "chat"),
                new AccountEntry(new DateOnly(2026, 11, 20), "voucher", 1, 10),
            ],
            statement.History);
    }

    [Fact]
    public async Task Deleted_account_is_forgotten_and_its_key_begins_anew()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 10);
        string voucher = await issuer.CreateVoucherAsync(3);
        Assert.Equal(200, (await issuer.RedeemAsync(account, voucher)).Status);
        List<BlindedToken> tokens = await issuer.BlindAsync(2);
        Assert.Equal(200, (await issuer.RequestAsync(account, tokens)).Status);

        Answer deleted = await issuer.SendTwiceAsync(HttpMethod.Delete, "/account", account);
        Assert.Equal(204, deleted.Status);
        AccountStatement statement = await issuer.StatementAsync(account);
        Assert.Equal(0, statement.Credits);
        Assert.Empty(statement.History);
        Assert.Equal([null, null], TestIssuer.ReadBatch(await issuer.RequestAsync(account, tokens, Routes.TokenRestore)));
        TestIssuer.AssertProblem(ProblemTypes.VoucherUsed, await issuer.RedeemAsync(account, voucher));
        Assert.Equal(11, (await issuer.Server.AuditAsync(TestIssuer.Token)).Forfeited);
        await issuer.AssertSoundBooksAsync();

        Assert.Equal(200, (await issuer.RedeemAsync(account, await issuer.CreateVoucherAsync(4))).Status);
        Assert.Equal(4, await issuer.CreditsAsync(account));
        await issuer.AssertSoundBooksAsync();
    }

    [Theory]
    [InlineData(null, ProblemTypes.AccountKeyRequired)]
    [InlineData("", ProblemTypes.AccountKeyRequired)]
    [InlineData("Bearer", ProblemTypes.AccountKeyRequired)]
    [InlineData("Basic Zm9vOmJhcg==", ProblemTypes.AccountKeyRequired)]
    [InlineData("Bearer x", ProblemTypes.AccountKeyMalformed)]
    [InlineData("Bearer 0000-0000-0000-0000-0000-0000-001", ProblemTypes.AccountKeyMalformed)]
    [InlineData("Bearer \t\"x\"", ProblemTypes.AccountKeyMalformed)]
    public async Task Call_without_a_good_key_is_told_so(string? authorization, string problem)
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        foreach ((HttpMethod method, string path) in ((HttpMethod, string)[])
            [(HttpMethod.Get, "/account"), (HttpMethod.Delete, "/account"), (HttpMethod.Post, "/account/vouchers"),
             (HttpMethod.Post, Routes.TokenRequest), (HttpMethod.Post, Routes.TokenRestore)])
        {
            Answer answer = await issuer.SendRawAsync(method, path, authorization is null ? [] : [authorization]);
            TestIssuer.AssertProblem(problem, answer);
            Assert.Contains("Bearer", answer.Headers.WwwAuthenticate.ToString(), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Two_keys_in_one_call_are_refused()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 1);
        Assert.Equal(401, (await issuer.SendRawAsync(HttpMethod.Get, "/account", ["Bearer " + account, "Bearer " + account])).Status);
        Assert.Equal(200, (await issuer.SendRawAsync(HttpMethod.Get, "/account", ["bearer " + account])).Status);
    }

    [Fact]
    public async Task Paths_and_methods_that_there_are_not_are_problems_too()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        TestIssuer.AssertProblem(ProblemTypes.NotFound, await issuer.SendAsync(HttpMethod.Get, "/nothing", null));
        TestIssuer.AssertProblem(ProblemTypes.MethodNotAllowed, await issuer.SendAsync(HttpMethod.Get, Routes.TokenRequest, null));
        Answer live = await issuer.SendAsync(HttpMethod.Get, Routes.HealthReady, null);
        Assert.Equal("ok", JsonDocument.Parse(live.Body).RootElement.GetProperty("status").GetString());
    }

    private static byte[] HashOf(string account)
    {
        Assert.True(AccountKey.TryParse(account, out AccountKey? key));
        return key.Hash();
    }
}
