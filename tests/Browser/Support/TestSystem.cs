using Microsoft.Extensions.Logging;
using Tacit.App;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.EndToEnd.Support;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Browser.Support;

/// <summary>Signer, issuer, gateway and app as they are run, with a <see cref="ScriptedModel"/> behind, each on a port of its own.</summary>
internal sealed class TestSystem : IAsyncDisposable
{
    private const string Wallet = "app";

    /// <summary>Both of the type that needs no safe primes, whose search takes a minute.</summary>
    public static readonly Plan Chat = WholeSystem.Chat with { Models = [ScriptedModel.Name] };
    public static readonly Plan Large = WholeSystem.Chat with { Id = "large", Models = [ScriptedModel.LargeName], MaxInputBytes = 1 << 20, Price = new Credits(4) };

    private readonly WholeSystem _operators;
    private TacitClient? _client;
    private ClientHost? _host;

    private TestSystem(ScriptedModel model, WholeSystem operators)
    {
        Model = model;
        _operators = operators;
    }

    public ScriptedModel Model { get; }

    public AppServer App { get; private set; } = null!;

    /// <summary>Where the page is.</summary>
    public Uri Address { get; private set; } = null!;

    public string AppData => _operators[Wallet];

    public WholeSystem Operators => _operators;

    public TacitClient Client => _client!;

    /// <param name="credits">What the wallet's account holds before the tokens are bought.</param>
    /// <param name="tokens">How many tokens of the plan it holds: 0, 1, 2, 5, 10, 50 or 100.</param>
    /// <param name="fillsAtPrompt">Whether an empty wallet may buy because somebody asks.</param>
    public static async Task<TestSystem> StartAsync(long credits = 100, int tokens = 10, IReadOnlyList<Plan>? plans = null, bool fillsAtPrompt = true)
    {
        TestSystem system = await StartOperatorsAsync(plans);
        ClientOptions options = system._operators.ClientOptions(Wallet);
        system._client = await TacitClient.CreateAsync(options with { Redemption = options.Redemption with { FillAtPrompt = fillsAtPrompt } }, null, TimeProvider.System, system._operators.Log);
        await system._client.Account.CreateAsync();
        await system._client.Account.DepositAsync(await system.VoucherAsync(credits));
        if (tokens > 0)
        {
            await system._client.Filler.FillAsync(Chat.Id, tokens);
        }

        await system.StartAppAsync();
        return system;
    }

    /// <summary>The app as it is on the first day: there is neither wallet nor setting.</summary>
    public static async Task<TestSystem> StartWithoutWalletAsync()
    {
        TestSystem system = await StartOperatorsAsync(null);
        system._host = await ClientHost.OpenAsync(
            new AppOptions { DataDirectory = system.AppData, Listen = ListenAddress.Loopback(FreePorts.Take(1)), DrainTimeout = TimeSpan.Zero }, TimeProvider.System, system._operators.Log);
        system.App = await AppServer.StartAsync(system._host, TimeProvider.System, system._operators.Log);
        system.Address = system.App.Address;
        return system;
    }

    /// <summary>What an operator hands out, with a voucher.</summary>
    public async Task<string> InvitationAsync(long credits) =>
        $"tacit:?issuer={Uri.EscapeDataString(_operators.Issuer.Address.ToString())}&key={Convert.ToHexStringLower(_operators.Issuer.DirectoryKey.Span)}&voucher={await VoucherAsync(credits)}";

    public Task<string> VoucherAsync(long credits) => _operators.VoucherAsync(credits);

    /// <summary>The gateway goes away, as when its machine is switched off.</summary>
    public Task StopGatewayAsync() => _operators.StopGatewayAsync();

    public Task StartGatewayAsync() => _operators.StartGatewayAsync();

    public async Task StopAppAsync() => await App.DisposeAsync();

    /// <summary>Starts the app, the second time at the same address.</summary>
    public async Task StartAppAsync()
    {
        App = await AppServer.StartAsync(
            new AppOptions
            {
                DataDirectory = AppData, Listen = ListenAddress.Loopback(Address?.Port ?? FreePorts.Take(1)), IssuerUrl = _operators.Issuer.Address, GatewayUrl = _operators.Gateway.Address, AutoFill = false,
                DrainTimeout = TimeSpan.Zero,
            },
            Client, TimeProvider.System, _operators.Log);
        Address = App.Address;
    }

    public async ValueTask DisposeAsync()
    {
        await App.DisposeAsync();
        if (_host is not null)
        {
            await _host.DisposeAsync();
        }

        if (_client is not null)
        {
            await _client.DisposeAsync();
        }

        await _operators.DisposeAsync();
        await Model.DisposeAsync();
    }

    private static async Task<TestSystem> StartOperatorsAsync(IReadOnlyList<Plan>? plans)
    {
        var model = new ScriptedModel();
        // A port that the system hands to nobody, so that it is still free when the gateway comes back.
        return new TestSystem(model, await WholeSystem.StartAsync(plans ?? [Chat, Large], model.Inference, gatewayPort: FreePorts.Take(1)));
    }
}
