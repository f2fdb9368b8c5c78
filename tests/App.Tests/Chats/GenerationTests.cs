using System.Diagnostics;
using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App.Wallets;
using Tacit.Client.Tests.Support;
using Tacit.Inference.Tests;

namespace Tacit.App.Tests.Chats;

public sealed class GenerationTests
{
    [Fact]
    public async Task A_tab_that_comes_in_mid_stream_sees_the_whole_text_and_so_does_the_one_that_was_there()
    {
        var more = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece("One, two, "));
            await more.Task;
            foreach (string piece in (string[])["thr", "ee, ", "fo\ud83d\ude00ur."])
            {
                await exchange.ChunkAsync(ChatTest.Piece(piece));
            }
            await ChatTest.EndAsync(exchange);
        });
        string chat = await test.CreateAsync();
        await using TestTab first = await test.OpenTabAsync();
        string message = (await test.AskAsync(chat, "Count."))["assistant"]!.Text("id");
        await first.WaitAsync("delta", delta => delta.Text("text").Contains("two", StringComparison.Ordinal));

        await using TestTab second = await test.OpenTabAsync();
        string before = (await test.GetAsync(chat)).Message(message).Text("text");
        more.SetResult();
        JsonNode ended = await second.WaitAsync("message", one => one["message"]!.Text("id") == message && one["message"]!.Text("state") == "done");
        await first.WaitAsync("message", one => one["message"]!.Text("state") == "done");

        const string Whole = "One, two, three, fo\ud83d\ude00ur.";
        Assert.Equal("One, two, ", before);
        Assert.True(second.Events[0].Data["conversations"]![0]!["generating"]!.GetValue<bool>());
        Assert.Equal(Whole, second.Assemble(message, before));
        Assert.Equal(Whole, first.Assemble(message));
        Assert.Equal(Whole, ended["message"]!.Text("text"));
        Assert.Equal(Whole, (await test.GetAsync(chat)).Message(message).Text("text"));
    }

    [Fact]
    public async Task A_reply_goes_on_without_any_tab()
    {
        var more = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece("beginning "));
            await more.Task;
            await exchange.ChunkAsync(ChatTest.Piece("end"));
            await ChatTest.EndAsync(exchange);
        });
        string chat = await test.CreateAsync();
        string message;
        await using (TestTab tab = await test.OpenTabAsync())
        {
            message = (await test.AskAsync(chat, "Go on."))["assistant"]!.Text("id");
            await tab.WaitAsync("delta", _ => true);
        }
        more.SetResult();

        Assert.Equal("beginning end", (await test.EndedAsync(chat, message)).Text("text"));
        PlanHoldingsAre(9, 1, await test.App.Client.SettledAsync());
    }

    [Fact]
    public async Task A_stopped_reply_keeps_what_came_and_stops_at_the_gateway()
    {
        var gone = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece("as far as here"));
            await exchange.HangAsync();
            gone.SetResult();
        });
        string chat = await test.CreateAsync();
        string message = (await test.AskAsync(chat, "Tell me everything."))["assistant"]!.Text("id");
        await test.UntilAsync(chat, whole => whole.Message(message).Text("text").Length > 0);

        Assert.Equal("reply-in-progress", await test.RefusedAsync(HttpMethod.Post, $"/conversations/{chat}/messages", new { text = "And?" }, HttpStatusCode.Conflict));
        await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/stop");

        JsonNode stopped = (await test.GetAsync(chat)).Message(message);
        Assert.Equal(("stopped", "as far as here"), (stopped.Text("state"), stopped.Text("text")));
        // The provider is told, or nobody would have stopped.
        await gone.Task.WaitAsync(TimeSpan.FromMinutes(2));
    }

    [Fact]
    public async Task An_empty_wallet_fails_the_reply_and_keeps_the_question()
    {
        await using ChatTest test = await ChatTest.StartAsync(exchange => ChatTest.SayAsync(exchange, "paid"), tokens: 0, credits: 0);
        string chat = await test.CreateAsync();

        JsonNode failed = await test.AnswerAsync(chat, "Can I?");

        Assert.Equal("failed", failed.Text("state"));
        Assert.Equal("wallet_empty", failed["error"]!.Text("code"));
        Assert.False(failed["error"]!["canRetry"]!.GetValue<bool>());
        Assert.Equal("Can I?", (await test.GetAsync(chat)).Message(failed.Text("parent")).Text("text"));
        Assert.Empty(test.Asked);

        await test.App.Client.Account.CreateAsync();
        await test.App.Client.Account.DepositAsync(await test.App.System.VoucherAsync(10));
        await test.App.Client.Filler.FillAsync("chat", 1);
        JsonNode retried = await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/messages/{failed.Text("id")}/retry", new { });
        Assert.Equal("paid ", (await test.EndedAsync(chat, retried["assistant"]!.Text("id"))).Text("text"));
    }

    [Theory]
    [InlineData("no-such-model", "Hello", "model_not_found")]
    [InlineData(ChatTest.Model, null, "request_too_large")]
    public async Task What_no_plan_takes_fails_with_its_code(string model, string? text, string code)
    {
        await using ChatTest test = await ChatTest.SayingAsync("never");
        string chat = await test.CreateAsync();
        JsonNode sent = await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/messages", new { text = text ?? new string('x', 100_000), model });
        JsonNode failed = await test.EndedAsync(chat, sent["assistant"]!.Text("id"));
        Assert.Equal(("failed", code), (failed.Text("state"), failed["error"]!.Text("code")));
        Assert.Empty(test.Asked);
    }

    [Fact]
    public async Task A_gateway_that_is_away_fails_the_reply_and_its_retry_costs_no_further_token()
    {
        await using ChatTest test = await ChatTest.StartAsync(exchange => ChatTest.SayAsync(exchange, "at last"), changeClient: Patiently);
        string chat = await test.CreateAsync();
        test.App.System.GatewayFront.Decide = passing => passing.Path == "/v1/chat/completions" ? Mishap.LoseReply : Mishap.None;
        JsonNode failed = await test.AnswerAsync(chat, "Are you there?");
        Assert.Equal("gateway_unreachable", failed["error"]!.Text("code"));
        Assert.True(failed["error"]!["canRetry"]!.GetValue<bool>());

        test.App.System.GatewayFront.Decide = _ => Mishap.None;
        JsonNode retried = await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/messages/{failed.Text("id")}/retry", new { });
        JsonNode answered = await test.EndedAsync(chat, retried["assistant"]!.Text("id"));

        Assert.Equal(("done", "at last "), (answered.Text("state"), answered.Text("text")));
        Assert.Single(test.Asked);
        PlanHoldingsAre(9, 1, await test.App.Client.SettledAsync());
    }

    [Fact]
    public async Task An_error_in_mid_stream_keeps_what_came()
    {
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece("half an"));
            await exchange.ChunkAsync("data: {\"error\":{\"message\":\"It is hot here.\",\"code\":\"overheated\"}}\n\n");
            await exchange.EndChunksAsync();
        });
        string chat = await test.CreateAsync();

        JsonNode failed = await test.AnswerAsync(chat, "Answer me.");

        Assert.Equal(("failed", "half an"), (failed.Text("state"), failed.Text("text")));
        Assert.NotEmpty(failed["error"]!.Text("code"));
        Assert.True(failed["error"]!["canRetry"]!.GetValue<bool>());
    }

    [Fact]
    public async Task A_reply_that_was_under_way_when_the_app_ended_is_picked_up_without_another_token()
    {
        var more = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(exchange => ChatTest.SayInTwoPartsAsync(exchange, more.Task));
        string chat = await test.CreateAsync();
        string message = (await test.AskAsync(chat, "Do not forget me."))["assistant"]!.Text("id");
        await test.UntilAsync(chat, whole => whole.Message(message).Text("text").Length > 0);

        await test.App.RestartAsync();
        await test.UntilAsync(chat, whole => whole["generating"]!.GetValue<bool>() && whole.Message(message).Text("text") == "before, ");
        more.SetResult();

        JsonNode ended = await test.EndedAsync(chat, message);
        Assert.Equal(("done", "before, after"), (ended.Text("state"), ended.Text("text")));
        Assert.Single(test.Asked);
        PlanHoldingsAre(9, 1, await test.App.Client.SettledAsync());
    }

    [Fact]
    public async Task A_system_prompt_that_is_changed_under_a_reply_does_not_lose_it_over_a_restart()
    {
        var more = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(exchange => ChatTest.SayInTwoPartsAsync(exchange, more.Task));
        string chat = await test.CreateAsync("Be brief.");
        string message = (await test.AskAsync(chat, "Do not forget me."))["assistant"]!.Text("id");
        await test.UntilAsync(chat, whole => whole.Message(message).Text("text").Length > 0);
        await test.CallAsync(HttpMethod.Patch, "/conversations/" + chat, new { system = "Be long." });

        await test.App.RestartAsync();
        more.SetResult();

        JsonNode ended = await test.EndedAsync(chat, message);
        Assert.Equal(("done", "before, after"), (ended.Text("state"), ended.Text("text")));
        Assert.Equal("Be long.", (await test.GetAsync(chat)).Text("system"));
        Assert.Single(test.Asked);
    }

    [Fact]
    public async Task A_question_that_finds_no_room_on_the_disk_leaves_nothing_of_its_reply_there()
    {
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece("never shown"));
            await exchange.HangAsync();
        });
        using var folder = new TestFolder();
        await using ClientHost host = ClientHost.Around(new AppOptions { DataDirectory = folder.Path }, test.App.Client, TimeProvider.System, NullLoggerFactory.Instance);
        await using var database = new AppDatabase(folder.Path, TimeProvider.System);
        var disk = new FullDisk();
        await using var book = new ChatBook(disk, new AppParts(host, database, new PageEvents(), TimeProvider.System, NullLoggerFactory.Instance));
        string chat = (await book.CreateAsync(new NewConversation(ChatTest.Model), CancellationToken.None)).Id;
        disk.Next = new TaskCompletionSource();

        Task<NewMessageResult> asking = book.SendAsync(chat, new NewMessage("Hello"), CancellationToken.None);
        for (int i = 0; i < 6000 && test.Asked.Count == 0; i++)
        {
            await Task.Delay(10);
        }
        Assert.Single(test.Asked);
        disk.Fail(new PageException(PageProblem.Of(507, "disk-full", "There is no room.")));
        await Assert.ThrowsAsync<PageException>(() => asking);

        // There is room again: what was put off until then must not get there without its question.
        Assert.Empty(await disk.MessagesAsync(chat, CancellationToken.None));
        ConversationView view = await book.GetAsync(chat, CancellationToken.None);
        Assert.Empty(view.Messages);
        Assert.Equal((ChatTitle.Empty, null, false), (view.Title, view.Leaf, view.Generating));
    }

    [Fact]
    public async Task A_crash_in_mid_stream_leaves_what_had_come()
    {
        var enough = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            while (!enough.Task.IsCompleted)
            {
                await exchange.ChunkAsync(ChatTest.Piece("more "));
                await Task.WhenAny(enough.Task, Task.Delay(50));
            }
            await ChatTest.EndAsync(exchange);
        });
        string chat = await test.CreateAsync();
        await test.AskAsync(chat, "Never end.");

        ChatMessage? left = null;
        for (int i = 0; i < 600 && left is not { Text.Length: > 0 }; i++)
        {
            await Task.Delay(100);
            left = await AfterCrashAsync(test, chat);
        }
        enough.SetResult();

        Assert.StartsWith("more ", left?.Text, StringComparison.Ordinal);
        Assert.Equal(MessageState.Generating, left?.State);
    }

    [Fact]
    public async Task A_reply_that_nobody_keeps_any_more_has_failed_after_a_restart_and_costs_nothing()
    {
        var more = new TaskCompletionSource();
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece("only this"));
            await more.Task;
            await ChatTest.EndAsync(exchange);
        }, changeClient: Patiently);
        string chat = await test.CreateAsync();
        string message = (await test.AskAsync(chat, "Stay."))["assistant"]!.Text("id");
        await test.UntilAsync(chat, whole => whole.Message(message).Text("text").Length > 0);
        await test.App.Server.DisposeAsync();
        // Another program takes the request up and ends it: the journal has it no more.
        await using (Client.PromptReply taken = (await test.App.Client.Redemption.ResumeAsync(await PendingAsync(test)))!)
        {
            more.SetResult();
            await taken.ReadAllAsync();
            await taken.CompleteAsync();
        }

        await test.App.StartServerAsync();

        JsonNode failed = await test.EndedAsync(chat, message);
        Assert.Equal(("failed", "only this", "reply_lost"), (failed.Text("state"), failed.Text("text"), failed["error"]!.Text("code")));
        Assert.True(failed["error"]!["canRetry"]!.GetValue<bool>());
        PlanHoldingsAre(9, 1, await test.App.Client.SettledAsync());
    }

    [Fact]
    public async Task A_reply_that_breaks_off_is_taken_up_by_its_retry_at_once_and_costs_no_further_token()
    {
        await using ChatTest test = await ChatTest.StartAsync(
            exchange => ChatTest.SayAsync(exchange, "all of this and more"),
            changeClient: options => Patiently(options) with { Redemption = Patiently(options).Redemption with { MaxResumptions = 1 } });
        await using TestTab tab = await test.OpenTabAsync();
        string chat = await test.CreateAsync();
        test.App.System.GatewayFront.CutAfterBytes = 60;
        test.App.System.GatewayFront.Decide = passing => passing.Path == "/v1/chat/completions" ? Mishap.CutReply : Mishap.None;
        string message = (await test.AskAsync(chat, "Say it all."))["assistant"]!.Text("id");
        JsonNode failed = await tab.WaitAsync("message", one => one["message"]!.Text("id") == message && one["message"]!.Text("state") == "failed");
        Assert.Equal("reply_interrupted", failed["message"]!["error"]!.Text("code"));

        test.App.System.GatewayFront.Decide = _ => Mishap.None;
        JsonNode retried = await test.CallAsync(HttpMethod.Post, $"/conversations/{chat}/messages/{message}/retry", new { });

        Assert.Equal("all of this and more ", (await test.EndedAsync(chat, retried["assistant"]!.Text("id"))).Text("text"));
        Assert.Single(test.Asked);
        PlanHoldingsAre(9, 1, await test.App.Client.SettledAsync());
    }

    /// <summary>The reply as it would be found had the app been killed now: in a copy of the files.</summary>
    private static async Task<ChatMessage?> AfterCrashAsync(ChatTest test, string chat)
    {
        using var folder = new TestFolder();
        Directory.CreateDirectory(folder.Path);
        // By another process, so that SQLite's locks in this one stay; the log last, as it is what is being written.
        foreach (string file in (string[])[AppDatabase.FileName, AppDatabase.FileName + "-wal"])
        {
            using Process copy = Process.Start("cp", [Path.Combine(test.App.DataDirectory, file), folder.Path]);
            await copy.WaitForExitAsync();
        }
        await using var database = new AppDatabase(folder.Path, TimeProvider.System);
        database.Unlock(test.App.Client.Wallet.DeriveLocalKey(AppDatabase.KeyPurpose));
        return (await new StoredChats(database).MessagesAsync(chat, CancellationToken.None)).SingleOrDefault(message => message.Role == MessageRole.Assistant);
    }

    /// <summary>A request whose caller vanished waits for its repetition, however slow the machine.</summary>
    private static Client.ClientOptions Patiently(Client.ClientOptions options) => options with { Redemption = options.Redemption with { CancelGrace = TimeSpan.FromMinutes(10) } };

    private static async Task<string> PendingAsync(ChatTest test)
    {
        for (int i = 0; i < 6000; i++)
        {
            if (await test.App.Client.Redemption.GetPendingAsync() is [Client.PendingPrompt pending])
            {
                return pending.Id;
            }
            // The one that left gives it free.
            await Task.Delay(10);
        }
        throw new TimeoutException("The request did not become free.");
    }

    /// <summary>A disk on which one change finds no room, and those behind it do.</summary>
    private sealed class FullDisk : IChatStore
    {
        private readonly MemoryChats _room = new();
        private Task? _failing;

        /// <summary>What the next change waits for.</summary>
        public TaskCompletionSource? Next { get; set; }

        public void Fail(Exception why) => Next!.SetException(why);

        public Task SaveAsync(ChatChange change, CancellationToken cancellationToken) =>
            Next is not null && Interlocked.CompareExchange(ref _failing, Next.Task, null) is null ? Next.Task : _room.SaveAsync(change, cancellationToken);

        public Task SaveAllAsync(IReadOnlyList<ChatChange> changes, CancellationToken cancellationToken) => _room.SaveAllAsync(changes, cancellationToken);

        public Task<IReadOnlyList<ChatHeader>> HeadersAsync(CancellationToken cancellationToken) => _room.HeadersAsync(cancellationToken);

        public Task<IReadOnlyList<ChatMessage>> MessagesAsync(string conversation, CancellationToken cancellationToken) => _room.MessagesAsync(conversation, cancellationToken);

        public Task<IReadOnlyList<string>> OpenConversationsAsync(CancellationToken cancellationToken) => _room.OpenConversationsAsync(cancellationToken);

        public Task<byte[]?> AttachmentAsync(string id, CancellationToken cancellationToken) => _room.AttachmentAsync(id, cancellationToken);

        public Task DeleteAsync(string? conversation) => _room.DeleteAsync(conversation);

        public Task<IReadOnlyList<SavedPrompt>> PromptsAsync(CancellationToken cancellationToken) => _room.PromptsAsync(cancellationToken);

        public Task SavePromptsAsync(IReadOnlyList<SavedPrompt> prompts, CancellationToken cancellationToken) => _room.SavePromptsAsync(prompts, cancellationToken);
    }

    private static void PlanHoldingsAre(long held, long spent, Client.PlanHoldings holdings) => Assert.Equal((held, spent), (holdings.Held, holdings.Spent));
}
