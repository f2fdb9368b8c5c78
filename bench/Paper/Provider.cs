using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;

namespace Tacit.Bench.Paper;

/// <summary>
/// The language model of the experiment: over TLS, after one second, always the same 430 bytes. The second is a model's thinking that costs no processor time,
/// as a model elsewhere costs none here.
/// </summary>
internal sealed class Provider : IAsyncDisposable
{
    internal const string Model = "bench";
    internal const int BodyBytes = 430;

    /// <summary>Asks for the headers that OpenAI's API reference lists for its replies ("Debugging requests"), and for no second.</summary>
    internal const string WithHeaders = "/with-headers";

    internal static readonly TimeSpan Delay = TimeSpan.FromSeconds(1);

    private static readonly byte[] s_body = Body();

    private WebServer? _server;
    private volatile bool _answersAtOnce;

    internal Uri Address => _server!.Address;

    /// <summary>Whether it answers without its second, while everything warms up.</summary>
    internal bool AnswersAtOnce
    {
        get => _answersAtOnce;
        set => _answersAtOnce = value;
    }

    internal static async Task<Provider> StartAsync(TlsOptions tls, CancellationToken cancellationToken)
    {
        var provider = new Provider();
        provider._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0), Tls = tls, DrainTimeout = TimeSpan.Zero },
            routes =>
            {
                routes.MapPost("/v1/chat/completions", (RequestDelegate)provider.AnswerAsync);
                routes.MapPost(WithHeaders, (RequestDelegate)AnswerWithHeadersAsync);
            },
            TimeProvider.System,
            NullLoggerFactory.Instance,
            cancellationToken);
        return provider;
    }

    public ValueTask DisposeAsync() => _server!.DisposeAsync();

    /// <summary>The barest reply that there is: length, type and date.</summary>
    private async Task AnswerAsync(HttpContext context)
    {
        await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        if (!AnswersAtOnce)
        {
            await Task.Delay(Delay, context.RequestAborted);
        }

        await WriteAsync(context);
    }

    private static async Task AnswerWithHeadersAsync(HttpContext context)
    {
        await context.Request.Body.CopyToAsync(Stream.Null, context.RequestAborted);
        foreach ((string name, string value) in new (string, string)[]
        {
            ("openai-organization", "org-bench"), ("openai-processing-ms", "1000"), ("openai-version", "2020-10-01"), ("x-request-id", new string('0', 36)),
            ("x-ratelimit-limit-requests", "60"), ("x-ratelimit-limit-tokens", "150000"), ("x-ratelimit-remaining-requests", "59"),
            ("x-ratelimit-remaining-tokens", "149984"), ("x-ratelimit-reset-requests", "1s"), ("x-ratelimit-reset-tokens", "6m0s"),
        })
        {
            context.Response.Headers[name] = value;
        }

        await WriteAsync(context);
    }

    private static async Task WriteAsync(HttpContext context)
    {
        context.Response.ContentType = "application/json";
        context.Response.ContentLength = s_body.Length;
        await context.Response.Body.WriteAsync(s_body, context.RequestAborted);
    }

    private static byte[] Body()
    {
        const string start = """{"id":"chatcmpl-bench","object":"chat.completion","created":1700000000,"model":"bench","choices":[{"index":0,"message":{"role":"assistant","content":""";
        const string end = """},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":40,"total_tokens":49}}""";
        return Encoding.ASCII.GetBytes(start + "\"" + new string('x', BodyBytes - start.Length - end.Length - 2) + "\"" + end);
    }
}
