using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Hosting.Metrics;
using Tacit.Hosting.Onion;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Issuance;
using Tacit.Issuer.Payments;
using Tacit.Protocol;
using Tacit.Tor;

namespace Tacit.Issuer;

/// <summary>Settings of an issuer.</summary>
public sealed record IssuerOptions : IValidatedSettings
{
    public const int DefaultPort = 8225;

    /// <summary>The name of the database in the data folder.</summary>
    public const string DatabaseName = "issuer.db";

    /// <summary>Folder of <c>issuer.db</c> and of the management socket.</summary>
    public string DataDirectory { get; init; } = "";

    /// <summary>Where it answers. Default: port 8225 of this machine.</summary>
    public ListenAddress Listen { get; init; } = ListenAddress.Loopback(DefaultPort);

    /// <summary>HTTPS by certificate files that are taken up again when they change. Default: plain HTTP, for a terminator in front.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>Default production, which refuses what nobody means there: see docs/operating.md, "Profiles".</summary>
    public Profile Profile { get; init; } = Profile.Production;

    /// <summary>Whether TLS ends in front, or an encrypted network lies below, so that plain HTTP may be taken from other machines. Default: no.</summary>
    public bool BehindProxy { get; init; }

    /// <summary>Where the issuer's data is: SQLite in the data folder, or PostgreSQL.</summary>
    public DatabaseOptions Database { get; init; } = new();

    /// <summary>The issuer_name in every challenge for its tokens (RFC 9577 §2.1.1), usually its host name.</summary>
    public string IssuerName { get; init; } = "";

    /// <summary>
    /// Where clients request tokens: a path at the directory's own host, or an absolute URL. Default: <c>/token-request</c>.
    /// </summary>
    public string RequestUri { get; init; } = Routes.TokenRequest;

    /// <summary>What is sold; the same plans as the signer's.</summary>
    public IReadOnlyList<Plan> Plans { get; init; } = [];

    /// <summary>The gateways that honour the tokens, as published in the directory.</summary>
    public IReadOnlyList<IssuerGateway> Gateways { get; init; } = [];

    /// <summary>What gateways ask for beside tokens; the same as the signer's. Default: nothing.</summary>
    public IReadOnlyList<PseudonymOffer> Pseudonyms { get; init; } = [];

    /// <summary>Credits that an account must have paid, less what was taken back, to be given pseudonyms. Default: 1.</summary>
    public long PseudonymMinimum { get; init; } = 1;

    /// <summary>Whether credits from vouchers count as paid. Default: yes; no where vouchers are given away.</summary>
    public bool PseudonymVouchersCount { get; init; } = true;

    /// <summary>The passphrase that the directory key is encrypted under. Exactly one of this and <see cref="KeyFile"/>.</summary>
    public SecretReference? Passphrase { get; init; }

    /// <summary>A file of at least 32 random bytes that the directory key is encrypted under.</summary>
    public SecretReference? KeyFile { get; init; }

    /// <summary>The issuer's onion service. Default: none.</summary>
    public OnionOptions Onion { get; init; } = new();

    /// <summary>How the tor is run that publishes it.</summary>
    public TorOptions Tor { get; init; } = new();

    /// <summary>Longest time that a copy of the directory may be used without asking again. Default: five minutes.</summary>
    public TimeSpan DirectoryMaxAge { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How often the signer is asked for its keys. Default: 15 seconds.</summary>
    public TimeSpan KeyPollInterval { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>How often a gateway with a key in <see cref="Gateways"/> is asked for its sealing keys, a quarter more or less. Default: five minutes.</summary>
    public TimeSpan SealingPollInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Calls of <c>/token-restore</c>, and of <c>/token-request</c> for what was paid before, that an account may make in a burst; one more every two seconds.
    /// Default: 60.
    /// </summary>
    public int RestoreBurst { get; init; } = 60;

    /// <summary>Wrong voucher codes that one client address may try in a burst; one more a second. Default: 30.</summary>
    public int VoucherFailureBurst { get; init; } = 30;

    /// <summary>
    /// Memory for large request bodies, of all connections together, in bytes; more are refused as busy. Accounts that were never credited get an eighth of it
    /// besides. Default: 256 MiB.
    /// </summary>
    public long MaxBodyBytes { get; init; } = 256L << 20;

    /// <summary>
    /// Proxies whose <c>X-Forwarded-For</c> is believed where something is limited by address (wrong vouchers, checkouts, open plans): addresses, or networks such as
    /// <c>10.0.0.0/8</c>. Default: none.
    /// </summary>
    public IReadOnlyList<string> TrustedProxies { get; init; } = [];

    /// <summary>How tokens of open plans are given away, where there are such plans.</summary>
    public OpenIssuanceOptions OpenIssuance { get; init; } = new();

    /// <summary>Payments by Stripe and Paddle. Default: vouchers only.</summary>
    public PaymentOptions Payments { get; init; } = new();

    /// <summary>Connections at once. Default: 10,000.</summary>
    public int MaxConnections { get; init; } = 10_000;

    /// <summary>How long requests are still taken after readiness turned false, for a load balancer to notice. Default: not at all.</summary>
    public TimeSpan DrainDelay { get; init; }

    /// <summary>How long requests under way may take to end once no new one is taken. Default: 30 seconds.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <exception cref="KeyProtectionException">Neither or both are set.</exception>
    internal (KeyProtectionKind Kind, SecretReference Secret, string Setting) KeySecret => (Passphrase, KeyFile) switch
    {
        (not null, null) => (KeyProtectionKind.Passphrase, Passphrase, nameof(Passphrase)),
        (null, not null) => (KeyProtectionKind.KeyFile, KeyFile, nameof(KeyFile)),
        (null, null) => throw new KeyProtectionException(KeyProtectionError.Missing),
        _ => throw new KeyProtectionException(KeyProtectionError.Ambiguous),
    };

    /// <summary>Where the operator sees how the issuer does. Default: nowhere.</summary>
    public MetricsOptions Metrics { get; init; } = new();

    public void Validate(SettingsValidation validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation
            .Require(DataDirectory.Length > 0, nameof(DataDirectory), "no folder is named", "Name the folder for the issuer's data.")
            .Require(IssuerName.Length > 0, nameof(IssuerName), "the issuer has no name", "Set it to the host name that clients know it by.")
            .Require(Plans.Count > 0, nameof(Plans), "there is no plan", "List at least one plan.")
            .Require(
                Plans.Select(plan => plan.Id).Distinct(StringComparer.Ordinal).Count() == Plans.Count,
                nameof(Plans), "two plans have the same id", "Give each plan an id of its own.")
            .RequireRange(DirectoryMaxAge, TimeSpan.Zero, TimeSpan.FromDays(1), nameof(DirectoryMaxAge))
            .RequireRange(KeyPollInterval, TimeSpan.FromSeconds(1), TimeSpan.FromMinutes(10), nameof(KeyPollInterval))
            .RequireRange(SealingPollInterval, TimeSpan.FromSeconds(1), TimeSpan.FromHours(1), nameof(SealingPollInterval))
            .RequireRange(RestoreBurst, 1, 1_000_000, nameof(RestoreBurst))
            .Require(
                TrustedProxies.All(Hosting.TrustedProxies.IsNetwork), nameof(TrustedProxies), "one of these is no address or network",
                "Write addresses such as 10.0.0.5, or networks such as 10.0.0.0/8 or fd00::/8.")
            .RequireRange(VoucherFailureBurst, 1, 1_000_000, nameof(VoucherFailureBurst))
            .RequireRange(MaxBodyBytes, 4L << 20, 1L << 40, nameof(MaxBodyBytes))
            .RequireRange(MaxConnections, 1, 1_000_000, nameof(MaxConnections))
            .RequireRange(DrainDelay, TimeSpan.Zero, TimeSpan.FromMinutes(10), nameof(DrainDelay))
            .RequireRange(DrainTimeout, TimeSpan.Zero, TimeSpan.FromHours(1), nameof(DrainTimeout));
        validation
            .RequireRange(PseudonymMinimum, 0, 1L << 53, nameof(PseudonymMinimum))
            .Require(
                Pseudonyms.All(offer => Gateways.Any(gateway => gateway.Name == offer.Gateway))
                    && Pseudonyms.Select(offer => offer.Gateway).Distinct(StringComparer.OrdinalIgnoreCase).Count() == Pseudonyms.Count,
                nameof(Pseudonyms), "an entry names no listed gateway, or one twice", "Give each of Gateways one entry at most, by its name.");
        Onion.Validate(validation, hasSecret: true);
        Tls.Validate(validation);
        ProductionRules.RequireEncryption(validation, Profile, Listen, Tls, BehindProxy);
        Metrics.Validate(validation, Listen);
        Database.Validate(validation);
        Payments.Validate(validation, nameof(Payments));
        OpenIssuance.Validate(validation, nameof(OpenIssuance));
        foreach (IssuerGateway gateway in Gateways)
        {
            gateway.Validate(validation);
        }

        foreach (Plan plan in Plans)
        {
            if (plan.FindFault() is string fault)
            {
                validation.Add(nameof(Plans), fault, "Put the plan right.");
            }
        }
    }
}
