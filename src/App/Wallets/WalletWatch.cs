using System.Text.Json;
using Microsoft.Extensions.Logging;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Storage;

namespace Tacit.App.Wallets;

/// <summary>
/// Tells open tabs what became of wallet and carrier: after whatever the app does with them, and every few seconds besides, since the wallet's schedule and Tor go their own
/// ways. Looks at nothing while no tab is open, and never asks anybody.
/// </summary>
internal sealed partial class WalletWatch : IAsyncDisposable
{
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_lookWhileStarting = TimeSpan.FromMilliseconds(500);
    private static readonly PageEvent<WalletView> s_wallet = new("wallet", PageJson.Default.WalletView);
    private static readonly PageEvent<CarrierView> s_carrier = new("carrier", PageJson.Default.CarrierView);
    private static readonly PageEvent<IReadOnlyList<NoticeView>> s_notices = new("notices", PageJson.Default.IReadOnlyListNoticeView);

    private readonly AppParts _parts;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _nudge = new(0, 1);
    private byte[] _toldWallet = [];
    private byte[] _toldCarrier = [];
    private Task _loop = Task.CompletedTask;

    public WalletWatch(AppParts parts)
    {
        _parts = parts;
        _log = parts.Loggers.CreateLogger<WalletWatch>();
        parts.Events.Contribute(async (state, token) => state with
        {
            Mode = Host.Mode,
            Wallet = await WalletAsync(token),
            Carrier = await CarrierAsync(token),
            Notices = Notices(),
        });
        Host.Activity += Nudge;
        Host.Changed += TellAll;
        Host.NoticePosted += TellNotices;
    }

    private ClientHost Host => _parts.Host;

    public void Start() => _loop = Task.Run(() => LookAsync(_stop.Token));

    /// <summary>Has tabs told soon.</summary>
    public void Nudge()
    {
        lock (_nudge)
        {
            if (_nudge.CurrentCount == 0)
            {
                _nudge.Release();
            }
        }
    }

    /// <summary>The wallet as it is; null where there is none.</summary>
    public async Task<WalletView?> WalletAsync(CancellationToken cancellationToken)
    {
        if (!await Host.LookForWalletAsync(cancellationToken) || Host.Mode != AppMode.Wallet)
        {
            return null;
        }
        return await Host.LookAsync(
            async (client, token) => View(await client.Wallet.GetStatusAsync(token), await client.Directory.RecallAsync(token)), cancellationToken);
    }

    /// <summary>How connections are made; where there is nothing to make any with, that none is needed.</summary>
    public async Task<CarrierView> CarrierAsync(CancellationToken cancellationToken) => Host.Mode switch
    {
        AppMode.Wallet => await Host.LookAsync(async (client, token) => CarrierView.Of(client.Transports.Status, await client.GetServersAsync(token)), cancellationToken),
        AppMode.Device when Host.Device is DeviceClient device => CarrierView.Of(device.Transports.Status, [device.Gateway]),
        _ => CarrierView.Of(new CarrierStatus(Carrier.Direct, CarrierState.Unneeded), []),
    };

    public async ValueTask DisposeAsync()
    {
        Host.Activity -= Nudge;
        Host.Changed -= TellAll;
        Host.NoticePosted -= TellNotices;
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        _nudge.Dispose();
    }

    private WalletView View(WalletStatus status, DirectorySummary? directory)
    {
        AppOptions options = _parts.Options;
        Dictionary<string, PlanHoldings> held = status.Plans.ToDictionary(plan => plan.Plan, StringComparer.Ordinal);
        IReadOnlyList<PlanSummary> offered = directory?.Plans ?? [];
        PlanSummary? cheapest = offered.Where(plan => plan.Kind == "request" && plan.LiveKeys.Count > 0).MinBy(plan => plan.Price);
        bool isLow = status.HasAccount && status.LastKnownCredits is long credits && cheapest is not null && credits < cheapest.Price * options.BatchSize
            && (held.GetValueOrDefault(cheapest.Id)?.Held ?? 0) <= options.LowWater;
        return new WalletView(
            status.HasAccount, status.LastKnownCredits, isLow, status.IsRecoverable,
            [
                .. offered.Select(plan => View(plan, held.GetValueOrDefault(plan.Id))),
                .. status.Plans.Where(plan => !offered.Any(offer => offer.Id == plan.Plan))
                    .Select(plan => View(
                        new PlanSummary
                        {
                            Id = plan.Plan, Kind = "request", Models = [], MaxInputBytes = 0, MaxOutputTokens = 0, Price = 0, Period = "month", TokenType = "", LiveKeys = [],
                        },
                        plan)),
            ],
            status.Subscriptions, options.AutoFill ? status.NextRefill : null, options.IssuerUrl.GetLeftPart(UriPartial.Path).TrimEnd('/'),
            Host.Notices.LastOrDefault(notice => notice.Kind == NoticeKind.DirectoryRefused)?.Text);
    }

    private static WalletPlanView View(PlanSummary plan, PlanHoldings? held) => new(
        plan.Id, plan.Kind, plan.Models, plan.Price, plan.Period, held?.Held ?? 0, held?.Spent ?? 0, (held?.Pending ?? 0) + (held?.Presented ?? 0), held?.Returned ?? 0,
        held?.Unknown ?? 0, held?.Deadline ?? (plan.LiveKeys.Count > 0 ? plan.LiveKeys[0].Deadline : null), plan.LiveKeys.Count > 0 ? plan.LiveKeys[0].Accounts : null);

    private IReadOnlyList<NoticeView> Notices() => [.. Host.Notices.Select(NoticeView.Of)];

    private void TellNotices(Notice notice)
    {
        _parts.Events.Publish(s_notices, Notices());
        Nudge();
    }

    /// <summary>The set-up has ended, or the client was opened anew.</summary>
    private void TellAll() => _ = Task.Run(async () =>
    {
        try
        {
            await _parts.Events.PublishStateAsync(_stop.Token);
        }
        catch (Exception e) when (e is ClientException or StorageException or PageException or OperationCanceledException or ObjectDisposedException)
        {
            // A tab that asks hears it itself.
        }
    });

    private async Task LookAsync(CancellationToken cancellationToken)
    {
        TimeSpan wait = s_lookWhileStarting;
        while (await WaitAsync(wait, cancellationToken))
        {
            wait = s_lookEvery;
            try
            {
                if (_parts.Events.HasTabs)
                {
                    if (await WalletAsync(cancellationToken) is WalletView wallet)
                    {
                        Tell(s_wallet, wallet, ref _toldWallet);
                    }
                    Tell(s_carrier, await CarrierAsync(cancellationToken), ref _toldCarrier);
                }
                wait = Host.Transports?.Status.State == CarrierState.Starting ? s_lookWhileStarting : s_lookEvery;
            }
            catch (Exception e) when (e is ClientException or StorageException or OperationCanceledException or ObjectDisposedException)
            {
                // Being opened anew, or closed: the next look tells.
            }
            catch (Exception e)
            {
                // One look that fails, for whatever reason, is no reason never to look again.
                LogNotLooked(e.GetType().Name);
            }
        }
    }

    /// <summary>Until it is time to look, or something has happened; false once nobody is to look any more.</summary>
    private async Task<bool> WaitAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(_nudge.WaitAsync(either.Token), Task.Delay(time, _parts.Time, either.Token));
        await either.CancelAsync();
        return !cancellationToken.IsCancellationRequested;
    }

    private void Tell<T>(PageEvent<T> kind, T value, ref byte[] told)
    {
        byte[] now = JsonSerializer.SerializeToUtf8Bytes(value, kind.Form);
        if (!now.AsSpan().SequenceEqual(told))
        {
            told = now;
            _parts.Events.Publish(kind, value);
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A look at the wallet for the page failed unexpectedly ({Kind}).")]
    private partial void LogNotLooked(string kind);
}
