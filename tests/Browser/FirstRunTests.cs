using Microsoft.Playwright;
using Tacit.Browser.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>From nothing to the first answer, as somebody who has been given an invitation.</summary>
public sealed class FirstRunTests(Chromium chromium) : BrowserTest(chromium)
{
    [Fact]
    public async Task Invitation_leads_in_three_steps_to_the_first_answer()
    {
        TestSystem system = Keep(await TestSystem.StartWithoutWalletAsync());
        system.Model.Prepare("Hello?", "Welcome.");
        IPage page = (await VisitAsync(system)).Page;
        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "Ask AI without being known" })).ToBeVisibleAsync();

        await page.GetByLabel("Your invitation").FillAsync(await system.InvitationAsync(30));
        await page.GetByRole(AriaRole.Button, new() { Name = "Continue" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Make my wallet" }).ClickAsync();

        Dictionary<string, string[]> secrets = [];
        foreach (string name in (string[])["Recovery seed", "Account key"])
        {
            ILocator groups = page.GetByRole(AriaRole.List, new() { Name = name }).GetByRole(AriaRole.Listitem);
            await Expect(groups.First).ToBeVisibleAsync();
            secrets[name] = [.. await groups.AllInnerTextsAsync()];
        }

        await page.GetByRole(AriaRole.Button, new() { Name = "I have written them down" }).ClickAsync();
        foreach ((string name, string[] groups) in secrets)
        {
            ILocator field = page.GetByLabel($"{name}, group");
            string label = await page.Locator("label").Filter(new() { HasText = $"{name}, group" }).InnerTextAsync();
            int place = int.Parse(label.Split("group ")[1].Split(' ')[0], System.Globalization.CultureInfo.InvariantCulture);
            await field.FillAsync(groups[place - 1].ToLowerInvariant());
        }

        await page.GetByRole(AriaRole.Button, new() { Name = "Continue" }).ClickAsync();
        // The voucher that came with the invitation is there already.
        await page.GetByRole(AriaRole.Button, new() { Name = "Add credits" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Get 10 tokens for 10 credits" }).ClickAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Ask the first question" }).ClickAsync();
        var chat = new ChatScreen(page);
        await chat.AskAsync("Hello?", "Welcome.");
        Assert.Equal(1, system.Model.Calls);
    }

    [Fact]
    public async Task Whole_first_chat_needs_no_mouse()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        system.Model.Prepare("Typed only", "Read only.");
        IPage page = (await VisitAsync(system)).Page;
        var chat = new ChatScreen(page);
        // Where one may type at once, nobody has to look for the field.
        await Expect(chat.Composer).ToBeFocusedAsync();

        await page.Keyboard.TypeAsync("Typed only");
        await page.Keyboard.PressAsync("Enter");
        await Expect(chat.Answer).ToContainTextAsync("Read only.");
        await Expect(chat.Stop).ToBeHiddenAsync();

        // Everything that can be done is on the way of the Tab key, and it is seen where one is.
        HashSet<string> reached = [];
        for (int i = 0; i < 60; i++)
        {
            await page.Keyboard.PressAsync("Tab");
            string[] at = await page.EvaluateAsync<string[]>(
                """
                () => {
                  const e = document.activeElement;
                  const style = getComputedStyle(e);
                  return [e.getAttribute('aria-label') ?? e.innerText ?? '', String(e === document.body || style.outlineStyle !== 'none' || style.boxShadow !== 'none' || e.matches('textarea, input'))];
                }
                """);
            Assert.True(at[1] == "true", $"No mark where the focus is: {at[0]}");
            reached.Add(at[0].Trim());
        }

        Assert.Contains(reached, name => name.Contains("New chat", StringComparison.Ordinal));
        Assert.Contains(reached, name => name.Contains("Wallet", StringComparison.Ordinal));
        Assert.Contains(reached, name => name.Contains("Settings", StringComparison.Ordinal));
        Assert.Contains(reached, name => name.Contains("Answer again", StringComparison.Ordinal));
        Assert.Contains(reached, name => name.Contains("Privacy", StringComparison.Ordinal));
        await page.Keyboard.PressAsync("Shift+Escape");
        await Expect(chat.Composer).ToBeFocusedAsync();
        await page.Keyboard.PressAsync("Control+Shift+O");
        await Expect(chat.Questions).ToHaveCountAsync(0);
        await Expect(chat.Composer).ToBeFocusedAsync();
    }
}
