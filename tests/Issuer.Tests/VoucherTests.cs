using System.Net;
using System.Text;
using System.Text.Json;
using Tacit.Issuer.Payments;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Issuer.Tests;

public class VoucherTests
{
    [Fact]
    public async Task Voucher_adds_its_credits_once_and_says_so_again()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync();
        string voucher = await issuer.CreateVoucherAsync(25);
        Assert.Equal(new VoucherRedemption(25, 25, AlreadyRedeemed: false), Read(await issuer.RedeemAsync(account, voucher)));
        Assert.Equal(new VoucherRedemption(25, 25, AlreadyRedeemed: true), Read(await issuer.RedeemAsync(account, voucher)));
        Assert.Equal(new VoucherRedemption(25, 25, AlreadyRedeemed: true), Read(await issuer.RedeemAsync(account, voucher.ToLowerInvariant())));
        await issuer.RestartAsync();
        Assert.Equal(new VoucherRedemption(25, 25, AlreadyRedeemed: true), Read(await issuer.RedeemAsync(account, voucher)));
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Voucher_of_another_account_is_used()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string voucher = await issuer.CreateVoucherAsync(25);
        Assert.Equal(200, (await issuer.RedeemAsync(await issuer.CreateAccountAsync(), voucher)).Status);
        string other = await issuer.CreateAccountAsync();
        TestIssuer.AssertProblem(ProblemTypes.VoucherUsed, await issuer.RedeemAsync(other, voucher));
        Assert.Equal(0, await issuer.CreditsAsync(other));
    }

    [Fact]
    public async Task Hundred_redemptions_at_once_by_ten_accounts_add_it_to_one()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { VoucherFailureBurst = 1000 });
        string voucher = await issuer.CreateVoucherAsync(7);
        string[] accounts = new string[10];
        for (int i = 0; i < accounts.Length; i++)
        {
            accounts[i] = await issuer.CreateAccountAsync();
        }

        Answer[] answers = await Task.WhenAll(Enumerable.Range(0, 100).Select(i => issuer.RedeemAsync(accounts[i % 10], voucher)));
        VoucherRedemption[] redeemed = [.. answers.Where(answer => answer.Status == 200).Select(Read)];
        Assert.Equal(10, redeemed.Length);
        Assert.Single(redeemed, answer => !answer.AlreadyRedeemed);
        Assert.All(answers.Where(answer => answer.Status != 200), answer => TestIssuer.AssertProblem(ProblemTypes.VoucherUsed, answer));
        long total = 0;
        foreach (string account in accounts)
        {
            total += await issuer.CreditsAsync(account);
        }

        Assert.Equal(7, total);
        await issuer.AssertSoundBooksAsync();
    }

    [Fact]
    public async Task Voucher_is_good_to_the_end_of_its_last_day()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        IReadOnlyList<string> codes = (await issuer.Server.CreateVouchersAsync(5, 2, new DateOnly(2026, 11, 20), TestIssuer.Token)).Codes;
        string account = await issuer.CreateAccountAsync();
        issuer.Time.MoveTo(new DateTimeOffset(2026, 11, 20, 23, 59, 59, TimeSpan.Zero));
        Assert.Equal(200, (await issuer.RedeemAsync(account, codes[0])).Status);
        issuer.Time.Advance(TimeSpan.FromSeconds(1));
        TestIssuer.AssertProblem(ProblemTypes.VoucherExpired, await issuer.RedeemAsync(account, codes[1]));

        // What was redeemed in time stays redeemed.
        Assert.True(Read(await issuer.RedeemAsync(account, codes[0])).AlreadyRedeemed);
        Assert.Equal(5, await issuer.CreditsAsync(account));
    }

    [Theory]
    [InlineData("", ProblemTypes.RequestMalformed)]
    [InlineData("null", ProblemTypes.RequestMalformed)]
    [InlineData("{}", ProblemTypes.RequestMalformed)]
    [InlineData("[]", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":null}", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":7}", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":\"A\",\"code\":\"A\"}", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":\"A\",\"credits\":1000}", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":\"A\"", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":\"A\"} {}", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":\"\\ud800\"}", ProblemTypes.RequestMalformed)]
    [InlineData("{\"code\":\"A\"}", ProblemTypes.VoucherMalformed)]
    [InlineData("{\"code\":\"\"}", ProblemTypes.VoucherMalformed)]
    public async Task Hostile_body_is_a_problem(string body, string problem)
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 1);
        TestIssuer.AssertProblem(
            problem, await issuer.SendTwiceAsync(HttpMethod.Post, "/account/vouchers", account, "application/json; charset=utf-8", Encoding.UTF8.GetBytes(body)));
        Assert.Equal(1, await issuer.CreditsAsync(account));
    }

    [Fact]
    public async Task Huge_or_untyped_body_is_a_problem()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync();
        TestIssuer.AssertProblem(
            ProblemTypes.RequestTooLarge, await issuer.SendAsync(HttpMethod.Post, "/account/vouchers", account, "application/json", new byte[5000]));
        TestIssuer.AssertProblem(
            ProblemTypes.UnsupportedMediaType, await issuer.SendAsync(HttpMethod.Post, "/account/vouchers", account, "text/plain", "{}"u8.ToArray()));
        TestIssuer.AssertProblem(ProblemTypes.UnsupportedMediaType, await issuer.SendAsync(HttpMethod.Post, "/account/vouchers", account));
    }

    [Fact]
    public async Task Guessing_is_slowed_down_and_goes_on_later()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync(change: options => options with { VoucherFailureBurst = 5 });
        string account = await issuer.CreateAccountAsync();
        for (int i = 0; i < 5; i++)
        {
            TestIssuer.AssertProblem(ProblemTypes.VoucherUnknown, await issuer.RedeemAsync(account, VoucherCode.Create().ToString()));
        }

        TestIssuer.AssertProblem(ProblemTypes.RateLimited, await issuer.RedeemAsync(account, VoucherCode.Create().ToString()));
        issuer.Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(200, (await issuer.RedeemAsync(account, await issuer.CreateVoucherAsync(1))).Status);
    }

    [Theory]
    [InlineData("198.51.100.1", "198.51.100.2", false)]
    [InlineData("::ffff:198.51.100.1", "::ffff:198.51.100.2", false)]
    [InlineData("::ffff:198.51.100.1", "198.51.100.1", true)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:2::1", false)]
    [InlineData("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true)]
    public void Guesses_of_one_customer_are_counted_together_and_of_two_apart(string one, string other, bool together) =>
        Assert.Equal(
            together, SourceLimiter.SourceOf(IPAddress.Parse(one)).AsSpan().SequenceEqual(SourceLimiter.SourceOf(IPAddress.Parse(other))));

    [Fact]
    public async Task Codes_are_stored_as_hashes_only()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string voucher = await issuer.CreateVoucherAsync(1);
        await issuer.StopAsync();
        Assert.True(VoucherCode.TryParse(voucher, out VoucherCode? code));
        byte[] disk = await issuer.ReadDiskAsync();
        Assert.True(disk.AsSpan().IndexOf(code.Hash()) >= 0);
        Assert.Equal(-1, disk.AsSpan().IndexOf(code.Bytes));
        Assert.Equal(-1, disk.AsSpan().IndexOf(Encoding.ASCII.GetBytes(voucher)));
    }

    private static VoucherRedemption Read(Answer answer)
    {
        Assert.Equal(200, answer.Status);
        return JsonSerializer.Deserialize(answer.Body, AccountJson.Default.VoucherRedemption)!;
    }
}
