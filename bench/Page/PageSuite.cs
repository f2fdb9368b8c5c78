using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Playwright;
using Tacit.Bench.Harness;

namespace Tacit.Bench.Page;

/// <summary>
/// The app that people see, as a process of its own, with the system's Chromium without a screen before it: what it adds to the first token, how soon its page can be used, what
/// the page weighs, what the app takes when nothing happens, and whether a long conversation moves without lag.
/// </summary>
internal sealed class PageSuite : Suite
{
    private const int Messages = 500;
    private static readonly string[] s_browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    internal override string Name => "page";

    internal override string Summary => "the app's page: first token, ready, bytes, memory, frames (needs src/Cli built with Node, and chromium)";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        string chromium = s_browsers.FirstOrDefault(File.Exists) ?? throw new FileNotFoundException("Chromium is missing: apt-get install chromium.");
        List<Row> rows = [];
        say("starting the parts");
        await using PageSystem system = await PageSystem.StartAsync(FirstTokens.Tokens(effort) + 20, cancellationToken);
        rows.Add(await IdleAsync(system, "with nothing asked yet", say, cancellationToken));
        using var first = new FirstTokens(system, new Uri(system.App, "/app/events"));
        using IPlaywright playwright = await Playwright.CreateAsync();
        await using IBrowser browser = await playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = chromium, ChromiumSandbox = false });
        rows.AddRange(await LoadAsync(system, browser, first, effort, say, cancellationToken));
        rows.AddRange(await first.RunAsync(effort, say, cancellationToken));
        rows.AddRange(await LongConversationAsync(system, browser, first, say, cancellationToken));
        rows.Add(await IdleAsync(system, "after all of this", say, cancellationToken));
        return rows;
    }

    /// <summary>Resident memory once it no longer falls: the runtime gives back what a collection freed when it has been idle for a while.</summary>
    private static async Task<Row> IdleAsync(PageSystem system, string when, Action<string> say, CancellationToken cancellationToken)
    {
        say("idle memory " + when);
        long last = system.ResidentBytes;
        for (int same = 0; same < 5;)
        {
            await Task.Delay(TimeSpan.FromSeconds(1), cancellationToken);
            long now = system.ResidentBytes;
            same = now >= last - (last / 200) && now <= last + (last / 200) ? same + 1 : 0;
            last = now;
        }

        return new Row($"app: resident memory, idle, {when}", last / 1048576.0, "MiB", "the process `tacit app`, once it changed by less than 0.5 % a second for 5 s", null, null, Row.Lower);
    }

    private static async Task<IReadOnlyList<Row>> LoadAsync(PageSystem system, IBrowser browser, FirstTokens http, Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        List<double> ready = [], painted = [];
        HashSet<string> scripts = [];
        for (int round = 0; round <= effort.Rounds; round++)
        {
            say($"page ready, round {round} of {effort.Rounds}");
            // A new context knows nothing: its cache is cold. The browser itself is warm, and after round 0 so is the app.
            IBrowserContext context = await browser.NewContextAsync();
            await context.AddInitScriptAsync("""
                new MutationObserver((_, watch) => {
                  const composer = document.querySelector('textarea');
                  if (composer && !composer.disabled && composer.offsetParent !== null) { watch.disconnect(); window.readyAt = performance.now(); }
                }).observe(document, { childList: true, subtree: true, attributes: true });
                """);
            IPage page = await context.NewPageAsync();
            page.Response += (_, response) =>
            {
                if (response.Request.ResourceType == "script")
                {
                    scripts.Add(new Uri(response.Url).AbsolutePath);
                }
            };
            await page.GotoAsync(system.App.ToString());
            await page.WaitForFunctionAsync("() => window.readyAt !== undefined");
            if (round > 0)
            {
                ready.Add(await page.EvaluateAsync<double>("() => window.readyAt"));
                painted.Add(await page.EvaluateAsync<double>("() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"));
            }

            await context.CloseAsync();
        }

        (long initialRaw, long initialBrotli) = await WeighAsync(system, http, scripts, cancellationToken);
        string[] lazy = [.. (await ScriptsAsync(system, http, scripts, cancellationToken)).Except(scripts)];
        (long lazyRaw, long lazyBrotli) = await WeighAsync(system, http, lazy, cancellationToken);
        return
        [
            new Row(
                "page: from the address to a composer that takes text, cold", FirstTokens.Median(ready), "ms",
                string.Create(CultureInfo.InvariantCulture, $"slowest of {ready.Count}: {ready.Max():0} ms; first paint {FirstTokens.Median(painted):0} ms; nothing in the browser's cache, on loopback"),
                null, 1000, Row.Lower),
            new Row(
                "page: script, brotli, loaded at the start", initialBrotli / 1000.0, "KB",
                string.Create(CultureInfo.InvariantCulture, $"raw {initialRaw / 1000.0:0.0} KB in {scripts.Count} files; loaded when first needed: brotli {lazyBrotli / 1000.0:0.0} KB, raw {lazyRaw / 1000.0:0.0} KB in {lazy.Length} files"),
                null, 400, Row.Lower),
        ];
    }

    /// <summary>All script files that those name, and so on: what is loaded lazily is named by somebody.</summary>
    private static async Task<HashSet<string>> ScriptsAsync(PageSystem system, FirstTokens http, IEnumerable<string> from, CancellationToken cancellationToken)
    {
        HashSet<string> found = [.. from];
        Queue<string> unread = new(found);
        while (unread.TryDequeue(out string? path))
        {
            using HttpResponseMessage response = await http.GetAsync(new Uri(system.App, path), cancellationToken);
            string text = await response.Content.ReadAsStringAsync(cancellationToken);
            foreach (System.Text.RegularExpressions.Match match in System.Text.RegularExpressions.Regex.Matches(text, "[\"'`]([A-Za-z0-9_./-]+\\.m?js)[\"'`]"))
            {
                string named = new Uri(new Uri(system.App, path), match.Groups[1].Value).AbsolutePath;
                using HttpResponseMessage? there = await TryGetAsync(named);
                if (there is not null && found.Add(named))
                {
                    unread.Enqueue(named);
                }
            }
        }

        return found;

        async Task<HttpResponseMessage?> TryGetAsync(string path)
        {
            try
            {
                return await http.GetAsync(new Uri(system.App, path), cancellationToken);
            }
            catch (InvalidOperationException)
            {
                return null;
            }
        }
    }

    private static async Task<(long Raw, long Brotli)> WeighAsync(PageSystem system, FirstTokens http, IEnumerable<string> paths, CancellationToken cancellationToken)
    {
        long raw = 0, brotli = 0;
        foreach (string path in paths)
        {
            using HttpResponseMessage plain = await http.GetAsync(new Uri(system.App, path), cancellationToken);
            using HttpResponseMessage packed = await http.GetAsync(new Uri(system.App, path), cancellationToken, "br");
            raw += (await plain.Content.ReadAsByteArrayAsync(cancellationToken)).Length;
            brotli += (await packed.Content.ReadAsByteArrayAsync(cancellationToken)).Length;
        }

        return (raw, brotli);
    }

    private static async Task<IReadOnlyList<Row>> LongConversationAsync(PageSystem system, IBrowser browser, FirstTokens http, Action<string> say, CancellationToken cancellationToken)
    {
        say($"a conversation of {Messages} messages");
        string id = await ImportAsync(system, http, cancellationToken);
        IBrowserContext context = await browser.NewContextAsync(new BrowserNewContextOptions { ViewportSize = new ViewportSize { Width = 1280, Height = 800 } });
        IPage page = await context.NewPageAsync();
        await page.GotoAsync(new Uri(system.App, "/#/c/" + id).ToString());
        await page.GetByText($"question {Messages - 2} of").WaitForAsync();
        await page.Mouse.MoveAsync(700, 400);

        say("scrolling");
        await page.Mouse.WheelAsync(0, -100_000); // once, to have been everywhere
        FrameTrace trace = await FrameTrace.BeginAsync(browser);
        for (int i = 0; i < 120; i++)
        {
            await page.Mouse.WheelAsync(0, i < 60 ? 400 : -400);
        }

        Frames scrolling = await trace.EndAsync();

        say("streaming");
        await page.GetByRole(AriaRole.Textbox, new() { Name = "Message", Exact = true }).FillAsync("long answer, please");
        await page.Keyboard.PressAsync("Enter");
        await page.GetByRole(AriaRole.Button, new() { Name = "Stop" }).WaitForAsync();
        trace = await FrameTrace.BeginAsync(browser);
        await page.GetByRole(AriaRole.Button, new() { Name = "Stop" }).WaitForAsync(new() { State = WaitForSelectorState.Hidden });
        Frames streaming = await trace.EndAsync();
        await context.CloseAsync();
        string tail = $"in a conversation of {Messages} messages";
        return
        [
            new Row($"page: frame time while scrolling, p95, {tail}", scrolling.Percentile(0.95), "ms", scrolling.ToString(), null, null, Row.Lower),
            new Row($"page: frame time while an answer streams at 100 pieces/s, p95, {tail}", streaming.Percentile(0.95), "ms", streaming.ToString(), null, null, Row.Lower),
        ];
    }

    /// <summary>A conversation as an export holds it, half questions and half answers of all kinds of Markdown.</summary>
    private static async Task<string> ImportAsync(PageSystem system, FirstTokens http, CancellationToken cancellationToken)
    {
        JsonArray messages = [];
        for (int i = 0; i < Messages; i++)
        {
            bool isQuestion = i % 2 == 0;
            messages.Add(new JsonObject
            {
                ["id"] = $"m{i}",
                ["parent"] = i == 0 ? null : $"m{i - 1}",
                ["role"] = isQuestion ? "user" : "assistant",
                ["text"] = isQuestion ? $"question {i} of {Messages}" : string.Concat(Enumerable.Range(i, 5).Select(PacedProvider.Paragraph)),
                ["created"] = "2026-01-01T00:00:00Z",
                ["model"] = isQuestion ? null : PacedProvider.Model,
            });
        }

        var file = new JsonObject
        {
            ["format"] = "tacit chats 1",
            ["conversations"] = new JsonArray(new JsonObject
            {
                ["title"] = "long", ["created"] = "2026-01-01T00:00:00Z", ["updated"] = "2026-01-01T00:00:00Z", ["messages"] = messages, ["model"] = PacedProvider.Model, ["leaf"] = $"m{Messages - 1}",
            }),
        };
        using HttpResponseMessage imported = await http.PostAsync(new Uri(system.App, "/app/import"), file.ToJsonString(), cancellationToken, ("Tacit-Page", "1"));
        using HttpResponseMessage list = await http.GetAsync(new Uri(system.App, "/app/conversations?search=long"), cancellationToken);
        using JsonDocument found = JsonDocument.Parse(await list.Content.ReadAsByteArrayAsync(cancellationToken));
        return found.RootElement.GetProperty("conversations").EnumerateArray().First(one => one.GetProperty("title").GetString() == "long").GetProperty("id").GetString()!;
    }
}
