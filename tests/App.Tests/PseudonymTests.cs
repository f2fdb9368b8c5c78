using System.Net;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.App.Tests;

/// <summary>What the app tells of a gateway that asks for a pseudonym.</summary>
public sealed class PseudonymTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Replies_status_and_plans_say_that_requests_are_linkable()
    {
        await using TestApp app = await StartAsync(allow: true);
        using ManagementClient socket = new(app.DataDirectory, AppServer.Role);
        using (HttpResponseMessage early = await app.AskAsync("Too early."))
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, early.StatusCode);
            Assert.Contains("tacit wallet pseudonym fetch", await early.Content.ReadAsStringAsync(Token), StringComparison.Ordinal);
        }
        // Near the end of a month also the next one's.
        Assert.All(await socket.PostAsync("/wallet/pseudonym/fetch", AppJson.Default.IReadOnlyListPseudonymHoldings, Token), held => Assert.True(held.IsHeld));
        using (HttpResponseMessage reply = await app.AskAsync("Now."))
        {
            Assert.Equal(HttpStatusCode.OK, reply.StatusCode);
            string notice = Assert.Single(reply.Headers.GetValues("Tacit-Notice"));
            Assert.Equal("linkable=transient", notice);
            Assert.Contains("can link", Assert.Single(PromptNotices.Explain(notice, "chat")), StringComparison.Ordinal);
        }
        Assert.True((await socket.PostAsync("/wallet/pseudonym/rotate", AppJson.Default.PseudonymHoldings, Token)).IsInPlace);

        AppStatus status = await socket.GetAsync("/status", AppJson.Default.AppStatus, Token);
        Assert.Contains(status.Notices, notice => notice.Kind == NoticeKind.RequestsLinkable);
        Assert.Equal(["transient", "transient-rotated"], status.Wallet!.Pseudonyms.Select(held => held.Kind).Distinct());
        DirectorySummary plans = await socket.GetAsync("/plans", AppJson.Default.DirectorySummary, Token);
        Assert.Equal("transient", Assert.Single(plans.Gateways).Pseudonyms);
    }

    [Fact]
    public async Task Refusal_by_default_names_the_setting()
    {
        await using TestApp app = await StartAsync(allow: false);
        using HttpResponseMessage refused = await app.AskAsync("Anyone?");
        Assert.Equal(HttpStatusCode.Forbidden, refused.StatusCode);
        string body = await refused.Content.ReadAsStringAsync(Token);
        Assert.Contains("pseudonym_refused", body, StringComparison.Ordinal);
        Assert.Contains("AllowPseudonyms", body, StringComparison.Ordinal);
        Assert.True(new AppOptions { DataDirectory = app.DataDirectory, AllowPseudonyms = true }.ToClientOptions().Redemption.AllowPseudonyms);
    }

    private static async Task<TestApp> StartAsync(bool allow) => await TestApp.StartAsync(
        tokens: 5, change: options => options with { Redemption = options.Redemption with { AllowPseudonyms = allow } },
        system: await TestOperator.StartAsync(pseudonyms: new PseudonymOffer { Gateway = TestOperator.GatewayName, Policy = PseudonymPolicy.Transient }));
}
