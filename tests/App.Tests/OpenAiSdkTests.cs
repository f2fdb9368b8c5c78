using System.ClientModel;
using System.Text;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Models;
using OpenAI.Responses;
using Tacit.Client;
using Tacit.Client.Tests.Support;

namespace Tacit.App.Tests;

/// <summary>OpenAI's own .NET library against the app, unchanged but for its base URL.</summary>
public sealed class OpenAiSdkTests : IAsyncLifetime
{
    private TestApp _app = null!;
    private OpenAIClient _openAi = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _app = await TestApp.StartAsync();
        _openAi = new OpenAIClient(new ApiKeyCredential("sk-anything-at-all"), new OpenAIClientOptions { Endpoint = _app.BaseUrl });
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    [Fact]
    public async Task Chat_is_answered_for_one_token()
    {
        ChatCompletion completion = await _openAi.GetChatClient(TestOperator.Model).CompleteChatAsync([new UserChatMessage("What did you see of me?")], cancellationToken: Token);

        Assert.NotEmpty(completion.Content[0].Text);
        Assert.True(completion.Usage.TotalTokenCount > 0);
        Assert.Equal(1, (await _app.Client.SettledAsync()).Spent);
    }

    [Fact]
    public async Task Streamed_chat_arrives_in_pieces()
    {
        var text = new StringBuilder();
        int updates = 0;
        await foreach (StreamingChatCompletionUpdate update in
            _openAi.GetChatClient(TestOperator.Model).CompleteChatStreamingAsync([new UserChatMessage("Stream it.")], cancellationToken: Token))
        {
            updates++;
            text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
        }

        Assert.True(updates > 2);
        Assert.NotEqual(0, text.Length);
        Assert.Equal(1, (await _app.Client.SettledAsync()).Spent);
    }

    [Fact]
    public async Task Tools_pass_through()
    {
        var options = new ChatCompletionOptions
        {
            Tools = { ChatTool.CreateFunctionTool("weather", "The weather of a city.", BinaryData.FromString("""{"type":"object","properties":{"city":{"type":"string"}}}""")) },
        };

        ChatCompletion completion = await _openAi.GetChatClient(TestOperator.Model).CompleteChatAsync([new UserChatMessage("What is the weather?")], options, Token);

        Assert.True(completion.ToolCalls.Count > 0 || completion.Content.Count > 0);
    }

#pragma warning disable OPENAI001 // The library calls its responses client experimental.
    [Fact]
    public async Task Responses_are_answered_whole_and_streamed()
    {
        ResponsesClient client = _openAi.GetResponsesClient();
        ResponseResult whole = await client.CreateResponseAsync(TestOperator.Model, "Answer in one line.", cancellationToken: Token);

        int events = 0;
        bool completed = false;
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(TestOperator.Model, "Stream this one.", cancellationToken: Token))
        {
            events++;
            completed |= update is StreamingResponseCompletedUpdate;
        }

        Assert.NotEmpty(whole.GetOutputText());
        Assert.True(completed);
        Assert.True(events > 3);
        Assert.Equal(2, (await _app.Client.SettledAsync()).Spent);
    }
#pragma warning restore OPENAI001

    [Fact]
    public async Task Embeddings_are_answered()
    {
        OpenAIEmbeddingCollection embeddings = await _openAi.GetEmbeddingClient(TestOperator.Model).GenerateEmbeddingsAsync(["one", "two"], cancellationToken: Token);

        Assert.Equal(2, embeddings.Count);
        Assert.NotEqual(0, embeddings[0].ToFloats().Length);
    }

    [Fact]
    public async Task Models_are_listed_and_found_without_a_token()
    {
        OpenAIModelCollection models = await _openAi.GetOpenAIModelClient().GetModelsAsync(Token);
        OpenAIModel one = await _openAi.GetOpenAIModelClient().GetModelAsync(TestOperator.Model, Token);

        Assert.Contains(models, model => model.Id == TestOperator.Model);
        Assert.Equal(TestOperator.Model, one.Id);
        Assert.Equal(10, (await _app.Client.HoldingsAsync()).Held);
    }

    [Fact]
    public async Task Unknown_model_is_told_as_the_library_expects_and_costs_nothing()
    {
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(
            () => _openAi.GetChatClient("no-such-model").CompleteChatAsync([new UserChatMessage("Hello?")], cancellationToken: Token));

        Assert.Equal(404, error.Status);
        Assert.Equal(10, (await _app.Client.HoldingsAsync()).Held);
    }

    [Fact]
    public async Task Nothing_of_the_library_but_the_body_reaches_the_gateway()
    {
        await _openAi.GetChatClient(TestOperator.Model).CompleteChatAsync(
            [new UserChatMessage("Who am I?")], new ChatCompletionOptions { EndUserId = "alice@example.com", Metadata = { ["customer"] = "canary-4711" } }, Token);

        Passing seen = Assert.Single(_app.System.GatewayFront.SeenAt("/v1/chat/completions"));
        Assert.Equal(["Accept", "Authorization", "Content-Length", "Content-Type", "Host"], seen.Headers.Keys.Order(StringComparer.Ordinal));
        Assert.StartsWith("PrivateToken token=", seen.Headers["Authorization"], StringComparison.Ordinal);
        string body = Encoding.UTF8.GetString(seen.Body);
        Assert.DoesNotContain("alice", body, StringComparison.Ordinal);
        Assert.DoesNotContain("canary", body, StringComparison.Ordinal);
        Assert.Contains("Who am I?", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Library_that_repeats_a_request_by_itself_pays_once()
    {
        // The .NET library does not honour x-should-retry: it repeats what fails with 503.
        _app.System.GatewayFront.Next(
            Mishap.LoseReply, Mishap.LoseReply, Mishap.LoseReply, Mishap.LoseReply);

        ChatCompletion completion = await _openAi.GetChatClient(TestOperator.Model).CompleteChatAsync([new UserChatMessage("Say it once.")], cancellationToken: Token);

        Assert.NotEmpty(completion.Content[0].Text);
        PlanHoldings holdings = await _app.Client.SettledAsync();
        Assert.Equal((9, 1), (holdings.Held, holdings.Spent));
        Assert.Single(_app.System.GatewayFront.SeenAt("/v1/chat/completions").Select(seen => seen.Headers["Authorization"]).Distinct());
    }

    [Fact]
    public async Task Library_sees_nothing_of_a_line_that_breaks_in_every_reply()
    {
        TestOperator system = await TestOperator.StartAsync();
        await using BrittleLine line = BrittleLine.To(system.Gateway.Address);
        await using TestApp app = await TestApp.StartAsync(
            system: system, change: options => options with { Redemption = options.Redemption with { GatewayAddress = line.Address } });
        ChatClient chat = new OpenAIClient(new ApiKeyCredential("any"), new OpenAIClientOptions { Endpoint = app.BaseUrl }).GetChatClient(TestOperator.Model);
        string whole = (await StreamAsync(chat)).Text;
        long length = line.LastAnswer;
        line.Next(new LineCut(Breakage.Reset, length / 4), new LineCut(Breakage.Close, length / 2), new LineCut(Breakage.Reset, length * 3 / 4));

        (string text, bool hasEnded) = await StreamAsync(chat);

        Assert.True(hasEnded);
        Assert.Equal(whole, text);
        Assert.Equal(2, (await app.Client.SettledAsync()).Spent);

        static async Task<(string Text, bool HasEnded)> StreamAsync(ChatClient chat)
        {
            var text = new StringBuilder();
            bool hasEnded = false;
            await foreach (StreamingChatCompletionUpdate update in chat.CompleteChatStreamingAsync([new UserChatMessage("Stream it.")], cancellationToken: Token))
            {
                text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
                hasEnded |= update.FinishReason is not null;
            }

            return (text.ToString(), hasEnded);
        }
    }
}
