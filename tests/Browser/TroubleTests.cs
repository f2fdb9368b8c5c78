using Microsoft.Playwright;
using Tacit.Browser.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>What a person sees where something fails, and how she gets on.</summary>
public sealed class TroubleTests(Chromium chromium) : BrowserTest(chromium)
{
    [Fact]
    public async Task Gateway_that_is_gone_is_told_and_the_question_can_be_asked_again_once_it_is_back()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        system.Model.Prepare("Are you there?", "Here I am.");
        system.Model.Prepare("First", "Fine.");
        var chat = new ChatScreen((await VisitAsync(system)).Page);
        await chat.AskAsync("First", "Fine.");
        await system.StopGatewayAsync();

        await chat.AskAsync("Are you there?");

        await Expect(chat.Answers).ToHaveCountAsync(2);
        await Expect(chat.Stop).ToBeHiddenAsync();
        await Expect(chat.Answer.GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
        await system.StartGatewayAsync();
        await chat.TryAgainAsync();
        await Expect(chat.Answer).ToContainTextAsync("Here I am.");
        Assert.Equal(2, system.Model.Calls);
    }

    [Fact]
    public async Task Provider_that_breaks_off_leaves_what_had_come_and_says_so()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        var chat = new ChatScreen((await VisitAsync(system)).Page);
        await chat.AskAsync("Go on");
        ModelTurn turn = await system.Model.NextAsync();
        await turn.SayAsync("So far ");
        await Expect(chat.Answer).ToContainTextAsync("So far");

        turn.Reset();

        await Expect(chat.Stop).ToBeHiddenAsync();
        await Expect(chat.Answer).ToContainTextAsync("So far");
        await Expect(chat.Answer.GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
    }

    [Fact]
    public async Task Empty_wallet_says_what_to_do_and_goes_on_after_a_deposit()
    {
        TestSystem system = Keep(await TestSystem.StartAsync(credits: 1, tokens: 0, fillsAtPrompt: false));
        system.Model.Prepare("Anything", "Something.");
        IPage page = (await VisitAsync(system)).Page;
        var chat = new ChatScreen(page);
        await chat.AskAsync("Anything");
        await Expect(chat.Answer.GetByRole(AriaRole.Alert)).ToBeVisibleAsync();
        Assert.Equal(0, system.Model.Calls);

        await chat.Answer.GetByRole(AriaRole.Button, new() { Name = "Open the wallet" }).ClickAsync();
        await page.GetByLabel("Voucher code").FillAsync(await system.VoucherAsync(20));
        await page.GetByRole(AriaRole.Button, new() { Name = "Add credits" }).ClickAsync();
        await Expect(page.GetByText("20 credits added.")).ToBeVisibleAsync();
        await page.GetByRole(AriaRole.Radio, new() { Name = "5", Exact = true }).CheckAsync();
        await page.GetByRole(AriaRole.Button, new() { Name = "Get 5 tokens" }).ClickAsync();
        await Expect(page.GetByText("5 tokens came.")).ToBeVisibleAsync();
        await chat.Chat("Anything").ClickAsync();
        await chat.TryAgainAsync();

        await Expect(chat.Answer).ToContainTextAsync("Something.");
        Assert.Equal(1, system.Model.Calls);
    }

    [Fact]
    public async Task App_that_stops_is_told_of_and_the_page_goes_on_by_itself()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        system.Model.Prepare("Before", "One.");
        system.Model.Prepare("After", "Two.");
        Visit visit = await VisitAsync(system);
        var chat = new ChatScreen(visit.Page);
        await chat.AskAsync("Before", "One.");
        visit.ToleratesLostConnections = true;

        await system.StopAppAsync();
        await Expect(visit.Page.GetByText("The app does not answer")).ToBeVisibleAsync();
        await system.StartAppAsync();

        await Expect(visit.Page.GetByText("The app does not answer")).ToBeHiddenAsync();
        await Expect(chat.Answer).ToContainTextAsync("One.");
        await chat.AskAsync("After", "Two.");
    }
}
