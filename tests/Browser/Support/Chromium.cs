using Microsoft.Playwright;
using Tacit.EndToEnd.Support;

[assembly: AssemblyFixture(typeof(Tacit.Browser.Support.Chromium))]

namespace Tacit.Browser.Support;

/// <summary>
/// The system's Chromium, one for the whole project, started when the first test asks for it. Names end in <c>.test</c> where a test plays a site of somebody else: all of
/// them lead to this machine, and no other name leads anywhere.
/// </summary>
public sealed class Chromium : IAsyncDisposable
{
    private static readonly string[] s_paths = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    private readonly Lazy<Task<IPlaywright>> _playwright = new(Microsoft.Playwright.Playwright.CreateAsync);
    private readonly Lazy<Task<IBrowser>> _browser;

    public Chromium()
    {
        Assertions.SetDefaultExpectTimeout(Patience.Milliseconds);
        _browser = new Lazy<Task<IBrowser>>(() => LaunchAsync());
    }

    /// <summary>Skips the test where there is no Chromium.</summary>
    public Task<IBrowser> OpenAsync()
    {
        _ = FindPath();
        return _browser.Value;
    }

    /// <summary>A Chromium of a test's own, with switches of its own; the caller closes it.</summary>
    public async Task<IBrowser> LaunchAsync(params string[] switches) => await (await _playwright.Value).Chromium.LaunchAsync(new BrowserTypeLaunchOptions
    {
        ExecutablePath = FindPath(),
        // The sandbox wants user namespaces, which containers refuse, and Chromium refuses it to root.
        ChromiumSandbox = false,
        Timeout = Patience.Milliseconds,
        Args = ["--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost", .. switches],
    });

    public async ValueTask DisposeAsync()
    {
        if (_browser.IsValueCreated)
        {
            await (await _browser.Value).CloseAsync();
        }

        if (_playwright.IsValueCreated)
        {
            (await _playwright.Value).Dispose();
        }
    }

    private static string FindPath()
    {
        string? path = s_paths.FirstOrDefault(File.Exists);
        if (path is null)
        {
            Assert.Skip("Chromium is not on this machine; `make setup` with `test` installs it.");
        }

        return path;
    }
}

/// <summary>How long a test waits for what is to happen: long, as the machine may be slow and busy. What happens is not waited for.</summary>
internal static class Patience
{
    /// <summary>Less for whoever writes a test and waits for its failure: <c>TACIT_PATIENCE</c>, in seconds.</summary>
    public static float Milliseconds { get; } = 1000 * float.Parse(Environment.GetEnvironmentVariable("TACIT_PATIENCE") ?? "90", System.Globalization.CultureInfo.InvariantCulture);

    public static TimeSpan Time => TimeSpan.FromMilliseconds(Milliseconds);
}
