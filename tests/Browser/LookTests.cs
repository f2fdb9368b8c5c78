using Microsoft.Playwright;
using Tacit.Browser.Support;

namespace Tacit.Browser;

/// <summary>Every screen, light and dark, on a phone and on a wall: pictures are kept, nobody is kept out, nothing is cut off.</summary>
public sealed class LookTests(Chromium chromium) : BrowserTest(chromium)
{
    [Theory]
    [InlineData(ColorScheme.Light)]
    [InlineData(ColorScheme.Dark)]
    public async Task Screens_shut_nobody_out(ColorScheme scheme)
    {
        await using TestSystem system = await TestSystem.StartAsync();
        Visit visit = await VisitAsync(system, options => options.ColorScheme = scheme, withAxe: true);
        List<string> found = [];
        foreach ((string name, string address) in Screens.All)
        {
            await visit.GoAsync(address);
            await Screens.WaitAsync(visit.Page, name);
            await visit.KeepAsync(Artifacts, $"{name}-{scheme.ToString().ToLowerInvariant()}");
            found.AddRange((await Axe.FindAsync(visit.Page)).Select(one => $"{name}: {one}"));
        }

        Assert.True(found.Count == 0, string.Join('\n', found));
    }
}
