using Tacit.App;
using Tacit.Client;

namespace Tacit.Cli.Wallets;

/// <summary>The wallet opened by the command itself, for as long as it runs.</summary>
internal sealed class OwnWallet(TacitClient client) : IWalletAccess
{
    public Task<WalletStatus> GetStatusAsync(CancellationToken cancellationToken) => client.Wallet.GetStatusAsync(cancellationToken);

    public Task<IReadOnlyList<HistoryEntry>> GetHistoryAsync(CancellationToken cancellationToken) => client.Wallet.GetHistoryAsync(cancellationToken);

    public Task<IReadOnlyList<PseudonymHoldings>> FetchPseudonymsAsync(CancellationToken cancellationToken) => client.Pseudonyms.FetchAsync(cancellationToken);

    public Task<PseudonymHoldings> RotatePseudonymAsync(CancellationToken cancellationToken) => client.Pseudonyms.RotateAsync(cancellationToken);

    public Task<DirectorySummary> GetDirectoryAsync(CancellationToken cancellationToken) => client.Directory.GetAsync(cancellationToken);

    public Task<AccountSummary> GetAccountAsync(CancellationToken cancellationToken) => client.Account.GetAsync(cancellationToken);

    public Task<string> CreateAccountAsync(CancellationToken cancellationToken) => client.Account.CreateAsync(cancellationToken);

    public Task<string> RevealAccountAsync(CancellationToken cancellationToken) => client.Account.RevealKeyAsync(cancellationToken);

    public Task ImportAccountAsync(string accountKey, CancellationToken cancellationToken) => client.Account.ImportAsync(accountKey, cancellationToken);

    public Task<DepositResult> DepositAsync(string code, CancellationToken cancellationToken) => client.Account.DepositAsync(code, cancellationToken);

    public Task<DirectoryAudit> AuditKeysAsync(bool resume, CancellationToken cancellationToken) => client.Directory.AuditAsync(resume, cancellationToken);

    public Task<CreditPrices> GetPricesAsync(CancellationToken cancellationToken) => client.Account.GetPricesAsync(cancellationToken);

    public Task<CheckoutPage> CheckOutAsync(string offer, string? provider, CancellationToken cancellationToken) =>
        client.Account.CheckOutAsync(offer, provider, cancellationToken);

    public Task<FillResult> FillAsync(string? plan, int size, bool shrink, CancellationToken cancellationToken) =>
        client.Filler.FillAsync(plan, size, shrink, cancellationToken);

    public Task<int> RestoreAsync(CancellationToken cancellationToken) => client.Filler.RestoreAsync(cancellationToken);

    public Task<SubscribeResult> SubscribeAsync(string plan, bool renews, CancellationToken cancellationToken) =>
        client.Filler.SubscribeAsync(plan, renews, cancellationToken);

    public Task<SubscribeResult> RestartChainAsync(string plan, CancellationToken cancellationToken) => client.Filler.RestartChainAsync(plan, cancellationToken);

    public Task<bool> UnsubscribeAsync(string plan, CancellationToken cancellationToken) => client.Filler.UnsubscribeAsync(plan, cancellationToken);

    public async Task<byte[]> BackupAsync(string passphrase, CancellationToken cancellationToken) =>
        WalletBackupFile.Seal(await client.Wallet.ExportAsync(cancellationToken), passphrase);

    public async Task<AskReply> AskAsync(ReadOnlyMemory<byte> body, string? plan, string? conversation, CancellationToken cancellationToken, PromptTrace? trace = null)
    {
        return ReplyStream.Begun(await client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, body, conversation, plan) { Trace = trace }, cancellationToken));
    }

    public Task<SealedPrompt> PresentSealedAsync(byte[] body, string? plan, CancellationToken cancellationToken) =>
        client.Redemption.PresentSealedAsync(new PromptRequest(PromptOperation.ChatCompletions, body, Plan: plan), cancellationToken);

    public Task SettleSealedAsync(string id, SealedOutcome outcome, CancellationToken cancellationToken) =>
        client.Redemption.SettleSealedAsync(id, outcome, cancellationToken);

    public async Task<Way> GetWayAsync(CancellationToken cancellationToken) => new(client.Transports.Status, await client.GetServersAsync(cancellationToken));

    public ValueTask DisposeAsync() => client.DisposeAsync();
}
