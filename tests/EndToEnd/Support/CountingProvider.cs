using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;

namespace Tacit.EndToEnd.Support;

/// <summary>An OpenAI-compatible server that streams a known answer slowly enough to be interrupted, and counts what it was asked.</summary>
internal sealed class CountingProvider : IAsyncDisposable
{
    private const int Pieces = 6;

    private WebServer? _server;

    /// <summary>Calls by prompt.</summary>
    public ConcurrentDictionary<string, int> Calls { get; } = new();

    public Uri BaseUrl => new(_server!.Address, "v1");

    /// <summary>The pause between two events.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(10);

    /// <summary>What a prompt is answered, by how often it was asked.</summary>
    public Func<string, int, string> Answer { get; set; } = (prompt, _) => AnswerTo(prompt);

    /// <summary>Awaited before each piece of an answer, by how often its prompt was asked and the piece's number from 0.</summary>
    public Func<int, int, CancellationToken, Task> BeforePiece { get; set; } = (_, _, _) => Task.CompletedTask;

    public static async Task<CountingProvider> StartAsync(TimeSpan pause)
    {
        var provider = new CountingProvider { Pause = pause };
        provider._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero },
            routes => routes.MapPost("/v1/chat/completions", (RequestDelegate)provider.AnswerAsync),
            TimeProvider.System, NullLoggerFactory.Instance, CancellationToken.None);
        return provider;
    }

    /// <summary>The whole answer to a prompt.</summary>
    public static string AnswerTo(string prompt) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(prompt)))[..(4 * Pieces)];

    public async ValueTask DisposeAsync() => await _server!.DisposeAsync();

    private async Task AnswerAsync(HttpContext context)
    {
        using JsonDocument request = await JsonDocument.ParseAsync(context.Request.Body, default, context.RequestAborted);
        string prompt = request.RootElement.GetProperty("messages")[0].GetProperty("content").GetString()!;
        int call = Calls.AddOrUpdate(prompt, 1, (_, calls) => calls + 1);
        string answer = Answer(prompt, call);
        context.Response.ContentType = "text/event-stream";
        for (int i = 0; i < Pieces; i++)
        {
            await Task.Delay(Pause, context.RequestAborted);
            await BeforePiece(call, i, context.RequestAborted);
            await context.Response.WriteAsync(
                $$$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"{{{answer.Substring(4 * i, 4)}}}"},"finish_reason":null}]}""" + "\n\n",
                context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }

        await context.Response.WriteAsync("data: [DONE]\n\n", context.RequestAborted);
    }
}
