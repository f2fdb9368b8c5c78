using System.ClientModel;
using System.ClientModel.Primitives;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using OpenAI;
using OpenAI.Chat;
using OpenAI.Embeddings;
using OpenAI.Responses;
using Tacit.Protocol;

#pragma warning disable OPENAI001 // The responses client is marked as experimental; it is what people use.

namespace Tacit.Inference.Tests;

/// <summary>OpenAI's own client: what it sends passes the filter, and what the demo model answers it can read. The sockets between are left out.</summary>
public sealed class OfficialClientTests : IAsyncDisposable
{
    private readonly RouterHarness _harness = new(new InferenceOptions { DemoModel = true });
    private readonly OpenAIClient _client;

    public OfficialClientTests()
    {
        // The handler is owned by the client's transport, which lives as long as this test.
        _client = new OpenAIClient(new ApiKeyCredential("unused"), new OpenAIClientOptions
        {
            Endpoint = new Uri("http://tacit.invalid/v1"),
            Transport = new HttpClientPipelineTransport(new HttpClient(new FilterHandler(_harness.Router))),
            RetryPolicy = new ClientRetryPolicy(0),
        });
    }

    public ValueTask DisposeAsync() => _harness.DisposeAsync();

    [Fact]
    public async Task Chat_with_tools_images_and_settings_is_answered()
    {
        var options = new ChatCompletionOptions
        {
            Temperature = 0.5f,
            MaxOutputTokenCount = 300,
            EndUserId = "canary-user",
            StoredOutputEnabled = true,
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat("n", BinaryData.FromString("{\"type\":\"object\"}")),
            ToolChoice = ChatToolChoice.CreateAutoChoice(),
        };
        options.Tools.Add(ChatTool.CreateFunctionTool("f", "d", BinaryData.FromString("{\"type\":\"object\",\"properties\":{\"file_id\":{\"type\":\"string\"}}}"), true));
        options.Metadata["canary"] = "canary";
        ChatMessage[] messages =
        [
            new SystemChatMessage("be brief"),
            new UserChatMessage(
                ChatMessageContentPart.CreateTextPart("what is this"),
                ChatMessageContentPart.CreateImagePart(BinaryData.FromBytes(new byte[] { 1, 2 }), "image/png"),
                ChatMessageContentPart.CreateImagePart(new Uri("https://example.org/a.png"))),
            new AssistantChatMessage([ChatToolCall.CreateFunctionToolCall("c", "f", BinaryData.FromString("{}"))]),
            new ToolChatMessage("c", "42"),
        ];
        ChatCompletion completion = await _client.GetChatClient(InferenceRouter.DemoModelName).CompleteChatAsync(messages, options, TestContext.Current.CancellationToken);
        Assert.Equal(ChatFinishReason.Stop, completion.FinishReason);
        Assert.Contains("4 messages", completion.Content[0].Text, StringComparison.Ordinal);
        Assert.Contains("2 images", completion.Content[0].Text, StringComparison.Ordinal);
        Assert.True(completion.Usage.TotalTokenCount > 0);

        // A reply sent back in the next turn passes as well.
        ChatMessage[] next = [.. messages, new AssistantChatMessage(completion), new UserChatMessage("and now?")];
        completion = await _client.GetChatClient(InferenceRouter.DemoModelName).CompleteChatAsync(next, options, TestContext.Current.CancellationToken);
        Assert.Contains("6 messages", completion.Content[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chat_stream_is_read_to_its_end()
    {
        var text = new StringBuilder();
        ChatFinishReason? finish = null;
        int updates = 0;
        int tokens = 0;
        await foreach (StreamingChatCompletionUpdate update in _client.GetChatClient(InferenceRouter.DemoModelName).CompleteChatStreamingAsync(
            [new UserChatMessage("hello")], new ChatCompletionOptions(), TestContext.Current.CancellationToken))
        {
            updates++;
            text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
            finish = update.FinishReason ?? finish;
            tokens = update.Usage?.TotalTokenCount ?? tokens;
        }

        Assert.Equal(ChatFinishReason.Stop, finish);
        Assert.Contains("streamed", text.ToString(), StringComparison.Ordinal);
        Assert.True(updates > 10 && tokens > 0);
    }

    [Fact]
    public async Task Response_is_read_whole_and_streamed()
    {
        ResponsesClient client = _client.GetResponsesClient();
        var options = new CreateResponseOptions(InferenceRouter.DemoModelName, [ResponseItem.CreateUserMessageItem("hello there")]) { StoredOutputEnabled = true };
        ResponseResult whole = await client.CreateResponseAsync(options, TestContext.Current.CancellationToken);
        Assert.Equal(ResponseStatus.Completed, whole.Status);
        Assert.Contains("2 words", whole.GetOutputText(), StringComparison.Ordinal);

        var next = new CreateResponseOptions(InferenceRouter.DemoModelName, [.. options.InputItems, .. whole.OutputItems, ResponseItem.CreateUserMessageItem("more")]) { StreamingEnabled = true };
        var text = new StringBuilder();
        StreamingResponseUpdate? last = null;
        await foreach (StreamingResponseUpdate update in await client.CreateResponseStreamingAsync(next, TestContext.Current.CancellationToken))
        {
            text.Append((update as StreamingResponseOutputTextDeltaUpdate)?.Delta);
            last = update;
        }

        Assert.Contains("3 messages", text.ToString(), StringComparison.Ordinal);
        Assert.Equal(text.ToString(), Assert.IsType<StreamingResponseCompletedUpdate>(last).Response.GetOutputText());
    }

    [Fact]
    public async Task Embeddings_are_read()
    {
        OpenAIEmbeddingCollection vectors = await _client.GetEmbeddingClient(InferenceRouter.DemoModelName).GenerateEmbeddingsAsync(
            ["a", "b"], new EmbeddingGenerationOptions { Dimensions = 32, EndUserId = "canary" }, TestContext.Current.CancellationToken);
        Assert.Equal(2, vectors.Count);
        Assert.Equal(32, vectors[0].ToFloats().Length);
    }

    [Fact]
    public async Task Refusal_reaches_the_caller_as_the_clients_own_error()
    {
        ClientResultException failure = await Assert.ThrowsAsync<ClientResultException>(() => _client.GetChatClient(InferenceRouter.DemoModelName).CompleteChatAsync(
            [new UserChatMessage("x")], new ChatCompletionOptions { WebSearchOptions = new ChatWebSearchOptions() }, TestContext.Current.CancellationToken));
        Assert.Equal(400, failure.Status);
        Assert.Contains("web_search_options", failure.Message, StringComparison.Ordinal);
    }

    /// <summary>Stands where the network and the gateway are: filter, router, reply.</summary>
    private sealed class FilterHandler(InferenceRouter router) : HttpMessageHandler
    {
        protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Operation operation = request.RequestUri!.AbsolutePath switch
            {
                "/v1/chat/completions" => Operation.ChatCompletions,
                "/v1/responses" => Operation.Responses,
                "/v1/embeddings" => Operation.Embeddings,
                string other => throw new InvalidOperationException(other),
            };
            using var body = new SensitiveBuffer();
            byte[] sent = await request.Content!.ReadAsByteArrayAsync(cancellationToken);
            ApiError? error = RequestFilter.Filter(operation, sent, new RequestLimits(4096), body, out FilteredRequest filtered);
            if (error is not null)
            {
                return Answer((HttpStatusCode)error.Status, "application/json", error.Encode());
            }

            Assert.DoesNotContain("canary", Encoding.UTF8.GetString(body.WrittenSpan), StringComparison.Ordinal);
            await using ProviderReply reply = await router.SendAsync(operation, filtered.Model, filtered.Stream, body.WrittenMemory, RequestFacts.None, cancellationToken);
            return Answer(HttpStatusCode.OK, reply.ContentType, Encoding.UTF8.GetBytes(await RouterHarness.ReadAllAsync(reply)));
        }

        private static HttpResponseMessage Answer(HttpStatusCode status, string type, byte[] body)
        {
            var response = new HttpResponseMessage(status) { Content = new ByteArrayContent(body) };
            response.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
            return response;
        }
    }
}
