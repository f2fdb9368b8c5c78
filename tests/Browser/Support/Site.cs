using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;

namespace Tacit.Browser.Support;

/// <summary>A site of somebody else, on this machine, that notes every request; in the browser it has the names that end in <c>.test</c>.</summary>
internal sealed class Site : IAsyncDisposable
{
    private WebServer? _server;

    /// <summary>What it answers, by path; anything else gets an empty page.</summary>
    public ConcurrentDictionary<string, (string MediaType, string Content)> Pages { get; } = new();

    /// <summary>Method, path and query of all that was asked.</summary>
    public ConcurrentQueue<string> Asked { get; } = new();

    public int Port => _server!.Address.Port;

    public string At(string host, string path = "/") => $"http://{host}:{Port}{path}";

    public static async Task<Site> StartAsync()
    {
        var site = new Site();
        site._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "site", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero },
            routes => routes.MapFallback("{**path}", (RequestDelegate)site.AnswerAsync),
            TimeProvider.System,
            NullLoggerFactory.Instance,
            CancellationToken.None);
        return site;
    }

    public ValueTask DisposeAsync() => _server!.DisposeAsync();

    private Task AnswerAsync(HttpContext context)
    {
        Asked.Enqueue($"{context.Request.Method} {context.Request.Path}{context.Request.QueryString}");
        (string type, string content) = Pages.GetValueOrDefault(context.Request.Path, ("text/html; charset=utf-8", ""));
        context.Response.ContentType = type;
        return context.Response.WriteAsync(content, context.RequestAborted);
    }
}
