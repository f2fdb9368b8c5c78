using Microsoft.Playwright;
using Tacit.Browser.Support;
using static Tacit.Browser.Support.ChatScreen;

namespace Tacit.Browser;

/// <summary>Talking with a model, as a person does it.</summary>
public sealed class ChatTests(Chromium chromium) : BrowserTest(chromium)
{
    [Fact]
    public async Task Answer_streams_in_as_Markdown_with_code_and_formulas()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        var chat = new ChatScreen((await VisitAsync(system)).Page);

        await chat.AskAsync("What is a blind signature?");
        ModelTurn turn = await system.Model.NextAsync();
        await turn.SayAsync("# Blind signatures\n\nThe signer **never sees** what it signs");

        // It is shown before the rest has come.
        await Expect(chat.Answer.GetByRole(AriaRole.Heading, new() { Name = "Blind signatures" })).ToBeVisibleAsync();
        await Expect(chat.Stop).ToBeVisibleAsync();
        await turn.SayAsync(".\n\n```python\ndef blind(m, r):\n    return m * pow(r, e, n) % n\n```\n\nAs a formula: $m' = m r^e$\n\n| who | sees |\n|---|---|\n| signer | nothing |\n");
        await turn.EndAsync();

        await Expect(chat.Stop).ToBeHiddenAsync();
        await Expect(chat.Answer.GetByText("never sees")).ToBeVisibleAsync();
        await Expect(chat.Answer.Locator("code [class^=hljs-]").First).ToBeVisibleAsync();
        await Expect(chat.Answer.Locator("math").First).ToBeVisibleAsync();
        await Expect(chat.Answer.GetByRole(AriaRole.Cell, new() { Name = "nothing" })).ToBeVisibleAsync();
        await Expect(chat.Questions).ToHaveCountAsync(1);
        await Expect(chat.Chats.GetByRole(AriaRole.Link, new() { Name = "What is a blind signature?" })).ToBeVisibleAsync();
        Assert.Equal("What is a blind signature?", turn.Question);
    }

    [Fact]
    public async Task Stopped_answer_keeps_what_had_come_and_can_be_had_anew()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        var chat = new ChatScreen((await VisitAsync(system)).Page);
        await chat.AskAsync("Tell me a long story");
        await (await system.Model.NextAsync()).SayAsync("Once upon a time");
        await Expect(chat.Answer).ToContainTextAsync("Once upon a time");

        await chat.Stop.ClickAsync();

        await Expect(chat.Stop).ToBeHiddenAsync();
        await Expect(chat.Answer).ToContainTextAsync("Once upon a time");
        await chat.TryAgainAsync();
        ModelTurn second = await system.Model.NextAsync();
        Assert.Equal("Tell me a long story", second.Question);
        await second.SayAsync("There was a signer.");
        await second.EndAsync();
        await Expect(chat.Answer).ToContainTextAsync("There was a signer.");
        await Expect(chat.Answers).ToHaveCountAsync(1);
        await chat.PreviousVersion.ClickAsync();
        await Expect(chat.Answer).ToContainTextAsync("Once upon a time");
    }

    [Fact]
    public async Task Edited_question_begins_another_branch_and_both_stay()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        system.Model.Prepare("Name a colour", "Blue.");
        system.Model.Prepare("And another", "Green.");
        system.Model.Prepare("Name a fruit", "Pear.");
        var chat = new ChatScreen((await VisitAsync(system)).Page);
        await chat.AskAsync("Name a colour", "Blue.");
        await chat.AskAsync("And another", "Green.");

        await chat.EditAsync(chat.Questions.First, "Name a fruit");

        await Expect(chat.Answer).ToContainTextAsync("Pear.");
        await Expect(chat.Questions).ToHaveCountAsync(1);
        await chat.PreviousVersion.First.ClickAsync();
        await Expect(chat.Answer).ToContainTextAsync("Green.");
        await Expect(chat.Questions).ToHaveCountAsync(2);
        await chat.NextVersion.First.ClickAsync();
        await Expect(chat.Answer).ToContainTextAsync("Pear.");
        // What belongs to another branch was not sent along.
        Assert.DoesNotContain("colour", system.Model.Asked[^1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Second_conversation_knows_nothing_of_the_first_and_both_are_found()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        system.Model.Prepare("My cat is called Rune", "A fine name.");
        system.Model.Prepare("Recommend a book", "The Dispossessed.");
        var chat = new ChatScreen((await VisitAsync(system)).Page);
        await chat.AskAsync("My cat is called Rune", "A fine name.");

        await chat.NewChatAsync();
        await Expect(chat.Questions).ToHaveCountAsync(0);
        await chat.AskAsync("Recommend a book", "The Dispossessed.");

        Assert.DoesNotContain("Rune", system.Model.Asked[^1], StringComparison.Ordinal);
        await Expect(chat.Chat("Recommend a book")).ToBeVisibleAsync();
        await chat.Chats.GetByRole(AriaRole.Searchbox, new() { Name = "Search the chats" }).FillAsync("fine name");
        await Expect(chat.Chat("Recommend a book")).ToBeHiddenAsync();
        await chat.Chat("My cat is called Rune").ClickAsync();
        await Expect(chat.Answer).ToContainTextAsync("A fine name.");
    }

    [Fact]
    public async Task Page_reloaded_in_mid_stream_goes_on_where_the_answer_is()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        Visit visit = await VisitAsync(system);
        var chat = new ChatScreen(visit.Page);
        await chat.AskAsync("Count");
        ModelTurn turn = await system.Model.NextAsync();
        await turn.SayAsync("one two ");
        await Expect(chat.Answer).ToContainTextAsync("one two");

        await visit.Page.ReloadAsync();

        await Expect(chat.Answer).ToContainTextAsync("one two");
        await turn.SayAsync("three four");
        await Expect(chat.Answer).ToContainTextAsync("one two three four");
        await turn.EndAsync();
        await Expect(chat.Stop).ToBeHiddenAsync();
        Assert.Equal(1, system.Model.Calls);
    }

    [Fact]
    public async Task Answer_goes_on_while_no_tab_is_open()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        Visit visit = await VisitAsync(system);
        var chat = new ChatScreen(visit.Page);
        await chat.AskAsync("Count");
        ModelTurn turn = await system.Model.NextAsync();
        await turn.SayAsync("one ");
        await Expect(chat.Answer).ToContainTextAsync("one");
        await visit.Page.CloseAsync();

        await turn.SayAsync("two");
        await turn.EndAsync();

        var later = new ChatScreen(await visit.NewTabAsync());
        await later.Chat("Count").ClickAsync();
        await Expect(later.Answer).ToContainTextAsync("one two");
        await Expect(later.Stop).ToBeHiddenAsync();
    }

    [Fact]
    public async Task Two_tabs_show_the_same_as_it_happens()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        Visit visit = await VisitAsync(system);
        var one = new ChatScreen(visit.Page);
        var two = new ChatScreen(await visit.NewTabAsync());

        await one.AskAsync("Is anybody there?");
        ModelTurn turn = await system.Model.NextAsync();
        await two.Chat("Is anybody there?").ClickAsync();
        await turn.SayAsync("In both ");
        await Expect(one.Answer).ToContainTextAsync("In both");
        await Expect(two.Answer).ToContainTextAsync("In both");
        await two.Stop.ClickAsync();

        await Expect(one.Stop).ToBeHiddenAsync();
        system.Model.Prepare("From the second", "Seen in the first.");
        await two.AskAsync("From the second", "Seen in the first.");
        await Expect(one.Answer).ToContainTextAsync("Seen in the first.");
    }

    [Fact]
    public async Task Deleted_conversation_is_on_no_screen_and_in_no_file()
    {
        TestSystem system = Keep(await TestSystem.StartAsync());
        Visit visit = await VisitAsync(system);
        var chat = new ChatScreen(visit.Page);
        system.Model.Prepare("canary-question-8d2f", "canary-answer-77ab");
        await chat.AskAsync("canary-question-8d2f", "canary-answer-77ab");
        await Expect(chat.Chat("canary-question-8d2f")).ToBeVisibleAsync();

        await chat.Chats.GetByRole(AriaRole.Button, new() { Name = "More for “canary-question-8d2f”" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Menuitem, new() { Name = "Delete" }).ClickAsync();
        await visit.Page.GetByRole(AriaRole.Dialog).GetByRole(AriaRole.Button, new() { Name = "Delete" }).ClickAsync();

        await Expect(chat.Chats.GetByText("canary-question-8d2f")).ToHaveCountAsync(0);
        await Expect(chat.Composer).ToBeVisibleAsync();
        await visit.Page.ReloadAsync();
        await Expect(chat.Chats).ToBeVisibleAsync();
        await Expect(visit.Page.GetByText("canary-")).ToHaveCountAsync(0);
        Assert.False(Files.Hold(system.AppData, "canary-"u8), "a file still has it");
    }
}
