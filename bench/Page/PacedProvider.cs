using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Bench.Page;

/// <summary>A provider that answers at once; a question that begins with <c>long</c> gets a long answer, word by word at the pace of a fast model.</summary>
internal sealed class PacedProvider : IAsyncDisposable
{
    internal const string Model = "bench";

    /// <summary>The word that the short answer is.</summary>
    internal const string Answer = "Hello";

    /// <summary>Pieces of a long answer, and what lies between two.</summary>
    internal const int LongPieces = 500;
    internal static readonly TimeSpan Pace = TimeSpan.FromMilliseconds(10);

    private WebServer? _server;

    internal InferenceOptions Inference => new()
    {
        Backends = [new BackendOptions { Name = "paced", BaseUrl = new Uri(_server!.Address, "/v1"), Models = new Dictionary<string, string> { [Model] = Model }, MaxConcurrency = 256 }],
    };

    internal static async Task<PacedProvider> StartAsync(CancellationToken cancellationToken)
    {
        var provider = new PacedProvider();
        provider._server = await WebServer.StartAsync(
            new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero },
            routes => routes.MapPost("/v1/chat/completions", (RequestDelegate)AnswerAsync),
            TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        return provider;
    }

    /// <summary>Markdown as models write it: headings, lists, code, a table, a formula.</summary>
    internal static string Paragraph(int index) => (index % 5) switch
    {
        0 => string.Create(CultureInfo.InvariantCulture, $"### Part {index}\n\nA blind signature lets somebody sign *what they never see*. The holder of the key learns **nothing** but that it signed, and `Finalize` gives a token.\n\n"),
        1 => "- first the message is blinded,\n- then it is signed,\n- then the blinding is taken off.\n\n",
        2 => "```csharp\nusing BlindingState state = key.Blind(variant, prepared, blinded);\nbool done = state.TryFinalize(signature, token);\n```\n\n",
        3 => "| step | who | cost |\n|---|---|---|\n| blind | wallet | 0.1 ms |\n| sign | signer | 0.7 ms |\n\n",
        _ => "With a modulus $n$ and $r$ at random, $m' = m r^e \\bmod n$, so that $s = s' r^{-1} \\bmod n$.\n\n",
    };

    public ValueTask DisposeAsync() => _server!.DisposeAsync();

    private static async Task AnswerAsync(HttpContext context)
    {
        using JsonDocument request = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        JsonElement content = request.RootElement.GetProperty("messages").EnumerateArray().Last().GetProperty("content");
        string question = content.ValueKind == JsonValueKind.String ? content.GetString()! : content[0].GetProperty("text").GetString()!;
        context.Response.ContentType = "text/event-stream";
        if (!question.StartsWith("long", StringComparison.Ordinal))
        {
            await SayAsync(context, Answer);
        }
        else
        {
            string all = string.Concat(Enumerable.Range(0, 200).Select(Paragraph));
            using var pace = new PeriodicTimer(Pace);
            for (int i = 0; i < LongPieces && await pace.WaitForNextTickAsync(context.RequestAborted); i++)
            {
                await SayAsync(context, all.Substring(i * 8, 8));
            }
        }

        await context.Response.WriteAsync("data: [DONE]\n\n", context.RequestAborted);
    }

    private static async Task SayAsync(HttpContext context, string text)
    {
        await context.Response.WriteAsync(
            $$$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"{{{Model}}}","choices":[{"index":0,"delta":{"content":{{{JsonSerializer.Serialize(text)}}}},"finish_reason":null}]}""" + "\n\n",
            Encoding.UTF8, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }
}
