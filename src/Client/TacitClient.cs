using Microsoft.Extensions.Logging;
using Tacit.Client.Policy;
using Tacit.Client.Transports;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>Everything a client is set up with.</summary>
public sealed record ClientOptions
{
    public required WalletOptions Wallet { get; init; }

    public DirectoryOptions Directory { get; init; } = new();

    public RedemptionOptions Redemption { get; init; } = new();

    public FillOptions Fill { get; init; } = new();

    public TransportOptions Transport { get; init; } = new();
}

/// <summary>A wallet with all that acts on it, put together. One per data directory and process.</summary>
public sealed class TacitClient : IAsyncDisposable
{
    private readonly TransportPool _transports;

    private TacitClient(Wallet wallet, ClientOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        Wallet = wallet;
        var policy = new WalletPolicy(options.Fill, options.Redemption.FillAtPrompt);
        Notices = new NoticeBoard(time);
        _transports = new TransportPool(WithFolder(options), time, loggers);
        Directory = new DirectoryClient(wallet, _transports, WithGateway(options, _transports.Rules), time);
        _transports.SealingKeys = FindSealingKeyAsync;
        _transports.Work = new WorkSolver(options.Redemption.MaxWorkBits, options.Redemption.WorkProgress);
        Account = new AccountClient(wallet, Directory, _transports, time);
        Filler = new WalletFiller(wallet, Directory, Account, policy, options.Redemption.Gateway, time);
        Pseudonyms = new PseudonymKeeper(wallet, Directory, Account, _transports, Notices, options.Redemption, time);
        Redemption = new RedemptionClient(wallet, Directory, Filler, Pseudonyms, policy, _transports, Notices, options.Redemption, time, loggers);
        Refills = new RefillService(wallet, Directory, Account, Filler, Pseudonyms, Redemption, Notices, options.Fill, policy, time, loggers);
    }

    public Wallet Wallet { get; }

    /// <summary>How its connections are made.</summary>
    public TransportPool Transports => _transports;

    public DirectoryClient Directory { get; }

    public AccountClient Account { get; }

    public WalletFiller Filler { get; }

    public PseudonymKeeper Pseudonyms { get; }

    public RedemptionClient Redemption { get; }

    /// <summary>Not started: a long-running program calls <see cref="RefillService.Start"/>.</summary>
    public RefillService Refills { get; }

    public NoticeBoard Notices { get; }

    /// <summary>Opens the wallet of the data directory.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.WalletMissing"/>, <see cref="ClientError.SeedUnusable"/>, <see cref="ClientError.InvalidSetting"/>.</exception>
    /// <exception cref="Storage.StorageException">The database cannot be opened, for one because another process has it.</exception>
    public static async Task<TacitClient> OpenAsync(ClientOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return await AroundAsync(await Wallet.OpenAsync(options.Wallet, time, cancellationToken), options, time, loggers);
    }

    /// <summary>Makes a new wallet in the data directory, or one from a seed that was written down.</summary>
    /// <param name="seed">The seed's text, or null for a new one (<see cref="Wallet.RevealSeed"/> shows it).</param>
    public static async Task<TacitClient> CreateAsync(
        ClientOptions options, string? seed, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return await AroundAsync(await Wallet.CreateAsync(options.Wallet, seed, time, cancellationToken), options, time, loggers);
    }

    /// <summary>Makes a wallet from the content of a backup (<see cref="Wallet.ExportAsync"/>), in a data directory that has none.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.WalletExists"/>, <see cref="ClientError.BackupUnusable"/>.</exception>
    public static async Task<TacitClient> RestoreAsync(
        ClientOptions options, byte[] content, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return await AroundAsync(await Wallet.ImportAsync(options.Wallet, content, time, cancellationToken), options, time, loggers);
    }

    /// <summary>Has Tor started if issuer or gateway are reached over it, so that the first prompt does not wait for all of that. Calls nobody else.</summary>
    public async Task StartTransportAsync(CancellationToken cancellationToken = default)
    {
        await Directory.RecallAddressAsync(cancellationToken);
        _transports.StartFor(Route.Direct(Directory.IssuerAddress));
        if ((await Directory.FindStoredAsync(cancellationToken)).Directory is IssuerDirectory directory && Redemption.FindRoute(directory) is (_, Route route))
        {
            _transports.StartFor(route);
        }
    }

    /// <summary>Issuer and gateway as they are used, with what is known of them. Calls nobody.</summary>
    public async Task<IReadOnlyList<ServerStatus>> GetServersAsync(CancellationToken cancellationToken = default)
    {
        await Directory.RecallAddressAsync(cancellationToken);
        (IssuerDirectory? directory, DateTimeOffset? fetched) = await Directory.FindStoredAsync(cancellationToken);
        List<ServerStatus> servers = [ServerStatus.Of(_transports, Route.Direct(Directory.IssuerAddress), "issuer", directory?.IssuerName, fetched)];
        if (directory is not null && Redemption.FindRoute(directory) is (DirectoryGateway gateway, Route route))
        {
            servers.Add(ServerStatus.Of(_transports, route, route.Kind == RouteKind.Oblivious && route.ServerAddress.AbsolutePath != Routes.Oblivious ? "relay" : "gateway", gateway.Name));
        }
        return servers;
    }

    /// <summary>Closes all, and takes away a wallet that was just made and has nothing in it: what it was made for failed.</summary>
    public async Task DiscardAsync()
    {
        await CloseAsync();
        await Wallet.DiscardUnusedAsync();
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            await CloseAsync();
        }
        finally
        {
            // Whatever else fails: else nobody could open the wallet again before the program ends.
            await Wallet.DisposeAsync();
        }
    }

    private async Task CloseAsync()
    {
        await Refills.DisposeAsync();
        await Redemption.DisposeAsync();
        Pseudonyms.Dispose();
        Filler.Dispose();
        Directory.Dispose();
        await _transports.DisposeAsync();
    }

    /// <summary>Our Tor keeps what it knows beside the wallet.</summary>
    private static TransportOptions WithFolder(ClientOptions options) => options.Transport.Tor.DataDirectory is not null
        ? options.Transport
        : options.Transport with { Tor = options.Transport.Tor with { DataDirectory = Path.Combine(options.Wallet.DataDirectory, "tor") } };

    /// <summary>A gateway that is reached elsewhere than the directory says has a copy to compare there.</summary>
    private static DirectoryOptions WithGateway(ClientOptions options, CarrierRules rules) => options.Redemption switch
    {
        // A gateway that is not to see the client's address is asked for its copy as for everything else.
        { Transport: GatewayTransport.Ohttp } redemption => options.Directory with { CopyRoute = gateway => RedemptionClient.RouteTo(redemption, rules, gateway) },
        { GatewayAddress: Uri gateway } => options.Directory with { Mirrors = [.. options.Directory.Mirrors, gateway] },
        _ => options.Directory,
    };

    private async Task<ObliviousKeyConfiguration> FindSealingKeyAsync(string gateway, CancellationToken cancellationToken) =>
        (await ((ISealingKeySource)Directory).FindSealingKeyAsync(gateway, cancellationToken)).ToConfiguration();

    private static async Task<TacitClient> AroundAsync(Wallet wallet, ClientOptions options, TimeProvider time, ILoggerFactory loggers)
    {
        try
        {
            return new TacitClient(wallet, options, time, loggers);
        }
        catch
        {
            await wallet.DisposeAsync();
            throw;
        }
    }
}
