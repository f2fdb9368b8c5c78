using Tacit.Hosting;
using Tacit.Hosting.Metrics;
using Tacit.Hosting.Onion;
using Tacit.Protocol;
using Tacit.Tor;

namespace Tacit.Relay;

/// <summary>A gateway that the relay forwards to; there are no others.</summary>
public sealed record RelayTarget
{
    /// <summary>What clients name it by: <c>POST /NAME</c>. Letters, digits, dots and hyphens; a gateway's canonical name is a good one.</summary>
    public string Name { get; init; } = "";

    /// <summary>The gateway's oblivious resource (RFC 9458, section 3); <c>/ohttp</c> there if it has no path. HTTPS, but for loopback.</summary>
    public Uri? Address { get; init; }

    /// <summary>Where requests go.</summary>
    internal Uri Resource => Address!.AbsolutePath == "/" ? new Uri(Address, Routes.Oblivious) : Address;
}

/// <summary>Settings of a relay. It has no keys and keeps nothing.</summary>
public sealed record RelayOptions : IValidatedSettings
{
    /// <summary>Where a relay listens unless told otherwise.</summary>
    public static ListenAddress DefaultListen { get; } = ListenAddress.Loopback(8228);

    /// <summary>Folder of the management socket.</summary>
    public string DataDirectory { get; init; } = "";

    /// <summary>Where it listens. Default: 127.0.0.1:8228.</summary>
    public ListenAddress Listen { get; init; } = DefaultListen;

    /// <summary>HTTPS by certificate files that are taken up again when they change. Default: plain HTTP, for a reverse proxy on the same machine.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>Default production, which refuses what nobody means there: see docs/operating.md, "Profiles".</summary>
    public Profile Profile { get; init; } = Profile.Production;

    /// <summary>Whether plain HTTP is taken from other machines, since TLS ends in front or an encrypted network lies below. Default: no.</summary>
    public bool BehindProxy { get; init; }

    /// <summary>The relay's onion service. Default: none.</summary>
    public OnionOptions Onion { get; init; } = new();

    /// <summary>How the tor is run that publishes it.</summary>
    public TorOptions Tor { get; init; } = new();

    /// <summary>The gateways.</summary>
    public IReadOnlyList<RelayTarget> Targets { get; init; } = [];

    /// <summary>Most bytes of a sealed request. Default 8 MiB.</summary>
    public long MaxRequestBytes { get; init; } = 8 << 20;

    /// <summary>Most bytes of a sealed reply. Default 64 MiB.</summary>
    public long MaxReplyBytes { get; init; } = 64 << 20;

    /// <summary>Requests under way at most; more are refused as busy. Default 4,096.</summary>
    public int MaxRequests { get; init; } = 4096;

    /// <summary>Requests under way at most of one client address (of IPv6 a /64). In memory, and only while they last. Default 64.</summary>
    public int MaxRequestsPerAddress { get; init; } = 64;

    /// <summary>How long the gateway may take to begin its answer. Default five minutes: what is not streamed is answered when it is whole.</summary>
    public TimeSpan ResponseTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long nothing may come from the gateway within an answer. Default two minutes.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long one request may take in all. Default thirty minutes.</summary>
    public TimeSpan TotalTimeout { get; init; } = TimeSpan.FromMinutes(30);

    /// <summary>How long requests may go on once a stop began. Default 30 s.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Where the operator sees how the relay does. Default: nowhere.</summary>
    public MetricsOptions Metrics { get; init; } = new();

    public void Validate(SettingsValidation validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation
            .Require(DataDirectory.Length > 0, nameof(DataDirectory), "no folder is named", "Name the folder for the relay's management socket.")
            .Require(Targets.Count > 0, nameof(Targets), "there is no gateway to forward to", "List at least one: { \"Name\": \"gateway.example\", \"Address\": \"https://gateway.example/\" }.")
            .Require(
                Targets.Select(target => target.Name).Distinct(StringComparer.OrdinalIgnoreCase).Count() == Targets.Count,
                nameof(Targets), "two gateways have the same name", "Give each a name of its own.")
            .RequireRange(MaxRequestBytes, 1024, int.MaxValue, nameof(MaxRequestBytes))
            .RequireRange(MaxReplyBytes, 1024, long.MaxValue, nameof(MaxReplyBytes))
            .RequireRange(MaxRequests, 1, 1_000_000, nameof(MaxRequests))
            .RequireRange(MaxRequestsPerAddress, 1, 1_000_000, nameof(MaxRequestsPerAddress));
        Onion.Validate(validation, hasSecret: false);
        Tls.Validate(validation);
        ProductionRules.RequireEncryption(validation, Profile, Listen, Tls, BehindProxy);
        Metrics.Validate(validation, Listen);
        foreach (RelayTarget target in Targets)
        {
            validation
                .Require(
                    target.Name.Length is > 0 and <= 253 && target.Name.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-') && target.Name != "health",
                    nameof(Targets), $"'{target.Name}' is no name", "Use letters, digits, dots and hyphens.")
                .Require(
                    target.Address is { IsAbsoluteUri: true } address && (address.Scheme == Uri.UriSchemeHttps || (address.Scheme == Uri.UriSchemeHttp && address.IsLoopback))
                        && address.Query.Length == 0 && address.UserInfo.Length == 0,
                    nameof(Targets), $"'{target.Address}' is no address of a gateway", "Write https://HOST/, or http://127.0.0.1:PORT/ on this machine.");
        }
    }
}
