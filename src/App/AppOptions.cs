using Microsoft.Extensions.Logging;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Evidence;
using Tacit.Client.Transports;
using Tacit.Hosting;

namespace Tacit.App;

/// <summary>How the local app, and every command that uses the wallet, is set up. Checked at start; a wrong value names its key and the fix.</summary>
public sealed record AppOptions : IValidatedSettings
{
    public const int DefaultPort = 8224;

    /// <summary>The file in the data folder with these settings, where no other is named.</summary>
    public const string SettingsFileName = "app.json";

    /// <summary>Where to listen: this machine only. Default 127.0.0.1:8224; port 0 takes a free one.</summary>
    public ListenAddress Listen { get; init; } = ListenAddress.Loopback(DefaultPort);

    /// <summary>The folder with the wallet and the management socket.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The issuer's base address. Default http://127.0.0.1:8225.</summary>
    public Uri IssuerUrl { get; init; } = new("http://127.0.0.1:8225");

    /// <summary>The issuer's Ed25519 directory key, 32 bytes in base64url or hexadecimal. Needed at the first use; pinned in the wallet from then on.</summary>
    public string? DirectoryKey { get; init; }

    /// <summary>Where else copies of the issuer's directory are compared, beside the gateways that it lists. Default none.</summary>
    public IReadOnlyList<Uri> Mirrors { get; init; } = [];

    /// <summary>The wallet warns of a plan that the issuer says fewer accounts share. Default 64.</summary>
    public long MinCrowd { get; init; } = 64;

    /// <summary>How evidence for gateways' sealing keys is judged. Default: not at all.</summary>
    public EvidenceOptions Evidence { get; init; } = new();

    /// <summary>The gateway's name in the directory; null takes the directory's first.</summary>
    public string? Gateway { get; init; }

    /// <summary>Where to reach the gateway, if not at the address that the directory gives.</summary>
    public Uri? GatewayUrl { get; init; }

    /// <summary>
    /// How requests are carried: <c>tor</c>, <c>tor+sealed</c> (what goes to the gateway is sealed to it), <c>tor+ohttp</c> (that, by way of a relay), or without Tor
    /// <c>direct</c>, <c>sealed</c> and <c>ohttp</c>. Default: <c>tor</c>, but for addresses on this machine, which are connected to directly.
    /// </summary>
    public TransportSetting? Transport { get; init; }

    /// <summary>With <c>ohttp</c> and <c>tor+ohttp</c>: the relay's address.</summary>
    public Uri? Relay { get; init; }

    /// <summary>Where Tor is used: which one, and for what.</summary>
    public TorSettings Tor { get; init; } = new();

    /// <summary>
    /// Whether prompts go to the gateway at <see cref="GatewayUrl"/> signed by this device's key, which its operator has on a list: without issuer and wallet, and linkable to
    /// each other. Default false.
    /// </summary>
    public bool Device { get; init; }

    /// <summary>With <see cref="Device"/> and <c>sealed</c>: the gateway's own Ed25519 key, 32 bytes in base64url or hexadecimal, as <c>tacit gateway keys</c> prints it.</summary>
    public string? GatewayKey { get; init; }

    /// <summary>With <see cref="Device"/>: SHA-256 of the public key (SubjectPublicKeyInfo) of the gateway's certificate, in base64url or hexadecimal. Default: what the system trusts.</summary>
    public string? GatewayPin { get; init; }

    /// <summary>Whether new wallets derive their randomness from the seed, so that tokens can be restored. Default true.</summary>
    public bool Recoverable { get; init; } = true;

    /// <summary>Whether the wallet fills itself on a schedule of its own. Default true.</summary>
    public bool AutoFill { get; init; } = true;

    /// <summary>Whether an empty wallet may be filled because a prompt needs a token, which links the two by time. Default true; the reply says so.</summary>
    public bool FillAtPrompt { get; init; } = true;

    /// <summary>A plan with fewer tokens than this, or than for a quarter of <see cref="FillReserve"/>, is filled; 0 fills none by itself. Default 20.</summary>
    public int LowWater { get; init; } = 20;

    /// <summary>How many tokens one fill buys at least: 1, 2, 5, 10, 50, 100, 250 or 1000. Default 100.</summary>
    public int BatchSize { get; init; } = 100;

    /// <summary>The mean time between the wallet's looks at itself. Default 1 h.</summary>
    public TimeSpan FillInterval { get; init; } = TimeSpan.FromHours(1);

    /// <summary>How long, in the mean, a plan stays low before it is filled. Default 24 h: sooner, the purchase is timed with the requests that made it necessary.</summary>
    public TimeSpan FillDelay { get; init; } = TimeSpan.FromHours(24);

    /// <summary>How long one fill should last, by what was used in the last weeks; 0 always buys <see cref="BatchSize"/>. Default a year.</summary>
    public TimeSpan FillReserve { get; init; } = TimeSpan.FromDays(365);

    /// <summary>The plans to keep filled; null keeps the cheapest plan of every model.</summary>
    public IReadOnlyList<string>? FillPlans { get; init; }

    /// <summary>
    /// Whether a request waits for a subscription's chain that is in use, up to two minutes; false lets another plan pay meanwhile, at its price. Default true.
    /// </summary>
    public bool WaitForSubscription { get; init; } = true;

    /// <summary>
    /// What happens to a conversation that has outgrown the plan that would pay for it: <c>larger</c> (the default) lets a larger plan pay, <c>trim</c> leaves
    /// out its oldest turns, <c>ask</c> refuses it with an error that names the larger plan.
    /// </summary>
    public OutgrownPlan OutgrownPlan { get; init; } = OutgrownPlan.Larger;

    /// <summary>
    /// Whether gateways that ask for a pseudonym get one, by which they can link requests to each other. Default false: such a gateway gets nothing.
    /// </summary>
    public bool AllowPseudonyms { get; init; }

    /// <summary>
    /// Whether the page's conversations are kept on disk, encrypted under the wallet's key. False: in memory until the app ends; those that were kept before stay where they
    /// are and are not shown. Default true.
    /// </summary>
    public bool KeepChats { get; init; } = true;

    /// <summary>The page's colours. Default: as the system has them.</summary>
    public PageTheme Theme { get; init; }

    /// <summary>The model of the page's new chats. Default: the cheapest plan's first.</summary>
    public string? DefaultModel { get; init; }

    /// <summary>The plan that pays for the page's new chats. Default: a subscription that buys the model, else the cheapest.</summary>
    public string? DefaultPlan { get; init; }

    /// <summary>The system prompt of the page's new chats. Default none.</summary>
    public string? DefaultSystem { get; init; }

    /// <summary>Whether <c>/v1</c> answers only programs that send a local key which was made for them. Default false: any key, or none, will do.</summary>
    public bool RequireLocalKeys { get; init; }

    /// <summary>
    /// What other users of this machine get of the page's API, behind which are chats and seed: <c>refuse</c> (nothing, where the system tells who asks; the default) or
    /// <c>allow</c>.
    /// </summary>
    public OtherUsers OtherUsers { get; init; }

    /// <summary>Largest request body taken from a local program, in bytes; a plan's own limit is usually smaller. Default 16 MiB.</summary>
    public int MaxRequestBytes { get; init; } = 16 << 20;

    /// <summary>How long after its caller vanished a request goes on, waiting for a repetition. Default 15 s.</summary>
    public TimeSpan CancelGrace { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How long replies under way may take to end once a stop began. Default 10 s.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(10);

    public void Validate(SettingsValidation validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation
            .Require(
                Listen is { IsUnixSocket: false, IsLoopback: true }, "Listen", "the app answers this machine only",
                "Use 127.0.0.1:8224 or [::1]:8224: whoever reaches the app spends your tokens.")
            .Require(!string.IsNullOrWhiteSpace(DataDirectory), "DataDirectory", "no data folder is named", "Name a folder.")
            .Require(IsHttp(IssuerUrl), "IssuerUrl", "this is no http or https URL", "Use the issuer's base URL, such as https://issuer.example.")
            .Require(GatewayUrl is null || IsHttp(GatewayUrl), "GatewayUrl", "this is no http or https URL", "Use the gateway's base URL, or leave it out.")
            .Require(
                Transport.Sealing() != GatewayTransport.Ohttp || (Relay is not null && IsHttp(Relay)), "Relay", "Transport is ohttp, and no relay is named", "Use the relay's base URL, such as https://relay.example.")
            .Require(
                !Device || Transport.Sealing() != GatewayTransport.Ohttp, "Transport", "a device is known to its gateway by its key, so that a relay hides nothing",
                "Use sealed or tor+sealed, or leave Transport out.")
            .Require(Tor.FindFault() is null, "Tor", Tor.FindFault() ?? "", "See docs/operating.md for its form.")
            .Require(
                !Device || Transport.Sealing() != GatewayTransport.Sealed || (GatewayKey is not null && DirectoryOptions.TryParseKey(GatewayKey, out _)),
                "GatewayKey", "what is sealed needs the gateway's own key", "Give what its operator reads with `tacit gateway keys` (base64url or hexadecimal): tacit device create --gateway URL --key KEY.")
            .Require(!Device || GatewayUrl is not null, "GatewayUrl", "a device needs the address of its gateway", "Use the gateway's base URL, such as https://gateway.example.")
            .Require(GatewayPin is null || DirectoryOptions.TryParseKey(GatewayPin, out _), "GatewayPin", "this is no SHA-256 of a public key", "Give its 32 bytes in base64url or hexadecimal.")
            .Require(
                GatewayPin is null || (Device && GatewayUrl is { IsAbsoluteUri: true, Scheme: "https" }), "GatewayPin", "there is no certificate that it could be compared with",
                "Use it with Device and an https address in GatewayUrl, or take it out.")
            .Require(
                DirectoryKey is null || DirectoryOptions.TryParseKey(DirectoryKey, out _), "DirectoryKey", "this is not a 32-byte key",
                "Copy the directory key that the issuer's operator gives (base64url or hexadecimal).")
            .Require(FillOptions.StandardSizes.Contains(BatchSize), "BatchSize", $"{BatchSize} is no standard size", $"Use one of {string.Join(", ", FillOptions.StandardSizes)}.")
            .Require(Mirrors.All(IsHttp), "Mirrors", "one of them is no http or https URL", "Use base URLs, such as https://mirror.example.")
            .Require(Evidence.FindFault() is null, "Evidence:Measurements", "one of them is no measurement", "Use 96 hexadecimal digits each, as the gateway's operator publishes them.")
            .Require(
                Evidence.Policy != EvidencePolicy.Require || Transport.Sealing() != GatewayTransport.Direct, "Evidence:Policy", "nothing is sealed, so that no evidence would be asked for",
                "Set Transport to one that seals, or Evidence:Policy to show.")
            .Require((DefaultSystem?.Length ?? 0) <= 64 * 1024, "DefaultSystem", "it is too long", "Use at most 65536 characters.")
            .RequireRange(MinCrowd, 0, 1L << 40, "MinCrowd")
            .RequireRange(LowWater, 0, 1000, "LowWater")
            .RequireRange(FillInterval, TimeSpan.FromMinutes(1), TimeSpan.FromDays(7), "FillInterval")
            .RequireRange(FillDelay, TimeSpan.Zero, TimeSpan.FromDays(30), "FillDelay")
            .RequireRange(FillReserve, TimeSpan.Zero, TimeSpan.FromDays(366), "FillReserve")
            .RequireRange(MaxRequestBytes, 1024, 1 << 30, "MaxRequestBytes")
            .RequireRange(CancelGrace, TimeSpan.Zero, TimeSpan.FromMinutes(10), "CancelGrace")
            .RequireRange(DrainTimeout, TimeSpan.Zero, TimeSpan.FromHours(1), "DrainTimeout");
    }

    /// <summary>What the client needs of these settings.</summary>
    /// <param name="progress">Told how far Tor is while something waits for it; null for nobody.</param>
    public ClientOptions ToClientOptions(IProgress<CarrierStatus>? progress = null) => new()
    {
        Wallet = new WalletOptions { DataDirectory = DataDirectory, Recoverable = Recoverable },
        Directory = new DirectoryOptions
        {
            Issuer = IssuerUrl,
            DirectoryKey = DirectoryOptions.TryParseKey(DirectoryKey, out ReadOnlyMemory<byte> key) ? key : (ReadOnlyMemory<byte>?)null,
            Mirrors = Mirrors,
            MinCrowd = MinCrowd,
            Evidence = Evidence,
        },
        Redemption = new RedemptionOptions
        {
            Gateway = Gateway,
            GatewayAddress = GatewayUrl,
            Transport = Transport.Sealing(),
            Relay = Relay,
            FillAtPrompt = FillAtPrompt,
            CancelGrace = CancelGrace,
            WaitForChain = WaitForSubscription,
            OutgrownPlan = OutgrownPlan,
            AllowPseudonyms = AllowPseudonyms,
        },
        Fill = new FillOptions
        {
            Automatic = AutoFill,
            LowWater = LowWater,
            BatchSize = BatchSize,
            Interval = FillInterval,
            RefillDelay = FillDelay,
            Reserve = FillReserve,
            Plans = FillPlans,
        },
        Transport = ToTransportOptions(progress),
    };

    /// <summary>How the client's connections are made, and so those of commands that have no wallet.</summary>
    /// <inheritdoc cref="ToClientOptions" path="/param"/>
    public TransportOptions ToTransportOptions(IProgress<CarrierStatus>? progress = null) => new()
    {
        Carrier = Transport.Carrier(),
        Tor = BridgePrograms.Complete(Tor.DataDirectory is null ? Tor with { DataDirectory = Path.Combine(DataDirectory, "tor") } : Tor),
        Progress = progress,
    };

    /// <summary>What asks for this device; its key has to be there (<see cref="DeviceKey.Create"/>).</summary>
    /// <param name="work">Told how far a proof of work is; null for nobody.</param>
    /// <param name="progress">Told how far Tor is while something waits for it; null for nobody.</param>
    /// <exception cref="ClientException">There is no key.</exception>
    public DeviceClient OpenDevice(TimeProvider time, IProgress<WorkProgress>? work = null, IProgress<CarrierStatus>? progress = null, ILoggerFactory? loggers = null) => new(
        GatewayUrl ?? throw new InvalidOperationException("Validate first."),
        DeviceKey.Load(DataDirectory),
        ToClientOptions().Redemption with { WorkProgress = work },
        ToTransportOptions(progress) with { PinnedKey = DirectoryOptions.TryParseKey(GatewayPin, out ReadOnlyMemory<byte> pin) ? pin : default },
        time,
        DirectoryOptions.TryParseKey(GatewayKey, out ReadOnlyMemory<byte> own) ? own : default,
        Evidence,
        loggers);

    private static bool IsHttp(Uri uri) => uri.IsAbsoluteUri && (uri.Scheme == Uri.UriSchemeHttp || uri.Scheme == Uri.UriSchemeHttps);
}
