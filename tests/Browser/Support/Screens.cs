using Microsoft.Playwright;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser.Support;

/// <summary>One thing that a person may have before her.</summary>
/// <param name="Name">What pictures of it are called.</param>
/// <param name="OpenAsync">Goes there and waits until it is whole.</param>
internal sealed record Screen(string Name, Func<Visit, TestSystem, Task> OpenAsync);

internal static class Screens
{
    public const string Question = "How can a server sign what it never sees?";

    /// <summary>What models write, all of it.</summary>
    public const string Answer =
        "A **blind signature** does just that. You put the message into an envelope, and the signer signs *through* it.\n\n### How it goes\n\n1. You pick $r$ at random and send $m' = m r^e \\bmod n$.\n"
        + "2. The signer returns $s' = m'^d$ and has learned nothing.\n3. You take the envelope off: $s = s' r^{-1} \\bmod n$.\n\n```python\ndef unblind(blind_signature, r, n):\n    return blind_signature * pow(r, -1, n) % n\n```\n\n"
        + "| who | sees |\n|---|---|\n| issuer | your account, and a number that could be anything |\n| gateway | a valid token, and no account |\n\n> Whoever holds both books side by side finds no line that is in both.\n\nMore at [the standard](https://www.rfc-editor.org/rfc/rfc9474).";

    public static IReadOnlyList<Screen> All { get; } =
    [
        new("new-chat", (visit, _) => At(visit, "/", page => page.GetByRole(AriaRole.Textbox, new() { Name = "Message" }))),
        new("chat", async (visit, system) =>
        {
            system.Model.Prepare(Question, Answer);
            var chat = new ChatScreen(visit.Page);
            await chat.AskAsync(Question, "no line that is in both");
            await Expect(chat.Answer.Locator("math").First).ToBeVisibleAsync();
            await Expect(chat.Answer.Locator("code [class^=hljs-]").First).ToBeVisibleAsync();
        }),
        new("privacy", async (visit, _) =>
        {
            await new ChatScreen(visit.Page).Privacy.ClickAsync();
            await Expect(visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Article, new() { Name = "Gateway" })).ToBeVisibleAsync();
        }),
        new("wallet", (visit, _) => At(visit, "/#/wallet", page => page.GetByRole(AriaRole.Heading, new() { Name = "What you hold" }))),
        new("keys", (visit, _) => At(visit, "/#/keys", page => page.GetByLabel("Name of the app"))),
        new("settings", (visit, _) => At(visit, "/#/settings", page => page.GetByRole(AriaRole.Radio, new() { Name = "Dark" }))),
        new("setup", (visit, _) => At(visit, "/#/setup", page => page.GetByRole(AriaRole.Heading, new() { Name = "Welcome to Tacit" }))),
    ];

    private static async Task At(Visit visit, string address, Func<IPage, ILocator> there)
    {
        await visit.GoAsync(address);
        // A change of the part after # alone loads nothing; what was open before goes.
        await visit.Page.ReloadAsync();
        await Expect(there(visit.Page)).ToBeVisibleAsync();
    }
}
