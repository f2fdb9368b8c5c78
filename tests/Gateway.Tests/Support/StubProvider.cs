using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;

namespace Tacit.Gateway.Tests.Support;

/// <summary>An OpenAI-compatible server on a real socket that answers as the test says.</summary>
public sealed class StubProvider : IAsyncDisposable
{
    public const string Reply = """{"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"four"},"finish_reason":"stop"}]}""";

    private WebServer? _server;
    private int _calls;

    public int Calls => Volatile.Read(ref _calls);

    public Uri BaseUrl => new(_server!.Address, "v1");

    /// <summary>How the next calls are answered.</summary>
    public Func<HttpContext, Task> Answer { get; set; } = AnswerJsonAsync;

    public static async Task<StubProvider> StartAsync()
    {
        var provider = new StubProvider();
        provider._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero },
            routes => routes.MapFallback((RequestDelegate)provider.HandleAsync),
            TimeProvider.System,
            NullLoggerFactory.Instance,
            TestContext.Current.CancellationToken);
        return provider;
    }

    public static async Task AnswerStreamAsync(HttpContext context)
    {
        await BeginStreamAsync(context);
        await SendEventAsync(context, "one");
        await EndStreamAsync(context);
    }

    /// <summary>A stream of one event, and of another once the test says so.</summary>
    public static Func<HttpContext, Task> AnswerInTwo(Task between) => async context =>
    {
        await BeginStreamAsync(context);
        await SendEventAsync(context, "one");
        await between;
        await SendEventAsync(context, "two");
        await EndStreamAsync(context);
    };

    public static Task AnswerJsonAsync(HttpContext context) => WriteJsonAsync(context, Reply);

    public static async Task WriteJsonAsync(HttpContext context, string json, int status = 200)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json";
        await context.Response.WriteAsync(json, context.RequestAborted);
    }

    public static async Task BeginStreamAsync(HttpContext context)
    {
        context.Response.ContentType = "text/event-stream";
        await context.Response.StartAsync(context.RequestAborted);
    }

    public static string Event(string content) =>
        $$$"""data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"{{{content}}}"},"finish_reason":null}]}""" + "\n\n";

    public static async Task SendEventAsync(HttpContext context, string content)
    {
        await context.Response.WriteAsync(Event(content), context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    /// <summary>More than the sockets between hold.</summary>
    public static async Task StreamEightMegabytesAsync(HttpContext context)
    {
        await BeginStreamAsync(context);
        string filler = new('x', 8000);
        for (int i = 0; i < 1000; i++)
        {
            await SendEventAsync(context, filler);
        }

        await EndStreamAsync(context);
    }

    public static Task EndStreamAsync(HttpContext context) => context.Response.WriteAsync("data: [DONE]\n\n", context.RequestAborted);

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }
    }

    private Task HandleAsync(HttpContext context)
    {
        Interlocked.Increment(ref _calls);
        return Answer(context);
    }
}
