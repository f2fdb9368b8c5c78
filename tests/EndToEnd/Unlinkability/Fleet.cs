using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.EndToEnd.Support;
using Tacit.Gateway.Admission;
using Tacit.Issuer;
using Tacit.Protocol;
using Tacit.Signer;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// Twenty wallets at one issuer and one gateway, both plans, over a change of keys. They buy before they ask, so that each crowd's true pairing is a random
/// permutation: who asks when is drawn evenly by the test, and which token pays is the wallet's choice. Some crash between two steps, some lose their disk.
/// </summary>
internal sealed class Fleet : IAsyncDisposable
{
    private const int AtOnce = 6;

    private readonly ShiftedTime _time;
    private readonly List<FleetWallet> _wallets = [];
    private readonly int _tokensPerPeriod;
    private int _snapshots;

    private Fleet(WholeSystem system, Interposer issuer, Interposer gateway, int tokensPerPeriod, ShiftedTime time)
    {
        _time = time;
        Operators = system;
        Issuer = issuer;
        Gateway = gateway;
        _tokensPerPeriod = tokensPerPeriod;
    }

    public WholeSystem Operators { get; }

    public Interposer Issuer { get; }

    public Interposer Gateway { get; }

    public IReadOnlyList<FleetWallet> Wallets => _wallets;

    public List<Snapshot> IssuerSnapshots { get; } = [];

    public List<Snapshot> SignerSnapshots { get; } = [];

    public List<Snapshot> GatewaySnapshots { get; } = [];

    /// <summary>Runs it to its end.</summary>
    /// <param name="tokensPerPeriod">Tokens that each wallet buys in each of two periods; a multiple of 50.</param>
    public static async Task<Fleet> RunAsync(int tokensPerPeriod)
    {
        var time = new ShiftedTime();
        WholeSystem system = await WholeSystem.StartAsync(
            [WholeSystem.Chat with { Period = PeriodKind.Day }, WholeSystem.ChatLarge with { Period = PeriodKind.Day }], time: time);
        var fleet = new Fleet(system, await Interposer.StartAsync(system.Issuer.Address), await Interposer.StartAsync(system.Gateway.Address), tokensPerPeriod, time);
        await fleet.RunAsync();
        return fleet;
    }

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

    private async Task RunAsync()
    {
        FleetWallet[] ordinary = [.. Enumerable.Range(0, 12).Select(i => Make($"ordinary-{i}", i < 9 ? WholeSystem.Chat : WholeSystem.ChatLarge))];
        FleetWallet crashesBuying = Make("crashes-buying", WholeSystem.Chat, ordinary: false);
        FleetWallet losesRequest = Make("loses-request", WholeSystem.ChatLarge, ordinary: false);
        FleetWallet crashesAsking = Make("crashes-asking", WholeSystem.Chat, ordinary: false);
        FleetWallet losesDisk = Make("loses-disk", WholeSystem.Chat, ordinary: false);
        FleetWallet losesDiskToo = Make("loses-disk-too", WholeSystem.ChatLarge, ordinary: false);
        FleetWallet exchanges = Make("exchanges", WholeSystem.Chat, ordinary: false);
        FleetWallet fresh = Make("fresh-randomness", WholeSystem.Chat, ordinary: false, recoverable: false);
        FleetWallet freshToo = Make("fresh-randomness-too", WholeSystem.ChatLarge, ordinary: false, recoverable: false);

        Issuer.Before = NoteAtIssuerAsync;
        Gateway.Before = NoteAtGatewayAsync;
        foreach (FleetWallet wallet in _wallets)
        {
            await wallet.CreateAsync(await Operators.VoucherAsync(3 * 4 * _tokensPerPeriod));
        }

        await SnapshotAsync("before the first token");

        // The first period: everybody buys, then a third of it is used.
        await CrashBuyingAsync(crashesBuying, Mishap.LoseReply);
        await CrashBuyingAsync(losesRequest, Mishap.LoseRequest);
        await BuyAsync();
        await SnapshotAsync("first tokens bought");
        List<FleetWallet> first = await ScheduleAsync();
        await AskAsync(first[..(first.Count / 3)]);
        await CrashAskingAsync(crashesAsking, 3);
        await SnapshotAsync("some asked");

        // The next key comes; issuer and gateway restart. Everybody buys under it; two have lost their disks, one trades its old tokens in.
        await _time.EnterOverlapAsync(Operators, Issuer, Gateway);
        foreach (FleetWallet wallet in _wallets)
        {
            await wallet.Client.Directory.RefreshAsync();
        }

        await exchanges.Client.Refills.RunOnceAsync();
        await losesDisk.LoseAndRestoreAsync();
        await BuyAsync();
        await losesDiskToo.LoseAndRestoreAsync();
        await SnapshotAsync("second tokens bought");

        // What is left of the old key first, as wallets do, then the new one.
        List<FleetWallet> rest = [.. first[(first.Count / 3)..].Where(wallet => wallet.IsOrdinary)];
        await AskAsync(rest);
        await SnapshotAsync("old tokens used");
        await CrashAskingAsync(freshToo, 3);
        await AskAsync(await ScheduleAsync());
        foreach (FleetWallet wallet in _wallets)
        {
            // One whose tokens turned out spent may have some left.
            while (await wallet.SpendableAsync() > 0)
            {
                await wallet.AskAsync();
            }
        }

        await SnapshotAsync("all used");
    }

    private FleetWallet Make(string name, Plan plan, bool ordinary = true, bool recoverable = true)
    {
        ClientOptions options = Operators.ClientOptions(name, Issuer.Address, Gateway.Address) with
        {
            Fill = new FillOptions { Automatic = false, LowWater = 0, ExchangeSpacing = TimeSpan.Zero, ExchangeInterval = TimeSpan.FromDays(7) },
        };
        var wallet = new FleetWallet(
            name, plan.Id, options with { Wallet = options.Wallet with { Recoverable = recoverable } }, _time, Operators.Log)
        { IsOrdinary = ordinary };
        _wallets.Add(wallet);
        return wallet;
    }

    private Task NoteAtIssuerAsync(Passing passing)
    {
        if (passing.Path != Routes.TokenRequest)
        {
            return Task.CompletedTask;
        }

        string key = passing.Headers["Authorization"]["Bearer ".Length..];
        return _wallets.Single(wallet => wallet.AccountKey == key).NoteAsync();
    }

    private async Task NoteAtGatewayAsync(Passing passing)
    {
        if (passing.Path == Routes.Exchange)
        {
            // The gateway cannot tell whose it is, so neither can this.
            foreach (FleetWallet wallet in _wallets)
            {
                await wallet.NoteAsync();
            }
        }
    }

    /// <summary>Everybody buys what is missing in standard batches, one wallet's between the others'.</summary>
    private async Task BuyAsync()
    {
        int[][] splits = [[50], [10, 10, 10, 10, 10], [10, 5, 5, 10, 10, 5, 5], [5, 2, 2, 1, 10, 10, 10, 10]];
        List<(FleetWallet Wallet, int Size)> purchases = [];
        foreach (FleetWallet wallet in _wallets)
        {
            for (int bought = wallet.Secrets.Count % _tokensPerPeriod; bought < _tokensPerPeriod; bought += 50)
            {
                purchases.AddRange(splits[RandomNumberGenerator.GetInt32(splits.Length)].Select(size => (wallet, size)));
            }
        }

        RandomNumberGenerator.Shuffle(CollectionsMarshal.AsSpan(purchases));
        await Parallel.ForEachAsync(
            purchases, new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
            async (purchase, token) => await purchase.Wallet.Client.Filler.FillAsync(purchase.Wallet.Plan, purchase.Size, shrink: false, token));
    }

    /// <summary>Every token once, in an order drawn evenly.</summary>
    private async Task<List<FleetWallet>> ScheduleAsync()
    {
        List<FleetWallet> schedule = [];
        foreach (FleetWallet wallet in _wallets)
        {
            schedule.AddRange(Enumerable.Repeat(wallet, (int)await wallet.SpendableAsync()));
        }

        RandomNumberGenerator.Shuffle(CollectionsMarshal.AsSpan(schedule));
        return schedule;
    }

    private static Task AskAsync(IReadOnlyList<FleetWallet> schedule) => Parallel.ForEachAsync(
        schedule, new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
        async (wallet, token) =>
        {
            // One that tried several spent tokens for one prompt is through before its turns are.
            if (wallet.IsOrdinary || await wallet.SpendableAsync() > 0)
            {
                await wallet.AskAsync();
            }
        });

    /// <summary>The program dies while its purchase is on the way.</summary>
    private async Task CrashBuyingAsync(FleetWallet wallet, Mishap mishap)
    {
        Issuer.Decide = passing => passing.Path == Routes.TokenRequest ? mishap : Mishap.None;
        await Assert.ThrowsAsync<ClientException>(() => wallet.Client.Filler.FillAsync(wallet.Plan, 50, shrink: false));
        if (mishap == Mishap.LoseRequest)
        {
            // The request was never passed on, so nobody noted it.
            await wallet.NoteAsync();
        }

        Issuer.Decide = _ => Mishap.None;
        await wallet.ReopenAsync();
        Assert.Equal(50, await wallet.Client.Filler.ResumeAsync());
    }

    /// <summary>The program dies between asking and the answer, and takes the request up again when it starts anew.</summary>
    private async Task CrashAskingAsync(FleetWallet wallet, int times)
    {
        for (int i = 0; i < times; i++)
        {
            var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Gateway.Decide = _ =>
            {
                arrived.TrySetResult();
                return Mishap.LoseReply;
            };
            using var killed = new CancellationTokenSource();
            Task<PromptReply> asking = wallet.Client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, wallet.Prompt()), killed.Token);
            await arrived.Task;
            await killed.CancelAsync();
            await Assert.ThrowsAnyAsync<Exception>(() => asking);
            Gateway.Decide = _ => Mishap.None;
            await wallet.ReopenAsync();
            PendingPrompt pending = Assert.Single(await wallet.Client.Redemption.GetPendingAsync());
            await using PromptReply? reply = await wallet.Client.Redemption.ResumeAsync(pending.Id);
            Assert.Equal(200, reply!.Status);
            while (await reply.ReadAsync(new byte[4096]) > 0)
            {
            }

            await reply.CompleteAsync();
        }
    }

    private async Task SnapshotAsync(string moment)
    {
        string scratch = Operators[$"snapshot-{_snapshots++}"];
        IssuerSnapshots.Add(await Snapshot.TakeAsync(moment, Operators["issuer"], "issuer.db", IssuerSchema.Migrations, Path.Combine(scratch, "issuer")));
        SignerSnapshots.Add(await Snapshot.TakeAsync(moment, Operators["signer"], SignerOptions.DatabaseName, SignerSchema.Migrations, Path.Combine(scratch, "signer")));
        GatewaySnapshots.Add(await Snapshot.TakeAsync(moment, Operators["gateway"], "gateway.db", SpendTables.Migrations, Path.Combine(scratch, "gateway")));
    }
}
