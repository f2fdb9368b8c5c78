using Microsoft.Playwright;

namespace Tacit.Browser.Support;

/// <summary>The screens of the page, by what a person would call them.</summary>
internal static class Screens
{
    public static IReadOnlyList<(string Name, string Address)> All { get; } = [("new-chat", "/"), ("wallet", "/#/wallet"), ("keys", "/#/keys"), ("settings", "/#/settings")];

    /// <summary>Waits until the screen is there with what it tells.</summary>
    public static Task WaitAsync(IPage page, string name) => name switch
    {
        "new-chat" => page.GetByRole(AriaRole.Navigation, new() { Name = "Chats and pages" }).WaitForAsync(),
        _ => page.GetByRole(AriaRole.Heading, new() { Level = 1 }).WaitForAsync(),
    };
}
