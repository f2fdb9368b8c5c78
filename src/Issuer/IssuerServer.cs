using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Hosting.Onion;
using Tacit.Issuer.Accounts;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Issuance;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Payments;
using Tacit.Issuer.Pseudonyms;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tor;

namespace Tacit.Issuer;

/// <summary>
/// The issuer: accounts, vouchers, the ledger, issuance, and the signed directory. It holds no private key of a token and never sees a token. The operator's
/// routes are on <c>issuer.sock</c> in the data folder: <c>POST /vouchers</c> (<see cref="VoucherOrder"/> → <see cref="VoucherBatch"/>), <c>GET /status</c> and
/// <c>POST /keys/refresh</c> (<see cref="IssuerStatus"/>), <c>GET /keys</c> (a list of <see cref="IssuerKeyStatus"/>), <c>GET /ledger</c>
/// (<see cref="LedgerReport"/>), <c>GET /payments</c> (<see cref="PaymentReport"/>).
/// </summary>
public sealed class IssuerServer : IAsyncDisposable
{
    /// <summary>The name of the role, of its management socket and of its section of settings.</summary>
    public const string Role = "issuer";

    // An account that restores goes on at this pace once its burst is used up.
    private const double RestoresPerSecond = 0.5;
    private const double VoucherFailuresPerSecond = 1;

    // A full batch at this rate takes a minute and a half: slow enough for Tor, too fast to hold memory for long.
    private const double LeastBodyBytesPerSecond = 4096;

    private readonly Database _database;
    private readonly DirectoryKey _key;
    private readonly DirectoryPublisher _directory;
    private readonly SealingKeyPoller _gateways;
    private readonly IssuerManagement _management;
    private readonly RetiredIssuance _retired;
    private readonly CheckoutEndpoints _checkouts;
    private readonly RoleListeners _listeners;
    private OnionHost? _onionHost;
    private int _disposed;

    private IssuerServer(Database database, DirectoryKey key, DirectoryPublisher directory, SealingKeyPoller gateways, IssuerManagement management,
        RetiredIssuance retired, CheckoutEndpoints checkouts, RoleListeners listeners, OnionDoor onion)
    {
        _listeners = listeners;
        Onion = onion;
        _gateways = gateways;
        _database = database;
        _key = key;
        _directory = directory;
        _management = management;
        _retired = retired;
        _checkouts = checkouts;
    }

    /// <summary>Where it answers, with the port it really got.</summary>
    public Uri Address => _listeners.Address;

    /// <summary>The issuer's onion service: whether there is one, its address, and whether it is published.</summary>
    public OnionDoor Onion { get; }

    /// <summary>The Ed25519 directory key that clients pin, 32 bytes.</summary>
    public ReadOnlyMemory<byte> DirectoryKey => _key.PublicKey;

    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="KeyProtectionException">The passphrase or key file is missing or wrong.</exception>
    /// <exception cref="StorageException">The database can't be opened.</exception>
    /// <exception cref="ListenException">The address can't be listened on.</exception>
    /// <exception cref="TorException">There is to be an onion service, and no usable tor.</exception>
    public static async Task<IssuerServer> StartAsync(
        IssuerOptions options, ISigner signer, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(loggers);
        var validation = new SettingsValidation();
        options.Validate(validation);
        validation.ThrowIfAny();
        DataFolder.Create(options.DataDirectory);

        Database database = await OpenDatabaseAsync(options, time, cancellationToken);
        DirectoryKey? key = null;
        OnionDoor? onion = null;
        IssuerServer? server = null;
        try
        {
            (KeyProtectionKind kind, SecretReference reference, string setting) = options.KeySecret;
            using (SecretBytes secret = reference.Load(setting))
            {
                key = await Issuance.DirectoryKey.OpenAsync(database, kind, secret.Memory, cancellationToken);
            }

            onion = OnionDoor.Open(options.Onion, Role, options.DataDirectory, (kind, reference, setting), loggers);
            ILogger log = loggers.CreateLogger("Tacit.Issuer");
            var book = new IssuanceBook(database);
            var directoryStore = new DirectoryStore(database);
            var sealingKeys = new SealingKeyBook(database);
            var publisher = new DirectoryPublisher(options, signer, directoryStore, book, sealingKeys, key, () => onion.Announced, time, log);
            var gateways = new SealingKeyPoller(options.Gateways, sealingKeys, options.SealingPollInterval, publisher.RefreshAsync, time, log);
            var vouchers = new VoucherBook(database);
            var payments = new PaymentBook(database);
            var sources = new RequestSources(options.Onion.Addresses, new TrustedProxies(options.TrustedProxies));
            var checkouts = new CheckoutEndpoints(options.Payments, payments, sources, time, log);
            var management = new IssuerManagement(options, database, vouchers, payments, publisher, gateways, key, time);
            server = new IssuerServer(database, key, publisher, gateways, management, new RetiredIssuance(book, time, log), checkouts, new RoleListeners(Role, options.Metrics), onion);
            await publisher.StartAsync(cancellationToken);
            await server.ListenAsync(
                options,
                routes =>
                {
                    var accounts = new AccountBook(database);
                    new AccountEndpoints(accounts, options.Plans, time).Map(routes);
                    new VoucherEndpoints(vouchers, new SourceLimiter(options.VoucherFailureBurst, VoucherFailuresPerSecond, sources, time), time).Map(routes);
                    checkouts.Map(routes);
                    var restores = new RateLimiter(options.RestoreBurst, RestoresPerSecond, time);
                    var issuance = new IssuanceService(publisher, book, signer, restores, time);
                    new IssuanceEndpoints(
                        issuance, accounts, restores,
                        options.MaxBodyBytes, options.Plans.Any(plan => plan.Price.Value == 0 && plan.Kind == PlanKind.Request && !plan.Open)).Map(routes);
                    bool hasOpenPlan = options.Plans.Any(plan => plan.Open);
                    var pages = new CrossOrigin(hasOpenPlan ? options.OpenIssuance.Origins : []);
                    if (hasOpenPlan)
                    {
                        new OpenIssuanceEndpoint(issuance, options.OpenIssuance, sources, time).Map(routes, pages);
                    }

                    new PseudonymEndpoint(
                        publisher, new PseudonymBook(database, options.PseudonymMinimum, options.PseudonymVouchersCount), signer, restores, time).Map(routes);
                    new DirectoryEndpoints(publisher, directoryStore, options.DirectoryMaxAge, time).Map(routes, pages);
                },
                time, loggers, cancellationToken);
            await server.PublishOnionAsync(options, time, loggers, cancellationToken);
            return server;
        }
        catch
        {
            if (server is not null)
            {
                await server.DisposeAsync();
            }
            else
            {
                onion?.Dispose();
                key?.Dispose();
                await database.DisposeAsync();
            }

            throw;
        }
    }

    /// <summary>Makes vouchers without the management socket, for the demo and tests. The codes are nowhere else.</summary>
    /// <param name="credits">What each is worth.</param>
    /// <param name="count">How many.</param>
    /// <param name="expires">The last day (UTC) on which they can be redeemed.</param>
    /// <param name="cancellationToken">Gives up before anything is written.</param>
    public Task<VoucherBatch> CreateVouchersAsync(long credits, int count, DateOnly expires, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(credits);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(count);
        return _management.CreateVouchersAsync(credits, count, expires, cancellationToken);
    }

    /// <summary>Checks the invariants of the books.</summary>
    public Task<LedgerReport> AuditAsync(CancellationToken cancellationToken) => _database.ReadAsync(LedgerAudit.Run, cancellationToken);

    /// <summary>What came of payments, as the operator sees it.</summary>
    public Task<PaymentReport> GetPaymentsAsync(CancellationToken cancellationToken) => _management.PaymentsAsync(cancellationToken);

    public Task<IssuerStatus> GetStatusAsync(CancellationToken cancellationToken) => _management.StatusAsync(cancellationToken);

    /// <summary>Asks the signer for its keys now instead of at the next poll, and publishes what changed.</summary>
    public Task RefreshKeysAsync(CancellationToken cancellationToken) => _directory.RefreshAsync(cancellationToken);

    /// <summary>Asks the gateways for their sealing keys now instead of at the next time, and publishes what is new.</summary>
    public Task AskGatewaysAsync(CancellationToken cancellationToken) => _gateways.AskAllAsync(cancellationToken);

    /// <summary>Ends the requests under way and stops listening.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _listeners.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        await _listeners.DisposeAsync();
        if (_onionHost is not null)
        {
            await _onionHost.DisposeAsync();
        }

        _checkouts.Dispose();
        await _retired.DisposeAsync();
        await _gateways.DisposeAsync();
        await _directory.DisposeAsync();
        await _database.DisposeAsync();
        _key.Dispose();
        Onion.Dispose();
    }

    /// <summary>Last of all, as it may take a while: the issuer serves its own address already.</summary>
    private async Task PublishOnionAsync(IssuerOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (options.Onion.Enabled)
        {
            _onionHost = await OnionHost.StartAsync(
                options.Tor with { DataDirectory = OnionDoor.TorFolderFor(options.DataDirectory, Role) },
                new OnionServiceOptions
                {
                    PrivateKey = Onion.PrivateKey, Target = Onion.Target, AuthorizedClients = options.Onion.AuthorizedClients, ProofOfWork = options.Onion.ProofOfWork,
                },
                service => Onion.Keep(service.Address, service.PrivateKey.Span),
                status => Onion.Report(new OnionState(
                    status.IsPublished, status.Tor?.ToString() ?? "not running", status.Tor?.Percent ?? 0, status.Tor?.Version, status.HasProofOfWork, status.Fault)),
                time, loggers, cancellationToken);
        }
    }

    private static Task<Database> OpenDatabaseAsync(IssuerOptions options, TimeProvider time, CancellationToken cancellationToken) =>
        options.Database.LoadConnectionString() is string postgres
            ? Database.OpenPostgresAsync(
                new PostgresOptions { ConnectionString = postgres, Readers = options.Database.Readers }, IssuerSchema.Migrations, time, cancellationToken)
            : Database.OpenSqliteAsync(Path.Combine(options.DataDirectory, IssuerOptions.DatabaseName), IssuerSchema.Migrations, time, cancellationToken);

    private async Task ListenAsync(
        IssuerOptions options, Action<Microsoft.AspNetCore.Routing.IEndpointRouteBuilder> map, TimeProvider time, ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        _listeners.Health.AddCheck("keys", () => _directory.Fault is null);
        // Nothing of accounts, payments or issuance: when they move is what must not be held against prompts. The books are on the management socket.
        Meter meter = _listeners.Metrics.Meters.Create("Tacit.Issuer");
        meter.CreateObservableGauge(
            "tacit.issuer.ready", () => _directory.Fault is null && !_listeners.Drain.IsDraining ? 1 : 0, null, "1 while keys are published and requests taken.");
        await _listeners.OpenAsync(
            options.DataDirectory, _management.Map,
            new WebServerOptions
            {
                Role = Role,
                Listen = options.Listen,
                Onion = Onion,
                MaxConnections = options.MaxConnections,
                MaxRequestBodyBytes = GenericBatchRequest.MaxSizeInBytes,
                MinRequestBodyBytesPerSecond = LeastBodyBytesPerSecond,
                Tls = options.Tls,
                DrainDelay = options.DrainDelay,
                DrainTimeout = options.DrainTimeout,
                WriteError = Problems.WriteStatusAsync,
            },
            routes =>
            {
                _listeners.Health.Map(routes);
                map(routes);
            },
            time, loggers, cancellationToken);
        _retired.Start();
        _gateways.Start();
    }
}
