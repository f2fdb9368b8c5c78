using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Inference;
using Tacit.Inference.Tests;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>
/// A provider that counts what it is asked and streams a known answer. A prompt that begins with <c>hold</c> gets half of it, and the rest when the test says so; one that
/// begins with <c>refuse</c> is refused, so that its token comes back.
/// </summary>
internal sealed class HeldProvider : IAsyncDisposable
{
    public const string Model = "m";
    private const int Pieces = 16;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(6);

    private readonly ScriptedProvider _provider;
    private readonly ConcurrentDictionary<string, TaskCompletionSource> _held = new();

    private HeldProvider() => _provider = ScriptedProvider.Start(AnswerAsync);

    /// <summary>How often it was asked, by prompt.</summary>
    public ConcurrentDictionary<string, int> Calls { get; } = new();

    public InferenceOptions Inference => new()
    {
        Backends = [new BackendOptions { Name = "held", BaseUrl = _provider.BaseUrl, Models = new Dictionary<string, string> { [Model] = Model } }],
        Breaker = new BreakerOptions { MinFailures = 10_000 },
    };

    public static HeldProvider Start() => new();

    /// <summary>The whole answer to a prompt.</summary>
    public static string AnswerTo(string prompt) => Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(prompt)))[..(4 * Pieces)];

    public static byte[] Body(string prompt) => Encoding.UTF8.GetBytes($$"""{"model":"{{Model}}","stream":true,"messages":[{"role":"user","content":"{{prompt}}"}]}""");

    /// <summary>Lets the rest of the answer go.</summary>
    public void Release(string prompt) => Held(prompt).TrySetResult();

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    private TaskCompletionSource Held(string prompt) => _held.GetOrAdd(prompt, _ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    private async Task AnswerAsync(ScriptedExchange exchange)
    {
        using JsonDocument request = JsonDocument.Parse(exchange.Request.Body);
        string prompt = request.RootElement.GetProperty("messages")[0].GetProperty("content").GetString()!;
        Calls.AddOrUpdate(prompt, 1, (_, calls) => calls + 1);
        if (prompt.StartsWith("refuse", StringComparison.Ordinal))
        {
            await exchange.JsonAsync("""{"error":{"message":"busy","type":"server_error"}}""", 503);
            return;
        }

        string answer = AnswerTo(prompt);
        await exchange.BeginEventsAsync();
        for (int i = 0; i < Pieces; i++)
        {
            if (i == Pieces / 2 && prompt.StartsWith("hold", StringComparison.Ordinal))
            {
                await Held(prompt).Task.WaitAsync(s_patience, exchange.Stopping);
            }

            await exchange.ChunkAsync(
                $$$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"{{{answer.Substring(4 * i, 4)}}}"},"finish_reason":null}]}""" + "\n\n");
        }

        await exchange.ChunkAsync("data: [DONE]\n\n");
        await exchange.EndChunksAsync();
    }
}
