using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Client.Policy;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client;

/// <summary>Where a wallet lives and how it is made.</summary>
public sealed record WalletOptions
{
    /// <summary>The folder of <c>wallet.seed</c> and <c>wallet.db</c>, made readable for this user only.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>
    /// Whether nonces and blinding factors are derived from the seed, so that tokens can be restored from it. False draws them afresh: a seed that leaks then
    /// links nothing of the past, and a lost wallet is lost. Fixed when the wallet is made. Default true.
    /// </summary>
    public bool Recoverable { get; init; } = true;
}

/// <summary>
/// A wallet: one 128-bit seed, in a file of its own (mode 0600), and the journal of everything it ever asked for, in <c>wallet.db</c>. One process at a time.
/// The seed is not in the database, so that a backup of the journal alone spends nothing. Thread safe.
/// </summary>
public sealed class Wallet : IAsyncDisposable
{
    public const string SeedFile = "wallet.seed";
    public const string DatabaseFile = "wallet.db";

    private readonly Database _database;
    private readonly WalletKeys _keys;
    private readonly TimeProvider _time;
    private readonly string _folder;

    private Wallet(Database database, WalletKeys keys, string folder, bool recoverable, TimeProvider time)
    {
        _database = database;
        _folder = folder;
        _keys = keys;
        _time = time;
        IsRecoverable = recoverable;
        Journal = new WalletJournal(database, keys, time);
    }

    /// <summary>Whether tokens can be restored from the seed.</summary>
    public bool IsRecoverable { get; }

    internal WalletJournal Journal { get; }

    internal WalletKeys Keys => _keys;

    /// <summary>Whether the folder holds a wallet.</summary>
    public static bool Exists(string dataDirectory) => File.Exists(Path.Combine(dataDirectory, SeedFile)) || File.Exists(Path.Combine(dataDirectory, DatabaseFile));

    /// <summary>Makes a new wallet with a new seed. <see cref="RevealSeed"/> gives the text to write down.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.WalletExists"/>.</exception>
    /// <exception cref="StorageException">The database cannot be made.</exception>
    public static Task<Wallet> CreateAsync(WalletOptions options, TimeProvider time, CancellationToken cancellationToken = default) =>
        CreateAsync(options, null, time, cancellationToken);

    /// <summary>
    /// Makes a wallet from a seed that was written down; its tokens are then restored from the issuer. Also puts a lost seed file back beside its database.
    /// </summary>
    /// <param name="seed">The text as it was shown; case and hyphens do not matter.</param>
    /// <exception cref="ClientException"><see cref="ClientError.SeedUnusable"/>: mistyped, or another wallet's; <see cref="ClientError.WalletExists"/>.</exception>
    public static async Task<Wallet> CreateAsync(WalletOptions options, string? seed, TimeProvider time, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        string seedPath = Path.Combine(options.DataDirectory, SeedFile);
        if (File.Exists(seedPath))
        {
            throw new ClientException(ClientError.WalletExists, $"There is a wallet in {options.DataDirectory} already. It is never overwritten: choose another data directory, or move it away.");
        }
        if (seed is null && File.Exists(Path.Combine(options.DataDirectory, DatabaseFile)))
        {
            throw new ClientException(ClientError.SeedUnusable, $"There is a {DatabaseFile} in {options.DataDirectory} without its {SeedFile}. Put the file back, or give the seed that was shown when the wallet was made.");
        }
        WalletSeed? parsed = null;
        if (seed is not null && !WalletSeed.TryParse(seed, out parsed))
        {
            throw new ClientException(ClientError.SeedUnusable, "The seed is mistyped: its check symbol does not fit.");
        }
        parsed ??= WalletSeed.Create();
        PrivateFiles.CreateFolder(options.DataDirectory);
        var keys = new WalletKeys(parsed);
        try
        {
            // The seed is on the disk before the first thing is sealed under it, and before a database that nobody could open without it. Only beside a
            // database that is there already it waits until it has proved to be that one's.
            Action? save = () => PrivateFiles.Write(seedPath, Encoding.ASCII.GetBytes(parsed.ToString() + "\n"));
            if (!File.Exists(Path.Combine(options.DataDirectory, DatabaseFile)))
            {
                save();
                save = null;
            }
            return await OpenAsync(options, keys, time, save, cancellationToken);
        }
        catch
        {
            keys.Dispose();
            throw;
        }
    }

    /// <summary>Opens the wallet in the folder.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.WalletMissing"/> or <see cref="ClientError.SeedUnusable"/>.</exception>
    /// <exception cref="StorageException">The database cannot be opened: another process has it, it is damaged, the disk is full.</exception>
    public static async Task<Wallet> OpenAsync(WalletOptions options, TimeProvider time, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (!Exists(options.DataDirectory))
        {
            throw new ClientException(ClientError.WalletMissing, $"There is no wallet in {options.DataDirectory} yet.");
        }
        var keys = new WalletKeys(ReadSeed(Path.Combine(options.DataDirectory, SeedFile)));
        try
        {
            return await OpenAsync(options, keys, time, null, cancellationToken);
        }
        catch
        {
            keys.Dispose();
            throw;
        }
    }

    /// <summary>
    /// The content of a backup: seed and journal, without open requests and their prompts. Not encrypted; the caller seals and wipes it. A chain comes back from
    /// it only if nothing was asked on that chain since.
    /// </summary>
    public Task<byte[]> ExportAsync(CancellationToken cancellationToken = default) =>
        _database.ReadAsync(session => WalletExport.Write(session, RevealSeed(), IsRecoverable), cancellationToken);

    /// <summary>The issuer whose wallet a backup is of; null if it had pinned none yet.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.BackupUnusable"/>.</exception>
    public static Uri? FindIssuer(byte[] content)
    {
        using JsonDocument json = WalletExport.Parse(content, out _, out _);
        return WalletExport.FindIssuer(json) is string name && Uri.TryCreate(name, UriKind.Absolute, out Uri? issuer) ? issuer : null;
    }

    /// <summary>Makes a wallet from the content of a backup, in a folder that has none.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.WalletExists"/>; <see cref="ClientError.BackupUnusable"/>.</exception>
    public static async Task<Wallet> ImportAsync(WalletOptions options, byte[] content, TimeProvider time, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (Exists(options.DataDirectory))
        {
            throw new ClientException(ClientError.WalletExists, $"There is a wallet in {options.DataDirectory} already. It is never overwritten: choose another data directory, or move it away.");
        }
        using JsonDocument json = WalletExport.Parse(content, out string seed, out bool recoverable);
        Wallet wallet = await CreateAsync(options with { Recoverable = recoverable }, seed, time, cancellationToken);
        try
        {
            await wallet._database.WriteAsync(session => WalletExport.Read(session, json), cancellationToken);
            return wallet;
        }
        catch (Exception e)
        {
            await wallet.DisposeAsync();
            Remove(options.DataDirectory);
            if (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or IndexOutOfRangeException)
            {
                throw BackupErrors.Damaged();
            }
            throw;
        }
    }

    /// <summary>The seed as text: whoever has it can restore this wallet's tokens, and link its past. To be shown once and written down.</summary>
    public string RevealSeed() => _keys.Seed.ToString();

    /// <summary>A key for what a program keeps on this machine beside the wallet. The caller disposes it.</summary>
    /// <param name="purpose">What it is for; each purpose has a key of its own.</param>
    public LocalKey DeriveLocalKey(string purpose) => _keys.DeriveLocalKey(purpose);

    /// <summary>What the wallet holds. Calls nobody.</summary>
    public async Task<WalletStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        IReadOnlyList<(TokenSeries Series, TokenState State, long Count)> counts = await Journal.CountAsync(cancellationToken);
        (bool hasAccount, long? credits) = await _database.ReadAsync(
            session => session.TryQuerySingle("SELECT credits FROM account LIMIT 1", row => row.NullableInt64(0), out long? found) ? (true, found) : (false, null),
            cancellationToken);
        return new WalletStatus
        {
            Plans = [.. counts.GroupBy(count => count.Series.Plan).Select(plan => Count(plan.Key, [.. plan]))],
            Subscriptions = await CountChainsAsync(cancellationToken),
            Pseudonyms = await Journal.PseudonymHoldingsAsync(cancellationToken),
            IsRecoverable = IsRecoverable,
            HasAccount = hasAccount,
            LastKnownCredits = credits,
            NextRefill = await Journal.NextRefillAsync(cancellationToken),
        };
    }

    /// <summary>What the policy decides a purchase by.</summary>
    internal async Task<PlanStock> GetStockAsync(string plan, CancellationToken cancellationToken)
    {
        WalletStatus status = await GetStatusAsync(cancellationToken);
        HistoryEntry[] history = [.. (await GetHistoryAsync(cancellationToken)).Where(entry => entry.Plan == plan && entry.Kind is HistoryKind.Bought or HistoryKind.Spent)];
        int today = DateOnly.FromDateTime(_time.GetUtcNow().UtcDateTime).DayNumber;
        return PlanStock.Of(
            status.Plans.FirstOrDefault(entry => entry.Plan == plan)?.Held ?? 0,
            history.Where(entry => entry.Kind == HistoryKind.Spent && entry.Day.DayNumber < today && entry.Day.DayNumber >= today - WalletPolicy.DaysOfUse).Sum(entry => entry.Amount),
            history.Length == 0 ? 0 : today - history.Min(entry => entry.Day.DayNumber));
    }

    /// <summary>What happened, counted by the day.</summary>
    public Task<IReadOnlyList<HistoryEntry>> GetHistoryAsync(CancellationToken cancellationToken = default) => Journal.HistoryAsync(cancellationToken);

    /// <summary>Closes a wallet that was just made, and takes its files away if it never had an account or a token.</summary>
    /// <returns>False if there is something in it: it is closed, and stays.</returns>
    public async Task<bool> DiscardUnusedAsync()
    {
        bool isUnused = await _database.ReadAsync(session => session.QueryInt64(
            "SELECT (SELECT COUNT(*) FROM account) + (SELECT COUNT(*) FROM token) + (SELECT COUNT(*) FROM voucher)") == 0);
        await DisposeAsync();
        if (isUnused)
        {
            Remove(_folder);
        }
        return isUnused;
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        _keys.Dispose();
    }

    private static async Task<Wallet> OpenAsync(WalletOptions options, WalletKeys keys, TimeProvider time, Action? saveSeed, CancellationToken cancellationToken)
    {
        // The seed that opens what was sealed lies beside it: the body of a request that has ended must not be found in a freed page.
        Database database = await Database.OpenSqliteAsync(
            Path.Combine(options.DataDirectory, DatabaseFile), WalletSchema.Migrations, time, eraseFreedPages: true, cancellationToken);
        try
        {
            bool recoverable = await AdoptAsync(database, keys, options.Recoverable, saveSeed, cancellationToken);
            return new Wallet(database, keys, options.DataDirectory, recoverable, time);
        }
        catch
        {
            await database.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ties a new database to the seed, or makes sure that it belongs to it.</summary>
    private static async Task<bool> AdoptAsync(Database database, WalletKeys keys, bool recoverable, Action? saveSeed, CancellationToken cancellationToken)
    {
        (byte[] Check, bool Recoverable)? row = await database.ReadAsync<(byte[], bool)?>(
            session => session.TryQuerySingle("SELECT seed_check, recoverable FROM wallet WHERE id = 1", r => (r.Blob(0), r.Boolean(1)), out (byte[], bool) found) ? found : null,
            cancellationToken);
        if (row is { } stored)
        {
            if (!CryptographicOperations.FixedTimeEquals(stored.Check, keys.SeedCheck))
            {
                throw new ClientException(ClientError.SeedUnusable, $"The seed is not the one that {DatabaseFile} was made with. Put the right {SeedFile} back.");
            }
            saveSeed?.Invoke();
            return stored.Recoverable;
        }
        saveSeed?.Invoke();
        await database.WriteAsync(
            session => session.Execute("INSERT INTO wallet (id, seed_check, recoverable) VALUES (1, $1, $2)", keys.SeedCheck, recoverable), cancellationToken);
        return recoverable;
    }

    /// <summary>A wallet that was just made, and is empty.</summary>
    private static void Remove(string dataDirectory)
    {
        foreach (string file in (string[])[SeedFile, DatabaseFile, DatabaseFile + "-wal", DatabaseFile + "-shm"])
        {
            File.Delete(Path.Combine(dataDirectory, file));
        }
    }

    private static WalletSeed ReadSeed(string path)
    {
        string text;
        try
        {
            text = File.ReadAllText(path);
        }
        catch (FileNotFoundException)
        {
            throw new ClientException(ClientError.SeedUnusable, $"{path} is missing. Put it back, or make the wallet again from the seed that was shown.");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ClientException(ClientError.SeedUnusable, $"{path} cannot be read: give this user access to it.", inner: e);
        }
        return WalletSeed.TryParse(text.AsSpan().Trim(), out WalletSeed? seed)
            ? seed
            : throw new ClientException(ClientError.SeedUnusable, $"{path} is damaged: its check symbol does not fit. Make the wallet again from the seed that was shown.");
    }

    private async Task<IReadOnlyList<SubscriptionHoldings>> CountChainsAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<ChainCount> chains = await Journal.ChainsAsync(cancellationToken);
        IReadOnlyList<Subscription> subscriptions = await Journal.SubscriptionsAsync(cancellationToken);
        return
        [
            .. chains.GroupBy(chain => (chain.Plan, chain.Deadline)).Select(group => new SubscriptionHoldings
            {
                Plan = group.Key.Plan,
                Until = group.Key.Deadline,
                Ready = Sum(group, TokenState.Held),
                Busy = Sum(group, TokenState.Presented),
                Pending = Sum(group, TokenState.Reserved) + Sum(group, TokenState.Requested),
                Lost = Sum(group, TokenState.Lost),
                Refused = Sum(group, TokenState.Refused),
                Renews = subscriptions.Any(subscription => subscription.Plan == group.Key.Plan && subscription.Renews),
                RenewsAt = subscriptions.FirstOrDefault(subscription => subscription.Plan == group.Key.Plan && subscription.Renews)?.RenewAt,
            }),
        ];

        static int Sum(IEnumerable<ChainCount> counts, TokenState state) => counts.Where(count => count.State == state).Sum(count => count.Count);
    }

    private static PlanHoldings Count(string plan, (TokenSeries Series, TokenState State, long Count)[] counts)
    {
        return new PlanHoldings
        {
            Plan = plan,
            Held = Sum(TokenState.Held),
            Pending = Sum(TokenState.Reserved) + Sum(TokenState.Requested),
            Presented = Sum(TokenState.Presented),
            Returned = Sum(TokenState.Returned),
            Unknown = Sum(TokenState.Unknown),
            Spent = Sum(TokenState.Spent),
            Void = Sum(TokenState.Void),
            Deadline = counts.Where(count => count.State == TokenState.Held).Select(count => (DateTimeOffset?)count.Series.Deadline).Min(),
        };

        long Sum(TokenState state) => counts.Where(count => count.State == state).Sum(count => count.Count);
    }
}
