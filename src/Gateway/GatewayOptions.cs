using Tacit.Gateway.Demonstration;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Pseudonyms;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Hosting.Metrics;
using Tacit.Hosting.Onion;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Tor;

namespace Tacit.Gateway;

/// <summary>How a gateway is set up. Checked at start; a wrong value names its key and the fix.</summary>
public sealed record GatewayOptions : IValidatedSettings
{
    public const int DefaultPort = 8226;

    /// <summary>Bytes that a reply of the JSON kind gets for each token the plan allows, log probabilities included.</summary>
    private const long JsonBytesPerToken = 128;

    /// <summary>Bytes that a streamed reply gets for each token: one event each, as verbose as providers are.</summary>
    private const long StreamBytesPerToken = 640;

    private const long BaseReplyBytes = 64 * 1024;
    private const long EmbeddingsReplyBytes = 16L << 20;

    /// <summary>The one canonical name, as the issuer's directory lists it: the origin_info of every challenge, on every transport.</summary>
    public required string Name { get; init; }

    /// <summary>Default production. Development adds <c>/api/echo</c>, which seals back what it opened; it opens nothing else.</summary>
    public Profile Profile { get; init; } = Profile.Production;

    /// <summary>
    /// Web pages of other origins that may use <c>/api/pubkey</c> and <c>/api/chat</c>: <c>https://chat.example</c>, or <c>*</c> for all. Default: none.
    /// </summary>
    public IReadOnlyList<string> WebOrigins { get; init; } = [];

    /// <summary>Where to listen. Default 127.0.0.1:8226; port 0 takes a free one.</summary>
    public ListenAddress Listen { get; init; } = ListenAddress.Loopback(DefaultPort);

    /// <summary>HTTPS by certificate files that are taken up again when they change. Default: plain HTTP, for a terminator in front.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>Whether TLS ends in front, or an encrypted network lies below, so that plain HTTP may be taken from other machines. Default: no.</summary>
    public bool BehindProxy { get; init; }

    /// <summary>Where the gateway's data is: SQLite in the data folder, or PostgreSQL.</summary>
    public DatabaseOptions Database { get; init; } = new();

    /// <summary>Where the issuer's directory is fetched: its base URL. Not needed when the directory is handed in by the same process.</summary>
    public Uri? IssuerUrl { get; init; }

    /// <summary>
    /// The issuer's Ed25519 directory key, 32 bytes in base64url or hex: the one thing that is pinned. Needed unless <see cref="Admission"/> is <c>device</c>; without it
    /// such a gateway has no issuer.
    /// </summary>
    public string? DirectoryKey { get; init; }

    /// <summary>What admits requests: <c>tokens</c> (the default), the signatures of one's own <c>device</c>s, or <c>both</c>. A device's requests are linkable to each other.</summary>
    public AdmissionMode Admission { get; init; } = AdmissionMode.Tokens;

    /// <summary>Which devices may ask, and how much, where devices are admitted.</summary>
    public DeviceOptions Devices { get; init; } = new();

    /// <summary>How much one network address may ask.</summary>
    public AddressOptions Addresses { get; init; } = new();

    /// <summary>What is allowed of sampling parameters, of tokens and devices alike. Default: whatever the provider takes.</summary>
    public SamplingRules Sampling { get; init; } = new();

    /// <summary>For what proof of work is asked when there is much to do.</summary>
    public WorkOptions Work { get; init; } = new();

    /// <summary>The folder with <c>gateway.db</c>, the instance id and the last directory.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>
    /// Where other instances on the same database reach this one, and nobody else should: its base URL. Null: its listen address, if that is one of this machine's.
    /// </summary>
    public string? InstanceAddress { get; init; }

    /// <summary>How often the directory is fetched anew. Default 5 minutes.</summary>
    public TimeSpan DirectoryRefresh { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a reply is kept for the same token and body after its end. Default 10 minutes.</summary>
    public TimeSpan KeepReplies { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>How often an event stream that is silent gets a comment, by which its reader knows that the connection lives. Default 15 seconds.</summary>
    public TimeSpan KeepAlive { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Memory that live and kept replies may take together, in bytes. Default: half of what this process may use.</summary>
    public long ReplyMemoryBytes { get; init; } = Math.Max(64L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 2);

    /// <summary>Memory that bodies of requests which are not admitted yet may take together, in bytes. Default: an eighth of what this process may use.</summary>
    public long RequestMemoryBytes { get; init; } = Math.Max(64L << 20, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 8);

    /// <summary>The most room one reply gets, in bytes, whatever its plan allows. Default 32 MiB.</summary>
    public long MaxReplyBytes { get; init; } = 32L << 20;

    /// <summary>How many requests may wait for their signature to be checked. Default 1024.</summary>
    public int SignatureQueueLength { get; init; } = 1024;

    /// <summary>Threads that check signatures when there is more to check than processors. Default: as many as processors.</summary>
    public int SignatureThreads { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// Whether <c>tacit gateway</c> lets what happens on sockets wait for a processor's turn (<see cref="SocketEvents"/>). Default: yes. No, where other programs keep every
    /// processor busy and each millisecond counts.
    /// </summary>
    public bool SocketsInTurn { get; init; } = true;

    /// <summary>How long requests are still taken after readiness turned false, for a load balancer to notice. Default: not at all.</summary>
    public TimeSpan DrainDelay { get; init; }

    /// <summary>How long live replies may take to end once no new request is taken. Default 30 seconds.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How many requests one pseudonym may make, where the directory's policy asks for pseudonyms. Default: not limited.</summary>
    public PseudonymLimits Pseudonyms { get; init; } = new();

    /// <summary>Keys that prompts are sealed with. Default: none.</summary>
    public SealingOptions Sealing { get; init; } = new();

    /// <summary>The page that shows visitors the protocol. Default: none.</summary>
    public DemonstrationOptions Demo { get; init; } = new();

    /// <summary>The gateway's onion service. Default: none.</summary>
    public OnionOptions Onion { get; init; } = new();

    /// <summary>How the tor is run that publishes it.</summary>
    public TorOptions Tor { get; init; } = new();

    /// <summary>Where the operator sees how the gateway does. Default: nowhere.</summary>
    public MetricsOptions Metrics { get; init; } = new();

    /// <summary>The bounds on what strangers may send; the defaults suit a public address.</summary>
    public GatewayLimits Limits { get; init; } = new();

    public void Validate(SettingsValidation validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation
            .Require(IsName(Name), "Name", "the gateway's name is 1 to 255 printable ASCII characters without commas", "Use the name under which the issuer's directory lists this gateway.")
            .Require(
                DirectoryKey is not null || Admission == AdmissionMode.Device, "DirectoryKey", "this setting is missing",
                "Copy the directory key that `tacit issuer` prints; IssuerUrl and Signer:Key go with it. A gateway of devices alone (Admission: device) needs none of the three.")
            .Require(DirectoryKey is null || TryDecodeKey(DirectoryKey, out _), "DirectoryKey", "this is not a 32-byte key", "Copy the directory key that `tacit issuer` prints (base64url or hex).")
            .Require(!string.IsNullOrWhiteSpace(DataDirectory), "DataDirectory", "no data folder is named", "Name a folder.")
            .Require(IssuerUrl is null or { IsAbsoluteUri: true, Scheme: "http" or "https" }, "IssuerUrl", "this is no http or https URL", "Use the issuer's base URL, such as https://issuer.example.")
            .Require(
                InstanceAddress is null || (Uri.TryCreate(InstanceAddress, UriKind.Absolute, out Uri? url) && url.Scheme is "http" or "https"),
                "InstanceAddress", "this is no http or https URL", "Use a base URL of this very instance, such as http://10.0.0.5:8226.")
            .Require(
                WebOrigins.All(CrossOrigin.IsOrigin), "WebOrigins", "one of these is no origin",
                "Write each as a browser does: https://chat.example, with a port only if it is not the scheme's own, and nothing behind it; or * for all.")
            .RequireRange(DirectoryRefresh, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), "DirectoryRefresh")
            .RequireRange(KeepReplies, TimeSpan.Zero, TimeSpan.FromHours(1), "KeepReplies")
            .RequireRange(KeepAlive, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(30), "KeepAlive")
            .RequireRange(ReplyMemoryBytes, 1 << 20, 1L << 46, "ReplyMemoryBytes")
            .RequireRange(RequestMemoryBytes, 1 << 20, 1L << 46, "RequestMemoryBytes")
            .RequireRange(MaxReplyBytes, 4096, 1L << 30, "MaxReplyBytes")
            .RequireRange(SignatureQueueLength, 1, 1 << 20, "SignatureQueueLength")
            .RequireRange(SignatureThreads, 1, 256, "SignatureThreads")
            .Require(Limits.MinResponseBytesPerSecond > 0, "Limits:MinResponseBytesPerSecond", "this is no rate", "Use a number of bytes above 0, such as 240.")
            .RequireRange(Limits.ResponseGracePeriod, TimeSpan.FromSeconds(1.1), TimeSpan.FromHours(1), "Limits:ResponseGracePeriod")
            .RequireRange(DrainDelay, TimeSpan.Zero, TimeSpan.FromMinutes(10), "DrainDelay")
            .RequireRange(DrainTimeout, TimeSpan.Zero, TimeSpan.FromHours(1), "DrainTimeout");
        Pseudonyms.Validate(validation, nameof(Pseudonyms));
        Devices.Validate(validation, nameof(Devices));
        Addresses.Validate(validation, nameof(Addresses));
        Work.Validate(validation, nameof(Work));
        validation.Require(
            Sampling.FindFault() is null, $"Sampling:{Sampling.FindFault()}", "no value can be within this", "Min is at most Max; of stop sequences only Max and Clamp.");
        Demo.Validate(validation, nameof(Demo), this);
        Sealing.Validate(validation);
        Onion.Validate(validation, Sealing.IsOn);
        Tls.Validate(validation);
        ProductionRules.RequireEncryption(validation, Profile, Listen, Tls, BehindProxy);
        Database.Validate(validation);
        Metrics.Validate(validation, Listen);
    }

    /// <summary>The room a reply of this plan is given before its token is spent.</summary>
    internal long MaxReplyBytesFor(Plan plan, Operation operation, bool stream)
    {
        long wanted = operation == Operation.Embeddings
            ? EmbeddingsReplyBytes
            : BaseReplyBytes + (plan.MaxOutputTokens * (stream ? StreamBytesPerToken : JsonBytesPerToken));
        return Math.Min(wanted, MaxReplyBytes);
    }

    internal static bool TryDecodeKey(string? text, out byte[] key)
    {
        bool isKey = PublicKeyText.TryParse(text, out byte[]? parsed);
        key = parsed ?? [];
        return isKey;
    }

    private static bool IsName(string? name) =>
        name is { Length: > 0 and <= 255 } && !name.AsSpan().ContainsAnyExceptInRange('!', '~') && !name.Contains(',', StringComparison.Ordinal);
}

/// <summary>The bounds on connections, request bodies and readers.</summary>
public sealed record GatewayLimits
{
    /// <summary>Default 20,000.</summary>
    public int MaxConnections { get; init; } = 20_000;

    /// <summary>How long the headers of a request may take. Default 15 seconds.</summary>
    public TimeSpan RequestHeadersTimeout { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Least rate of a request body in bytes a second. Default 1024: slow enough for Tor, too fast for a slow-loris.</summary>
    public double MinRequestBodyBytesPerSecond { get; init; } = 1024;

    /// <summary>How long a request body may stay below that rate. Default 10 seconds.</summary>
    public TimeSpan RequestBodyGracePeriod { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Least rate at which a reply is read, in bytes a second, once the buffers between are full. Default 240: the slowest circuit of Tor is faster.</summary>
    public double MinResponseBytesPerSecond { get; init; } = 240;

    /// <summary>How long a reader may stay below that rate. Default 30 seconds.</summary>
    public TimeSpan ResponseGracePeriod { get; init; } = TimeSpan.FromSeconds(30);
}
