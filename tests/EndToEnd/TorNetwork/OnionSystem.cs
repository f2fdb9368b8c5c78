using Microsoft.Extensions.Logging;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;
using Tacit.Gateway;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Issuer.Gateways;
using Tacit.Protocol;
using Tacit.Relay;
using Tacit.Signer;
using Tacit.Tor;

namespace Tacit.EndToEnd.TorNetwork;

/// <summary>Signer, issuer, gateway and relay as operators run them with <c>--onion</c>: each of the latter three with a tor of its own in a private network.</summary>
public sealed class OnionSystem : IAsyncDisposable
{
    public const string GatewayName = "gateway.test";
    public const string IssuerName = "issuer.test";
    public const string Plan = "chat";

    /// <summary>Where the directory says that the gateway is, beside its onion service. Whoever goes there looks a name up that nobody has.</summary>
    private const string Elsewhere = "https://gateway.example";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    private readonly Stack<IAsyncDisposable> _parts = new();
    private readonly TestFolder _folder = new();
    private readonly PrivateTorNetwork _network;
    private readonly ILoggerFactory _log;

    private OnionSystem(PrivateTorNetwork network, ILoggerFactory log)
    {
        _network = network;
        _log = log;
    }

    public SignerService Signer { get; private set; } = null!;

    public IssuerServer Issuer { get; private set; } = null!;

    public GatewayServer Gateway { get; private set; } = null!;

    public RelayServer Relay { get; private set; } = null!;

    /// <summary>What came to the gateway otherwise than by its onion service: the issuer, for its sealing keys.</summary>
    public Interposer GatewayFront { get; private set; } = null!;

    public Uri IssuerOnion => new($"http://{Issuer.Onion.Announced}");

    public Uri GatewayOnion => new($"http://{Gateway.Onion.Announced}");

    public Uri RelayOnion => new($"http://{Relay.Onion.Announced}");

    /// <summary>A part's folder.</summary>
    public string this[string part] => _folder[part];

    /// <summary>Starts all of it and waits until the three services can be found and the directory names the gateway's.</summary>
    public static async Task<OnionSystem> StartAsync(PrivateTorNetwork network, InferenceOptions inference, string model, ILoggerFactory log)
    {
        var system = new OnionSystem(network, log);
        try
        {
            await system.StartPartsAsync(inference, model);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client whose only ways to issuer and gateway are their onion services.</summary>
    public ClientOptions ClientOptions(string name) => new()
    {
        Wallet = new WalletOptions { DataDirectory = this[name] },
        Directory = new DirectoryOptions { Issuer = IssuerOnion, DirectoryKey = Issuer.DirectoryKey },
        Redemption = new RedemptionOptions { FillAtPrompt = false },
        Fill = new FillOptions { Automatic = false, LowWater = 0, ExchangeSpacing = TimeSpan.Zero },
        Transport = new TransportOptions
        {
            Carrier = CarrierChoice.Tor,
            Tor = new TorSettings { DataDirectory = TorFolder(name), Configuration = _network.ConfigurationFile },
        },
    };

    /// <summary>Where a client's tor keeps its things.</summary>
    public string TorFolder(string name) => Path.Combine(this[name], "tor");

    public async Task<string> VoucherAsync(long credits) => (await Issuer.CreateVouchersAsync(credits, 1, new DateOnly(9000, 1, 1), CancellationToken.None)).Codes[0];

    public async ValueTask DisposeAsync()
    {
        while (_parts.TryPop(out IAsyncDisposable? part))
        {
            await part.DisposeAsync();
        }

        _folder.Dispose();
    }

    private async Task StartPartsAsync(InferenceOptions inference, string model)
    {
        await File.WriteAllBytesAsync(this["key"], System.Security.Cryptography.RandomNumberGenerator.GetBytes(64));
        SecretReference key = SecretReference.FromFile(this["key"]);
        Plan[] plans = [new() { Id = Plan, Models = [model], MaxInputBytes = 64 * 1024, MaxOutputTokens = 4096, Price = new Credits(1), Period = PeriodKind.Month }];
        var onion = new OnionOptions { Enabled = true, KeyFile = key };
        var tor = new TorOptions { Configuration = _network.ServiceConfigurationFile };

        // The issuer fetches sealing keys from where the gateway will be.
        GatewayFront = Keep(await Interposer.StartAsync(new Uri("http://127.0.0.1:1")));
        GatewayOptions gateway = new()
        {
            Name = GatewayName, Listen = ListenAddress.Loopback(0), DataDirectory = this["gateway"], ReplyMemoryBytes = 256 << 20,
            Sealing = new SealingOptions { KeyFile = key, ReplyInterval = TimeSpan.FromMilliseconds(1) }, Onion = onion, Tor = tor,
        };
        byte[] gatewayKey = (await GatewayServer.LoadKeyAsync(gateway, TimeProvider.System, CancellationToken.None))!;
        Signer = Keep(await SignerService.OpenAsync(new SignerOptions { DataDirectory = this["signer"], Plans = plans, KeyFile = key }, TimeProvider.System, _log, CancellationToken.None));
        await Signer.AllKeysReady;
        Issuer = Keep(await IssuerServer.StartAsync(
            new IssuerOptions
            {
                DataDirectory = this["issuer"], Listen = ListenAddress.Loopback(0), IssuerName = IssuerName, Plans = plans, KeyFile = key,
                Gateways = [new IssuerGateway { Name = GatewayName, Urls = [Elsewhere], Key = PublicKeyText.Format(gatewayKey), Address = GatewayFront.Address }],
                SealingPollInterval = TimeSpan.FromSeconds(1), Onion = onion, Tor = tor,
            },
            Signer, TimeProvider.System, _log, CancellationToken.None));
        InferenceRouter router = Keep(new InferenceRouter(inference, TimeProvider.System, _log));
        Gateway = Keep(await GatewayServer.StartAsync(
            gateway with { IssuerUrl = Issuer.Address, DirectoryKey = Convert.ToHexString(Issuer.DirectoryKey.Span) },
            null, router, Signer, TimeProvider.System, _log, CancellationToken.None));
        GatewayFront.Target = Gateway.Address;
        Relay = Keep(await RelayServer.StartAsync(
            new RelayOptions
            {
                DataDirectory = this["relay"], Listen = ListenAddress.Loopback(0), Targets = [new RelayTarget { Name = GatewayName, Address = Gateway.Address }], Onion = onion, Tor = tor,
            },
            TimeProvider.System, _log, CancellationToken.None));

        await UntilAsync(() => Task.FromResult(Issuer.Onion.IsPublished && Gateway.Onion.IsPublished && Relay.Onion.IsPublished), "the onion services were not published");
        using var http = new HttpMessageInvoker(new SocketsHttpHandler());
        await UntilAsync(() => IsListedAsync(http), "the directory does not list the gateway's onion service");
    }

    private async Task<bool> IsListedAsync(HttpMessageInvoker http)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Issuer.Address, Routes.IssuerDirectory));
        using HttpResponseMessage response = await http.SendAsync(request, CancellationToken.None);
        return (await response.Content.ReadAsStringAsync()).Contains(Gateway.Onion.Announced!, StringComparison.Ordinal);
    }

    private static async Task UntilAsync(Func<Task<bool>> condition, string otherwise)
    {
        using var patience = new CancellationTokenSource(s_patience);
        while (!await condition())
        {
            if (patience.IsCancellationRequested)
            {
                throw new TimeoutException(otherwise);
            }

            await Task.Delay(100, CancellationToken.None);
        }
    }

    private T Keep<T>(T part)
        where T : IAsyncDisposable
    {
        _parts.Push(part);
        return part;
    }
}
