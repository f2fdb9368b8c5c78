using System.Diagnostics;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Bench.Tor;

/// <summary>A provider that answers at once, and notes when it was asked and when it answered last.</summary>
internal sealed class TimedProvider : IAsyncDisposable
{
    internal const string Model = "bench";

    private static readonly byte[] s_whole = Encoding.UTF8.GetBytes(
        $$$"""{"id":"c","object":"chat.completion","created":1,"model":"{{{Model}}}","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":11}}""");

    private static readonly byte[] s_events = Encoding.UTF8.GetBytes(
        $$$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"{{{Model}}}","choices":[{"index":0,"delta":{"content":"Hello."},"finish_reason":null}]}""" + "\n\ndata: [DONE]\n\n");

    private WebServer? _server;
    private long _asked;
    private long _answered;

    /// <summary>Timestamp of the last request.</summary>
    internal long Asked => Volatile.Read(ref _asked);

    /// <summary>Timestamp of its answer.</summary>
    internal long Answered => Volatile.Read(ref _answered);

    internal InferenceOptions Inference => new()
    {
        Backends = [new BackendOptions { Name = "timed", BaseUrl = new Uri(_server!.Address, "/v1"), Models = new Dictionary<string, string> { [Model] = Model }, MaxConcurrency = 256 }],
    };

    internal static string Body(string question, bool stream) =>
        $$"""{"model":"{{Model}}","stream":{{(stream ? "true" : "false")}},"messages":[{"role":"user","content":"{{question}}"}]}""";

    internal static async Task<TimedProvider> StartAsync(CancellationToken cancellationToken)
    {
        var provider = new TimedProvider();
        provider._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero },
            routes => routes.MapPost("/v1/chat/completions", (RequestDelegate)provider.AnswerAsync),
            TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        return provider;
    }

    public ValueTask DisposeAsync() => _server!.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        Volatile.Write(ref _asked, Stopwatch.GetTimestamp());
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        bool stream = body.GetBuffer().AsSpan(0, (int)body.Length).IndexOf("\"stream\":true"u8) >= 0;
        context.Response.ContentType = stream ? "text/event-stream" : "application/json";
        Volatile.Write(ref _answered, Stopwatch.GetTimestamp());
        await context.Response.Body.WriteAsync(stream ? s_events : s_whole, context.RequestAborted);
    }
}
