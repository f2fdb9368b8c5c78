using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A model that is offered.</summary>
/// <param name="Id">The public name.</param>
public sealed record ModelInfo(string Id);

/// <summary>
/// Finds who serves a model and asks them: key after key and backend after backend, but only until a reply begins, and never more often
/// than <see cref="InferenceOptions.MaxAttempts"/> allows. Thread safe.
/// </summary>
public sealed partial class InferenceRouter : IAsyncDisposable
{
    /// <summary>The name of the built-in model, which answers only about the request it is asked in.</summary>
    public const string DemoModelName = "tacit-demo";

    /// <summary>How long a key that was refused is left alone. Long enough not to be a nuisance, short enough that a renewed key needs no restart.</summary>
    private static readonly TimeSpan RefusedKeyBench = TimeSpan.FromMinutes(5);

    private readonly InferenceOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly List<IProvider> _providers = [];
    private readonly FrozenDictionary<string, Route[]> _routes;
    private readonly UsageFile? _usage;

    /// <exception cref="ArgumentException">A setting is wrong; the message names it and the fix.</exception>
    public InferenceRouter(InferenceOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(loggers);
        options.Validate();
        _options = options;
        _time = time;
        _log = loggers.CreateLogger("Tacit.Inference");

        var routes = new Dictionary<string, List<Route>>(StringComparer.Ordinal);
        for (int i = 0; i < options.Backends.Count; i++)
        {
            BackendOptions settings = options.Backends[i];
            if (settings.BaseUrl.Scheme == Uri.UriSchemeHttp && !settings.BaseUrl.IsLoopback)
            {
                LogPlainHttp(settings.Name);
            }

            var http = new BackendHttp(settings, $"Backends:{i}", settings.Budgets ?? options.Budgets, time, _log);
            IProvider provider = settings.Kind switch
            {
                _ => new HttpBackend(settings, options, http, time),
            };
            Add(provider, settings.Models);
        }

        if (options.DemoModel)
        {
            Add(new DemoModel(options.DemoEventDelay, time), new Dictionary<string, string> { [DemoModelName] = DemoModelName });
        }

        Moderator = new Moderator(options.Moderation, time);

        if (options.UsagePath is string path && options.Backends.Any(backend => backend.KeyBudget is not null))
        {
            _usage = new UsageFile(
                path,
                (from provider in _providers from slot in provider.Keys.Slots where slot.Usage.Budget is not null select (provider, slot))
                    .ToDictionary(key => $"{key.provider.Name}/{key.slot.Number}", key => key.slot.Usage),
                time, _log);
        }

        Models = [.. routes.Keys];
        _routes = routes.ToFrozenDictionary(route => route.Key, route => route.Value.ToArray(), StringComparer.Ordinal);

        void Add(IProvider provider, IReadOnlyDictionary<string, string> models)
        {
            _providers.Add(provider);
            foreach ((string name, string upstream) in models)
            {
                if (!routes.TryGetValue(name, out List<Route>? list))
                {
                    routes[name] = list = [];
                }

                list.Add(new Route(provider, upstream));
            }
        }
    }

    /// <summary>Judges prompts before they are sent; the caller asks it.</summary>
    public Moderator Moderator { get; }

    /// <summary>The public names of all models, in the settings' order.</summary>
    public IReadOnlyList<string> Models { get; }

    /// <summary>What the keys that have a budget have used.</summary>
    public IReadOnlyList<ProviderKeyUsage> Usage =>
    [
        .. from provider in _providers from slot in provider.Keys.Slots where slot.Usage.Budget is not null select UsageOf(provider.Name, slot),
    ];

    public bool TryGetModel(string name, [NotNullWhen(true)] out ModelInfo? model)
    {
        model = _routes.ContainsKey(name) ? new ModelInfo(name) : null;
        return model is not null;
    }

    /// <summary>Asks a model. Returns when the reply has begun.</summary>
    /// <param name="operation">What is asked for.</param>
    /// <param name="model">The public model name.</param>
    /// <param name="stream">Whether the body asks for server-sent events.</param>
    /// <param name="body">What <see cref="RequestFilter"/> wrote; it must stay as it is until the task ends, not longer.</param>
    /// <param name="facts">What the demo model may tell; never sent to a server.</param>
    /// <param name="cancellationToken">Stops the provider.</param>
    /// <param name="maxReplyBytes">The most bytes the reply may have; null for <see cref="InferenceOptions.MaxReplyBytes"/>.</param>
    /// <exception cref="ProviderException">No reply began.</exception>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    public async Task<ProviderReply> SendAsync(
        Operation operation,
        string model,
        bool stream,
        ReadOnlyMemory<byte> body,
        RequestFacts facts,
        CancellationToken cancellationToken,
        int? maxReplyBytes = null)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (!_routes.TryGetValue(model, out Route[]? routes))
        {
            throw new ProviderException(ApiError.Create(ErrorCodes.ModelNotFound, "This gateway does not offer that model. GET /v1/models lists those it does.", "model"), clientProvoked: true);
        }

        _options.Observer?.Invoke(operation, model, body);
        var clock = new CallClock(_time, _options.Budgets, stream);
        var call = new ProviderCall
        {
            Operation = operation,
            Stream = stream,
            Body = body,
            Facts = facts,
            MaxReplyBytes = maxReplyBytes ?? _options.MaxReplyBytes,
            Clock = clock,
        };
        bool begun = false;
        try
        {
            using CancellationTokenRegistration registration = clock.Follow(cancellationToken);
            ReplySource reply = await AskInTurnAsync(routes, call, cancellationToken);
            begun = true;
            return new ProviderReply(reply);
        }
        finally
        {
            if (!begun)
            {
                clock.Dispose();
            }
        }
    }

    public ValueTask DisposeAsync()
    {
        _usage?.Dispose();
        foreach (IProvider provider in _providers)
        {
            provider.Dispose();
        }

        Moderator.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<ReplySource> AskInTurnAsync(Route[] routes, ProviderCall call, CancellationToken caller)
    {
        int attempts = 0;
        var last = AttemptFailure.None;
        foreach ((IProvider provider, string model) in routes)
        {
            int start = provider.Keys.Start();
            int tried = 0;
            while (attempts < _options.MaxAttempts && provider.Keys.Next(start, ref tried) is { } key)
            {
                attempts++;
                Attempt attempt = await provider.TryAsync(call, model, key);
                if (attempt.Reply is { } reply)
                {
                    LogBegun(provider.Name, attempts);
                    return reply;
                }

                // A caller that cancels makes the attempt fail in whatever way comes first; it is not the provider's failure.
                caller.ThrowIfCancellationRequested();
                LogFailed(provider.Name, attempt.Failure, attempt.Status);
                last = attempt.Failure;
                switch (attempt.Failure)
                {
                    case AttemptFailure.Rejected:
                        throw new ProviderException(attempt.Error!, clientProvoked: true);
                    case AttemptFailure.TimedOut:
                        throw Failures.TimedOut(call.Clock);
                    case AttemptFailure.KeyRefused when key.Bench(_time, RefusedKeyBench, attempt.Failure):
                        LogKeyRefused(provider.Name, key.Number, attempt.Status);
                        break;
                    case AttemptFailure.KeyBusy:
                        key.Bench(_time, attempt.RetryAfter, attempt.Failure);
                        break;
                }

                if (attempt.Failure == AttemptFailure.Unreachable)
                {
                    break;
                }
            }

            if (last == AttemptFailure.None)
            {
                last = provider.Keys.Reason;
            }
        }

        throw Failures.NoReply(last);
    }

    private static ProviderKeyUsage UsageOf(string backend, KeySlot slot)
    {
        (UsageSums day, UsageSums month) = slot.Usage.Read();
        return new ProviderKeyUsage(backend, slot.Number, day.ToTotals(), month.ToTotals(), slot.Usage.Budget, slot.Usage.IsUsedUp);
    }

    private readonly record struct Route(IProvider Provider, string Model);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Backend {Backend} began to reply at attempt {Attempt}")]
    private partial void LogBegun(string backend, int attempt);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Backend {Backend} gave no reply: {Failure}, status {Status}")]
    private partial void LogFailed(string backend, AttemptFailure failure, int status);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Backend {Backend} answers {Status} to key number {Key} of its settings (0: it has none); that key is left alone for five minutes. Check its reference and its account")]
    private partial void LogKeyRefused(string backend, int key, int status);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Backend {Backend} is reached over plain http: prompts and keys can be read on the way. Use https unless the network between is your own")]
    private partial void LogPlainHttp(string backend);
}
