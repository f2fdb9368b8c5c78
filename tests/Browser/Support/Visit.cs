using System.Collections.Concurrent;
using Microsoft.Playwright;

namespace Tacit.Browser.Support;

/// <summary>One person's browser at the app's page: its tabs share what the browser keeps. Everything it asks for is noted.</summary>
internal sealed class Visit : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly Uri _app;
    private readonly string[] _own;
    private readonly ConcurrentQueue<string> _faults = new();

    private Visit(IBrowserContext context, Uri app, IEnumerable<Uri> beside)
    {
        _context = context;
        _app = app;
        _own = [.. beside.Prepend(app).Select(address => address.GetLeftPart(UriPartial.Authority))];
        context.Request += (_, request) =>
        {
            Requests.Enqueue(request.Url);
            if (!IsOwn(request.Url))
            {
                _faults.Enqueue($"asked for {request.Url}");
            }
        };
        context.WebError += (_, error) => _faults.Enqueue($"error of the page: {error.Error}");
        context.Console += (_, message) =>
        {
            // Of an answer that tells an error the browser writes a line too; the page tells its person, and the test looks there.
            bool isLost = ToleratesLostConnections && message.Text.StartsWith("Failed to load resource: net::ERR_", StringComparison.Ordinal);
            if (message.Type == "error" && !isLost && !(message.Text.StartsWith("Failed to load resource: the server responded with a status of", StringComparison.Ordinal) && IsOwn(message.Location.Split('#')[0])))
            {
                _faults.Enqueue($"console: {message.Text} ({message.Location})");
            }
        };
    }

    /// <summary>The tab that was opened first.</summary>
    public IPage Page { get; private set; } = null!;

    /// <summary>Whether the app may be away: the browser then writes of every try.</summary>
    public bool ToleratesLostConnections { get; set; }

    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>What must not happen on any visit.</summary>
    public IReadOnlyList<string> Faults => [.. _faults];

    /// <param name="browser">Where the profile is made.</param>
    /// <param name="app">Whose page it is.</param>
    /// <param name="beside">Whom the page may ask besides.</param>
    /// <param name="change">What is otherwise with the profile.</param>
    /// <param name="withAxe">Whether <see cref="Axe"/> is to be part of each page.</param>
    public static async Task<Visit> OpenAsync(IBrowser browser, Uri app, IEnumerable<Uri> beside, Action<BrowserNewContextOptions>? change, bool withAxe)
    {
        var options = new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = 1280, Height = 800 }, ReducedMotion = ReducedMotion.Reduce, Locale = "en-GB" };
        change?.Invoke(options);
        IBrowserContext context = await browser.NewContextAsync(options);
        context.SetDefaultTimeout(Patience.Milliseconds);
        context.SetDefaultNavigationTimeout(Patience.Milliseconds);
        // Also where nothing is written to the console, as for a policy that only reports.
        await context.AddInitScriptAsync("addEventListener('securitypolicyviolation', e => console.error('refused by policy: ' + e.violatedDirective + ' ' + e.blockedURI));");
        if (withAxe)
        {
            await Axe.BringAsync(context);
        }

        var visit = new Visit(context, app, beside);
        visit.Page = await context.NewPageAsync();
        return visit;
    }

    /// <summary>A further tab.</summary>
    public async Task<IPage> NewTabAsync(string path = "/")
    {
        IPage page = await _context.NewPageAsync();
        await page.GotoAsync(new Uri(_app, path).ToString());
        return page;
    }

    public Task GoAsync(string path) => Page.GotoAsync(new Uri(_app, path).ToString());

    /// <summary>Keeps pictures of all tabs, and what they hold.</summary>
    public async Task KeepAsync(string folder, string name)
    {
        Directory.CreateDirectory(folder);
        int tab = 0;
        foreach (IPage page in _context.Pages)
        {
            string path = Path.Combine(folder, tab++ == 0 ? name : $"{name}.{tab}");
            try
            {
                await page.ScreenshotAsync(new PageScreenshotOptions { Path = path + ".png" });
                await File.WriteAllTextAsync(path + ".html", await page.ContentAsync());
            }
            catch (PlaywrightException)
            {
                // A tab that hangs or has gone has no picture.
            }
        }
    }

    public async ValueTask DisposeAsync() => await _context.CloseAsync();

    private bool IsOwn(string url) =>
        url.StartsWith("data:", StringComparison.Ordinal) || url.StartsWith("blob:", StringComparison.Ordinal) || url == "about:blank"
        || (Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) && _own.Contains(parsed.GetLeftPart(UriPartial.Authority)));
}
