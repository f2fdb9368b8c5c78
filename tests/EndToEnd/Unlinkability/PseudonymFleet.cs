using System.Security.Cryptography;
using System.Text;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Pseudonyms;
using Tacit.Issuer;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// Accounts at a gateway that asks each for both pseudonyms. All have theirs signed, then all ask, half have the transient one replaced, and all ask again: each time in
/// an order drawn anew, so that which pseudonym is whose account's is a random permutation.
/// </summary>
internal sealed class PseudonymFleet : IAsyncDisposable
{
    private const int AtOnce = 6;

    private readonly List<FleetWallet> _wallets = [];
    private int _snapshots;

    private PseudonymFleet(WholeSystem system, Interposer issuer, Interposer gateway)
    {
        Operators = system;
        Issuer = issuer;
        Gateway = gateway;
    }

    public WholeSystem Operators { get; }

    public Interposer Issuer { get; }

    public Interposer Gateway { get; }

    public IReadOnlyList<FleetWallet> Wallets => _wallets;

    public List<Snapshot> IssuerSnapshots { get; } = [];

    public List<Snapshot> GatewaySnapshots { get; } = [];

    /// <summary>Runs it to its end.</summary>
    /// <param name="accounts">How many; an even number.</param>
    /// <param name="fetchAtPrompt">A fault: each account has its pseudonyms signed when it first needs them.</param>
    public static async Task<PseudonymFleet> RunAsync(int accounts, bool fetchAtPrompt = false)
    {
        var time = new ShiftedTime();
        WholeSystem system = await WholeSystem.StartAsync(
            time: time,
            pseudonyms: [new PseudonymOffer { Gateway = WholeSystem.GatewayName, Policy = PseudonymPolicy.Both, Period = PeriodKind.Day }]);

        // With limits, so that there are counters to look at.
        system.ConfigureGateway = options => options with { Pseudonyms = new PseudonymLimits { PerDay = 100 } };
        await system.StopGatewayAsync();
        await system.StartGatewayAsync();
        var fleet = new PseudonymFleet(system, await Interposer.StartAsync(system.Issuer.Address), await Interposer.StartAsync(system.Gateway.Address));
        await fleet.RunAsync(accounts, time, fetchAtPrompt);
        return fleet;
    }

    /// <summary>All that both sides hold.</summary>
    public Holdings Holdings => new()
    {
        IssuerWire = [.. Issuer.Seen],
        GatewayWire = [.. Gateway.Seen],
        IssuerDisk = [.. IssuerSnapshots.SelectMany(snapshot => Evidence.Of("issuer", snapshot))],
        GatewayDisk = [.. GatewaySnapshots.SelectMany(snapshot => Evidence.Of("gateway", snapshot))],
        Logs = [new Evidence("the logs", Encoding.UTF8.GetBytes(string.Join('\n', Operators.Log.Lines)))],
        ShowsPseudonyms = true,
    };

    public async ValueTask DisposeAsync()
    {
        foreach (FleetWallet wallet in _wallets)
        {
            await wallet.DisposeAsync();
        }

        await Gateway.DisposeAsync();
        await Issuer.DisposeAsync();
        await Operators.DisposeAsync();
    }

    private async Task RunAsync(int accounts, TimeProvider time, bool fetchAtPrompt)
    {
        for (int i = 0; i < accounts; i++)
        {
            string name = $"account-{i}";
            ClientOptions options = Operators.ClientOptions(name, Issuer.Address, Gateway.Address);
            _wallets.Add(new FleetWallet(
                name, WholeSystem.Chat.Id, options with { Redemption = options.Redemption with { AllowPseudonyms = true } }, time, Operators.Log));
        }

        await EachAsync(_wallets, async wallet =>
        {
            await wallet.CreateAsync(await Operators.VoucherAsync(2));
            await wallet.Client.Filler.FillAsync(wallet.Plan, 2, shrink: false);
        });
        await SnapshotAsync("before the first pseudonym");
        if (fetchAtPrompt)
        {
            foreach (FleetWallet wallet in Shuffled())
            {
                await wallet.Client.Pseudonyms.FetchAsync();
                await wallet.AskAsync();
            }
        }
        else
        {
            await EachAsync(Shuffled(), wallet => wallet.Client.Pseudonyms.FetchAsync());
            await SnapshotAsync("all signed");
            await EachAsync(Shuffled(), wallet => wallet.AskAsync());
        }

        await SnapshotAsync("all shown");
        await EachAsync(Shuffled()[..(accounts / 2)], wallet => wallet.Client.Pseudonyms.RotateAsync());
        await SnapshotAsync("half of them replaced");
        await EachAsync(Shuffled(), wallet => wallet.AskAsync());
        await SnapshotAsync("all shown again");
    }

    private FleetWallet[] Shuffled()
    {
        FleetWallet[] order = [.. _wallets];
        RandomNumberGenerator.Shuffle(order.AsSpan());
        return order;
    }

    private static Task EachAsync(IEnumerable<FleetWallet> wallets, Func<FleetWallet, Task> work) =>
        Parallel.ForEachAsync(wallets, new ParallelOptions { MaxDegreeOfParallelism = AtOnce }, async (wallet, _) => await work(wallet));

    private async Task SnapshotAsync(string moment)
    {
        string scratch = Operators[$"snapshot-{_snapshots++}"];
        IssuerSnapshots.Add(await Snapshot.TakeAsync(moment, Operators["issuer"], "issuer.db", IssuerSchema.Migrations, Path.Combine(scratch, "issuer")));
        GatewaySnapshots.Add(await Snapshot.TakeAsync(moment, Operators["gateway"], "gateway.db", SpendTables.Migrations, Path.Combine(scratch, "gateway")));
    }
}
