using System.Collections.Concurrent;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Tests;

/// <summary>
/// A gateway that knows this user's device, in front of a model that says what a test wants it to say. The first answer to a question with the words "never end" does not.
/// </summary>
internal sealed class ScriptedModel : IAsyncDisposable
{
    public const string Name = "scripted";

    private readonly TemporaryFolder _folder = new();
    private readonly ConcurrentQueue<JsonElement> _asked = new();
    private WebServer? _provider;
    private InferenceRouter? _router;
    private GatewayServer? _gateway;

    private ScriptedModel(Func<HttpContext, Task>? before, Func<string, IEnumerable<string>> answer)
    {
        Before = before;
        Answer = answer;
    }

    /// <summary>The user's data folder.</summary>
    public string Data => _folder["user"];

    /// <summary>Everything that reached the provider, in order.</summary>
    public IReadOnlyList<JsonElement> Asked => [.. _asked];

    private Func<HttpContext, Task>? Before { get; }

    private Func<string, IEnumerable<string>> Answer { get; }

    /// <param name="answer">The pieces of the answer to a question, which is the last message's text.</param>
    /// <param name="before">Done before the first piece is sent.</param>
    public static async Task<ScriptedModel> StartAsync(Func<string, IEnumerable<string>> answer, Func<HttpContext, Task>? before = null)
    {
        ScriptedModel model = new(before, answer);
        CancellationToken stop = TestContext.Current.CancellationToken;
        model._provider = await WebServer.StartAsync(
            new WebServerOptions { Role = "provider", Listen = ListenAddress.Loopback(0), MaxRequestBodyBytes = null }, routes => routes.MapPost("/v1/chat/completions", (RequestDelegate)model.AnswerAsync),
            TimeProvider.System, NullLoggerFactory.Instance, stop);
        model._router = new InferenceRouter(
            new InferenceOptions
            {
                Backends = [new BackendOptions { Name = "scripted", BaseUrl = new Uri(model._provider.Address, "/v1"), Models = new Dictionary<string, string> { [Name] = Name } }],
            },
            TimeProvider.System, NullLoggerFactory.Instance);
        model._gateway = await GatewayServer.StartAsync(
            new GatewayOptions { Name = "home", Listen = ListenAddress.Loopback(0), DataDirectory = model._folder["gateway"], Admission = AdmissionMode.Device },
            null, model._router, null, TimeProvider.System, NullLoggerFactory.Instance, stop);
        Outcome made = await Cli.RunAsync("device", "create", "--gateway", model._gateway.Address.ToString(), "--data", model.Data);
        Assert.True(made.Code == ExitCode.Fine, made.Error);
        Outcome added = await Cli.RunAsync("gateway", "devices", "add", made.Out.Trim(), "mine", "--data", model._folder["gateway"]);
        Assert.True(added.Code == ExitCode.Fine, added.Error);
        return model;
    }

    /// <summary>The messages of one request.</summary>
    public static JsonElement[] MessagesOf(JsonElement asked) => [.. asked.GetProperty("messages").EnumerateArray()];

    /// <summary>The text of a message, whether it is a string or has parts.</summary>
    public static string TextOf(JsonElement message)
    {
        JsonElement content = message.GetProperty("content");
        return content.ValueKind == JsonValueKind.String
            ? content.GetString()!
            : string.Concat(content.EnumerateArray().Where(part => part.GetProperty("type").GetString() == "text").Select(part => part.GetProperty("text").GetString()));
    }

    private async Task AnswerAsync(HttpContext context)
    {
        using JsonDocument body = await JsonDocument.ParseAsync(context.Request.Body, cancellationToken: context.RequestAborted);
        JsonElement asked = body.RootElement.Clone();
        _asked.Enqueue(asked);
        context.Response.ContentType = "text/event-stream";
        if (Before is not null)
        {
            await Before(context);
        }
        foreach (string piece in Answer(TextOf(MessagesOf(asked)[^1])))
        {
            string text = JavaScriptEncoder.Default.Encode(piece);
            await context.Response.WriteAsync(
                $"data: {{\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{text}\"}},\"finish_reason\":null}}]}}\n\n",
                context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
        }
        if (asked.ToString().Contains("never end", StringComparison.Ordinal) && _asked.Count == 1)
        {
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        }
        await context.Response.WriteAsync(
            "data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n",
            context.RequestAborted);
    }

    public async ValueTask DisposeAsync()
    {
        if (_gateway is not null)
        {
            await _gateway.DisposeAsync();
        }
        if (_router is not null)
        {
            await _router.DisposeAsync();
        }
        if (_provider is not null)
        {
            await _provider.DisposeAsync();
        }
        _folder.Dispose();
    }
}
