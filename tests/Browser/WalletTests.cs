using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Playwright;
using Tacit.Browser.Support;
using Tacit.Client.Tests.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>Money and keys: vouchers, tokens, secrets, and what other programs on the machine may spend.</summary>
public sealed class WalletTests(Chromium chromium) : BrowserTest(chromium)
{
    [Fact]
    public async Task Voucher_becomes_credits_and_credits_become_tokens()
    {
        await RestOfDay.HaveRoomAsync();
        TestSystem system = Keep(await TestSystem.StartAsync(credits: 3, tokens: 2));
        string voucher = await system.VoucherAsync(40);
        IPage page = (await VisitAsync(system, path: "/#/wallet")).Page;
        ILocator credits = Figure(page, "Credits"), questions = Figure(page, "Questions ready");
        await Expect(questions).ToContainTextAsync("2");

        await page.GetByLabel("Voucher code").FillAsync(voucher);
        await page.GetByRole(AriaRole.Button, new() { Name = "Add credits" }).ClickAsync();

        await Expect(page.GetByText("40 credits added.")).ToBeVisibleAsync();
        await Expect(credits).ToContainTextAsync("41");
        await page.GetByRole(AriaRole.Radio, new() { Name = "10", Exact = true }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Get 10 tokens for 10 credits" }).ClickAsync();
        await Expect(questions).ToContainTextAsync("12");
        await Expect(credits).ToContainTextAsync("31");
        await Expect(page.GetByText("43 credits added by voucher")).ToBeVisibleAsync();
        await page.GetByLabel("Voucher code").FillAsync("0000-0000-0000-0000-0000");
        await page.GetByRole(AriaRole.Button, new() { Name = "Add credits" }).ClickAsync();
        await Expect(page.GetByLabel("Voucher code")).ToHaveAttributeAsync("aria-invalid", "true");
    }

    [Fact]
    public async Task Seed_is_shown_only_on_demand_and_is_the_wallets()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        IPage page = (await VisitAsync(system, path: "/#/wallet")).Page;
        ILocator seed = page.GetByRole(AriaRole.List, new() { Name = "Recovery seed" });
        ILocator show = page.GetByRole(AriaRole.Button, new() { Name = "Show the recovery seed" });
        await Expect(show).ToBeVisibleAsync();
        await Expect(seed).ToBeHiddenAsync();

        await show.ClickAsync();

        await Expect(seed.GetByRole(AriaRole.Listitem).First).ToBeVisibleAsync();
        IReadOnlyList<string> groups = await seed.GetByRole(AriaRole.Listitem).AllInnerTextsAsync();
        Assert.Equal(system.Client.Wallet.RevealSeed(), string.Join('-', groups));
        await page.GetByRole(AriaRole.Button, new() { Name = "Hide the recovery seed" }).ClickAsync();
        await Expect(seed).ToBeHiddenAsync();
    }

    [Fact]
    public async Task Issuers_keys_are_compared_by_a_button_and_the_result_is_said_in_words()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        IPage page = (await VisitAsync(system, path: "/#/wallet", withAxe: true)).Page;

        await page.GetByRole(AriaRole.Button, new() { Name = "Compare the issuer's keys" }).ClickAsync();

        await Expect(page.GetByRole(AriaRole.Status).Filter(new() { HasText = "Everything that could be had agrees" })).ToBeVisibleAsync();
        await page.GetByText("What each source showed").ClickAsync();
        await Expect(page.GetByRole(AriaRole.Table, new() { Name = "Copies of the issuer's directory" }).GetByRole(AriaRole.Cell, new() { Name = "agrees" }).First).ToBeVisibleAsync();
        Assert.Equal([], await Axe.FindAsync(page));
    }

    [Fact]
    public async Task Program_with_a_key_of_its_own_spends_up_to_its_daily_cap_and_the_page_shows_it()
    {
        await RestOfDay.HaveRoomAsync();
        TestSystem system = Keep(await TestSystem.StartAsync());
        system.Model.Prepare("from my editor", "Hello, editor.");
        IPage page = (await VisitAsync(system, path: "/#/keys")).Page;

        await page.GetByLabel("Name of the app").FillAsync("Editor");
        await page.GetByLabel("Credits a day").FillAsync("2");
        await page.GetByRole(AriaRole.Button, new() { Name = "Make a key" }).ClickAsync();

        await Expect(page.GetByRole(AriaRole.Heading, new() { Name = "The new key" })).ToBeVisibleAsync();
        string key = await page.GetByText("tacit-", new() { Exact = false }).First.InnerTextAsync();
        Assert.Equal((HttpStatusCode.OK, HttpStatusCode.OK), (await AskAsync(system, key), await AskAsync(system, key)));
        ILocator entry = page.GetByRole(AriaRole.Listitem).Filter(new() { HasText = "Editor" });
        await Expect(entry).ToContainTextAsync("2 credits today of 2");
        await Expect(entry).ToContainTextAsync("2 requests");
        Assert.NotEqual(HttpStatusCode.OK, await AskAsync(system, key));
        Assert.Equal(2, system.Model.Calls);
        await page.GetByRole(AriaRole.Button, new() { Name = "Revoke the key of Editor" }).ClickAsync();
        await page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Revoke" }).ClickAsync();
        await Expect(entry).ToHaveCountAsync(0);
        Assert.NotEqual(HttpStatusCode.OK, await AskAsync(system, key));
        Assert.Equal(2, system.Model.Calls);
    }

    private static ILocator Figure(IPage page, string name) => page.Locator(".figure").Filter(new() { Has = page.GetByText(name, new() { Exact = true }) }).Locator(".figure-value");

    private static async Task<HttpStatusCode> AskAsync(TestSystem system, string key)
    {
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(system.Address, "/v1/chat/completions"))
        {
            Content = new StringContent(
                $$"""{"model":"{{ScriptedModel.Name}}","stream":true,"messages":[{"role":"user","content":"from my editor"}]}""", Encoding.UTF8, "application/json"),
        };
        request.Headers.Authorization = new("Bearer", key);
        using HttpResponseMessage answer = await http.SendAsync(request, TestContext.Current.CancellationToken);
        await answer.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        return answer.StatusCode;
    }
}
