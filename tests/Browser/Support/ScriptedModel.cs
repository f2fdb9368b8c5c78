using System.Collections.Concurrent;
using System.Text.Json;
using System.Threading.Channels;
using Tacit.Inference;
using Tacit.Inference.Tests;

namespace Tacit.Browser.Support;

/// <summary>A provider that says what the test says, piece by piece and when the test says it; a prompt with a prepared answer gets that at once.</summary>
internal sealed class ScriptedModel : IAsyncDisposable
{
    /// <summary>The model that the cheap plan buys, and the one of the dear plan.</summary>
    public const string Name = "qwen3-32b";
    public const string LargeName = "gpt-oss-120b";

    private readonly ScriptedProvider _provider;
    private readonly Channel<ModelTurn> _turns = Channel.CreateUnbounded<ModelTurn>();
    private readonly ConcurrentDictionary<string, string> _answers = new();

    public ScriptedModel() => _provider = ScriptedProvider.Start(AnswerAsync);

    public InferenceOptions Inference => new()
    {
        Backends = [new BackendOptions { Name = "scripted", BaseUrl = _provider.BaseUrl, Models = new Dictionary<string, string> { [Name] = Name, [LargeName] = LargeName } }],
        Breaker = new BreakerOptions { MinFailures = 10_000 },
        MaxAttempts = 1,
    };

    /// <summary>How often it was asked.</summary>
    public int Calls => _provider.Requests.Count(request => request.Line.StartsWith("POST", StringComparison.Ordinal));

    /// <summary>What it was asked, as it came.</summary>
    public IReadOnlyList<string> Asked => [.. _provider.Requests.Select(request => request.Text)];

    /// <summary>From now on this question gets this answer, whenever it is the last thing said.</summary>
    public void Prepare(string question, string answer) => _answers[question] = answer;

    /// <summary>The next question without a prepared answer.</summary>
    public async Task<ModelTurn> NextAsync() => await _turns.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(Patience.Time);

    public ValueTask DisposeAsync() => _provider.DisposeAsync();

    private async Task AnswerAsync(ScriptedExchange exchange)
    {
        if (exchange.Request.Body.Length == 0)
        {
            await exchange.JsonAsync($$"""{"object":"list","data":[{"id":"{{Name}}","object":"model"},{"id":"{{LargeName}}","object":"model"}]}""");
            return;
        }

        var turn = new ModelTurn(exchange, JsonDocument.Parse(exchange.Request.Body).RootElement);
        if (_answers.TryGetValue(turn.Question, out string? answer))
        {
            // In pieces, as models do.
            for (int i = 0; i < answer.Length; i += 40)
            {
                await turn.SayAsync(answer.Substring(i, Math.Min(40, answer.Length - i)));
            }

            await turn.EndAsync();
            return;
        }

        await _turns.Writer.WriteAsync(turn);
        await turn.Over.WaitAsync(exchange.Stopping);
    }
}

/// <summary>One question, and what the model says to it.</summary>
internal sealed class ModelTurn
{
    private readonly ScriptedExchange _exchange;
    private readonly TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _begun;

    public ModelTurn(ScriptedExchange exchange, JsonElement body)
    {
        _exchange = exchange;
        Body = body;
        Question = TextOf(body.GetProperty("messages").EnumerateArray().Last());
    }

    /// <summary>The request, as the provider gets it.</summary>
    public JsonElement Body { get; }

    /// <summary>The text of the last message.</summary>
    public string Question { get; }

    public Task Over => _over.Task;

    public async Task SayAsync(string text)
    {
        if (!_begun)
        {
            _begun = true;
            await _exchange.BeginEventsAsync();
        }

        await _exchange.ChunkAsync(
            $$$"""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":{{{JsonSerializer.Serialize(text)}}}},"finish_reason":null}]}""" + "\n\n");
    }

    public async Task EndAsync()
    {
        await _exchange.ChunkAsync("""data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}""" + "\n\ndata: [DONE]\n\n");
        await _exchange.EndChunksAsync();
        _over.TrySetResult();
    }

    public async Task FailAsync(int status)
    {
        await _exchange.JsonAsync("""{"error":{"message":"no","type":"server_error"}}""", status);
        _over.TrySetResult();
    }

    /// <summary>Breaks off in the middle.</summary>
    public void Reset()
    {
        _exchange.Reset();
        _over.TrySetResult();
    }

    private static string TextOf(JsonElement message)
    {
        JsonElement content = message.GetProperty("content");
        return content.ValueKind == JsonValueKind.String
            ? content.GetString()!
            : string.Concat(content.EnumerateArray().Where(part => part.TryGetProperty("text", out _)).Select(part => part.GetProperty("text").GetString()));
    }
}
