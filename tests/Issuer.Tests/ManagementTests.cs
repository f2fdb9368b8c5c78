using Tacit.Hosting;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Tests.Support;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class ManagementTests
{
    [Fact]
    public async Task Operator_makes_vouchers_and_sees_keys_status_and_books()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync([TestPlans.Chat, TestPlans.Large]);
        using var client = new ManagementClient(issuer.Folder.Data, IssuerServer.Role);
        VoucherBatch batch = await client.PostAsync(
            "/vouchers", new VoucherOrder(30, 3), IssuerJson.Default.VoucherOrder, IssuerJson.Default.VoucherBatch, TestIssuer.Token);
        Assert.Equal(3, batch.Codes.Distinct().Count());
        Assert.Equal(new DateOnly(2027, 11, 20), batch.Expires);
        string account = await issuer.CreateAccountAsync();
        Assert.Equal(200, (await issuer.RedeemAsync(account, batch.Codes[1])).Status);
        Assert.Equal(30, await issuer.CreditsAsync(account));

        IssuerStatus status = await client.GetAsync("/status", IssuerJson.Default.IssuerStatus, TestIssuer.Token);
        Assert.Equal(System.Buffers.Text.Base64Url.EncodeToString(issuer.Server.DirectoryKey.Span), status.DirectoryKey);
        Assert.Equal(["chat", "chat-large"], status.Keys.Select(key => key.Plan));
        Assert.Empty(status.PlansWithoutKey);
        Assert.Equal(1, status.Sequence);
        Assert.Equal(2, (await client.GetAsync("/keys", IssuerJson.Default.IReadOnlyListIssuerKeyStatus, TestIssuer.Token)).Count);
        LedgerReport report = await client.GetAsync("/ledger", IssuerJson.Default.LedgerReport, TestIssuer.Token);
        Assert.True(report.IsSound);
        Assert.Equal(30, report.Outstanding);
    }

    [Theory]
    [InlineData(0, 1, null)]
    [InlineData(-5, 1, null)]
    [InlineData(1_000_000_000_001, 1, null)]
    [InlineData(1, 0, null)]
    [InlineData(1, 10_001, null)]
    [InlineData(1, 1, "2026-11-19")]
    public async Task Order_that_makes_no_sense_is_refused_with_a_sentence(long credits, int count, string? expires)
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        using var client = new ManagementClient(issuer.Folder.Data, IssuerServer.Role);
        var order = new VoucherOrder(credits, count, expires is null ? null : DateOnly.Parse(expires, System.Globalization.CultureInfo.InvariantCulture));
        ManagementException refused = await Assert.ThrowsAsync<ManagementException>(() => client.PostAsync(
            "/vouchers", order, IssuerJson.Default.VoucherOrder, IssuerJson.Default.VoucherBatch, TestIssuer.Token));
        Assert.Equal(400, refused.Status);
    }
}
