using Microsoft.Extensions.Logging;
using Tacit.Client.Policy;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>
/// Looks after the wallet on a schedule of its own: fetches the directory, resumes what was left open, fills plans that ran low, exchanges tokens that were
/// shown. The times are drawn at random and kept over restarts, so that neither prompts nor the starts of the program cause account calls (law 6); one that
/// falls among prompts is drawn anew.
/// </summary>
public sealed partial class RefillService : IAsyncDisposable
{
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(1);

    private readonly Wallet _wallet;
    private readonly DirectoryClient _directory;
    private readonly AccountClient _account;
    private readonly WalletFiller _filler;
    private readonly PseudonymKeeper _pseudonyms;
    private readonly RedemptionClient _redemption;
    private readonly FillOptions _options;
    private readonly WalletPolicy _policy;
    private readonly NoticeBoard _notices;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly HashSet<(string Plan, DateTimeOffset Period)> _warnedOf = [];
    private Task _loop = Task.CompletedTask;

    internal RefillService(
        Wallet wallet, DirectoryClient directory, AccountClient account, WalletFiller filler, PseudonymKeeper pseudonyms, RedemptionClient redemption, NoticeBoard notices,
        FillOptions options, WalletPolicy policy, TimeProvider time, ILoggerFactory loggers)
    {
        _wallet = wallet;
        _directory = directory;
        _account = account;
        _filler = filler;
        _pseudonyms = pseudonyms;
        _redemption = redemption;
        _options = options;
        _policy = policy;
        _notices = notices;
        _time = time;
        _log = loggers.CreateLogger<RefillService>();
    }

    /// <summary>Begins the schedule; nothing is done at once.</summary>
    public void Start()
    {
        if (_options.Automatic && _loop.IsCompleted)
        {
            _loop = Task.WhenAll(Task.Run(() => GuardAsync(LookAsync, _stop.Token)), Task.Run(() => GuardAsync(ExchangeLoopAsync, _stop.Token)));
        }
    }

    /// <summary>One look, now: everything the schedule would do. Failures become notices; each part is tried even if one before failed.</summary>
    public async Task RunOnceAsync(CancellationToken cancellationToken = default)
    {
        await LookOnceAsync(cancellationToken);
        await ExchangeAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task LookOnceAsync(CancellationToken cancellationToken)
    {
        await TryAsync("The directory could not be refreshed", () => RefreshDirectoryAsync(cancellationToken), cancellationToken);
        await TryAsync("Stale requests could not be given up", () => _redemption.GiveUpStaleAsync(cancellationToken), cancellationToken);
        await TryAsync("Expired tokens could not be cleared", () => ExpireAsync(cancellationToken), cancellationToken);
        if (await _account.ExistsAsync(cancellationToken))
        {
            await TryAsync("A voucher could not be deposited", () => _account.ResumeAsync(cancellationToken), cancellationToken);
            await TryAsync("Tokens that were asked for did not arrive", () => _filler.ResumeAsync(cancellationToken), cancellationToken);
            await TryAsync("Subscriptions could not be renewed", () => RenewSubscriptionsAsync(cancellationToken), cancellationToken);
            await TryAsync("The wallet could not be filled", () => FillAsync(cancellationToken), cancellationToken);
            if (_pseudonyms.IsAllowed)
            {
                await TryAsync("A pseudonym could not be fetched", () => _pseudonyms.FetchAtLookAsync(cancellationToken), cancellationToken);
            }
        }
    }

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset next = await FirstAsync(cancellationToken);
        int putOff = 0;
        while (true)
        {
            // In short waits: a clock that is set, or a machine that slept, moves the time of day and not the timers.
            while (next - _time.GetUtcNow() is { Ticks: > 0 } wait)
            {
                if (_policy.IsOutOfReach(_time.GetUtcNow(), next))
                {
                    next = await FirstAsync(cancellationToken);
                    continue;
                }
                // Timers count whole milliseconds; a shorter wait would be none.
                await Task.Delay(TimeSpan.FromMilliseconds(Math.Clamp(Math.Ceiling(wait.TotalMilliseconds), 1, LongestWait.TotalMilliseconds)), _time, cancellationToken);
            }
            bool now = putOff == WalletPolicy.MostPutOff || _redemption.IsQuietFor(WalletPolicy.QuietBeforeLook);
            putOff = now ? 0 : putOff + 1;
            // Drawn and stored before the look, so that a crash in it does not bring the next one forward.
            next = now ? _policy.NextLook(_time.GetUtcNow()) : _policy.PutOffLook(_time.GetUtcNow());
            await TryAsync(
                "The wallet could not be looked after",
                async () =>
                {
                    await _wallet.Journal.SetNextRefillAsync(next, cancellationToken);
                    if (now)
                    {
                        await LookOnceAsync(cancellationToken);
                    }
                },
                cancellationToken);
        }
    }

    /// <summary>
    /// Returned tokens do not wait for the next look: a few failed requests would empty the wallet. Nor does a look exchange any: the issuer sees looks, the
    /// gateway exchanges, and neither may be timed with the other.
    /// </summary>
    private async Task ExchangeLoopAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            await Task.Delay(_policy.NextExchangeLook(), _time, cancellationToken);
            await ExchangeAsync(cancellationToken);
        }
    }

    private async Task ExchangeAsync(CancellationToken cancellationToken)
    {
        await TryAsync("Tokens could not be exchanged", () => _redemption.ExchangeAsync(cancellationToken), cancellationToken);
        if (_pseudonyms.IsAllowed)
        {
            await TryAsync("A pseudonym could not be replaced", () => _pseudonyms.ResumeRotationAsync(cancellationToken), cancellationToken);
        }
    }

    private async Task GuardAsync(Func<CancellationToken, Task> loop, CancellationToken cancellationToken)
    {
        try
        {
            await loop(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
        catch (Exception e)
        {
            _notices.Post(NoticeKind.RefillFailed, "The wallet's schedule ended: " + e.Message);
            LogEnded(e.GetType().Name);
        }
    }

    private async Task<DateTimeOffset> FirstAsync(CancellationToken cancellationToken)
    {
        DateTimeOffset first = _policy.FirstLook(_time.GetUtcNow(), await _wallet.Journal.NextRefillAsync(cancellationToken));
        await TryAsync("The wallet's schedule could not be kept", () => _wallet.Journal.SetNextRefillAsync(first, cancellationToken), cancellationToken);
        return first;
    }

    private async Task RefreshDirectoryAsync(CancellationToken cancellationToken)
    {
        await _directory.RefreshAsync(cancellationToken);
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        foreach (string plan in _policy.KeptPlans(directory.SoldPlans.Select(entry => entry.Plan)))
        {
            if (directory.FindPlan(plan)?.LiveKeysAt(_time.GetUtcNow()) is [PlanKey key, ..] && (key.Accounts ?? 0) < _directory.MinCrowd && _warnedOf.Add((plan, key.Start)))
            {
                _notices.Post(
                    NoticeKind.SmallCrowd,
                    $"The issuer says that {(key.Accounts is long accounts ? $"no more than {(2 * accounts) - 1}" : "no")} accounts have tokens of plan {plan} in this period: a token hides among those, and these are few.");
            }
        }
    }

    private async Task ExpireAsync(CancellationToken cancellationToken)
    {
        if ((await _directory.FindStoredAsync(cancellationToken)).Directory is IssuerDirectory directory)
        {
            await _wallet.Journal.ExpireAsync(directory, cancellationToken);
            await _wallet.Journal.ExpireChainsAsync(directory, cancellationToken);
        }
    }

    private async Task FillAsync(CancellationToken cancellationToken)
    {
        IssuerDirectory directory = await _directory.CurrentAsync(cancellationToken);
        string[] subscribed = [.. (await _wallet.Journal.SubscribedPlansAsync(directory.IssuerName, _time.GetUtcNow(), cancellationToken)).Select(entry => entry.Plan)];
        foreach (string plan in _policy.KeptPlans(directory.SoldPlans.Select(entry => entry.Plan), subscribed))
        {
            int size = _policy.PurchaseAtLook(await _wallet.GetStockAsync(plan, cancellationToken));
            if (size > 0)
            {
                FillResult result = await _filler.FillAsync(plan, size, shrink: true, cancellationToken);
                LogFilled(plan, result.Received);
                await WarnIfLowAsync(directory.FindPlan(plan)!.Plan, cancellationToken);
            }
        }
    }

    private async Task RenewSubscriptionsAsync(CancellationToken cancellationToken)
    {
        foreach (SubscribeResult bought in await _filler.RenewDueAsync(_policy, _notices, cancellationToken))
        {
            LogSubscribed(bought.Plan, bought.Chains);
        }
    }

    /// <summary>Says so while there still are tokens, from what the issuer told at the fill: no call is made for it.</summary>
    private async Task WarnIfLowAsync(Plan plan, CancellationToken cancellationToken)
    {
        long next = checked(plan.Price.Value * _options.BatchSize);
        if ((await _wallet.GetStatusAsync(cancellationToken)).LastKnownCredits is long credits && credits < next)
        {
            _notices.Post(
                NoticeKind.LowCredits, $"The account has {credits} credits left; the next {_options.BatchSize} tokens of plan {plan.Id} cost {next}. Deposit a voucher or see `tacit account buy`.");
        }
    }

    private async Task TryAsync(string what, Func<Task> part, CancellationToken cancellationToken)
    {
        try
        {
            await part();
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            NoticeKind kind = e switch
            {
                ClientException { Error: ClientError.InsufficientCredits } => NoticeKind.LowCredits,
                ClientException { Error: ClientError.DirectoryRefused } => NoticeKind.DirectoryRefused,
                _ => NoticeKind.RefillFailed,
            };
            _notices.Post(kind, what + ". " + (e is ClientException or Storage.StorageException ? e.Message : "It is tried again by itself."));
            LogPartFailed(what, e.GetType().Name);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "The wallet bought the next period of the subscription {Plan}, {Count} chains.")]
    private partial void LogSubscribed(string plan, int count);

    [LoggerMessage(Level = LogLevel.Information, Message = "The wallet bought {Count} tokens of plan {Plan}.")]
    private partial void LogFilled(string plan, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "{What} ({Kind}); the wallet's status says more.")]
    private partial void LogPartFailed(string what, string kind);

    [LoggerMessage(Level = LogLevel.Error, Message = "The wallet's schedule ended unexpectedly ({Kind}).")]
    private partial void LogEnded(string kind);
}
