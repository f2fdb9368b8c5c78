using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>A router over scripted providers, asked the way the gateway asks it. Keeps everything that was logged.</summary>
internal sealed class RouterHarness : IAsyncDisposable, ILoggerFactory, ILogger
{
    public const string Model = "public-model";
    public const string Prompt = "canary-prompt-5e1f";
    public const string Key = "sk-canary-key-77aa";

    /// <summary>The messages of every chat that is asked here.</summary>
    public const string Messages = $$"""[{"role":"user","content":"{{Prompt}}"}]""";

    private readonly InferenceRouter _router;

    /// <param name="options">Asks nobody a second time, unless <paramref name="backoff"/> says otherwise.</param>
    public RouterHarness(InferenceOptions options, TimeProvider? time = null, TimeSpan backoff = default) =>
        _router = new InferenceRouter(options with { Backoff = backoff }, time ?? TimeProvider.System, this);

    public RouterHarness(Uri address, TimeProvider? time = null)
        : this(new InferenceOptions { Backends = [Backend(address)] }, time)
    {
    }

    public RouterHarness(ScriptedProvider provider, TimeProvider? time = null)
        : this(provider.BaseUrl, time)
    {
    }

    public ConcurrentQueue<string> Logged { get; } = new();

    public InferenceRouter Router => _router;

    public static BackendOptions Backend(Uri address, params string[] keys) => new()
    {
        Name = "b" + address.Port,
        BaseUrl = address,
        Keys = [.. (keys.Length == 0 ? [Key] : keys).Select(key => new ProviderKey(Encoding.ASCII.GetBytes(key)))],
        Models = new Dictionary<string, string> { [Model] = Model },
    };

    public static string Body(Operation operation, bool stream, string model = Model, string extra = "")
    {
        string prompt = operation is Operation.ChatCompletions or Operation.Messages ? $"\"messages\":{Messages}" : $"\"input\":\"{Prompt}\"";
        string streamed = operation == Operation.Embeddings ? "" : $",\"stream\":{(stream ? "true" : "false")}";
        return $$"""{"model":"{{model}}",{{prompt}}{{streamed}}{{extra}}}""";
    }

    public async Task<ProviderReply> SendAsync(
        Operation operation = Operation.ChatCompletions, bool stream = false, string extra = "", string model = Model, RequestFacts? facts = null, CancellationToken cancellationToken = default)
    {
        using var body = new SensitiveBuffer();
        ApiError? error = RequestFilter.Filter(operation, Encoding.UTF8.GetBytes(Body(operation, stream, model, extra)), new RequestLimits(4096), body, out FilteredRequest request);
        Assert.Null(error);
        return await _router.SendAsync(operation, request.Model, request.Stream, body.WrittenMemory, facts ?? RequestFacts.None, cancellationToken == default ? TestContext.Current.CancellationToken : cancellationToken);
    }

    /// <summary>Asks and reads to the end.</summary>
    public async Task<string> AskAsync(Operation operation = Operation.ChatCompletions, bool stream = false, string extra = "", string model = Model, RequestFacts? facts = null)
    {
        await using ProviderReply reply = await SendAsync(operation, stream, extra, model, facts);
        Assert.Equal(stream, reply.IsEventStream);
        Assert.Equal(stream ? "text/event-stream" : "application/json", reply.ContentType);
        return await ReadAllAsync(reply);
    }

    public static async Task<string> ReadAllAsync(ProviderReply reply)
    {
        using var text = new SensitiveBuffer();
        while (await reply.ReadAsync(text, TestContext.Current.CancellationToken))
        {
        }

        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    /// <summary>Asks for what is expected to fail.</summary>
    /// <returns>The failure and what came before it.</returns>
    public async Task<(ProviderException Failure, string Before)> FailAsync(Operation operation = Operation.ChatCompletions, bool stream = false)
    {
        using var text = new SensitiveBuffer();
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(async () =>
        {
            await using ProviderReply reply = await SendAsync(operation, stream);
            while (await reply.ReadAsync(text, TestContext.Current.CancellationToken))
            {
            }
        });
        return (failure, Encoding.UTF8.GetString(text.WrittenSpan));
    }

    /// <summary>Waits until the only backend, or the one of that name, is as asked.</summary>
    public async Task<BackendStatus> UntilAsync(Func<BackendStatus, bool> condition, string? name = null)
    {
        while (true)
        {
            BackendStatus status = _router.Backends.Single(backend => name is null || backend.Name == name);
            if (condition(status))
            {
                return status;
            }

            await Task.Delay(5, TestContext.Current.CancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _router.DisposeAsync();

        // Law 4, after whatever the test did: no log holds a prompt or a key.
        Assert.DoesNotContain(Logged, line => line.Contains("canary", StringComparison.OrdinalIgnoreCase));
    }

    ILogger ILoggerFactory.CreateLogger(string categoryName) => this;

    void ILoggerFactory.AddProvider(ILoggerProvider provider)
    {
    }

    IDisposable? ILogger.BeginScope<TState>(TState state) => null;

    bool ILogger.IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        Logged.Enqueue($"{logLevel} {formatter(state, exception)} {exception}");

    void IDisposable.Dispose()
    {
    }
}
