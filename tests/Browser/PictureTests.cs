using Microsoft.Playwright;
using Tacit.Browser.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>
/// Takes the pictures of the README, from the page as it is: <c>TACIT_SCREENSHOTS=$PWD/docs/images dotnet test tests/Browser --filter PictureTests</c>. Skipped without that variable.
/// </summary>
public sealed class PictureTests(Chromium chromium) : BrowserTest(chromium)
{
    private static readonly string? s_folder = Environment.GetEnvironmentVariable("TACIT_SCREENSHOTS");

    [Theory]
    [InlineData("", ColorScheme.Light)]
    [InlineData("-dark", ColorScheme.Dark)]
    public async Task Chat_privacy_and_wallet_as_the_README_shows_them(string suffix, ColorScheme scheme)
    {
        string folder = FolderOrSkip();
        TestSystem system = Keep(await TestSystem.StartAsync(credits: 250, tokens: 100));
        foreach ((string question, string answer) in s_earlier)
        {
            system.Model.Prepare(question, answer);
        }

        Visit visit = await VisitAsync(system, options => (options.ColorScheme, options.ViewportSize) = (scheme, new ViewportSize { Width = 1200, Height = 800 }));
        var chat = new ChatScreen(visit.Page);
        foreach ((string question, string answer) in s_earlier)
        {
            await chat.AskAsync(question, answer);
            await chat.NewChatAsync();
        }

        foreach (string name in (string[])["chat", "privacy", "wallet"])
        {
            await Screens.All.Single(screen => screen.Name == name).OpenAsync(visit, system);
            await visit.Page.Mouse.MoveAsync(0, 0);
            await visit.Page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, $"{name}{suffix}.png") });
        }
    }

    [Fact]
    public async Task First_run_as_the_README_shows_it()
    {
        string folder = FolderOrSkip();
        TestSystem system = Keep(await TestSystem.StartWithoutWalletAsync());
        IPage page = (await VisitAsync(system, options => options.ViewportSize = new ViewportSize { Width = 1200, Height = 900 })).Page;
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Ask AI without being known" })).ToBeVisibleAsync();
        await page.ScreenshotAsync(new PageScreenshotOptions { Path = Path.Combine(folder, "first-run.png") });
    }

    private static readonly (string Question, string Answer)[] s_earlier =
    [
        ("A packing list for three days in the mountains", "Layers, a lamp, a map on paper."),
        ("Is this clause in my contract usual?", "It is, with one exception: the notice period."),
        ("Translate: the ferry leaves at dawn", "La barca parte all'alba."),
    ];

    private static string FolderOrSkip()
    {
        if (string.IsNullOrEmpty(s_folder))
        {
            Assert.Skip("Pictures are taken where TACIT_SCREENSHOTS names a folder.");
        }

        Directory.CreateDirectory(s_folder);
        return s_folder;
    }
}
