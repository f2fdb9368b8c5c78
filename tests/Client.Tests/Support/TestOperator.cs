using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Transports;
using Tacit.Gateway;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Issuer.Gateways;
using Tacit.Protocol;

namespace Tacit.Client.Tests.Support;

/// <summary>A real issuer and a real gateway on loopback with the demo model behind, each behind an <see cref="Interposer"/>.</summary>
public sealed class TestOperator : IAsyncDisposable
{
    public const string GatewayName = "gateway.test";
    public const string Model = "tacit-demo";

    private readonly TestFolder _folder = new();
    private readonly TestSigner _signer;
    private readonly TimeProvider _time;
    private readonly PseudonymOffer? _pseudonyms;
    private InferenceRouter? _router;
    private Func<GatewayOptions, GatewayOptions> _gatewayOptions = options => options;

    private TestOperator(IReadOnlyList<Plan> plans, TimeProvider time, PseudonymOffer? pseudonyms)
    {
        _pseudonyms = pseudonyms;
        Plans = plans;
        _time = time;
        _signer = new TestSigner(plans, time, pseudonyms);
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

    /// <summary>The same with tokens of the other type: for tests that are not about types, and run without the published key.</summary>
    public static Plan ChatDear { get; } = ChatLarge with { TokenType = TokenType.BlindRsa };

    /// <summary>A subscription of one chain.</summary>
    public static Plan Pro { get; } = new()
    {
        Id = "pro", Kind = PlanKind.Subscription, Models = [Model], MaxInputBytes = 64 * 1024, MaxOutputTokens = 4096, Price = new Credits(10), Period = PeriodKind.Month,
        TokenType = TokenType.PartiallyBlindRsa,
    };

    /// <summary>A subscription of three chains.</summary>
    public static Plan Team { get; } = Pro with { Id = "team", Price = new Credits(25), Concurrency = 3 };

    public IReadOnlyList<Plan> Plans { get; }

    public string GatewayData => _folder["gateway"];

    public TestSigner Signer => _signer;

    public IssuerServer Issuer { get; private set; } = null!;

    public GatewayServer Gateway { get; private set; } = null!;

    public Interposer IssuerFront { get; private set; } = null!;

    public Interposer GatewayFront { get; private set; } = null!;

    public Func<InferenceOptions, InferenceOptions> ChangeInference { get; set; } = options => options;

    public static async Task<TestOperator> StartAsync(
        TimeProvider? time = null, IReadOnlyList<Plan>? plans = null, Func<InferenceOptions, InferenceOptions>? inference = null,
        PseudonymOffer? pseudonyms = null, Func<GatewayOptions, GatewayOptions>? gateway = null, bool isSealed = false)
    {
        var system = new TestOperator(plans ?? [Chat], time ?? TimeProvider.System, pseudonyms);
        system._gatewayOptions = gateway ?? system._gatewayOptions;
        system.ChangeInference = inference ?? system.ChangeInference;
        string keyFile = system._folder["key"];
        await File.WriteAllBytesAsync(keyFile, new byte[64]);
        // The issuer fetches sealing keys from where the gateway will be.
        system.GatewayFront = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        byte[]? gatewayKey = null;
        if (isSealed)
        {
            Func<GatewayOptions, GatewayOptions> others = system._gatewayOptions;
            system._gatewayOptions = options => others(options with { Sealing = new SealingOptions { KeyFile = SecretReference.FromFile(keyFile), ReplyInterval = TimeSpan.FromMilliseconds(1) } });
            gatewayKey = await GatewayServer.LoadKeyAsync(system.GatewayOptions("http://127.0.0.1:1", ""), system._time, CancellationToken.None);
        }
        system.Issuer = await IssuerServer.StartAsync(
            new IssuerOptions
            {
                DataDirectory = system._folder["issuer"],
                Listen = ListenAddress.Loopback(0),
                IssuerName = "issuer.test",
                Plans = system.Plans,
                KeyFile = SecretReference.FromFile(keyFile),
                Gateways =
                [
                    gatewayKey is null
                        ? new IssuerGateway { Name = GatewayName, Urls = ["http://127.0.0.1:1"] }
                        : new IssuerGateway { Name = GatewayName, Urls = ["http://127.0.0.1:1"], Key = PublicKeyText.Format(gatewayKey), Address = system.GatewayFront.Address },
                ],
                SealingPollInterval = TimeSpan.FromSeconds(1),
                Pseudonyms = pseudonyms is null ? [] : [pseudonyms],
            },
            system._signer, system._time, NullLoggerFactory.Instance, CancellationToken.None);
        system.IssuerFront = await Interposer.StartAsync(system.Issuer.Address);
        await system.StartGatewayAsync();
        system.GatewayFront.Target = system.Gateway.Address;
        // What wallets compare there has tests of its own; it comes and goes whenever they fetch the issuer's.
        system.GatewayFront.Unnoted = Routes.IssuerDirectory;
        return system;
    }

    /// <summary>Stops the gateway and starts it again on the same database.</summary>
    public async Task RestartGatewayAsync()
    {
        await Gateway.DisposeAsync();
        await _router!.DisposeAsync();
        await StartGatewayAsync();
        GatewayFront.Target = Gateway.Address;
    }

    public ClientOptions OptionsFor(string dataDirectory) => new()
    {
        Wallet = new WalletOptions { DataDirectory = dataDirectory },
        Directory = new DirectoryOptions { Issuer = IssuerFront.Address, DirectoryKey = Issuer.DirectoryKey },
        Redemption = new RedemptionOptions { GatewayAddress = GatewayFront.Address, ReconnectDelay = TimeSpan.FromMilliseconds(5) },
        Fill = new FillOptions { BatchSize = 10, LowWater = 0, ExchangeSpacing = TimeSpan.Zero, Automatic = false },
        Transport = new TransportOptions(),
    };

    public async Task<string> VoucherAsync(long credits)
    {
        DateOnly expires = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime).AddDays(30);
        return (await Issuer.CreateVouchersAsync(credits, 1, expires, CancellationToken.None)).Codes[0];
    }

    /// <summary>A new wallet with an account of so many credits, and as many tokens of the first plan as are asked for.</summary>
    public async Task<TacitClient> WalletAsync(
        string dataDirectory, long credits = 100, int tokens = 0, Func<ClientOptions, ClientOptions>? change = null, TimeProvider? time = null, ILoggerFactory? loggers = null)
    {
        ClientOptions options = (change ?? (unchanged => unchanged))(OptionsFor(dataDirectory));
        TacitClient client = await TacitClient.CreateAsync(options, null, time ?? _time, loggers ?? NullLoggerFactory.Instance, CancellationToken.None);
        if (credits > 0)
        {
            await client.Account.CreateAsync();
            await client.Account.DepositAsync(await VoucherAsync(credits));
        }
        if (tokens > 0)
        {
            await client.Filler.FillAsync(Plans[0].Id, tokens);
        }
        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await IssuerFront.DisposeAsync();
        await GatewayFront.DisposeAsync();
        await Gateway.DisposeAsync();
        await _router!.DisposeAsync();
        await Issuer.DisposeAsync();
        _signer.Dispose();
        _folder.Dispose();
    }

    private async Task StartGatewayAsync()
    {
        _router = new InferenceRouter(ChangeInference(new InferenceOptions { DemoModel = true }), TimeProvider.System, NullLoggerFactory.Instance);
        Gateway = await GatewayServer.StartAsync(
            GatewayOptions(Issuer.Address.ToString(), Convert.ToHexString(Issuer.DirectoryKey.Span)), null, _router, _signer, _time, NullLoggerFactory.Instance, CancellationToken.None);
    }

    private GatewayOptions GatewayOptions(string issuer, string directoryKey) => _gatewayOptions(new GatewayOptions
    {
        Name = GatewayName,
        Listen = ListenAddress.Loopback(0),
        IssuerUrl = new Uri(issuer),
        DirectoryKey = directoryKey,
        DataDirectory = _folder["gateway"],
        ReplyMemoryBytes = 256 << 20,
        Pseudonyms = new PseudonymLimits { PerDay = 4 },
    });
}
