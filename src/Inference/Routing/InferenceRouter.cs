using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using System.Security.Cryptography;
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
    private readonly List<Backend> _backends = [];
    private readonly List<HealthMonitor> _monitors = [];
    private readonly BackendPool _pool;
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

        _pool = new BackendPool(_backends, time, _log);
        var routes = new Dictionary<string, List<Route>>(StringComparer.Ordinal);
        for (int i = 0; i < options.Backends.Count; i++)
        {
            BackendOptions settings = options.Backends[i];
            if (settings.BaseUrl.Scheme == Uri.UriSchemeHttp && !settings.BaseUrl.IsLoopback)
            {
                LogPlainHttp(settings.Name);
            }

            var http = new BackendHttp(settings, $"Backends:{i}", settings.Budgets ?? options.Budgets, time, _log);
            var provider = new HttpBackend(settings, options, http, time);
            Backend backend = Add(new TranslatingProvider(provider, settings.Kind, time), settings, settings.Models);
            if (settings.Health is { } health)
            {
                var probe = new HealthProbe(health.Kind, http, request => provider.Authorize(request, provider.Keys.Slots[0]), settings.Kind);
                _monitors.Add(new HealthMonitor(health, probe, finding => _pool.Tell(backend, finding), time));
            }
        }

        if (options.DemoModel)
        {
            Add(new DemoModel(options.DemoEventDelay, time), null, new Dictionary<string, string> { [DemoModelName] = DemoModelName });
        }

        Moderator = new Moderator(options.Moderation, time);

        if (options.UsagePath is string path && options.Backends.Any(backend => backend.KeyBudget is not null))
        {
            _usage = new UsageFile(
                path,
                (from backend in _backends from slot in backend.Provider.Keys.Slots where slot.Usage.Budget is not null select (backend, slot))
                    .ToDictionary(key => $"{key.backend.Name}/{key.slot.Number}", key => key.slot.Usage),
                time, _log);
        }

        Models = [.. routes.Keys];
        _routes = routes.ToFrozenDictionary(route => route.Key, route => route.Value.ToArray(), StringComparer.Ordinal);

        Backend Add(IProvider provider, BackendOptions? settings, IReadOnlyDictionary<string, string> models)
        {
            var backend = new Backend(provider, settings, options, time);
            _backends.Add(backend);
            foreach ((string name, string upstream) in models)
            {
                if (!routes.TryGetValue(name, out List<Route>? list))
                {
                    routes[name] = list = [];
                }

                list.Add(new Route(backend, upstream));
            }

            return backend;
        }
    }

    /// <summary>Judges prompts before they are sent; the caller asks it.</summary>
    public Moderator Moderator { get; }

    /// <summary>The public names of all models, in the settings' order.</summary>
    public IReadOnlyList<string> Models { get; }

    /// <summary>What the keys that have a budget have used.</summary>
    public IReadOnlyList<ProviderKeyUsage> Usage =>
    [
        .. from backend in _backends from slot in backend.Provider.Keys.Slots where slot.Usage.Budget is not null select UsageOf(backend.Name, slot),
    ];

    /// <summary>The backends as they are now; the demo model is none.</summary>
    public IReadOnlyList<BackendStatus> Backends => _pool.Status;

    /// <summary>Whether the health checks leave anyone to be asked.</summary>
    public bool IsServing => _pool.IsServing;

    public bool TryGetModel(string name, [NotNullWhen(true)] out ModelInfo? model)
    {
        model = _routes.ContainsKey(name) ? new ModelInfo(name) : null;
        return model is not null;
    }

    /// <summary>Whether any backend of a model can be asked this at all: one that speaks another API may have no word for it. To be asked before anything is spent.</summary>
    /// <param name="operation">What is asked for.</param>
    /// <param name="model">The public model name.</param>
    /// <param name="body">What <see cref="RequestFilter"/> wrote.</param>
    /// <returns>Null, or <c>invalid_value</c> with the member's name.</returns>
    public ApiError? Check(Operation operation, string model, ReadOnlySpan<byte> body)
    {
        ApiError? error = null;
        foreach (Route route in _routes.GetValueOrDefault(model) ?? [])
        {
            if (route.Backend.Provider.Check(operation, body) is not { } refusal)
            {
                return null;
            }

            error ??= refusal;
        }

        return error;
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

    public async ValueTask DisposeAsync()
    {
        foreach (HealthMonitor monitor in _monitors)
        {
            await monitor.DisposeAsync();
        }

        _usage?.Dispose();
        foreach (Backend backend in _backends)
        {
            backend.Provider.Dispose();
        }

        Moderator.Dispose();
    }

    /// <summary>
    /// 1. The best backend that was not asked yet, or the next that is free. 2. Its keys in turn. 3. When all were asked, after a wait, those again whose failure
    /// may pass. Until a reply begins, or <see cref="InferenceOptions.MaxAttempts"/> calls were made.
    /// </summary>
    private async Task<ReplySource> AskInTurnAsync(Route[] routes, ProviderCall call, CancellationToken caller)
    {
        int rounds = 0;
        ulong tried = Unfit(routes, call);
        ulong again = 0;
        ulong failed = 0;
        ProviderException? last = null;
        while (call.Attempts < _options.MaxAttempts)
        {
            (BackendLease? lease, NoPlace reason) = await _pool.TakeAsync(routes, tried, failed, caller);
            if (lease is null)
            {
                if (reason != NoPlace.NobodyLeft || again == 0 || !await BackOffAsync(rounds++, call.Clock, caller))
                {
                    throw last ?? Failures.NoBackend(reason);
                }

                tried &= ~again;
                again = 0;
                continue;
            }

            tried |= 1UL << lease.Route;
            ReplySource? reply = null;
            try
            {
                (reply, ProviderException? failure, bool isTransient) = await AskAsync(lease, call, caller);
                if (reply is not null)
                {
                    reply.Lease = lease;
                    LogBegun(lease.Backend.Name, call.Attempts);
                    return reply;
                }

                last = failure ?? last;
                again |= isTransient ? 1UL << lease.Route : 0;
                failed |= lease.HasFailed ? 1UL << lease.Route : 0;
            }
            finally
            {
                if (reply is null)
                {
                    lease.Dispose();
                }
            }
        }

        throw last!;
    }

    /// <summary>The routes whose backends cannot be asked this. None if that is all of them: the first then says why.</summary>
    private static ulong Unfit(Route[] routes, ProviderCall call)
    {
        ulong unfit = 0;
        for (int i = 0; routes.Length > 1 && i < routes.Length; i++)
        {
            unfit |= routes[i].Backend.Provider.Check(call.Operation, call.Body.Span) is null ? 0 : 1UL << i;
        }

        return BitOperations.PopCount(unfit) == routes.Length ? 0 : unfit;
    }

    /// <summary>Asks one backend, with one key after the other.</summary>
    private async Task<(ReplySource? Reply, ProviderException? Failure, bool IsTransient)> AskAsync(
        BackendLease lease, ProviderCall call, CancellationToken caller)
    {
        IProvider provider = lease.Backend.Provider;
        int start = provider.Keys.Start();
        int tried = 0;
        ProviderException? last = null;
        bool isTransient = false;
        while (call.Attempts < _options.MaxAttempts && provider.Keys.Next(start, ref tried) is { } key)
        {
            call.Attempts++;
            lease.Called();
            long began = _time.GetTimestamp();
            Attempt attempt = await provider.TryAsync(call, lease.Model, key);
            if (attempt.Reply is { } reply)
            {
                lease.Began(_time.GetElapsedTime(began));
                return (reply, null, false);
            }

            // A caller that cancels makes the attempt fail in whatever way comes first; it is not the provider's failure.
            caller.ThrowIfCancellationRequested();
            lease.Failed(attempt);
            LogFailed(provider.Name, attempt.Failure, attempt.Status);
            isTransient = attempt.IsTransient;
            switch (attempt.Failure)
            {
                case AttemptFailure.Rejected:
                    throw new ProviderException(attempt.Error!, clientProvoked: true);
                case AttemptFailure.TimedOut:
                    last = Failures.TimedOut(call.Clock);
                    // The provider may be at work. Someone else is asked only where nothing but its state can have made it late.
                    return attempt.IsBackendsFault ? (null, last, false) : throw last;
                case AttemptFailure.KeyRefused when key.Bench(_time, RefusedKeyBench, attempt.Failure):
                    LogKeyRefused(provider.Name, key.Number, attempt.Status);
                    break;
                case AttemptFailure.KeyBusy:
                    key.Bench(_time, attempt.RetryAfter, attempt.Failure);
                    break;
            }

            last = Failures.NoReply(attempt.Failure);
            if (attempt.Failure == AttemptFailure.Unreachable)
            {
                break;
            }
        }

        return (null, last ?? Failures.NoReply(provider.Keys.Reason), isTransient);
    }

    /// <summary>Waits before the next round.</summary>
    /// <returns>False where there is to be none.</returns>
    private async Task<bool> BackOffAsync(int round, CallClock clock, CancellationToken caller)
    {
        if (_options.Backoff <= TimeSpan.Zero)
        {
            return false;
        }

        long most = Math.Min(_options.Backoff.Ticks << Math.Min(round, 20), _options.BackoffAtMost.Ticks);
        var wait = new TimeSpan(most / 2 + (most / 2000 * RandomNumberGenerator.GetInt32(1001)));
        if (wait >= clock.Left)
        {
            return false;
        }

        await Task.Delay(wait, _time, caller);
        return true;
    }

    private static ProviderKeyUsage UsageOf(string backend, KeySlot slot)
    {
        (UsageSums day, UsageSums month) = slot.Usage.Read();
        return new ProviderKeyUsage(backend, slot.Number, day.ToTotals(), month.ToTotals(), slot.Usage.Budget, slot.Usage.IsUsedUp);
    }

    [LoggerMessage(Level = LogLevel.Debug, Message = "Backend {Backend} began to reply at attempt {Attempt}")]
    private partial void LogBegun(string backend, int attempt);

    [LoggerMessage(Level = LogLevel.Debug, Message = "Backend {Backend} gave no reply: {Failure}, status {Status}")]
    private partial void LogFailed(string backend, AttemptFailure failure, int status);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Backend {Backend} answers {Status} to key number {Key} of its settings (0: it has none); that key is left alone for five minutes. Check its reference and its account")]
    private partial void LogKeyRefused(string backend, int key, int status);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Backend {Backend} is reached over plain http: prompts and keys can be read on the way. Use https unless the network between is your own")]
    private partial void LogPlainHttp(string backend);
}
