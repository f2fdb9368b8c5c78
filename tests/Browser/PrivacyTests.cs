using Microsoft.Playwright;
using Tacit.Browser.Support;
using Tacit.EndToEnd.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>That what the page says of a conversation is what happened.</summary>
public sealed class PrivacyTests(Chromium chromium) : BrowserTest(chromium)
{
    [Fact]
    public async Task Panel_shows_each_side_its_real_values_and_none_that_both_have()
    {
        await using TestSystem system = await TestSystem.StartAsync();
        system.Model.Prepare("Who knows me?", "Not I.");
        IPage page = (await VisitAsync(system)).Page;
        var chat = new ChatScreen(page);
        await chat.AskAsync("Who knows me?", "Not I.");

        await chat.Privacy.ClickAsync();

        ILocator panel = page.GetByRole(AriaRole.Dialog, new() { Name = "Who saw what" });
        await Expect(panel.GetByRole(AriaRole.Article, new() { Name = "Gateway" })).ToContainTextAsync("Who knows me?");
        ILocator model = panel.GetByRole(AriaRole.Article, new() { Name = "Model" });
        await Expect(model).ToContainTextAsync("Who knows me?");
        ILocator issuer = panel.GetByRole(AriaRole.Article, new() { Name = "Issuer" });
        await Expect(issuer).Not.ToContainTextAsync("Who knows me?");
        await Expect(panel.GetByRole(AriaRole.Article, new() { Name = "Signer" })).Not.ToContainTextAsync("Who knows me?");
        // The gateway that was really asked, and the plan that really paid.
        await Expect(panel).ToContainTextAsync(system.Operators.Gateway.Address.Authority);
        await Expect(panel).ToContainTextAsync(TestSystem.Chat.Id);
        // Nothing that singles somebody out stands on both sides.
        string[] identity = await ValuesAsync(panel, "They may know you"), anonymous = await ValuesAsync(panel, "They may see your words");
        Assert.NotEmpty(identity);
        Assert.NotEmpty(anonymous);
        Assert.DoesNotContain(identity, value => value.Contains("Who knows me", StringComparison.Ordinal));
        Assert.Empty(identity.Where(value => value.Length > 12).Intersect(anonymous));
        await page.Keyboard.PressAsync("Escape");
        await Expect(panel).ToBeHiddenAsync();
    }

    private static async Task<string[]> ValuesAsync(ILocator panel, string side) =>
        [.. await panel.GetByRole(AriaRole.Region, new() { Name = side }).Locator("dd").AllInnerTextsAsync()];
}
