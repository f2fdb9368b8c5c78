using Tacit.Cli.Commands;
using Tacit.Cli.Window;

namespace Tacit.Cli.Doctor;

/// <summary>The app's page and what would show it. Starts nothing.</summary>
internal static class PageChecks
{
    public static IEnumerable<Finding> Of(Surroundings surroundings, string data)
    {
        yield return WindowCommand.HasPage
            ? Finding.Fine("page", "built in; Node is needed to build it, and not to run it")
            : Finding.Warn("page", "not built in: the app has its API only, and `tacit chat` works", surroundings.Find("node") is string node
                ? $"Build it again where Node is 20 or later ({node} may be older) and npm can get packages: make build."
                : "Build it again where Node 20 or later and npm are: make build (Debian: apt install npm).");
        yield return AppBrowser.Find(surroundings, data) is AppBrowser browser
            ? Finding.Fine("browser", $"{browser.File} shows the page as a window, with a profile of its own in {browser.Profile}{(surroundings.IsRoot ? "; not for root" : "")}")
            : Finding.Fine("browser", "none of Chromium's family: `tacit` opens the page in the default browser, else it prints the address");
    }
}
