using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

public class RenewalTests
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
    private static readonly DateTimeOffset s_november = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Chain_moves_by_renewal_only_and_a_request_token_never_by_it()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat, TestPlans.Monthly);
        (SignerKey chat, PlanKey chatPlan) = await signer.KeyAsync("chat", s_november);
        (SignerKey monthly, PlanKey monthlyPlan) = await signer.KeyAsync("monthly", s_november);

        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(monthly, monthlyPlan, SigningPurpose.Renewal));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(monthly, monthlyPlan, SigningPurpose.Issuance));
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(monthly, monthlyPlan, SigningPurpose.Exchange));
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(chat, chatPlan, SigningPurpose.Renewal));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(chat, chatPlan, SigningPurpose.Exchange));
    }

    [Fact]
    public async Task Chains_are_renewed_from_the_lead_to_the_second_before_the_deadline()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Monthly);
        DateTimeOffset december = s_november.AddMonths(1);
        Period period = Period.Containing(PeriodKind.Month, december);
        await signer.MoveToAsync(period.IssueFrom.AddSeconds(-1));
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("monthly", december);

        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
        signer.Time.MoveTo(period.IssueFrom);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
        signer.Time.MoveTo(period.Deadline.AddSeconds(-1));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
        signer.Time.MoveTo(period.Deadline);
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
    }

    [Fact]
    public async Task Plan_taken_off_the_list_renews_no_more()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat, TestPlans.Monthly);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("monthly", s_november);
        await signer.CloseAsync();
        await signer.OpenAsync(options => options with { Plans = [TestPlans.Chat] });

        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
    }

    [Fact]
    public async Task Rate_of_renewals_is_bounded_by_plan_and_binds_nothing_else()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Monthly, TestPlans.Monthly with { Id = "other" });
        await signer.CloseAsync();
        await signer.OpenAsync(options => options with { RenewalsPerSecond = 1 });
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("monthly", s_november);
        (SignerKey other, PlanKey otherPlan) = await signer.KeyAsync("other", s_november);

        for (int i = 0; i < 10; i++)
        {
            Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
        }

        Assert.Equal(SignStatus.RateLimited, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Issuance));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(other, otherPlan, SigningPurpose.Renewal));
        signer.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
        Assert.Equal(SignStatus.RateLimited, await signer.TrySignAsync(key, plan, SigningPurpose.Renewal));
    }

    [Fact]
    public async Task Totals_count_what_was_signed_by_plan_and_purpose_and_outlive_a_restart()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat, TestPlans.Monthly);
        (SignerKey chat, PlanKey chatPlan) = await signer.KeyAsync("chat", s_november);
        (SignerKey monthly, PlanKey monthlyPlan) = await signer.KeyAsync("monthly", s_november);
        List<BlindedToken> tokens = BlindedToken.CreateMany(3, chat.Type, chat.SubjectPublicKeyInfo, null);
        await signer.Service.SignAsync(TestSigner.RequestFor(chat, chatPlan, SigningPurpose.Issuance, tokens), TestSigner.Token);
        await signer.TrySignAsync(monthly, monthlyPlan, SigningPurpose.Renewal);
        await signer.TrySignAsync(chat, chatPlan, SigningPurpose.Renewal);
        await signer.CloseAsync();
        await signer.OpenAsync();
        await signer.TrySignAsync(chat, chatPlan, SigningPurpose.Exchange);
        await signer.TrySignAsync(monthly, monthlyPlan, SigningPurpose.Renewal);

        SignerTotals totals = await signer.Service.GetTotalsAsync(TestSigner.Token);

        DateTimeOffset deadline = s_november.AddMonths(1);
        Assert.Equal(
            [new SignerPlanTotals("chat", deadline, Issued: 3, Exchanged: 1, Renewed: 0), new SignerPlanTotals("monthly", deadline, Issued: 0, Exchanged: 0, Renewed: 2)],
            totals.Plans);
    }

    [Fact]
    public async Task Totals_are_told_over_the_management_socket()
    {
        using var folder = new TestFolder();
        await using SignerServer server = await SignerServer.StartAsync(
            new SignerOptions
            {
                DataDirectory = folder.Data, Plans = [TestPlans.Monthly], KeyFile = folder.KeyFile,
                InternalKey = folder.Secret("internal", "a key between roles, long enough"),
            },
            new FakeTime(s_start), NullLoggerFactory.Instance, TestSigner.Token);
        SignerKey key = Assert.Single(await server.Service.GetKeysAsync(TestSigner.Token));
        using var token = BlindedToken.Create(key.Type, key.SubjectPublicKeyInfo, null);
        await server.Service.SignAsync(TestSigner.RequestFor(key, key.Plans[0], SigningPurpose.Renewal, [token]), TestSigner.Token);
        using var client = new ManagementClient(folder.Data, SignerServer.Role);

        SignerTotals totals = await client.GetAsync("/totals", SignerJson.Default.SignerTotals, TestSigner.Token);

        Assert.Equal(1, Assert.Single(totals.Plans).Renewed);
    }
}
