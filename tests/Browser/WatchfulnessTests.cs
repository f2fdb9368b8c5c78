using Microsoft.Playwright;
using Tacit.Browser.Support;

namespace Tacit.Browser;

/// <summary>That the checks of the other tests would find something.</summary>
public sealed class WatchfulnessTests(Chromium chromium)
{
    [Fact]
    public async Task Axe_finds_what_is_planted()
    {
        await using Site site = await Site.StartAsync();
        site.Pages["/"] = ("text/html", "<!doctype html><title>x</title><main><h1>x</h1><button></button><p style='color:#ccc;background:#fff'>faint</p></main>");
        IBrowserContext context = await (await chromium.OpenAsync()).NewContextAsync();
        await Axe.BringAsync(context);
        IPage page = await context.NewPageAsync();
        await page.GotoAsync(site.At("planted.test"));

        IReadOnlyList<string> found = await Axe.FindAsync(page);

        Assert.Contains(found, one => one.Contains("button-name", StringComparison.Ordinal));
        Assert.Contains(found, one => one.Contains("color-contrast", StringComparison.Ordinal));
        await context.CloseAsync();
    }

    [Fact]
    public async Task Visit_notices_foreign_requests_refusals_of_the_policy_and_errors()
    {
        await using Site site = await Site.StartAsync();
        await using Site other = await Site.StartAsync();
        site.Pages["/"] = ("text/html", $"""
            <!doctype html><meta http-equiv=Content-Security-Policy content="img-src 'self'"><img src="{other.At("refused.test", "/image")}">
            <script>fetch('{other.At("canary.test", "/beacon")}', {"{ mode: 'no-cors' }"}).catch(() => 0); setTimeout(() => {"{ document.title = 'thrown'; throw new Error('thrown by the page'); }"});</script>
            """);
        await using Visit visit = await Visit.OpenAsync(await chromium.OpenAsync(), new Uri(site.At("127.0.0.1")), [], null, withAxe: false);

        await visit.GoAsync("/");
        await Assertions.Expect(visit.Page).ToHaveTitleAsync("thrown", new() { Timeout = Patience.Milliseconds });
        await Eventually.TrueAsync(() => other.Asked.Contains("GET /beacon") && visit.Faults.Count >= 3);

        Assert.Contains(visit.Faults, fault => fault.StartsWith("asked for http://canary.test", StringComparison.Ordinal));
        Assert.Contains(visit.Faults, fault => fault.Contains("refused by policy: img-src", StringComparison.Ordinal));
        Assert.Contains(visit.Faults, fault => fault.Contains("thrown by the page", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Network_log_has_requests_and_names_that_were_only_looked_up()
    {
        await using Site site = await Site.StartAsync();
        await using Site other = await Site.StartAsync();
        site.Pages["/"] = ("text/html", $"<!doctype html><link rel=preconnect href=//preconnected.test><img src=\"{other.At("canary.test", "/image")}\">");
        string log = Path.GetTempFileName();
        await using IBrowser browser = await chromium.LaunchAsync(NetLog.SwitchesFor(log));
        IPage page = await browser.NewPageAsync();
        await page.GotoAsync(site.At("127.0.0.1"));
        await Eventually.TrueAsync(() => other.Asked.Contains("GET /image"));
        await browser.CloseAsync();

        IReadOnlyList<string> contacted = NetLog.Contacted(log);

        Assert.Contains($"127.0.0.1:{site.Port}", contacted);
        Assert.Contains($"canary.test:{other.Port}", contacted);
        Assert.Contains(contacted, one => one.Contains(NetLog.LookedUp, StringComparison.Ordinal));
        File.Delete(log);
    }
}
