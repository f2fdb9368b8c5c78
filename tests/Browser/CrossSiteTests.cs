using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Microsoft.Playwright;
using Tacit.Browser.Support;

namespace Tacit.Browser;

/// <summary>
/// A web page elsewhere reaches this machine too. From there, under a name made to lead here, or with an origin of its own, nobody gets anything of the app, and nothing changes.
/// </summary>
public sealed class CrossSiteTests(Chromium chromium)
{
    private const string Canary = "canary-4c1d7e";

    /// <summary>What a hostile page would like to read or do, with everything that a browser lets it try without asking.</summary>
    private const string Attacks = """
        async app => {
          const got = {};
          const within = (promise) => Promise.race([promise, new Promise(r => setTimeout(() => r('nothing came'), 80000))]);
          const prompt = JSON.stringify({ model: 'qwen3-32b', messages: [{ role: 'user', content: 'spend a token' }] });
          const reads = ['/v1/models', '/app/events', '/app/conversations', '/app/wallet', '/app/wallet/history', '/app/settings', '/app/keys', '/app/models', '/app/prompts', '/app/export', '/'];
          const writes = ['/v1/chat/completions', '/v1/messages', '/app/conversations', '/app/conversations/1/messages', '/app/wallet/deposit', '/app/wallet/reveal', '/app/wallet/fill', '/app/setup',
            '/app/import', '/app/keys', '/app/carrier/new-identity'];
          const attempt = async (name, work) => {
            try { got[name] = await within(work()); } catch (e) { got[name] = 'refused: ' + e.name; }
          };
          const tell = async r => r.type === 'opaque' ? 'refused: opaque' : r.status + ' ' + (await r.text());
          for (const path of reads) {
            await attempt('GET ' + path, async () => tell(await fetch(app + path)));
            await attempt('GET no-cors ' + path, async () => tell(await fetch(app + path, { mode: 'no-cors', credentials: 'include' })));
          }
          for (const path of writes) {
            await attempt('POST simple ' + path, async () => tell(await fetch(app + path, { method: 'POST', body: prompt, headers: { 'Content-Type': 'text/plain' } })));
            await attempt('POST no-cors ' + path, async () => tell(await fetch(app + path, { method: 'POST', mode: 'no-cors', body: prompt })));
            await attempt('POST JSON ' + path, async () => tell(await fetch(app + path, { method: 'POST', body: prompt, headers: { 'Content-Type': 'application/json' } })));
            await attempt('POST with header ' + path, async () => tell(await fetch(app + path, { method: 'POST', body: prompt, headers: { 'Tacit-Page': '1' } })));
            await attempt('beacon ' + path, async () => { navigator.sendBeacon(app + path, prompt); return 'refused: tells nothing'; });
          }
          await attempt('DELETE', async () => tell(await fetch(app + '/app/conversations', { method: 'DELETE', headers: { 'Tacit-Page': '1' } })));
          await attempt('PUT', async () => tell(await fetch(app + '/app/settings', { method: 'PUT', body: '{"theme":"dark"}', headers: { 'Tacit-Page': '1' } })));
          const element = (tag, attribute, path) => new Promise(resolve => {
            const e = document.createElement(tag);
            e.onload = () => resolve('loaded ' + (window.leaked ?? ''));
            e.onerror = () => resolve('refused: error');
            if (tag === 'link') e.rel = 'stylesheet';
            e[attribute] = app + path;
            document.body.append(e);
          });
          for (const path of ['/', '/app/export', '/app/wallet', '/v1/models', '/icon.svg']) {
            await attempt('image ' + path, () => element('img', 'src', path));
            await attempt('script ' + path, () => element('script', 'src', path));
            await attempt('style ' + path, () => element('link', 'href', path));
          }
          // What it loads is looked at from outside.
          await within(element('object', 'data', '/'));
          await attempt('EventSource', () => new Promise(resolve => {
            const source = new EventSource(app + '/app/events');
            source.onmessage = e => resolve('event ' + e.data);
            source.addEventListener('state', e => resolve('event ' + e.data));
            source.onerror = () => { source.close(); resolve('refused: error'); };
          }));
          await attempt('WebSocket', () => new Promise(resolve => {
            const socket = new WebSocket(app.replace('http', 'ws') + '/app/events');
            socket.onmessage = e => resolve('message ' + e.data);
            socket.onopen = () => resolve('opened');
            socket.onerror = () => resolve('refused: error');
          }));
          await attempt('iframe', () => new Promise(resolve => {
            const frame = document.createElement('iframe');
            frame.name = 'framed';
            frame.onload = () => { try { resolve('read ' + frame.contentDocument.body.innerHTML); } catch (e) { resolve('refused: ' + e.name); } };
            frame.src = app + '/';
            document.body.append(frame);
          }));
          return JSON.stringify(got);
        }
        """;

    [Theory]
    [InlineData("attacker.test")] // another site
    [InlineData("127.0.0.1")] // the same site as far as names go, at another port
    [InlineData("localhost")]
    public async Task Page_at_another_origin_reads_and_changes_nothing(string host)
    {
        await using TestSystem system = await TestSystem.StartAsync();
        await using Site hostile = await Site.StartAsync();
        int held = await HeldAsync(system);
        string settings = await SettingsAsync(system);
        IBrowserContext context = await (await chromium.OpenAsync()).NewContextAsync();
        IPage page = await context.NewPageAsync();
        ConcurrentBag<int> framed = [];
        page.Response += (_, response) =>
        {
            if (response.Request.IsNavigationRequest && response.Frame != page.MainFrame)
            {
                framed.Add(response.Status);
            }
        };
        await page.GotoAsync(hostile.At(host), new PageGotoOptions { Timeout = Patience.Milliseconds });

        Dictionary<string, string> got = Read(await page.EvaluateAsync<string>(Attacks, system.Address.GetLeftPart(UriPartial.Authority)));

        Assert.True(got.Count > 50);
        AssertNone(got.Where(way => !way.Value.StartsWith("refused", StringComparison.Ordinal)));
        Assert.Equal(2, framed.Count);
        Assert.All(framed, status => Assert.Equal(403, status));
        Assert.Equal((0, held), (system.Model.Calls, await HeldAsync(system)));
        Assert.Equal(settings, await SettingsAsync(system));
        await context.CloseAsync();
    }

    [Fact]
    public async Task Form_link_and_window_of_another_site_get_a_refusal_without_data_and_no_hold_of_the_page()
    {
        await using TestSystem system = await TestSystem.StartAsync();
        await using Site hostile = await Site.StartAsync();
        string app = system.Address.GetLeftPart(UriPartial.Authority);
        hostile.Pages["/form"] = ("text/html", $$"""
            <form method=post enctype=text/plain action="{{app}}/v1/chat/completions"><input name='{"model":"{{ScriptedModel.Name}}","messages":[{"role":"user","content":"' value='spend"}]}'><button>Send</button></form>
            <form method=post action="{{app}}/app/wallet/reveal"><button>Reveal</button></form>
            <a href="{{app}}/app/export">Export</a> <a href="{{app}}/app/wallet">Wallet</a> <a href="{{app}}/v1/models">Models</a>
            """);
        IBrowserContext context = await (await chromium.OpenAsync()).NewContextAsync();
        context.SetDefaultTimeout(Patience.Milliseconds);
        IPage page = await context.NewPageAsync();

        foreach ((AriaRole role, string name) in ((AriaRole, string)[])[(AriaRole.Button, "Send"), (AriaRole.Button, "Reveal"), (AriaRole.Link, "Export"), (AriaRole.Link, "Wallet"), (AriaRole.Link, "Models")])
        {
            await page.GotoAsync(hostile.At("attacker.test", "/form"));
            IResponse answer = await page.RunAndWaitForResponseAsync(() => page.GetByRole(role, new() { Name = name }).ClickAsync(), response => response.Url.StartsWith(app, StringComparison.Ordinal));
            Assert.Equal(403, answer.Status);
            Assert.DoesNotContain(ScriptedModel.Name, await answer.TextAsync(), StringComparison.Ordinal);
        }

        await page.GotoAsync(hostile.At("attacker.test"));
        IPage opened = await page.RunAndWaitForPopupAsync(() => page.EvaluateAsync("url => { window.hold = window.open(url); }", app + "/"));
        await opened.WaitForLoadStateAsync();
        string reach = await page.EvaluateAsync<string>("() => { try { return 'read ' + hold.document.body.innerHTML; } catch (e) { return e.name; } }");
        Assert.Equal("SecurityError", reach);
        Assert.Equal(0, system.Model.Calls);
        await context.CloseAsync();
    }

    [Fact]
    public async Task Name_made_to_lead_here_gets_nothing()
    {
        await using TestSystem system = await TestSystem.StartAsync();
        int held = await HeldAsync(system);
        string rebound = string.Create(CultureInfo.InvariantCulture, $"http://rebound.test:{system.Address.Port}");
        IBrowserContext context = await (await chromium.OpenAsync()).NewContextAsync();
        IPage page = await context.NewPageAsync();

        IResponse? first = await page.GotoAsync(rebound + "/", new PageGotoOptions { Timeout = Patience.Milliseconds });

        Assert.Equal(403, first!.Status);
        // From that page everything is of one origin: the browser hides no answer and asks for no permission.
        Dictionary<string, string> got = Read(await page.EvaluateAsync<string>(
            """
            async () => {
              const got = {};
              const ask = async (method, path) => {
                const r = await fetch(path, { method, headers: { 'Tacit-Page': '1', 'Content-Type': 'application/json' }, body: method === 'GET' ? undefined : '{}' });
                got[method + ' ' + path] = r.status + ' ' + await r.text();
              };
              for (const path of ['/', '/v1/models', '/app/events', '/app/conversations', '/app/wallet', '/app/wallet/history', '/app/settings', '/app/keys', '/app/models', '/app/prompts', '/app/export', '/nowhere'])
                await ask('GET', path);
              for (const path of ['/v1/chat/completions', '/v1/messages', '/app/conversations', '/app/wallet/reveal', '/app/wallet/deposit', '/app/setup', '/app/keys'])
                await ask('POST', path);
              await ask('DELETE', '/app/conversations');
              await ask('PUT', '/app/settings');
              return JSON.stringify(got);
            }
            """));
        AssertNone(got.Where(way => !way.Value.StartsWith("403", StringComparison.Ordinal) || way.Value.Contains(ScriptedModel.Name, StringComparison.Ordinal)));
        Assert.Equal((0, held), (system.Model.Calls, await HeldAsync(system)));
        await context.CloseAsync();
    }

    [Fact]
    public async Task Foreign_origins_hosts_and_calls_without_the_pages_mark_get_a_refusal_that_tells_nothing()
    {
        await using TestSystem system = await TestSystem.StartAsync();
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });
        int held = await HeldAsync(system);
        int own = system.Address.Port;
        (string What, string Name, string Value)[] marks =
        [
            ("another site", "Origin", "https://attacker.test"),
            ("another port", "Origin", $"http://127.0.0.1:{own + 1}"),
            ("another scheme", "Origin", $"https://127.0.0.1:{own}"),
            ("no origin to vouch for it", "Origin", "null"),
            ("a name that begins alike", "Origin", $"http://127.0.0.1.attacker.test:{own}"),
            ("our own with a user", "Origin", $"http://127.0.0.1:{own}@attacker.test"),
            ("rebound", "Host", $"rebound.test:{own}"),
            ("host without port", "Host", "127.0.0.1"),
            ("any address", "Host", $"0.0.0.0:{own}"),
            ("cross-site", "Sec-Fetch-Site", "cross-site"),
            ("same site", "Sec-Fetch-Site", "same-site"),
        ];
        foreach ((string what, string name, string value) in marks)
        {
            foreach ((string method, string path) in AppPaths.All)
            {
                (int status, string body) = await SendAsync(http, system, method, path, (name, value), ("Tacit-Page", "1"));
                Assert.True(status == 403, $"{what}: {method} {path} got {status}");
                AssertTellsNothing(body);
            }
        }

        foreach ((string method, string path) in AppPaths.All.Where(one => one.Path.StartsWith("/app", StringComparison.Ordinal)))
        {
            (int status, string body) = await SendAsync(http, system, method, path, ("X-None", "1"));
            Assert.True(status is 403 or 404, $"without the mark: {method} {path} got {status}");
            AssertTellsNothing(body);
        }

        // A question before the question, as browsers ask it, is never answered with a permission.
        (int preflight, _) = await SendAsync(http, system, "OPTIONS", "/app/conversations", ("Origin", "https://attacker.test"), ("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "tacit-page"));
        Assert.Equal(403, preflight);
        Assert.Equal((0, held), (system.Model.Calls, await HeldAsync(system)));

        void AssertTellsNothing(string body)
        {
            Assert.DoesNotContain(ScriptedModel.Name, body, StringComparison.Ordinal);
            Assert.DoesNotContain(Canary, body, StringComparison.Ordinal);
            Assert.DoesNotContain(system.AppData, body, StringComparison.Ordinal);
        }
    }

    private static async Task<(int Status, string Body)> SendAsync(HttpMessageInvoker http, TestSystem system, string method, string path, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), new Uri(system.Address, path));
        if (method is "POST" or "PUT" or "PATCH")
        {
            request.Content = new StringContent($$"""{"text":"{{Canary}}","code":"{{Canary}}"}""", System.Text.Encoding.UTF8, "application/json");
        }

        foreach ((string name, string value) in headers)
        {
            Assert.True(request.Headers.TryAddWithoutValidation(name, value));
        }

        using HttpResponseMessage answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        Assert.DoesNotContain(answer.Headers, header => header.Key.StartsWith("Access-Control-", StringComparison.OrdinalIgnoreCase));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
    }

    private static Dictionary<string, string> Read(string got) => JsonSerializer.Deserialize<Dictionary<string, string>>(got)!;

    private static void AssertNone(IEnumerable<KeyValuePair<string, string>> ways) => Assert.Equal("", string.Join('\n', ways.Select(way => $"{way.Key}: {way.Value}")));

    private static async Task<int> HeldAsync(TestSystem system) => (int)(await system.Client.Wallet.GetStatusAsync()).Plans.First(plan => plan.Plan == "chat").Held;

    private static async Task<string> SettingsAsync(TestSystem system)
    {
        string file = Path.Combine(system.AppData, "app.json");
        return File.Exists(file) ? await File.ReadAllTextAsync(file) : "";
    }
}
