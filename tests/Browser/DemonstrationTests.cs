using Microsoft.Playwright;
using Tacit.Browser.Support;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Gateway.Demonstration;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Issuer.Issuance;
using Tacit.Protocol;

namespace Tacit.Browser;

/// <summary>A visitor of a gateway's <c>/demo</c>, whose browser runs the protocol with the real issuer and the real gateway.</summary>
public sealed class DemonstrationTests(Chromium chromium) : BrowserTest(chromium)
{
    private const string Question = "What did you see of me?";

    private static readonly string[] s_steps = ["challenge", "directory", "blind", "sign", "unblind", "ask", "replay", "link"];

    private static readonly Plan s_open = WholeSystem.Chat with { Id = "open", Price = Credits.Zero, Open = true, MaxInputBytes = 4096, MaxOutputTokens = 256, Period = PeriodKind.Day };

    [Theory]
    [InlineData(1280, ColorScheme.Light)]
    [InlineData(360, ColorScheme.Dark)]
    public async Task Visitor_gets_a_token_spends_it_once_and_can_link_nothing(int width, ColorScheme scheme)
    {
        (WholeSystem system, Uri issuer) = await StartAsync();
        await using WholeSystem running = system;
        Visit visit = await VisitAsync(
            system.Gateway.Address, [issuer],
            options => (options.ViewportSize, options.ColorScheme) = (new ViewportSize { Width = width, Height = 800 }, scheme), "/demo", withAxe: true);
        IPage page = visit.Page;
        List<string> faults = [];
        for (int i = 0; i < s_steps.Length; i++)
        {
            // The button does the step, and leads to the next once that is done.
            await page.Locator(".actions .primary").ClickAsync();
            await page.Locator(i + 1 < s_steps.Length ? ".actions .primary:has-text('Next:')" : ".riddle select >> nth=0").WaitForAsync();
            Assert.Equal(0, await page.GetByRole(AriaRole.Alert).CountAsync());
            await KeepAsync(i);
            if (i + 1 < s_steps.Length)
            {
                await page.Locator(".actions .primary").ClickAsync();
            }
        }

        for (int i = 0; i < 4; i++)
        {
            await page.Locator(".riddle select").Nth(i).SelectOptionAsync(i.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        await page.Locator(".riddle .primary").ClickAsync();
        await page.Locator(".riddle table").WaitForAsync();
        await KeepAsync(s_steps.Length);

        // Every element fits every token, one factor for each pair, and each element has one token that it really became.
        IReadOnlyList<string> factors = await page.Locator(".riddle td code").AllTextContentsAsync();
        Assert.Equal((16, 16), (factors.Count, factors.Distinct().Count()));
        Assert.Equal(16, await page.Locator(".riddle td .fits").CountAsync());
        Assert.Equal(4, await page.Locator(".riddle tr:has(td.is-true)").CountAsync());

        // What each side saw, and that none of it is the same.
        string identity = await page.Locator(".side.identity").InnerTextAsync();
        string anonymous = await page.Locator(".side.anonymous").InnerTextAsync();
        Assert.Contains("blinded element", identity, StringComparison.Ordinal);
        Assert.Contains(Question, anonymous, StringComparison.Ordinal);
        Assert.DoesNotContain(Question, identity, StringComparison.Ordinal);
        Assert.Contains("Nothing in common", await page.Locator(".common").InnerTextAsync(), StringComparison.Ordinal);
        await page.Locator("nav button").Nth(6).ClickAsync();
        await page.Locator(".result:has-text('409 token_spent')").WaitForAsync();
        await page.Locator("nav button").Nth(5).ClickAsync();
        await page.Locator(".answer:has-text('plan: open')").WaitForAsync();

        // One token was taken without an account: the issuer has nothing of it, and the gateway was asked for nothing else.
        Assert.Equal(0, (await system.Issuer.AuditAsync(TestContext.Current.CancellationToken)).Elements);
        Assert.Equal(
            ["/.well-known/private-token-issuer-directory", "/demo", "/open-token-request", "/v1/chat/completions"],
            visit.Requests.Select(url => new Uri(url).AbsolutePath).Select(path => path.StartsWith("/demo", StringComparison.Ordinal) ? "/demo" : path).Distinct().Order(StringComparer.Ordinal));
        Assert.True(faults.Count == 0, string.Join('\n', faults));

        async Task KeepAsync(int step)
        {
            string name = step < s_steps.Length ? $"demo-{step + 1}-{s_steps[step]}" : "demo-9-why";
            await visit.KeepAsync(Artifacts, $"{name}-{width}-{scheme.ToString().ToLowerInvariant()}");
            // What is on the screen in the steps between is there in these, too.
            if (step is 1 or 5 or 8)
            {
                faults.AddRange((await Axe.FindAsync(page)).Select(one => $"{name}: {one}"));
            }

            if (await page.EvaluateAsync<int>("document.documentElement.scrollWidth - innerWidth") > 0)
            {
                faults.Add($"{name}: wider than the screen");
            }
        }
    }

    [Fact]
    public async Task Page_takes_no_directory_that_its_key_did_not_sign()
    {
        (WholeSystem system, Uri issuer) = await StartAsync();
        await using WholeSystem running = system;
        Visit visit = await VisitAsync(system.Gateway.Address, [issuer], path: "/demo");
        IPage page = visit.Page;
        await page.RouteAsync(new Uri(issuer, Routes.IssuerDirectory).ToString(), async route =>
        {
            IAPIResponse response = await route.FetchAsync();
            await route.FulfillAsync(new RouteFulfillOptions { Response = response, Body = (await response.TextAsync()).Replace("\"maxOutputTokens\":256", "\"maxOutputTokens\":257", StringComparison.Ordinal) });
        });

        await page.Locator(".actions .primary").ClickAsync();
        await page.Locator(".actions .primary:has-text('Next:')").ClickAsync();
        await page.Locator(".actions .primary").ClickAsync();

        await page.GetByRole(AriaRole.Alert).WaitForAsync();
        Assert.Contains("signature is wrong", await page.GetByRole(AriaRole.Alert).InnerTextAsync(), StringComparison.Ordinal);
        Assert.True(await page.Locator("nav button").Nth(2).IsDisabledAsync());
    }

    /// <summary>Issuer and gateway of which the issuer lets the gateway's pages call it, and no others.</summary>
    private static async Task<(WholeSystem System, Uri Issuer)> StartAsync()
    {
        // The open plan is one of days.
        await RestOfDay.HaveRoomAsync();
        int port = FreePorts.Take(1);
        WholeSystem system = await WholeSystem.StartAsync(
            [WholeSystem.Chat, s_open], new InferenceOptions { DemoModel = true },
            configureIssuer: options => options with { OpenIssuance = new OpenIssuanceOptions { Origins = [$"http://127.0.0.1:{port}"] } });
        await system.StopGatewayAsync();
        system.ConfigureGateway = options => options with { Listen = ListenAddress.Loopback(port), Demo = new DemonstrationOptions { Plan = s_open.Id } };
        await system.StartGatewayAsync();
        return (system, system.Issuer.Address);
    }
}
