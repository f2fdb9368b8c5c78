using Microsoft.Playwright;

namespace Tacit.Browser.Support;

/// <summary>The chat as a person finds her way in it: by what things are and are called.</summary>
internal sealed class ChatScreen(IPage page)
{
    public IPage Page => page;

    public ILocator Composer => page.GetByRole(AriaRole.Textbox, new() { Name = "Message", Exact = true });

    public ILocator Send => page.GetByRole(AriaRole.Button, new() { Name = "Send" });

    public ILocator Stop => page.GetByRole(AriaRole.Button, new() { Name = "Stop" });

    /// <summary>What the person said, from the top.</summary>
    public ILocator Questions => page.GetByRole(AriaRole.Article, new() { Name = "You" });

    /// <summary>What was answered, from the top.</summary>
    public ILocator Answers => page.GetByRole(AriaRole.Article, new() { Name = "Answer" });

    public ILocator Answer => Answers.Last;

    public ILocator Chats => page.GetByRole(AriaRole.Navigation, new() { Name = "Chats and pages" });

    /// <summary>Who saw what of the chat that is open.</summary>
    public ILocator Privacy => page.GetByRole(AriaRole.Button, new() { Name = "Privacy" });

    public ILocator Chat(string title) => Chats.GetByRole(AriaRole.Link, new() { Name = title });

    public async Task AskAsync(string text)
    {
        await Composer.FillAsync(text);
        await Composer.PressAsync("Enter");
    }

    /// <summary>Asks and waits for the whole answer, which has to be prepared.</summary>
    public async Task AskAsync(string text, string answer)
    {
        await AskAsync(text);
        await Expect(Answer).ToContainTextAsync(answer);
        await Expect(Stop).ToBeHiddenAsync();
    }

    public ILocator PreviousVersion => page.GetByRole(AriaRole.Button, new() { Name = "Version before" });

    public ILocator NextVersion => page.GetByRole(AriaRole.Button, new() { Name = "Next version" });

    /// <summary>Has the last answer given anew.</summary>
    public Task TryAgainAsync() => Answer.GetByRole(AriaRole.Button, new() { Name = "Answer again" }).ClickAsync();

    /// <summary>Changes what was said and sends it again.</summary>
    public async Task EditAsync(ILocator question, string text)
    {
        await question.GetByRole(AriaRole.Button, new() { Name = "Edit and send again" }).ClickAsync();
        ILocator field = page.GetByRole(AriaRole.Textbox, new() { Name = "Your message" });
        await field.FillAsync(text);
        await field.PressAsync("Enter");
    }

    public Task NewChatAsync() => Chats.GetByRole(AriaRole.Button, new() { Name = "New chat" }).ClickAsync();

    public static ILocatorAssertions Expect(ILocator locator) => Assertions.Expect(locator);
}
