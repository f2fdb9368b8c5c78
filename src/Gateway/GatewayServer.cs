using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Catalog;
using Tacit.Gateway.Chains;
using Tacit.Gateway.Demonstration;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Endpoints;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Replies;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Hosting.Metrics;
using Tacit.Hosting.Onion;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tor;

namespace Tacit.Gateway;

/// <summary>
/// The anonymous side's server: takes prompts that are paid with blind tokens, spends each token once, and streams the provider's reply back.
/// Knows finished tokens and, in memory only, prompts and replies; never an account, a payment or a private key.
/// </summary>
public sealed partial class GatewayServer : IAsyncDisposable
{
    /// <summary>The name of the role, of its management socket and of its section of settings.</summary>
    public const string Role = "gateway";

    private readonly GatewayOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Stack<IAsyncDisposable> _owned = new();
    private readonly DrainSignal _drain = new();
    private ReplyStore? _replies;
    private WebServer? _web;
    private RoleMetrics? _metrics;
    private readonly TaskCompletionSource<string> _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly FalseTokenBrake _brake;
    private int _stopped;

    /// <summary>The gateway's onion service: whether there is one, its address, and whether it is published.</summary>
    public OnionDoor Onion { get; private set; } = null!;

    /// <summary>The list of devices, for tests; null where none are admitted.</summary>
    internal DeviceGate? Devices { get; private set; }

    private GatewayServer(GatewayOptions options, TimeProvider time, ILogger log)
    {
        _options = options;
        _time = time;
        _log = log;
        _brake = new FalseTokenBrake(time);
    }

    /// <summary>Whether more false tokens come than one would take for mistakes.</summary>
    public bool IsFlooded => _brake.IsOn;

    /// <summary>Where it listens, with the port it really got.</summary>
    public Uri Address => _web?.Address ?? throw new InvalidOperationException("The gateway is not listening.");

    /// <summary>Completes, with why and what to do, if the gateway cannot go on: it takes nothing new from then on and is to be stopped.</summary>
    public Task<string> Failed => _failed.Task;

    /// <summary>Where <c>/metrics</c> answers; null where it does not.</summary>
    public Uri? MetricsAddress => _metrics?.Address;

    /// <summary>Starts a gateway and returns once it listens.</summary>
    /// <param name="options">Checked first.</param>
    /// <param name="directory">Where the issuer's directory comes from; null fetches it from <see cref="GatewayOptions.IssuerUrl"/>.</param>
    /// <param name="router">The models; stays the caller's.</param>
    /// <param name="signer">Signs successors at <c>/v1/exchange</c>; stays the caller's. Null for a gateway without an issuer.</param>
    /// <param name="time">The clock of deadlines, leases and kept replies.</param>
    /// <param name="loggers">The log.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    /// <exception cref="SettingsException">A setting is wrong, no directory can be had, or it does not list this gateway.</exception>
    /// <exception cref="StorageException">The database cannot be opened; says what to do.</exception>
    /// <exception cref="ListenException">The address cannot be listened on.</exception>
    public static Task<GatewayServer> StartAsync(
        GatewayOptions options, DirectoryFetch? directory, InferenceRouter router, ISigner? signer, TimeProvider time, ILoggerFactory loggers,
        CancellationToken cancellationToken) =>
        StartAsync(options, directory, router, signer, CheckBy(router), time, loggers, cancellationToken);

    /// <summary>
    /// The gateway's own Ed25519 key, made if there is none yet, of a gateway that does not run: what its issuer's settings name, or its clients pin.
    /// </summary>
    /// <returns>32 bytes; null if the settings turn no sealing on.</returns>
    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="StorageException">The database cannot be opened, as while the gateway runs.</exception>
    public static async Task<byte[]?> LoadKeyAsync(GatewayOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!options.Sealing.IsOn)
        {
            return null;
        }

        DataFolder.Create(options.DataDirectory);
        await using Database database = await OpenDatabaseAsync(options, time, cancellationToken);
        using SealingStore store = await SealingStore.OpenAsync(database, options.Sealing, cancellationToken);
        return store.PublicKey;
    }

    internal static PromptCheck? CheckBy(InferenceRouter router) => router?.Moderator is not { IsOn: true } moderator
        ? null
        : async (prompt, cancellationToken) =>
            await moderator.JudgeAsync(prompt.PlanId, prompt.Operation, prompt.Body.WrittenMemory, cancellationToken) is { } refusal
                ? new PromptRefusal(refusal.Error, refusal.Token, refusal.EndsChain)
                : null;

    /// <inheritdoc cref="StartAsync(GatewayOptions, DirectoryFetch, InferenceRouter, ISigner, TimeProvider, ILoggerFactory, CancellationToken)"/>
    /// <param name="check">Judges prompts between spend and provider.</param>
    internal static async Task<GatewayServer> StartAsync(
        GatewayOptions options, DirectoryFetch? directory, InferenceRouter router, ISigner? signer, PromptCheck? check, TimeProvider time, ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var validation = new SettingsValidation();
        options.Validate(validation);
        bool hasIssuer = options.DirectoryKey is not null;
        validation.Require(!hasIssuer || directory is not null || options.IssuerUrl is not null, "IssuerUrl", "it is missing", "Name the issuer's base URL, such as https://issuer.example.");
        validation.ThrowIfAny();

        var server = new GatewayServer(options, time, loggers.CreateLogger("Tacit.Gateway"));
        try
        {
            await server.StartAsync(hasIssuer ? directory ?? DirectorySource.Http(options.IssuerUrl!) : null, router, signer, check, loggers, cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Stops in order: no new requests; live replies get the drain time to end, then they are ended, returned to their owners where nothing was passed on;
    /// then what has ended is recorded and the database closed.
    /// </summary>
    /// <param name="cancellationToken">Cancelled: ends live replies at once.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return;
        }

        _drain.Begin();
        if (_replies is not null)
        {
            await DrainAsync(_replies, cancellationToken);
        }

        while (_owned.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync();
        }

        Onion?.Dispose();
        _drain.Dispose();
    }

    /// <summary>Stops without waiting for live replies.</summary>
    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource();
        await now.CancelAsync();
        await StopAsync(now.Token);
    }

    private async Task StartAsync(
        DirectoryFetch? directory, InferenceRouter router, ISigner? signer, PromptCheck? check, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        DataFolder.Create(_options.DataDirectory);
        Database database = await OpenDatabaseAsync(_options, _time, cancellationToken);
        _owned.Push(database);
        _owned.Push(InstanceLease.Claim(_options.DataDirectory));
        byte[] instance = InstanceLease.LoadId(_options.DataDirectory);
        signer ??= new AbsentSigner();

        _metrics = new RoleMetrics(_options.Metrics, Role);
        _owned.Push(_metrics);
        Onion = OnionDoor.Open(_options.Onion, Role, _options.DataDirectory, _options.Sealing.IsOn ? _options.Sealing.KeySecret : null, loggers);
        var meter = new GatewayMeter(_metrics.Meters, _metrics.IsOn);

        var ledger = new SpendLedger(database, instance, _time, meter);
        await ledger.LoadAsync(cancellationToken);
        var periods = new PeriodKeeper(ledger, _time);
        var closed = new ClosedKeys(database, _time, _log);
        await closed.LoadAsync(cancellationToken);
        var catalogs = new CatalogKeeper(
            directory, _options, router.Models,
            async (catalog, isCached, cancelled) =>
            {
                await closed.AdoptAsync(catalog, isCached, cancelled);
                await periods.AdoptAsync(catalog, cancelled);
            },
            _time, _log);
        _owned.Push(catalogs);
        await catalogs.StartAsync(cancellationToken);

        SealingKeys? sealing = null;
        if (_options.Sealing.IsOn)
        {
            sealing = await SealingKeys.StartAsync(database, _options, () => Onion.Announced, () => catalogs.Current.Directory, catalogs.LookForNewerAsync, _time, _log, cancellationToken);
            _owned.Push(sealing);
        }

        var spent = new SpentWriter(ledger, _time, _log);
        _owned.Push(spent);
        _replies = new ReplyStore(new MemoryRoom(_options.ReplyMemoryBytes), _options.KeepReplies, _time);
        _owned.Push(_replies);
        var signatures = new SignatureQueue(_options.SignatureThreads, _options.SignatureQueueLength, maxInline: Environment.ProcessorCount, _time);
        _owned.Push(signatures);
        var totals = new ChainTotals(database, instance, _time, _log);
        _owned.Push(totals);
        var renewer = new ChainRenewer(signer, totals, _time);

        PseudonymGate pseudonyms = await PseudonymGate.StartAsync(database, _options.Pseudonyms, signatures, _time, _log, cancellationToken);
        _owned.Push(pseudonyms);

        DeviceGate? devices = null;
        if (_options.Admission != AdmissionMode.Tokens)
        {
            devices = await DeviceGate.StartAsync(database, _options.Devices, router.Models, ledger, _time, _log, cancellationToken);
            _owned.Push(devices);
            Devices = devices;
        }

        var load = new InstanceLoad(signatures, _replies, _options, _time);
        var work = new WorkGate(_options.Work, await DeviceStore.LoadWorkSecretAsync(database, cancellationToken), load.Look, _time);
        _owned.Push(work);

        var instances = new InstanceProxy(_time, _log);
        _owned.Push(instances);

        var pace = new PaceClock(_options.Sealing.ReplyInterval, _time);
        _owned.Push(pace);
        var openings = new OpeningGate(Environment.ProcessorCount, _options.SignatureQueueLength);
        _owned.Push(openings);

        ReplayGuard? replays = sealing is null ? null : new ReplayGuard(database, _time, _log);
        if (replays is not null)
        {
            _owned.Push(replays);
        }

        var parts = new GatewayParts
        {
            Replays = replays,
            Pseudonyms = pseudonyms,
            Sealing = sealing,
            Pace = pace,
            Openings = openings,
            Devices = devices,
            Addresses = new AddressLimiter(_options.Addresses, _time, onionAddresses: _options.Onion.Addresses),
            Work = work,
            Options = _options,
            Catalogs = catalogs,
            Signatures = signatures,
            Brake = _brake,
            Ledger = ledger,
            Replies = _replies,
            SignsOfLife = new SignsOfLife(_options.KeepAlive, _time),
            RequestRoom = new MemoryRoom(_options.RequestMemoryBytes),
            Producer = new ReplyProducer(router, ledger, spent, _replies, renewer, check, meter, _time, _log),
            Meter = meter,
            Router = router,
            Signer = signer,
            Renewer = renewer,
            Instances = instances,
            Drain = _drain,
            Totals = totals,
            Time = _time,
            Log = _log,
        };
        meter.Observe(parts, database);
        var health = new Health(_drain);
        _web = await WebServer.StartAsync(
            new WebServerOptions
            {
                Role = Role,
                Listen = _options.Listen,
                Onion = Onion,
                Tls = _options.Tls,
                Drain = _drain,
                DrainDelay = _options.DrainDelay,
                // Behind the replies' own: a reader whose reply ended in the last moment still gets it.
                DrainTimeout = _options.DrainTimeout + TimeSpan.FromSeconds(5),
                MaxConnections = _options.Limits.MaxConnections,
                RequestHeadersTimeout = _options.Limits.RequestHeadersTimeout,
                MinRequestBodyBytesPerSecond = _options.Limits.MinRequestBodyBytesPerSecond,
                RequestBodyGracePeriod = _options.Limits.RequestBodyGracePeriod,
                MinResponseBytesPerSecond = _options.Limits.MinResponseBytesPerSecond,
                ResponseGracePeriod = _options.Limits.ResponseGracePeriod,
                WriteError = WriteEdgeErrorAsync,
            },
            routes => Map(routes, parts, health),
            _time,
            loggers,
            cancellationToken);
        InstanceLease lease = await InstanceLease.AcquireAsync(
            database, instance, InstanceAddress(_web.Address), _time, _log, cancellationToken);
        lease.Lost = LoseInstance;
        _owned.Push(lease);
        health.AddCheck("backends", () => router.IsServing);
        health.AddCheck("instance lease", () => lease.IsHeld);
        Onion.Observe(_metrics, health);
        _owned.Push(await ManagementSocket.StartAsync(
            _options.DataDirectory, Role, new GatewayManagement(totals, router, pseudonyms, devices, catalogs, sealing, Onion).Map, health, _time, loggers, cancellationToken));
        await _metrics.OpenAsync(_time, loggers, cancellationToken);
        await PublishOnionAsync(Onion, loggers, cancellationToken);
        LogStarted(_log, _options.Name, _web.Address);
        if (_options.Profile == Profile.Development)
        {
            LogDevelopment(_log);
        }
    }

    /// <summary>Last of all, as it may take a while: the gateway serves its own address already.</summary>
    private async Task PublishOnionAsync(OnionDoor onion, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (onion.IsEnabled)
        {
            _owned.Push(await OnionHost.StartAsync(
                _options.Tor with { DataDirectory = OnionDoor.TorFolderFor(_options.DataDirectory, Role) },
                new OnionServiceOptions
                {
                    PrivateKey = onion.PrivateKey,
                    Target = onion.Target,
                    AuthorizedClients = _options.Onion.AuthorizedClients,
                    ProofOfWork = _options.Onion.ProofOfWork,
                },
                service => onion.Keep(service.Address, service.PrivateKey.Span),
                status => onion.Report(new OnionState(
                    status.IsPublished, status.Tor?.ToString() ?? "not running", status.Tor?.Percent ?? 0, status.Tor?.Version, status.HasProofOfWork, status.Fault)),
                _time, loggers, cancellationToken));
        }
    }

    /// <summary>A second process has this one's instance id, and each would take the other's live requests for those of a dead one.</summary>
    private void LoseInstance()
    {
        try
        {
            InstanceLease.ForgetId(_options.DataDirectory);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The next start has the same id, and the two find each other again.
        }

        _drain.Close();
        _failed.TrySetResult(
            $"Another gateway on this database started with the instance id of this one: its data folder and {_options.DataDirectory} are copies of one another. "
            + "Start this one again: it takes a new id.");
    }

    // Every statement on a spend carries its own condition, so READ COMMITTED does, and two instances that spend at the same time have nothing to collide at.
    private static Task<Database> OpenDatabaseAsync(GatewayOptions options, TimeProvider time, CancellationToken cancellationToken) =>
        options.Database.LoadConnectionString() is string postgres
            ? Database.OpenPostgresAsync(
                new PostgresOptions { ConnectionString = postgres, Readers = options.Database.Readers, Serializable = false }, SpendTables.Migrations, time, cancellationToken)
            : Database.OpenSqliteAsync(Path.Combine(options.DataDirectory, GatewayBackup.DatabaseName), SpendTables.Migrations, time, cancellationToken);

    /// <summary>Where other instances reach this one; empty if they cannot: what listens on a Unix socket or on all addresses has none to tell.</summary>
    private string InstanceAddress(Uri listening) =>
        _options.InstanceAddress
        ?? (_options.Listen.EndPoint is { Address: var address } && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any) ? listening.ToString() : "");

    private async Task DrainAsync(ReplyStore replies, CancellationToken cancellationToken)
    {
        // Connections end while replies do: a reader is served to the last byte of its reply.
        Task web = _web?.StopAsync(cancellationToken) ?? Task.CompletedTask;
        try
        {
            if (_web is not null)
            {
                await _drain.WaitUntilClosingAsync(cancellationToken);
            }

            await replies.WaitUntilIdleAsync(_options.DrainTimeout, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Told to hurry.
        }

        replies.StopAll();
        await replies.WaitUntilIdleAsync(TimeSpan.FromSeconds(10), CancellationToken.None);
        await web;
        if (_web is not null)
        {
            await _web.DisposeAsync();
        }
    }

    private static void Map(IEndpointRouteBuilder routes, GatewayParts parts, Health health)
    {
        MapPost(routes, parts, Routes.ChatCompletions, parts.Meter.Around(new RedemptionEndpoint(parts, Operation.ChatCompletions, Routes.ChatCompletions).HandleAsync, parts.Time));
        MapPost(routes, parts, Routes.Responses, parts.Meter.Around(new RedemptionEndpoint(parts, Operation.Responses, Routes.Responses).HandleAsync, parts.Time));
        MapPost(routes, parts, Routes.Embeddings, parts.Meter.Around(new RedemptionEndpoint(parts, Operation.Embeddings, Routes.Embeddings).HandleAsync, parts.Time));
        MapPost(routes, parts, Routes.Messages, parts.Meter.Around(new RedemptionEndpoint(parts, Operation.Messages, Routes.Messages).HandleAsync, parts.Time));
        MapPost(routes, parts, Routes.Cancel, new CancelEndpoint(parts).HandleAsync);
        MapPost(routes, parts, Routes.Exchange, new ExchangeEndpoint(parts).HandleAsync);
        MapPost(routes, parts, Routes.Devices, new DevicesEndpoint(parts).HandleAsync);
        MapPost(routes, parts, Routes.PseudonymRotate, new PseudonymEndpoint(parts).HandleAsync);
        var models = new ModelsEndpoint(parts);
        MapGet(routes, parts, Routes.IssuerDirectory, new DirectoryEndpoint(parts).HandleAsync);
        MapGet(routes, parts, Routes.Models, models.ListAsync);
        routes.MapGet(Routes.Models + "/{**id}", (RequestDelegate)models.GetAsync);
        parts.Inner.AddPrefix(HttpMethods.Get, Routes.Models + "/", "id", models.GetAsync);
        if (parts.Sealing is { } sealing)
        {
            var pages = new CrossOrigin(parts.Options.WebOrigins);
            new SealingKeyEndpoints(sealing, parts.Work, parts.Options, parts.Time).Map(routes, pages);
            MapSealedChat(routes, parts, new SealedChatEndpoint(parts, sealing, parts.Replays!), pages);
            routes.MapPost(Routes.Oblivious, new ObliviousEndpoint(parts, sealing, parts.Inner.InvokeAsync).HandleAsync).ServeToTheEnd();
        }

        if (parts.Options.Demo.IsOn)
        {
            new DemonstrationPage(parts).Map(routes);
        }

        health.Map(routes);
    }

    private static void MapSealedChat(IEndpointRouteBuilder routes, GatewayParts parts, SealedChatEndpoint endpoint, CrossOrigin pages)
    {
        routes.MapPost(Routes.SealedChat, pages.Around(endpoint.HandleAsync)).ServeToTheEnd();
        if (parts.Options.Profile == Profile.Development)
        {
            routes.MapPost(Routes.SealedEcho, pages.Around(endpoint.EchoAsync));
        }

        if (pages.IsOn)
        {
            routes.MapMethods(Routes.SealedChat, [HttpMethods.Options], pages.Preflight(HttpMethods.Post));
        }
    }

    /// <summary>Outside and inside sealed requests.</summary>
    private static void MapGet(IEndpointRouteBuilder routes, GatewayParts parts, string path, RequestDelegate handler)
    {
        routes.MapGet(path, handler);
        parts.Inner.Add(HttpMethods.Get, path, handler);
    }

    /// <summary>Outside and inside sealed requests. Each refuses by itself what comes too late, saying of the token what there is to say.</summary>
    private static void MapPost(IEndpointRouteBuilder routes, GatewayParts parts, string path, RequestDelegate handler)
    {
        routes.MapPost(path, handler).ServeToTheEnd();
        parts.Inner.Add(HttpMethods.Post, path, handler);
    }

    /// <summary>What no endpoint answered, in the shape that clients of this API expect.</summary>
    private static Task WriteEdgeErrorAsync(HttpContext context, int status) => ErrorReply.WriteAsync(
        context,
        status switch
        {
            StatusCodes.Status404NotFound => ApiError.Create(ErrorCodes.NotFound, "There is nothing at this path."),
            StatusCodes.Status405MethodNotAllowed => ApiError.Create(ErrorCodes.MethodNotAllowed, "This path does not take this method."),
            StatusCodes.Status503ServiceUnavailable => ApiError.Create(ErrorCodes.ShuttingDown, "The gateway is going down; try again."),
            StatusCodes.Status413PayloadTooLarge => ApiError.Create(ErrorCodes.RequestTooLarge, "The request is too large."),
            >= 400 and < 500 => ApiError.Create(ErrorCodes.BadRequest, "The request is not well-formed HTTP.") with { Status = status },
            _ => ApiError.Create(ErrorCodes.InternalError, "The gateway failed."),
        });

    [LoggerMessage(Level = LogLevel.Information, Message = "The profile is development: this gateway is for trying things out, not for others' prompts.")]
    private static partial void LogDevelopment(ILogger log);

    [LoggerMessage(Level = LogLevel.Information, Message = "Gateway {Name} listens on {Address}.")]
    private static partial void LogStarted(ILogger log, string name, Uri address);
}
