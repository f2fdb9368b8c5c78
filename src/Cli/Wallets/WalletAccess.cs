using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Hosting;

namespace Tacit.Cli.Wallets;

/// <summary>A reply as it comes, whichever way it came.</summary>
/// <param name="Notices">What a person should know of how it was paid, in sentences.</param>
/// <param name="Left">How many tokens of the plan the wallet still has; null for a subscription's, which is not counted, and where there is no wallet.</param>
/// <param name="Until">When what paid expires.</param>
internal sealed record AskReply(
    int Status, bool IsEventStream, Stream Body, string? Plan, IReadOnlyList<string> Notices, long? Left = null, DateTimeOffset? Until = null);

/// <summary>How connections are made, and to whom.</summary>
internal sealed record Way(CarrierStatus Carrier, IReadOnlyList<ServerStatus> Servers);

/// <summary>What answers a question: a wallet, or a gateway that knows this device.</summary>
internal interface IQuestionAccess : IAsyncDisposable
{
    /// <summary>Sends a chat completion and returns once the reply begins.</summary>
    /// <param name="plan">The plan that is to pay; null takes the cheapest.</param>
    /// <param name="conversation">Whose requests may share a connection; null keeps this one to itself.</param>
    /// <param name="trace">Told what becomes of it where this process sends it; not where the running app does.</param>
    Task<AskReply> AskAsync(ReadOnlyMemory<byte> body, string? plan, string? conversation, CancellationToken cancellationToken, PromptTrace? trace = null);

    /// <summary>How connections are made, and to whom. Asks nobody outside this machine.</summary>
    Task<Way> GetWayAsync(CancellationToken cancellationToken);
}

/// <summary>
/// What commands do with a wallet. One process at a time owns its file, so a command asks the running app if there is one, and opens the wallet itself if not.
/// </summary>
internal interface IWalletAccess : IQuestionAccess
{
    Task<WalletStatus> GetStatusAsync(CancellationToken cancellationToken);

    Task<IReadOnlyList<HistoryEntry>> GetHistoryAsync(CancellationToken cancellationToken);

    Task<IReadOnlyList<PseudonymHoldings>> FetchPseudonymsAsync(CancellationToken cancellationToken);

    Task<PseudonymHoldings> RotatePseudonymAsync(CancellationToken cancellationToken);

    Task<DirectorySummary> GetDirectoryAsync(CancellationToken cancellationToken);

    Task<AccountSummary> GetAccountAsync(CancellationToken cancellationToken);

    /// <returns>The account key, to be shown once.</returns>
    Task<string> CreateAccountAsync(CancellationToken cancellationToken);

    Task<string> RevealAccountAsync(CancellationToken cancellationToken);

    Task ImportAccountAsync(string accountKey, CancellationToken cancellationToken);

    Task<DepositResult> DepositAsync(string code, CancellationToken cancellationToken);

    /// <summary>Compares the issuer's directory over every source.</summary>
    Task<DirectoryAudit> AuditKeysAsync(bool resume, CancellationToken cancellationToken);

    Task<CreditPrices> GetPricesAsync(CancellationToken cancellationToken);

    /// <param name="provider">Who is to take the money; null takes the issuer's first.</param>
    Task<CheckoutPage> CheckOutAsync(string offer, string? provider, CancellationToken cancellationToken);

    Task<FillResult> FillAsync(string? plan, int size, bool shrink, CancellationToken cancellationToken);

    Task<SubscribeResult> SubscribeAsync(string plan, bool renews, CancellationToken cancellationToken);

    Task<SubscribeResult> RestartChainAsync(string plan, CancellationToken cancellationToken);

    /// <returns>False if the plan was not subscribed to.</returns>
    Task<bool> UnsubscribeAsync(string plan, CancellationToken cancellationToken);

    /// <returns>The wallet, encrypted under the passphrase.</returns>
    Task<byte[]> BackupAsync(string passphrase, CancellationToken cancellationToken);

    /// <returns>How many tokens came back.</returns>
    Task<int> RestoreAsync(CancellationToken cancellationToken);

    /// <summary>Takes a token for a chat completion that somebody else carries.</summary>
    Task<SealedPrompt> PresentSealedAsync(byte[] body, string? plan, CancellationToken cancellationToken);

    /// <summary>Says how that ended.</summary>
    Task SettleSealedAsync(string id, SealedOutcome outcome, CancellationToken cancellationToken);
}

internal static class WalletAccess
{
    /// <summary>What answers questions here: a device's key if the settings say so, else the wallet.</summary>
    public static async Task<IQuestionAccess> OpenForQuestionsAsync(Terminal terminal, AppOptions options, CancellationToken cancellationToken) =>
        options.Device ? OwnDevice.Open(options, terminal) : await OpenAsync(terminal, options, cancellationToken);

    /// <exception cref="ClientException">There is no wallet yet.</exception>
    public static async Task<IWalletAccess> OpenAsync(Terminal terminal, AppOptions options, CancellationToken cancellationToken)
    {
        RunningApp app = new(options.DataDirectory, terminal);
        if (await app.AnswersAsync(cancellationToken))
        {
            return app;
        }
        await app.DisposeAsync();
        if (!Wallet.Exists(options.DataDirectory))
        {
            throw new CommandException($"There is no wallet in {options.DataDirectory} yet. Make one with `tacit account create`, or name its folder with --data.");
        }
        return new OwnWallet(await TacitClient.OpenAsync(options.ToClientOptions(new TorReport(terminal)), TimeProvider.System, NullLoggerFactory.Instance, cancellationToken));
    }

    /// <summary>Makes a wallet from a backup, and says which settings it was opened with: its issuer's, unless another one is named.</summary>
    /// <exception cref="ClientException">There is a wallet already, or the backup cannot be used.</exception>
    public static async Task<(IWalletAccess Access, AppOptions Options)> RestoreAsync(Terminal terminal, AppOptions options, byte[] backup, string passphrase, CancellationToken cancellationToken)
    {
        DataFolder.Create(options.DataDirectory);
        byte[] content = WalletBackupFile.Open(backup, passphrase);
        try
        {
            if (options.IssuerUrl == new AppOptions { DataDirectory = options.DataDirectory }.IssuerUrl && Wallet.FindIssuer(content) is Uri issuer)
            {
                options = options with { IssuerUrl = issuer };
            }
            TacitClient client = await TacitClient.RestoreAsync(options.ToClientOptions(new TorReport(terminal)), content, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
            return (new OwnWallet(client), options);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>Makes a wallet, from a seed that was written down or a new one.</summary>
    /// <returns>The wallet, and the seed to show if it is new.</returns>
    public static async Task<(IWalletAccess Access, string? NewSeed)> CreateAsync(Terminal terminal, AppOptions options, string? seed, CancellationToken cancellationToken)
    {
        DataFolder.Create(options.DataDirectory);
        TacitClient client = await TacitClient.CreateAsync(options.ToClientOptions(new TorReport(terminal)), seed, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
        return (new OwnWallet(client), seed is null ? client.Wallet.RevealSeed() : null);
    }
}
