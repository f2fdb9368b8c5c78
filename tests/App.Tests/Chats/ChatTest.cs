using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Tacit.Client.Tests.Support;
using Tacit.Inference;
using Tacit.Inference.Tests;

namespace Tacit.App.Tests.Chats;

/// <summary>An app whose provider follows a script, and its page's calls as a page makes them.</summary>
public sealed class ChatTest : IAsyncDisposable
{
    public const string Model = "talk";

    private readonly ScriptedProvider _provider;

    private ChatTest(TestApp app, ScriptedProvider provider) => (App, _provider) = (app, provider);

    public TestApp App { get; }

    /// <summary>What the provider was asked, in order.</summary>
    public IReadOnlyList<ScriptedRequest> Asked => _provider.Requests;

    public static async Task<ChatTest> StartAsync(
        Func<ScriptedExchange, Task> script, int tokens = 10, Func<AppOptions, AppOptions>? change = null, long credits = 100, Func<Client.ClientOptions, Client.ClientOptions>? changeClient = null)
    {
        ScriptedProvider provider = ScriptedProvider.Start(script);
        TestOperator system = await TestOperator.StartAsync(
            plans: [TestOperator.Chat with { Models = [TestOperator.Model, Model] }],
            inference: options => options with
            {
                DemoModel = true,
                Backends = [new BackendOptions { Name = "scripted", BaseUrl = provider.BaseUrl, Models = new Dictionary<string, string> { [Model] = Model } }],
                Backoff = TimeSpan.Zero,
            });
        return new ChatTest(await TestApp.StartAsync(tokens, changeClient, system: system, credits: credits, changeApp: change), provider);
    }

    /// <summary>An app whose model repeats a text, word by word.</summary>
    public static Task<ChatTest> SayingAsync(string text, int tokens = 10, Func<AppOptions, AppOptions>? change = null) => StartAsync(exchange => SayAsync(exchange, text), tokens, change);

    public static async Task SayAsync(ScriptedExchange exchange, string text)
    {
        await exchange.BeginEventsAsync();
        foreach (string word in text.Split(' '))
        {
            await exchange.ChunkAsync(Piece(word + " "));
        }
        await EndAsync(exchange);
    }

    /// <summary>"before, " and, once there is to be more, "after".</summary>
    public static async Task SayInTwoPartsAsync(ScriptedExchange exchange, Task more)
    {
        await exchange.BeginEventsAsync();
        await exchange.ChunkAsync(Piece("before, "));
        await more;
        await exchange.ChunkAsync(Piece("after"));
        await EndAsync(exchange);
    }

    public static string Piece(string text) => $"data: {{\"choices\":[{{\"index\":0,\"delta\":{{\"content\":{JsonValue.Create(text).ToJsonString()}}}}}]}}\n\n";

    public static async Task EndAsync(ScriptedExchange exchange)
    {
        await exchange.ChunkAsync("data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n");
        await exchange.ChunkAsync("data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5,\"total_tokens\":12}}\n\ndata: [DONE]\n\n");
        await exchange.EndChunksAsync();
    }

    /// <summary>A call of the page's that succeeds.</summary>
    public async Task<JsonNode> CallAsync(HttpMethod method, string path, object? body = null)
    {
        using HttpResponseMessage answer = await SendAsync(method, path, body);
        string text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.IsSuccessStatusCode, text);
        return text.Length == 0 ? new JsonObject() : JsonNode.Parse(text)!;
    }

    /// <summary>A call that is refused: the word of its problem.</summary>
    public async Task<string> RefusedAsync(HttpMethod method, string path, object? body, HttpStatusCode status)
    {
        using HttpResponseMessage answer = await SendAsync(method, path, body);
        Assert.Equal(status, answer.StatusCode);
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        return JsonNode.Parse(await answer.Content.ReadAsStringAsync())!.Text("type")["urn:tacit:problem:".Length..];
    }

    public Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, object? body = null) => App.SendAsync(
        method, "/app" + path, body switch
        {
            null => null,
            string text => Encoding.UTF8.GetBytes(text),
            JsonNode node => Encoding.UTF8.GetBytes(node.ToJsonString()),
            _ => System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(body),
        },
        request => request.Headers.Add(PageApi.Header, "1"));

    public async Task<string> CreateAsync(string? system = null) =>
        (await CallAsync(HttpMethod.Post, "/conversations", new { model = Model, system })).Text("id");

    public Task<JsonNode> AskAsync(string conversation, string text, string? parent = null, object[]? attachments = null) =>
        CallAsync(HttpMethod.Post, $"/conversations/{conversation}/messages", new { parent, text, attachments });

    public Task<JsonNode> GetAsync(string conversation) => CallAsync(HttpMethod.Get, "/conversations/" + conversation);

    /// <summary>Asks and waits for the whole reply.</summary>
    public async Task<JsonNode> AnswerAsync(string conversation, string text, string? parent = null, object[]? attachments = null)
    {
        JsonNode sent = await AskAsync(conversation, text, parent, attachments);
        return await EndedAsync(conversation, sent["assistant"]!.Text("id"));
    }

    /// <summary>A message once it is not generated any more.</summary>
    public async Task<JsonNode> EndedAsync(string conversation, string message) =>
        (await UntilAsync(conversation, whole => whole.Message(message).Text("state") != "generating")).Message(message);

    public async Task<JsonNode> UntilAsync(string conversation, Func<JsonNode, bool> condition)
    {
        JsonNode? whole = null;
        for (int i = 0; i < 6000; i++)
        {
            whole = await GetAsync(conversation);
            if (condition(whole))
            {
                return whole;
            }
            await Task.Delay(10);
        }
        throw new TimeoutException("The conversation did not get there: " + whole?.ToJsonString());
    }

    public Task<TestTab> OpenTabAsync() => TestTab.OpenAsync(App);

    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync();
        await _provider.DisposeAsync();
    }
}

internal static class JsonNodes
{
    public static string Text(this JsonNode node, string member) => node[member]!.GetValue<string>();

    public static JsonNode Message(this JsonNode conversation, string id) => conversation["messages"]!.AsArray().Single(message => message!.Text("id") == id)!;
}
