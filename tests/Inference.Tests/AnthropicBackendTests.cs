using System.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>A server that speaks Anthropic's API, asked for messages and for chat completions; and one that speaks OpenAI's, asked for messages.</summary>
public sealed class AnthropicBackendTests
{
    private const string Message = """{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"text","text":"hello"}],"stop_reason":"end_turn","stop_sequence":null,"container":{"id":"c"},"usage":{"input_tokens":7,"cache_read_input_tokens":3,"output_tokens":5}}""";

    private const string Opening = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[],\"usage\":{\"input_tokens\":7,\"cache_read_input_tokens\":3,\"output_tokens\":1}}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n";

    private const string Content = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\nevent: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n";

    private const string Ending = "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    private const string Overloaded = "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}";

    private static BackendOptions Anthropic(ScriptedProvider provider) => RouterHarness.Backend(provider.BaseUrl) with { Kind = BackendKind.Anthropic };

    private static RouterHarness Harness(params ReadOnlySpan<BackendOptions> backends) => new(new InferenceOptions { Backends = [.. backends], MaxEventBytes = 4096 });

    [Fact]
    public async Task Message_goes_on_as_it_is_with_the_key_and_the_version_and_nothing_else()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(Message, headers: "request-id: req_1\r\n"));
        await using RouterHarness harness = Harness(Anthropic(provider));
        string text = await harness.AskAsync(Operation.Messages, extra: ",\"max_tokens\":9,\"metadata\":{\"user_id\":\"u\"}");
        Assert.Equal(Message.Replace("\"container\":{\"id\":\"c\"},", "", StringComparison.Ordinal), text);
        ScriptedRequest request = Assert.Single(provider.Requests);
        Assert.Equal("POST /v1/messages HTTP/1.1", request.Line);
        Assert.Equal(RouterHarness.Body(Operation.Messages, false, extra: ",\"max_tokens\":9").Replace("\"messages\"", "\"max_tokens\":9,\"messages\"", StringComparison.Ordinal).Replace(",\"max_tokens\":9}", "}", StringComparison.Ordinal), request.Text);
        Assert.Equal((RouterHarness.Key, "2023-06-01", null), (request.Header("x-api-key"), request.Header("anthropic-version"), request.Header("Authorization")));
        Assert.Equal(
            ["accept", "anthropic-version", "content-length", "content-type", "host", "x-api-key"],
            request.Headers.Select(header => header.Key.ToLowerInvariant()).Order());
    }

    [Fact]
    public async Task Stream_goes_on_as_it_is()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.EventsAsync(Opening + Content + Ending));
        await using RouterHarness harness = Harness(Anthropic(provider));
        Assert.Equal(Opening + Content + Ending, await harness.AskAsync(Operation.Messages, stream: true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Chat_completion_is_asked_as_a_message(bool stream)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => stream ? exchange.EventsAsync(Opening + Content + Ending) : exchange.JsonAsync(Message));
        await using RouterHarness harness = Harness(Anthropic(provider));
        string text = await harness.AskAsync(stream: stream, extra: stream ? ",\"stream_options\":{\"include_usage\":true}" : "");
        ScriptedRequest request = Assert.Single(provider.Requests);
        Assert.Equal("POST /v1/messages HTTP/1.1", request.Line);
        Assert.Contains($"\"max_tokens\":4096,\"messages\":[{{\"role\":\"user\",\"content\":[{{\"type\":\"text\",\"text\":\"{RouterHarness.Prompt}\"}}]}}]", request.Text, StringComparison.Ordinal);
        if (stream)
        {
            Assert.Contains("\"delta\":{\"content\":\"hello\"}", text, StringComparison.Ordinal);
            Assert.Contains("\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,\"total_tokens\":15", text, StringComparison.Ordinal);
            Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        }
        else
        {
            JsonElement reply = JsonDocument.Parse(text).RootElement;
            Assert.Equal(("hello", 15), (reply.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString(), reply.GetProperty("usage").GetProperty("total_tokens").GetInt32()));
        }
    }

    [Theory]
    [InlineData(false, null)]
    [InlineData(true, "max_tokens")]
    public async Task Message_is_asked_as_a_chat_completion(bool stream, string? capMember)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => stream
            ? exchange.EventsAsync("data: {\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n")
            : exchange.JsonAsync("""{"id":"c","model":"m","choices":[{"index":0,"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":5}}"""));
        await using RouterHarness harness = Harness(RouterHarness.Backend(provider.BaseUrl) with { OutputCapMember = capMember });
        string text = await harness.AskAsync(Operation.Messages, stream);
        ScriptedRequest request = Assert.Single(provider.Requests);
        Assert.Equal(("POST /v1/chat/completions HTTP/1.1", "Bearer " + RouterHarness.Key), (request.Line, request.Header("Authorization")));
        Assert.StartsWith($"{{\"model\":\"{RouterHarness.Model}\",\"{capMember ?? "max_completion_tokens"}\":4096,", request.Text, StringComparison.Ordinal);
        Assert.EndsWith("\"store\":false}", request.Text, StringComparison.Ordinal);
        Assert.Contains("\"stop_reason\":\"end_turn\"", text, StringComparison.Ordinal);
        Assert.Contains("hello", text, StringComparison.Ordinal);
        Assert.Contains("\"output_tokens\":5", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(Operation.Messages, false)]
    [InlineData(Operation.ChatCompletions, false)]
    [InlineData(Operation.Messages, true)]
    public async Task Overloaded_server_gives_the_token_back_or_another_is_asked(Operation operation, bool hasOther)
    {
        await using ScriptedProvider tired = ScriptedProvider.Start(exchange => exchange.JsonAsync(Overloaded, 529));
        await using ScriptedProvider fresh = ScriptedProvider.Start(exchange => exchange.JsonAsync(Message));
        await using RouterHarness harness = hasOther ? Harness(Anthropic(tired), Anthropic(fresh)) : Harness(Anthropic(tired));
        if (hasOther)
        {
            Assert.Contains("hello", await harness.AskAsync(operation), StringComparison.Ordinal);
            return;
        }

        (ProviderException failure, _) = await harness.FailAsync(operation);
        Assert.Equal((ErrorCodes.ProviderError, false), (failure.Error.Code, failure.ClientProvoked));
    }

    [Theory]
    [InlineData(Operation.Messages)]
    [InlineData(Operation.ChatCompletions)]
    public async Task Refusal_of_the_request_is_told_as_it_is(Operation operation)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync("{\"type\":\"error\",\"error\":{\"type\":\"invalid_request_error\",\"message\":\"prompt is too long\"}}", 400));
        await using RouterHarness harness = Harness(Anthropic(provider));
        (ProviderException failure, _) = await harness.FailAsync(operation);
        Assert.Equal((ErrorCodes.ProviderRejected, 400, "prompt is too long", true), (failure.Error.Code, failure.Error.Status, failure.Error.Message, failure.ClientProvoked));
    }

    /// <summary>What follows the opening, whether content came before it went wrong, and the code.</summary>
    public static TheoryData<string, bool, string> Breaks => new()
    {
        { "", false, ErrorCodes.ProviderError },
        { $"event: error\ndata: {Overloaded}\n\n", false, ErrorCodes.ProviderError },
        { "event: content_block_start\ndata: {\n\n", false, ErrorCodes.ProviderError },
        { "event: content_block_start\ndata: " + new string(' ', 8192), false, ErrorCodes.ReplyTooLarge },
        { Content, true, ErrorCodes.ReplyInterrupted },
        { Content + $"event: error\ndata: {Overloaded}\n\n", true, ErrorCodes.ReplyInterrupted },
        { Content + "event: message_delta\ndata: []\n\n", true, ErrorCodes.ReplyInterrupted },
        { Content + "event: content_block_start\ndata: " + new string(' ', 8192), true, ErrorCodes.ReplyTooLarge },
    };

    [Theory]
    [MemberData(nameof(Breaks))]
    public async Task Stream_that_breaks_before_content_is_a_failure_and_after_it_an_interruption(string rest, bool hasContent, string code)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(Opening + rest);
            await exchange.EndChunksAsync();
        });
        await using RouterHarness harness = Harness(Anthropic(provider));
        foreach (Operation operation in (Operation[])[Operation.Messages, Operation.ChatCompletions])
        {
            (ProviderException failure, string before) = await harness.FailAsync(operation, stream: true);
            Assert.Equal((code, code == ErrorCodes.ReplyTooLarge), (failure.Error.Code, failure.ClientProvoked));
            Assert.Equal(hasContent, before.Contains("hello", StringComparison.Ordinal));
            Assert.Equal(hasContent, before.Length > 0);
        }
    }

    [Fact]
    public async Task Opening_without_end_is_bounded()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            for (int i = 0; i < 1000; i++)
            {
                await exchange.ChunkAsync("event: ping\ndata: {\"type\":\"ping\"}\n\n");
            }

            await exchange.HangAsync();
        });
        await using RouterHarness harness = Harness(Anthropic(provider));
        (ProviderException failure, string before) = await harness.FailAsync(Operation.Messages, stream: true);
        Assert.Equal((ErrorCodes.ReplyTooLarge, ""), (failure.Error.Code, before));
    }

    [Theory]
    [InlineData(Operation.Messages)]
    [InlineData(Operation.ChatCompletions)]
    public async Task Cost_is_counted_from_what_the_server_says(Operation operation)
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(
            exchange => exchange.JsonAsync(Message), exchange => exchange.EventsAsync(Opening + Content + Ending));
        await using RouterHarness harness = Harness(Anthropic(provider) with { KeyBudget = new KeyBudget { TokensPerDay = 1000 } });
        await harness.AskAsync(operation);
        Assert.Equal(15, harness.Router.Usage.Single().Day.Tokens);
        await harness.AskAsync(operation, stream: true);
        Assert.Equal(30, harness.Router.Usage.Single().Day.Tokens);
    }

    [Theory]
    [InlineData(Operation.ChatCompletions, "\"n\":2", "n")]
    [InlineData(Operation.ChatCompletions, "\"seed\":1", "seed")]
    [InlineData(Operation.Embeddings, "\"dimensions\":1", "model")]
    [InlineData(Operation.Responses, "\"truncation\":\"auto\"", "model")]
    public async Task Request_that_cannot_be_translated_is_known_before_anything_is_spent(Operation operation, string member, string param)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(Message));
        await using RouterHarness harness = Harness(Anthropic(provider));
        using var body = new SensitiveBuffer();
        Assert.Null(RequestFilter.Filter(operation, Encoding.UTF8.GetBytes(RouterHarness.Body(operation, false, extra: "," + member)), new RequestLimits(4096), body, out _));
        ApiError? error = harness.Router.Check(operation, RouterHarness.Model, body.WrittenSpan);
        Assert.Equal((ErrorCodes.InvalidValue, param), (error?.Code, error?.Param));
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(() => harness.SendAsync(operation, extra: "," + member));
        Assert.Equal((error, true), (failure.Error, failure.ClientProvoked));
        Assert.Empty(provider.Requests);
    }

    [Fact]
    public async Task Request_goes_to_the_backend_that_understands_it()
    {
        await using ScriptedProvider one = ScriptedProvider.Start(exchange => exchange.JsonAsync(Message));
        await using ScriptedProvider other = ScriptedProvider.Start(exchange => exchange.JsonAsync("""{"id":"c","choices":[]}"""));
        await using RouterHarness harness = Harness(Anthropic(one), RouterHarness.Backend(other.BaseUrl));
        Assert.Contains("\"c\"", await harness.AskAsync(extra: ",\"seed\":1"), StringComparison.Ordinal);
        Assert.Empty(one.Requests);
        Assert.Contains("hello", await harness.AskAsync(), StringComparison.Ordinal);
    }
}
