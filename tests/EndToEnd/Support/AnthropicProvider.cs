using System.Collections.Concurrent;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.EndToEnd.Support;

/// <summary>
/// A server of Anthropic's Messages that follows a script by what it is asked: it calls the tool it is offered, says what it is told of a tool's result, and for some
/// words is overloaded, breaks off or never ends. Its streams have the events, order and members of the real one.
/// </summary>
internal sealed class AnthropicProvider : IAsyncDisposable
{
    public const string Model = "claude-test";

    private readonly ConcurrentQueue<(string Headers, string Body)> _requests = new();
    private readonly TaskCompletionSource _gone = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private WebServer? _server;
    private int _overloads;

    /// <summary>What it was sent.</summary>
    public IReadOnlyCollection<(string Headers, string Body)> Requests => _requests;

    /// <summary>Ends when a reply that never ends was given up.</summary>
    public Task Gone => _gone.Task;

    public InferenceOptions Inference => new()
    {
        Backends =
        [
            new BackendOptions
            {
                Name = "anthropic", Kind = BackendKind.Anthropic, BaseUrl = new Uri(_server!.Address, "v1"), Keys = [new ProviderKey("sk-ant-test"u8)],
                Models = new Dictionary<string, string> { [WholeSystem.Model + "-claude"] = Model },
            },
        ],
    };

    public static async Task<AnthropicProvider> StartAsync()
    {
        var provider = new AnthropicProvider();
        provider._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero },
            routes => routes.MapPost("/v1/messages", (RequestDelegate)provider.AnswerAsync),
            TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        return provider;
    }

    public async ValueTask DisposeAsync() => await _server!.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        using JsonDocument request = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
        string body = request.RootElement.GetRawText();
        _requests.Enqueue((string.Join('\n', context.Request.Headers.Select(header => $"{header.Key}: {header.Value}")), body));
        if (context.Request.Headers["x-api-key"] != "sk-ant-test" || context.Request.Headers["anthropic-version"].Count != 1 || request.RootElement.GetProperty("model").GetString() != Model)
        {
            await FailAsync(context, 401, "authentication_error");
            return;
        }

        // Three times, so that the gateway's own attempts are used up and the client has to come back.
        if (body.Contains("Be overloaded.", StringComparison.Ordinal) && Interlocked.Increment(ref _overloads) <= 3)
        {
            await FailAsync(context, 529, "overloaded_error");
            return;
        }

        bool calls = body.Contains("\"tools\"", StringComparison.Ordinal) && !body.Contains("\"tool_result\"", StringComparison.Ordinal);
        string said = body.Contains("\"tool_result\"", StringComparison.Ordinal) ? "It is sunny." : body.Contains("\"type\":\"image\"", StringComparison.Ordinal) ? "An image of a cat." : "Hello from Claude.";
        if (!request.RootElement.TryGetProperty("stream", out JsonElement stream) || !stream.GetBoolean())
        {
            string content = calls ? """{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Paris"}}""" : $$"""{"type":"text","text":"{{said}}"}""";
            context.Response.ContentType = "application/json";
            await context.Response.WriteAsync(
                $$$"""{"id":"msg_1","type":"message","role":"assistant","model":"{{{Model}}}","content":[{{{content}}}],"stop_reason":"{{{(calls ? "tool_use" : "end_turn")}}}","stop_sequence":null,"usage":{"input_tokens":20,"output_tokens":5}}""",
                context.RequestAborted);
            return;
        }

        context.Response.ContentType = "text/event-stream; charset=utf-8";
        await EventAsync(context, $$$$"""{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"{{{{Model}}}}","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":20,"output_tokens":1}}}""");
        await EventAsync(context, calls
            ? """{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"weather","input":{}}}"""
            : """{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}""");
        await EventAsync(context, """{"type": "ping"}""");
        foreach (string piece in calls ? ["", "{\\\"city\\\": \\\"Pa", "ris\\\"}"] : said.Split(' ').Select((word, i) => i == 0 ? word : " " + word))
        {
            await EventAsync(context, calls
                ? $$$"""{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{{{piece}}}"}}"""
                : $$$"""{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"{{{piece}}}"}}""");
        }

        if (body.Contains("Break off.", StringComparison.Ordinal))
        {
            await EventAsync(context, """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}""");
            return;
        }

        if (body.Contains("Never end.", StringComparison.Ordinal))
        {
            using CancellationTokenRegistration gone = context.RequestAborted.Register(() => _gone.TrySetResult());
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        }

        await EventAsync(context, """{"type":"content_block_stop","index":0}""");
        await EventAsync(context, $$$"""{"type":"message_delta","delta":{"stop_reason":"{{{(calls ? "tool_use" : "end_turn")}}}","stop_sequence":null},"usage":{"output_tokens":5}}""");
        await EventAsync(context, """{"type":"message_stop"}""");
    }

    private static async Task EventAsync(HttpContext context, string data)
    {
        using JsonDocument json = JsonDocument.Parse(data);
        await context.Response.WriteAsync($"event: {json.RootElement.GetProperty("type").GetString()}\ndata: {data}\n\n", context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private static async Task FailAsync(HttpContext context, int status, string type)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync($$$"""{"type":"error","error":{"type":"{{{type}}}","message":"Told by the script."},"request_id":"req_1"}""", context.RequestAborted);
    }
}
