using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Issuer.Gateways;
using Tacit.Protocol;
using Tacit.Signer;

namespace Tacit.EndToEnd.Support;

/// <summary>Signer, issuer and gateway as they are run, on ports of their own and in folders of their own, in this process.</summary>
public sealed class WholeSystem : IAsyncDisposable
{
    public const string GatewayName = "gateway.test";
    public const string Model = "tacit-demo";

    private readonly TestFolder _folder = new();
    private readonly TimeProvider _time;
    private readonly IReadOnlyList<Plan> _plans;
    private readonly InferenceOptions _inference;
    private readonly int _gatewayPort;
    private IReadOnlyList<PseudonymOffer> _pseudonyms = [];
    private InferenceRouter? _router;
    private Func<IssuerOptions, IssuerOptions> _configureIssuer = options => options;

    private WholeSystem(IReadOnlyList<Plan> plans, InferenceOptions inference, TimeProvider time, int gatewayPort)
    {
        _gatewayPort = gatewayPort;
        _plans = plans;
        _inference = inference;
        _time = time;
    }

    public static Plan Chat { get; } = new()
    {
        Id = "chat", Models = [Model], MaxInputBytes = 64 * 1024, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month,
    };

    public static Plan ChatLarge { get; } = new()
    {
        Id = "chat-large", Models = [Model], MaxInputBytes = 1 << 20, MaxOutputTokens = 32768, Price = new Credits(4), Period = PeriodKind.Month,
        TokenType = TokenType.PartiallyBlindRsa,
    };

    /// <summary>A subscription of two chains.</summary>
    public static Plan Monthly { get; } = new()
    {
        Id = "monthly", Kind = PlanKind.Subscription, Models = [Model], MaxInputBytes = 64 * 1024, MaxOutputTokens = 4096, Price = new Credits(100), Period = PeriodKind.Month,
        TokenType = TokenType.PartiallyBlindRsa, Concurrency = 2,
    };

    /// <summary>Everything that every part logged, down to the finest level.</summary>
    public CapturedLog Log { get; } = new();

    public SignerService Signer { get; private set; } = null!;

    public IssuerServer Issuer { get; private set; } = null!;

    public GatewayServer Gateway { get; private set; } = null!;

    /// <summary>How the gateway's backends are.</summary>
    public IReadOnlyList<BackendStatus> Backends => _router!.Backends;

    /// <summary>What the gateway has otherwise from its next start on.</summary>
    public Func<GatewayOptions, GatewayOptions> ConfigureGateway { get; set; } = options => options;

    /// <summary>The folder of a part: <c>signer</c>, <c>issuer</c>, <c>gateway</c>, or a client's.</summary>
    public string this[string part] => _folder[part];

    /// <param name="plans">Default: <see cref="Chat"/> alone. A plan of type 0xDA7A waits for the search for its safe primes.</param>
    /// <param name="inference">Default: the demo model.</param>
    /// <param name="time">Default: the system's clock.</param>
    /// <param name="configureIssuer">What the issuer has otherwise.</param>
    /// <param name="pseudonyms">What the gateway asks for beside tokens. Default: nothing.</param>
    /// <param name="gatewayPort">Where the gateway is, as the directory then says too. Default: on any port, and only those who are told find it.</param>
    public static async Task<WholeSystem> StartAsync(
        IReadOnlyList<Plan>? plans = null, InferenceOptions? inference = null, TimeProvider? time = null, Func<IssuerOptions, IssuerOptions>? configureIssuer = null,
        int gatewayPort = 0, IReadOnlyList<PseudonymOffer>? pseudonyms = null)
    {
        var system = new WholeSystem(plans ?? [Chat], inference ?? new InferenceOptions { DemoModel = true }, time ?? TimeProvider.System, gatewayPort);
        system._configureIssuer = configureIssuer ?? system._configureIssuer;
        system._pseudonyms = pseudonyms ?? [];
        await File.WriteAllBytesAsync(system["key"], System.Security.Cryptography.RandomNumberGenerator.GetBytes(64));
        if (system._plans.Any(plan => plan.TokenType == TokenType.PartiallyBlindRsa))
        {
            await SafePrimeKeys.ProvideAsync(system["signer"], system["key"]);
        }

        system.Signer = await SignerService.OpenAsync(
            new SignerOptions
            {
                DataDirectory = system["signer"], Plans = system._plans, KeyFile = SecretReference.FromFile(system["key"]), Pseudonyms = system._pseudonyms,
            },
            system._time, system.Log, CancellationToken.None);
        await system.Signer.AllKeysReady;
        await system.StartIssuerAsync();
        await system.StartGatewayAsync();
        return system;
    }

    public async Task StartIssuerAsync() => Issuer = await IssuerServer.StartAsync(
        _configureIssuer(new IssuerOptions
        {
            DataDirectory = this["issuer"],
            Listen = ListenAddress.Loopback(0),
            IssuerName = "issuer.test",
            Plans = _plans,
            Pseudonyms = _pseudonyms,
            KeyFile = SecretReference.FromFile(this["key"]),
            Gateways = [new IssuerGateway { Name = GatewayName, Urls = [$"http://127.0.0.1:{(_gatewayPort == 0 ? 1 : _gatewayPort)}"] }],
        }),
        Signer, _time, Log, CancellationToken.None);

    public async Task StartGatewayAsync()
    {
        _router = new InferenceRouter(_inference, TimeProvider.System, Log);
        Gateway = await GatewayServer.StartAsync(
            ConfigureGateway(new GatewayOptions
            {
                Name = GatewayName,
                Listen = ListenAddress.Loopback(_gatewayPort),
                IssuerUrl = Issuer.Address,
                DirectoryKey = Convert.ToHexString(Issuer.DirectoryKey.Span),
                DataDirectory = this["gateway"],
                ReplyMemoryBytes = 512 << 20,
            }),
            null, _router, Signer, _time, Log, CancellationToken.None);
    }

    public async Task StopGatewayAsync()
    {
        await Gateway.DisposeAsync();
        await _router!.DisposeAsync();
    }

    public ClientOptions ClientOptions(string name, Uri? issuer = null, Uri? gateway = null) => new()
    {
        Wallet = new WalletOptions { DataDirectory = this[name] },
        Directory = new DirectoryOptions { Issuer = issuer ?? Issuer.Address, DirectoryKey = Issuer.DirectoryKey },
        Redemption = new RedemptionOptions { GatewayAddress = gateway ?? Gateway.Address, FillAtPrompt = false },
        Fill = new FillOptions { Automatic = false },
    };

    public async Task<string> VoucherAsync(long credits) =>
        (await Issuer.CreateVouchersAsync(credits, 1, DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime).AddDays(30), CancellationToken.None)).Codes[0];

    /// <summary>A new wallet with an account of so many credits.</summary>
    public async Task<TacitClient> ClientAsync(string name, long credits, Uri? issuer = null, Uri? gateway = null)
    {
        TacitClient client = await TacitClient.CreateAsync(ClientOptions(name, issuer, gateway), null, _time, Log);
        await client.Account.CreateAsync();
        await client.Account.DepositAsync(await VoucherAsync(credits));
        return client;
    }

    /// <summary>The local app over a client of this system.</summary>
    public Task<AppServer> AppAsync(string name, TacitClient client) => AppServer.StartAsync(
        new AppOptions { DataDirectory = this[name], Listen = ListenAddress.Loopback(0), IssuerUrl = Issuer.Address, GatewayUrl = Gateway.Address, AutoFill = false },
        client, _time, Log);

    /// <summary>What is held once no request is open any more: a token is settled just behind the last byte of what it paid for.</summary>
    public static async Task<PlanHoldings> SettledAsync(TacitClient client, string plan)
    {
        PlanHoldings held;
        while ((held = (await client.Wallet.GetStatusAsync()).Plans.Single(entry => entry.Plan == plan)).Presented > 0)
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }

        return held;
    }

    public async ValueTask DisposeAsync()
    {
        await StopGatewayAsync();
        await Issuer.DisposeAsync();
        await Signer.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>Keeps every log line, formatted, with the exception's text.</summary>
public sealed class CapturedLog : ILoggerFactory
{
    public ConcurrentQueue<string> Lines { get; } = new();

    public ILogger CreateLogger(string categoryName) => new Logger(categoryName, Lines);

    public void AddProvider(ILoggerProvider provider)
    {
        // There is one place to write to.
    }

    public void Dispose()
    {
        // Nothing is held.
    }

    private sealed class Logger(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            lines.Enqueue($"{category} scope {state}");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue($"{logLevel} {category} {formatter(state, exception)} {exception}");
    }
}
