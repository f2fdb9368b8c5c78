using System.Globalization;
using Microsoft.Extensions.Logging;
using Tacit.App;
using Tacit.App.Wallets;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Hosting;
using Tacit.Issuer;

namespace Tacit.Cli.Demo;

/// <summary>What the demo's user did with the issuer.</summary>
internal sealed record Purchase(bool NewAccount, long Deposited, FillResult Fill);

/// <summary>The user's side of the demo: wallet and app, as they run on a user's machine.</summary>
internal sealed class DemoClient : IAsyncDisposable
{
    private const long VoucherCredits = 100;
    private const int BatchSize = 10;

    private readonly ClientHost _host;
    private readonly AppServer _app;

    private DemoClient(ClientHost host, AppServer app)
    {
        _host = host;
        _app = app;
    }

    public Uri Address => _app.Address;

    /// <summary>As it is now: settings that are changed on the page open it anew.</summary>
    public TacitClient Client => _host.Wallet!;

    public static AppOptions Options(DemoOptions options, ReadOnlyMemory<byte> directoryKey) => new()
    {
        DataDirectory = options.DataDirectory,
        Listen = ListenAddress.Loopback(options.PortBase),
        IssuerUrl = options.IssuerUrl,
        DirectoryKey = Convert.ToHexStringLower(directoryKey.Span),
        GatewayUrl = options.GatewayUrl,
        // All of it is on this machine.
        Transport = TransportSetting.Direct,
        BatchSize = BatchSize,
        LowWater = 5,
        // Commands that the user tries meanwhile cause the account calls here; a schedule would only confuse what is shown.
        AutoFill = false,
    };

    public static async Task<DemoClient> StartAsync(AppOptions options, StartTimes times, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ClientHost host = await times.MeasureAsync("wallet: open", async () =>
        {
            if (!Wallet.Exists(options.DataDirectory))
            {
                await (await TacitClient.CreateAsync(options.ToClientOptions(), null, time, loggers, cancellationToken)).DisposeAsync();
            }
            return await ClientHost.OpenAsync(options, time, loggers, cancellationToken: cancellationToken);
        });
        try
        {
            AppServer app = await times.MeasureAsync("app: start", () => AppServer.StartAsync(host, time, loggers, cancellationToken));
            ClientFlags.Remember(options);
            return new DemoClient(host, app);
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>A voucher from the issuer's operator, an account, its credits, and tokens for them.</summary>
    public async Task<Purchase> BuyAsync(IssuerServer issuer, StartTimes times, TimeProvider time, CancellationToken cancellationToken)
    {
        double begin = times.Now;
        bool isNew = !await Client.Account.ExistsAsync(cancellationToken);
        if (isNew)
        {
            await Client.Account.CreateAsync(cancellationToken);
        }
        long deposited = 0;
        WalletStatus status = await Client.Wallet.GetStatusAsync(cancellationToken);
        if (isNew || (status.LastKnownCredits ?? 0) < 4 * BatchSize)
        {
            DateOnly expires = DateOnly.FromDateTime(time.GetUtcNow().UtcDateTime).AddDays(1);
            VoucherBatch voucher = await issuer.CreateVouchersAsync(VoucherCredits, 1, expires, cancellationToken);
            deposited = (await Client.Account.DepositAsync(voucher.Codes[0], cancellationToken)).Worth;
        }
        times.Add("account and voucher", begin);
        begin = times.Now;
        FillResult fill = await Client.Filler.FillAsync("chat", BatchSize, shrink: true, cancellationToken);
        times.Add(string.Create(CultureInfo.InvariantCulture, $"{fill.Received} tokens: blind, sign, finalize"), begin);
        return new Purchase(isNew, deposited, fill);
    }

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync();
        await _app.DisposeAsync();
        await _host.DisposeAsync();
    }
}
