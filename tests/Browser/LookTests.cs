using Microsoft.Playwright;
using Tacit.Browser.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>Every screen, light and dark, on a phone and on a wall: pictures are kept, nobody is kept out, nothing is cut off.</summary>
public sealed class LookTests(Chromium chromium) : BrowserTest(chromium)
{
    [Theory]
    [InlineData("light", ColorScheme.Light, 1280, 800)]
    [InlineData("dark", ColorScheme.Dark, 1280, 800)]
    [InlineData("phone", ColorScheme.Light, 360, 740)]
    [InlineData("phone-dark", ColorScheme.Dark, 360, 740)]
    [InlineData("4k", ColorScheme.Light, 3840, 2160)]
    public async Task Screens_shut_nobody_out_and_cut_nothing_off(string look, ColorScheme scheme, int width, int height)
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        Visit visit = await VisitAsync(
            system, options => (options.ColorScheme, options.ViewportSize) = (scheme, new ViewportSize { Width = width, Height = height }), withAxe: true);
        List<string> found = [];
        foreach (Screen screen in Screens.All)
        {
            await screen.OpenAsync(visit, system);
            await visit.KeepAsync(Artifacts, $"{screen.Name}-{look}");
            found.AddRange((await Axe.FindAsync(visit.Page)).Select(one => $"{screen.Name}: {one}"));
            int beyond = await visit.Page.EvaluateAsync<int>("() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth");
            if (beyond > 0)
            {
                found.Add($"{screen.Name}: {beyond} pixels wider than the window");
            }
        }

        Assert.True(found.Count == 0, string.Join('\n', found));
    }

    [Fact]
    public async Task Theme_that_is_chosen_is_kept_whatever_the_system_likes()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        IPage page = (await VisitAsync(system, options => options.ColorScheme = ColorScheme.Light, "/#/settings")).Page;
        string light = await BackgroundAsync(page);

        await page.GetByRole(AriaRole.Radio, new() { Name = "Dark" }).CheckAsync();

        await Expect(page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");
        await Expect(page.Locator("body")).Not.ToHaveCSSAsync("background-color", light);
        await page.ReloadAsync();
        await Expect(page.GetByRole(AriaRole.Radio, new() { Name = "Dark" })).ToBeCheckedAsync();
        await Expect(page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");
    }

    private static Task<string> BackgroundAsync(IPage page) => page.EvaluateAsync<string>("() => getComputedStyle(document.body).backgroundColor");
}
