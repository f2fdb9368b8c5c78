using System.Text.RegularExpressions;
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
        TestSystem system = Keep(await TestSystem.StartAsync());
        system.Model.Prepare("Who knows me?", "Not I.");
        IPage page = (await VisitAsync(system)).Page;
        var chat = new ChatScreen(page);
        await chat.AskAsync("Who knows me?", "Not I.");

        await chat.Privacy.ClickAsync();

        ILocator panel = page.GetByRole(AriaRole.Dialog, new() { Name = "Who saw what" });
        ILocator gateway = panel.GetByRole(AriaRole.Article, new() { Name = "Gateway" });
        await Expect(gateway).ToContainTextAsync("spend ids");
        // The token is the one in the gateway's record of what was spent, and of no other.
        string spendId = (await gateway.Locator("dd").Filter(new() { HasText = "spend ids" }).InnerTextAsync()).Split('…')[0];
        Assert.True(Files.Hold(system.Operators["gateway"], Convert.FromHexString(spendId)), $"{spendId} was not spent at the gateway");
        Assert.False(Files.Hold(system.Operators["issuer"], Convert.FromHexString(spendId)), "the issuer has it too");
        // So is the key that of the plan, and the gateway the one that was asked.
        // In the last days of a month there are two.
        IEnumerable<string> keys = (await system.Operators.Signer.GetKeysAsync(TestContext.Current.CancellationToken))
            .Where(one => one.Plans.Any(plan => plan.PlanId == TestSystem.Chat.Id && plan.IsLiveAt(TimeProvider.System.GetUtcNow())))
            .Select(one => Convert.ToHexStringLower(one.TokenKeyId)[..12]);
        await Expect(gateway).ToContainTextAsync(new Regex(string.Join('|', keys)));
        await Expect(gateway).ToContainTextAsync(TestSystem.Chat.Id);
        await Expect(panel).ToContainTextAsync(system.Operators.Gateway.Address.Authority);
        await Expect(panel.GetByRole(AriaRole.Article, new() { Name = "Model" })).ToContainTextAsync(ScriptedModel.Name);
        // Nothing that singles somebody out stands on both sides, and no word of the question where somebody may be known.
        string[] identity = await ValuesAsync(panel, "They may know you"), anonymous = await ValuesAsync(panel, "They may see your words");
        Assert.NotEmpty(identity);
        Assert.NotEmpty(anonymous);
        Assert.DoesNotContain(identity, value => value.Contains("Who knows me", StringComparison.Ordinal) || value.Contains(spendId, StringComparison.Ordinal));
        Assert.Empty(identity.Intersect(anonymous));
        await page.Keyboard.PressAsync("Escape");
        await Expect(panel).ToBeHiddenAsync();
    }

    private static async Task<string[]> ValuesAsync(ILocator panel, string side) =>
        [.. await panel.GetByRole(AriaRole.Region, new() { Name = side }).Locator("dd").AllInnerTextsAsync()];
}
