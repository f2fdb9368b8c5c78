using System.Buffers;
using System.IO.Pipelines;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App.Wallets;
using Tacit.Client.Tests.Support;

namespace Tacit.App.Tests.Chats;

public sealed class ChatFileTests
{
    private const string Message = "\"role\":\"user\",\"text\":\"a\",\"created\":\"2026-01-02T03:04:05Z\"";

    [Fact]
    public async Task An_export_comes_back_whole_under_ids_of_its_own()
    {
        await using ChatTest test = await ChatTest.SayingAsync("an answer");
        string chat = await test.CreateAsync("Be kind.");
        JsonNode reply = await test.AnswerAsync(
            chat, "With a picture", attachments: [new { name = "p.png", mediaType = "image/png", data = "AAEC" }, new { name = "t.txt", mediaType = "text/plain", text = "words" }]);
        await test.AnswerAsync(chat, "Another beginning");
        await test.CallAsync(HttpMethod.Put, "/prompts", new[] { new { id = "", name = "n", text = "t" } });
        using HttpResponseMessage exported = await test.SendAsync(HttpMethod.Get, "/export");
        string file = await exported.Content.ReadAsStringAsync();
        Assert.Equal("attachment", exported.Content.Headers.ContentDisposition?.DispositionType);
        await test.CallAsync(HttpMethod.Delete, "/conversations");

        JsonNode result = await test.CallAsync(HttpMethod.Post, "/import", file);
        await test.CallAsync(HttpMethod.Post, "/import", file);

        Assert.Equal(1, result["conversations"]!.GetValue<int>());
        JsonArray list = (await test.CallAsync(HttpMethod.Get, "/conversations"))["conversations"]!.AsArray();
        Assert.Equal(2, list.Count);
        JsonNode back = await test.GetAsync(list[0]!.Text("id"));
        Assert.NotEqual(chat, back.Text("id"));
        Assert.Equal("Be kind.", back.Text("system"));
        Assert.Equal(["With a picture", "an answer ", "Another beginning", "an answer "], back["messages"]!.AsArray().Select(one => one!.Text("text")));
        JsonNode question = back["messages"]![0]!;
        Assert.DoesNotContain(reply.Text("parent"), back.ToJsonString(), StringComparison.Ordinal);
        using HttpResponseMessage picture = await test.SendAsync(HttpMethod.Get, $"/conversations/{back.Text("id")}/attachments/{question["attachments"]![0]!.Text("id")}");
        Assert.Equal([0, 1, 2], await picture.Content.ReadAsByteArrayAsync());
        Assert.Single((await test.CallAsync(HttpMethod.Get, "/prompts")).AsArray());
        // And it can be gone on with.
        JsonNode last = back["messages"]![3]!;
        Assert.Equal("an answer ", (await test.AnswerAsync(back.Text("id"), "Go on.", last.Text("id"))).Text("text"));
    }

    [Fact]
    public async Task An_export_goes_on_when_a_conversation_is_deleted_meanwhile()
    {
        await using Parts parts = await Parts.CreateAsync();
        for (int i = 0; i < 3; i++)
        {
            await parts.Book.CreateAsync(new NewConversation("m"), CancellationToken.None);
        }
        // A reader that takes one conversation and lets the rest wait.
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 1, resumeWriterThreshold: 1, useSynchronizationContext: false));
        Task exporting = parts.Book.ExportAsync(pipe.Writer, CancellationToken.None);
        ReadResult first = await pipe.Reader.ReadAsync();
        Assert.Equal(1, Count(first.Buffer.ToArray()));
        pipe.Reader.AdvanceTo(first.Buffer.Start);
        foreach (string id in (await parts.Book.ListAsync(CancellationToken.None)).Skip(1).Select(one => one.Id))
        {
            await parts.Book.DeleteAsync(id, CancellationToken.None);
        }

        Task<byte[]> reading = ReadAllAsync(pipe.Reader);
        await exporting;
        await pipe.Writer.CompleteAsync();

        JsonNode file = JsonNode.Parse(await reading)!;
        Assert.Single(file["conversations"]!.AsArray());
        Assert.NotNull(file["prompts"]);

        static int Count(byte[] written) => System.Text.Encoding.UTF8.GetString(written).Split("\"messages\"").Length - 1;

        static async Task<byte[]> ReadAllAsync(PipeReader reader)
        {
            using var all = new MemoryStream();
            await reader.CopyToAsync(all);
            return all.ToArray();
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("null")]
    [InlineData("{\"format\":\"tacit chats 1\"}")]
    [InlineData("{\"format\":\"tacit chats 2\",\"conversations\":[]}")]
    [InlineData("{\"format\":\"tacit chats 1\",\"conversations\":[null]}")]
    [InlineData("{\"format\":\"tacit chats 1\",\"conversations\":[{\"title\":null,\"created\":\"2026-01-02T03:04:05Z\",\"updated\":\"2026-01-02T03:04:05Z\",\"messages\":[]}]}")]
    [InlineData("{\"format\":\"tacit chats 1\",\"format\":\"tacit chats 1\",\"conversations\":[]}")]
    public Task A_file_of_another_form_is_refused(string file) => RefusedAsync(file);

    [Theory]
    [InlineData("{\"id\":\"1\",\"parent\":\"1\"," + Message + "}")]
    [InlineData("{\"id\":\"1\",\"parent\":\"2\"," + Message + "},{\"id\":\"2\",\"parent\":\"1\"," + Message + "}")]
    [InlineData("{\"id\":\"1\"," + Message + "},{\"id\":\"1\"," + Message + "}")]
    [InlineData("{\"id\":\"1\",\"role\":\"system\",\"text\":\"a\",\"created\":\"2026-01-02T03:04:05Z\"}")]
    [InlineData("{\"id\":\"1\",\"role\":0,\"text\":\"a\",\"created\":\"2026-01-02T03:04:05Z\"}")]
    [InlineData("{\"id\":\"1\",\"attachments\":[{\"name\":\"x\",\"mediaType\":\"image/svg+xml\",\"data\":\"AAEC\"}]," + Message + "}")]
    [InlineData("{\"id\":\"1\",\"attachments\":[{\"name\":\"x\",\"mediaType\":\"image/png\",\"data\":\"not base64!\"}]," + Message + "}")]
    [InlineData("{\"id\":\"1\",\"attachments\":[{\"name\":\"x\",\"mediaType\":\"text/html\\r\\nSet-Cookie: a=b\",\"text\":\"x\"}]," + Message + "}")]
    [InlineData("null")]
    [InlineData("{\"id\":\"1\",\"notices\":[null]," + Message + "}")]
    [InlineData("{\"id\":\"1\",\"attachments\":[null]," + Message + "}")]
    [InlineData("{\"id\":\"1\",\"attachments\":[{\"id\":\"00000000000000000000000000000000\"}]," + Message + "}")]
    public Task A_file_that_contradicts_itself_is_refused_as_a_whole(string messages) => RefusedAsync(
        "{\"format\":\"tacit chats 1\",\"conversations\":["
        + $"{{\"title\":\"good\",\"created\":\"2026-01-02T03:04:05Z\",\"updated\":\"2026-01-02T03:04:05Z\",\"messages\":[{{\"id\":\"x\",{Message}}}]}},"
        + $"{{\"title\":\"bad\",\"created\":\"2026-01-02T03:04:05Z\",\"updated\":\"2026-01-02T03:04:05Z\",\"messages\":[{messages}]}}]}}");

    [Fact]
    public Task A_file_with_more_texts_than_the_page_could_send_back_is_refused() => RefusedAsync(
        "{\"format\":\"tacit chats 1\",\"conversations\":[],\"prompts\":["
        + string.Join(',', Enumerable.Range(0, 5).Select(i => $"{{\"id\":\"\",\"name\":\"{i}\",\"text\":\"{new string('x', 1 << 20)}\"}}")) + "]}");

    [Fact]
    public Task A_file_that_is_nested_without_end_is_refused() => RefusedAsync(new string('[', 100_000));

    private static async Task RefusedAsync(string file)
    {
        await using Parts parts = await Parts.CreateAsync();
        Exception refusal = await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            // As the call reads it.
            ChatFile read = JsonSerializer.Deserialize(file, PageJson.Default.ChatFile) ?? throw new JsonException();
            await parts.Book.ImportAsync(read, CancellationToken.None);
        });
        Assert.InRange(PageProblem.Explain(refusal)?.Status ?? 500, 400, 499);
        Assert.Empty(await parts.Book.ListAsync(CancellationToken.None));
    }

    /// <summary>A book without a wallet: nothing here asks anybody.</summary>
    private sealed class Parts(TestFolder folder, ClientHost host, ChatBook book) : IAsyncDisposable
    {
        public ChatBook Book => book;

        public static async Task<Parts> CreateAsync()
        {
            var folder = new TestFolder();
            ClientHost host = await ClientHost.OpenAsync(new AppOptions { DataDirectory = folder.Path }, TimeProvider.System, NullLoggerFactory.Instance);
            var parts = new AppParts(host, new AppDatabase(folder.Path, TimeProvider.System), new PageEvents(), TimeProvider.System, NullLoggerFactory.Instance);
            return new Parts(folder, host, new ChatBook(new MemoryChats(), parts));
        }

        public async ValueTask DisposeAsync()
        {
            await book.DisposeAsync();
            await host.DisposeAsync();
            folder.Dispose();
        }
    }
}
