using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App.Wallets;
using Tacit.Storage;

namespace Tacit.App.Tests.Chats;

/// <summary>What the disk knows of conversations: nothing in the clear, and nothing of those that were deleted or are not to be kept.</summary>
public sealed class ChatSecrecyTests
{
    private const string Canary = "canary-1f7c09";

    [Fact]
    public async Task Nothing_that_was_written_or_answered_is_on_disk_in_the_clear()
    {
        await using ChatTest test = await ChatTest.SayingAsync($"{Canary}-reply");
        await FillAsync(test);

        Assert.NotEmpty(Files(test, AppDatabase.FileName));
        Assert.Empty(Holding(test, Encoding.UTF8.GetBytes(Canary)));
        // No model, no time: what is in the clear are ids.
        Assert.Empty(Holding(test, Encoding.UTF8.GetBytes($"\"{ChatTest.Model}\""), AppDatabase.FileName));
        Assert.Empty(Holding(test, Encoding.UTF8.GetBytes("\"created\""), AppDatabase.FileName));
    }

    [Fact]
    public async Task A_deleted_conversation_is_nowhere_in_the_files_not_even_sealed()
    {
        await using ChatTest test = await ChatTest.SayingAsync($"{Canary}-reply");
        string kept = await test.CreateAsync();
        await test.AnswerAsync(kept, "This one stays.");
        string chat = await FillAsync(test);
        IReadOnlyList<byte[]> boxes = await BoxesAsync(test, chat);
        Assert.True(boxes.Count >= 4, "The test would look for nothing.");
        Assert.All(boxes, box => Assert.NotEmpty(Holding(test, box)));

        await test.CallAsync(HttpMethod.Delete, "/conversations/" + chat);

        Assert.All(boxes, box => Assert.Empty(Holding(test, box)));
        Assert.Equal("not-found", await test.RefusedAsync(HttpMethod.Get, "/conversations/" + chat, null, HttpStatusCode.NotFound));
        Assert.Equal("This one stays.", (await test.GetAsync(kept)).Text("title"));
    }

    [Fact]
    public async Task Deleting_a_conversation_in_mid_stream_ends_its_reply_and_leaves_nothing()
    {
        await using ChatTest test = await ChatTest.StartAsync(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(ChatTest.Piece(Canary));
            await exchange.HangAsync();
        });
        await using TestTab tab = await test.OpenTabAsync();
        string chat = await test.CreateAsync();
        await test.AskAsync(chat, Canary);
        await tab.WaitAsync("delta", _ => true);

        await test.CallAsync(HttpMethod.Delete, "/conversations");

        await tab.WaitAsync("conversation-deleted", one => one.Text("id") == chat);
        Assert.Empty((await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray());
        await test.App.RestartAsync();
        Assert.Empty((await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray());
    }

    [Fact]
    public async Task Chats_that_are_not_kept_write_nothing_and_end_with_the_app()
    {
        await using ChatTest test = await ChatTest.SayingAsync($"{Canary}-reply", change: options => options with { KeepChats = false });
        string chat = await FillAsync(test);
        await using TestTab tab = await test.OpenTabAsync();

        Assert.Equal("not-kept", tab.Events[0].Data.Text("chats"));
        Assert.Contains($"{Canary}-reply", (await test.GetAsync(chat)).ToJsonString(), StringComparison.Ordinal);
        Assert.Empty(Files(test, AppDatabase.FileName));
        Assert.Empty(Holding(test, Encoding.UTF8.GetBytes(Canary)));

        await test.App.RestartAsync();
        Assert.Empty((await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray());
        Assert.Empty(Files(test, AppDatabase.FileName));
    }

    [Fact]
    public async Task What_was_kept_is_neither_shown_nor_touched_while_chats_are_not_kept()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        await test.AnswerAsync(await test.CreateAsync(), "From before.");

        test.App.ChangeApp = options => options with { KeepChats = false };
        await test.App.RestartAsync();
        Assert.Empty((await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray());
        test.App.ChangeApp = options => options;
        await test.App.RestartAsync();
        Assert.Single((await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray());

        // All means all.
        test.App.ChangeApp = options => options with { KeepChats = false };
        await test.App.RestartAsync();
        await test.CallAsync(HttpMethod.Delete, "/conversations");
        test.App.ChangeApp = options => options;
        await test.App.RestartAsync();
        Assert.Empty((await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray());
    }

    [Fact]
    public async Task The_setting_is_taken_up_at_once_and_what_is_in_memory_goes()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        await test.AnswerAsync(await test.CreateAsync(), "Kept.");
        await test.App.Server.DisposeAsync();
        await using (var host = ClientHost.Around(new AppOptions { DataDirectory = test.App.DataDirectory }, test.App.Client, TimeProvider.System, NullLoggerFactory.Instance))
        await using (var database = new AppDatabase(test.App.DataDirectory, TimeProvider.System))
        {
            database.Unlock(test.App.Client.Wallet.DeriveLocalKey(AppDatabase.KeyPurpose));
            await using var shelf = new ChatShelf(new AppParts(host, database, new PageEvents(), TimeProvider.System, NullLoggerFactory.Instance));
            ChatBook kept = shelf.Book;

            await shelf.KeepAsync(false, CancellationToken.None);
            Assert.Equal(ChatKeeping.NotKept, shelf.Keeping);
            Assert.Empty(await shelf.Book.ListAsync(CancellationToken.None));
            await shelf.Book.CreateAsync(new NewConversation(System: Canary), CancellationToken.None);
            Assert.Single(await shelf.Book.ListAsync(CancellationToken.None));
            // A call that came before and is served after is refused, not written where nothing is to be.
            await Assert.ThrowsAsync<PageException>(() => kept.CreateAsync(new NewConversation(), CancellationToken.None));

            await shelf.KeepAsync(true, CancellationToken.None);
            Assert.Equal("Kept.", Assert.Single(await shelf.Book.ListAsync(CancellationToken.None)).Title);
        }
        await test.App.StartServerAsync();
    }

    [Fact]
    public async Task Chats_of_another_wallet_are_not_opened_and_not_overwritten()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        await test.AnswerAsync(await test.CreateAsync(), "Mine.");
        await test.App.Server.DisposeAsync();
        byte[] before = await File.ReadAllBytesAsync(Path.Combine(test.App.DataDirectory, AppDatabase.FileName));
        await using (var database = new AppDatabase(test.App.DataDirectory, TimeProvider.System))
        {
            database.Unlock(test.App.Client.Wallet.DeriveLocalKey("something else"));
            PageException e = await Assert.ThrowsAsync<PageException>(() => new StoredChats(database).HeadersAsync(CancellationToken.None));
            Assert.EndsWith("store-foreign", e.Problem.Type, StringComparison.Ordinal);
        }
        Assert.Equal(before, await File.ReadAllBytesAsync(Path.Combine(test.App.DataDirectory, AppDatabase.FileName)));
        await test.App.StartServerAsync();
        Assert.Single((await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray());
    }

    [Fact]
    public async Task A_file_that_cannot_be_read_leaves_wallet_and_settings_to_the_page()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        await test.AnswerAsync(await test.CreateAsync(), "Mine.");
        await test.App.Server.DisposeAsync();
        await File.WriteAllTextAsync(Path.Combine(test.App.DataDirectory, AppDatabase.FileName), new string('x', 8192));
        await test.App.StartServerAsync();

        await using TestTab tab = await test.OpenTabAsync();

        JsonNode state = tab.Events[0].Data;
        Assert.NotEmpty(state.Text("chatsProblem"));
        Assert.NotNull(state["wallet"]);
        Assert.NotNull(state["settings"]);
    }

    [Fact]
    public async Task A_row_that_was_moved_to_another_place_does_not_open()
    {
        await using ChatTest test = await ChatTest.SayingAsync("yes");
        string first = await test.CreateAsync("one");
        string second = await test.CreateAsync("two");
        await test.App.Server.DisposeAsync();
        await using (Database database = await OpenAsync(test))
        {
            await database.WriteAsync(session =>
            {
                byte[] box = session.QuerySingle("SELECT sealed FROM conversation WHERE id = $1", row => row.Blob(0), ChatId.Bytes(first))!;
                session.Execute("UPDATE conversation SET sealed = $1 WHERE id = $2", box, ChatId.Bytes(second));
            });
        }
        await test.App.StartServerAsync();
        await using TestTab tab = await test.OpenTabAsync();
        Assert.NotEmpty(tab.Events[0].Data.Text("chatsProblem"));
        Assert.Equal("store-damaged", await test.RefusedAsync(HttpMethod.Get, "/conversations", null, HttpStatusCode.InternalServerError));
    }

    [Fact]
    public async Task A_reply_whose_question_was_damaged_has_failed_and_holds_up_no_other()
    {
        await using ChatTest test = await ChatTest.StartAsync(exchange => exchange.HangAsync());
        List<(string Chat, string Message)> asked = [];
        for (int i = 0; i < 2; i++)
        {
            string chat = await test.CreateAsync();
            asked.Add((chat, (await test.AskAsync(chat, "Look.", attachments: [new { name = "a.txt", mediaType = "text/plain", text = "words" }]))["assistant"]!.Text("id")));
        }
        while (test.Asked.Count < 2)
        {
            await Task.Delay(10, TestContext.Current.CancellationToken);
        }
        await test.App.Server.DisposeAsync();
        string damaged;
        await using (Database database = await OpenAsync(test))
        {
            // Of the one that is picked up first.
            damaged = await database.WriteAsync(session =>
            {
                string first = Convert.ToHexStringLower(session.QuerySingle("SELECT DISTINCT conversation FROM message WHERE is_open = 1 LIMIT 1", row => row.Blob(0))!);
                session.Execute("UPDATE attachment SET sealed = $1 WHERE message IN (SELECT id FROM message WHERE conversation = $2)", new byte[64], ChatId.Bytes(first));
                return first;
            });
        }
        await test.App.StartServerAsync();

        JsonNode failed = await test.EndedAsync(damaged, asked.Single(one => one.Chat == damaged).Message);
        Assert.Equal(("failed", "reply_lost"), (failed.Text("state"), failed["error"]!.Text("code")));
        await test.UntilAsync(asked.Single(one => one.Chat != damaged).Chat, whole => whole["generating"]!.GetValue<bool>());
    }

    /// <summary>A conversation with a canary in everything that a person can put into one.</summary>
    private static async Task<string> FillAsync(ChatTest test)
    {
        string chat = await test.CreateAsync($"{Canary}-system");
        await test.AnswerAsync(
            chat, $"{Canary}-question", attachments: [new { name = $"{Canary}-file.txt", mediaType = "text/plain", text = $"{Canary}-content" }]);
        await test.CallAsync(HttpMethod.Patch, "/conversations/" + chat, new { title = $"{Canary}-title" });
        await test.CallAsync(HttpMethod.Put, "/prompts", new[] { new { id = "", name = $"{Canary}-name", text = $"{Canary}-text" } });
        return chat;
    }

    /// <summary>The sealed rows of a conversation.</summary>
    private static async Task<IReadOnlyList<byte[]>> BoxesAsync(ChatTest test, string chat)
    {
        await test.App.Server.DisposeAsync();
        IReadOnlyList<byte[]> boxes;
        await using (Database database = await OpenAsync(test))
        {
            byte[] id = ChatId.Bytes(chat);
            boxes = await database.ReadAsync<IReadOnlyList<byte[]>>(session =>
            [
                .. session.Query("SELECT sealed FROM conversation WHERE id = $1", row => row.Blob(0), id),
                .. session.Query("SELECT sealed FROM message WHERE conversation = $1", row => row.Blob(0), id),
                .. session.Query("SELECT a.sealed FROM attachment a JOIN message m ON m.id = a.message WHERE m.conversation = $1", row => row.Blob(0), id),
            ]);
        }
        await test.App.StartServerAsync();
        // The beginning of each: long ones are spread over several pages.
        return [.. boxes.Select(box => box[..32])];
    }

    private static Task<Database> OpenAsync(ChatTest test) =>
        Database.OpenSqliteAsync(Path.Combine(test.App.DataDirectory, AppDatabase.FileName), AppSchema.Migrations, TimeProvider.System, eraseFreedPages: true);

    private static IEnumerable<string> Files(ChatTest test, string prefix = "") =>
        Directory.EnumerateFiles(test.App.DataDirectory, "*", SearchOption.AllDirectories).Where(path => Path.GetFileName(path).StartsWith(prefix, StringComparison.Ordinal));

    /// <summary>The files that hold these bytes.</summary>
    private static List<string> Holding(ChatTest test, byte[] bytes, string prefix = "") =>
        [.. Files(test, prefix).Where(path => Path.GetExtension(path) is not (".lock" or ".sock")).Where(path => ReadOutside(path).AsSpan().IndexOf(bytes) >= 0)];

    /// <summary>A file's bytes, read by another process: were this one to open and close a database's file, SQLite's own locks on it would be gone.</summary>
    private static byte[] ReadOutside(string path)
    {
        using Process cat = Process.Start(new ProcessStartInfo("cat", [path]) { RedirectStandardOutput = true })!;
        using var content = new MemoryStream();
        cat.StandardOutput.BaseStream.CopyTo(content);
        cat.WaitForExit();
        Assert.Equal(0, cat.ExitCode);
        return content.ToArray();
    }
}
