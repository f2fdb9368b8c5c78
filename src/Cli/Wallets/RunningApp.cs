using System.Globalization;
using System.Net.Http.Headers;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Hosting;

namespace Tacit.Cli.Wallets;

/// <summary>The wallet of an app that runs: commands go through its management socket, questions through its API, as any program's do.</summary>
internal sealed class RunningApp(string dataFolder, Terminal? terminal = null) : IWalletAccess
{
    private static readonly TimeSpan s_lookEvery = TimeSpan.FromMilliseconds(300);

    private readonly ManagementClient _app = new(dataFolder, AppServer.Role);

    /// <summary>Whether an app runs here that has the wallet.</summary>
    public async Task<bool> AnswersAsync(CancellationToken cancellationToken)
    {
        if (!File.Exists(ManagementSocket.PathFor(dataFolder, AppServer.Role)))
        {
            return false;
        }
        try
        {
            return (await GetAppStatusAsync(cancellationToken)).Wallet is not null;
        }
        catch (ManagementException e) when (e.IsNotRunning)
        {
            return false;
        }
    }

    public Task<AppStatus> GetAppStatusAsync(CancellationToken cancellationToken) => _app.GetAsync("/status", AppJson.Default.AppStatus, cancellationToken);

    public async Task<WalletStatus> GetStatusAsync(CancellationToken cancellationToken) => (await GetAppStatusAsync(cancellationToken)).Wallet
        ?? throw new CommandException("The app that runs here has a device's key and no wallet.");

    public Task<NewIdentityResult> TakeNewIdentityAsync(CancellationToken cancellationToken) =>
        _app.PostAsync("/transport/new-identity", AppJson.Default.NewIdentityResult, cancellationToken);

    public Task<IReadOnlyList<HistoryEntry>> GetHistoryAsync(CancellationToken cancellationToken) =>
        _app.GetAsync("/history", AppJson.Default.IReadOnlyListHistoryEntry, cancellationToken);

    public Task<IReadOnlyList<PseudonymHoldings>> FetchPseudonymsAsync(CancellationToken cancellationToken) =>
        _app.PostAsync("/wallet/pseudonym/fetch", AppJson.Default.IReadOnlyListPseudonymHoldings, cancellationToken);

    public Task<PseudonymHoldings> RotatePseudonymAsync(CancellationToken cancellationToken) =>
        _app.PostAsync("/wallet/pseudonym/rotate", AppJson.Default.PseudonymHoldings, cancellationToken);

    public Task<DirectorySummary> GetDirectoryAsync(CancellationToken cancellationToken) => _app.GetAsync("/plans", AppJson.Default.DirectorySummary, cancellationToken);

    public Task<AccountSummary> GetAccountAsync(CancellationToken cancellationToken) => _app.GetAsync("/account", AppJson.Default.AccountSummary, cancellationToken);

    public async Task<string> CreateAccountAsync(CancellationToken cancellationToken) =>
        (await _app.PostAsync("/account/create", AppJson.Default.AccountKeyShown, cancellationToken)).AccountKey;

    public async Task<string> RevealAccountAsync(CancellationToken cancellationToken) =>
        (await _app.PostAsync("/account/reveal", AppJson.Default.AccountKeyShown, cancellationToken)).AccountKey;

    public async Task ImportAccountAsync(string accountKey, CancellationToken cancellationToken) =>
        await _app.PostAsync("/account/import", new AccountKeyGiven(accountKey), AppJson.Default.AccountKeyGiven, AppJson.Default.AccountKeyShown, cancellationToken);

    public Task<DepositResult> DepositAsync(string code, CancellationToken cancellationToken) =>
        _app.PostAsync("/account/deposit", new DepositCommand(code), AppJson.Default.DepositCommand, AppJson.Default.DepositResult, cancellationToken);

    public Task<DirectoryAudit> AuditKeysAsync(bool resume, CancellationToken cancellationToken) =>
        _app.PostAsync("/keys/audit", new AuditCommand(resume), AppJson.Default.AuditCommand, AppJson.Default.DirectoryAudit, cancellationToken);

    public Task<CreditPrices> GetPricesAsync(CancellationToken cancellationToken) =>
        _app.GetAsync("/account/prices", AppJson.Default.CreditPrices, cancellationToken);

    public Task<CheckoutPage> CheckOutAsync(string offer, string? provider, CancellationToken cancellationToken) =>
        _app.PostAsync("/account/checkout", new CheckoutCommand(offer, provider), AppJson.Default.CheckoutCommand, AppJson.Default.CheckoutPage, cancellationToken);

    public Task<FillResult> FillAsync(string? plan, int size, bool shrink, CancellationToken cancellationToken) =>
        _app.PostAsync("/wallet/fill", new FillCommand(plan, size, shrink), AppJson.Default.FillCommand, AppJson.Default.FillResult, cancellationToken);

    public async Task<int> RestoreAsync(CancellationToken cancellationToken) =>
        (await _app.PostAsync("/wallet/restore", AppJson.Default.RestoreResult, cancellationToken)).Restored;

    public Task<SubscribeResult> SubscribeAsync(string plan, bool renews, CancellationToken cancellationToken) =>
        _app.PostAsync("/wallet/subscribe", new SubscribeCommand(plan, renews), AppJson.Default.SubscribeCommand, AppJson.Default.SubscribeResult, cancellationToken);

    public Task<SubscribeResult> RestartChainAsync(string plan, CancellationToken cancellationToken) =>
        _app.PostAsync("/wallet/restart-chain", new PlanCommand(plan), AppJson.Default.PlanCommand, AppJson.Default.SubscribeResult, cancellationToken);

    public async Task<bool> UnsubscribeAsync(string plan, CancellationToken cancellationToken) =>
        (await _app.PostAsync("/wallet/unsubscribe", new PlanCommand(plan), AppJson.Default.PlanCommand, AppJson.Default.UnsubscribeResult, cancellationToken)).WasSubscribed;

    public async Task<byte[]> BackupAsync(string passphrase, CancellationToken cancellationToken) =>
        (await _app.PostAsync("/wallet/backup", new BackupCommand(passphrase), AppJson.Default.BackupCommand, AppJson.Default.BackupResult, cancellationToken)).File;

    public Task<SealedPrompt> PresentSealedAsync(byte[] body, string? plan, CancellationToken cancellationToken) =>
        _app.PostAsync("/sealed/present", new PresentCommand(body, plan), AppJson.Default.PresentCommand, AppJson.Default.SealedPrompt, cancellationToken);

    public Task SettleSealedAsync(string id, SealedOutcome outcome, CancellationToken cancellationToken) =>
        _app.PostAsync("/sealed/settle", new SettleCommand(id, outcome), AppJson.Default.SettleCommand, AppJson.Default.SealedOutcome, cancellationToken);

    public async Task<AskReply> AskAsync(ReadOnlyMemory<byte> body, string? plan, string? conversation, CancellationToken cancellationToken, PromptTrace? trace = null)
    {
        AppStatus status = await GetAppStatusAsync(cancellationToken);
        Uri address = new(status.Address);
        // The app waits for Tor by itself; its user is to see what for.
        TorReport? report = terminal is null ? null : new TorReport(terminal);
        while (report is not null && status.Carrier.State == CarrierState.Starting)
        {
            report.Report(status.Carrier);
            await Task.Delay(s_lookEvery, TimeProvider.System, cancellationToken);
            status = await GetAppStatusAsync(cancellationToken);
        }
        return await AskAsync(address, body, plan, conversation, cancellationToken, status.Key);
    }

    /// <summary>Asks the app at this address over HTTP.</summary>
    /// <param name="key">What lets commands in where the app takes local keys only.</param>
    public static async Task<AskReply> AskAsync(
        Uri app, ReadOnlyMemory<byte> body, string? plan, string? conversation, CancellationToken cancellationToken, string? key = null)
    {
        HttpMessageInvoker http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ActivityHeadersPropagator = null });
        HttpRequestMessage request = new(HttpMethod.Post, new Uri(app, "/v1/chat/completions"))
        {
            Content = new ReadOnlyMemoryContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        };
        if (plan is not null)
        {
            request.Headers.TryAddWithoutValidation("Tacit-Plan", plan);
        }
        if (key is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + key);
        }
        if (conversation is not null)
        {
            request.Headers.TryAddWithoutValidation("Tacit-Conversation", conversation);
        }
        HttpResponseMessage response = await http.SendAsync(request, cancellationToken);
        string? paid = Header(response, "Tacit-Plan");
        return new AskReply(
            (int)response.StatusCode,
            response.Content.Headers.ContentType?.MediaType == "text/event-stream",
            await response.Content.ReadAsStreamAsync(cancellationToken),
            paid,
            [.. PromptNotices.Explain(Header(response, "Tacit-Notice") ?? "", paid)],
            long.TryParse(Header(response, "Tacit-Plan-Left"), NumberStyles.None, CultureInfo.InvariantCulture, out long left) ? left : null,
            DateTimeOffset.TryParse(Header(response, "Tacit-Plan-Until"), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset until) ? until : null);
    }

    public async Task<Way> GetWayAsync(CancellationToken cancellationToken)
    {
        AppStatus status = await GetAppStatusAsync(cancellationToken);
        return new Way(status.Carrier, status.Servers);
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(' ', values) : null;

    public ValueTask DisposeAsync()
    {
        _app.Dispose();
        return ValueTask.CompletedTask;
    }
}
