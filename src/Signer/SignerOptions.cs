using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Hosting.Metrics;
using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>Settings of a signer.</summary>
public sealed record SignerOptions : IValidatedSettings
{
    public const string DefaultSocketName = "signer-internal.sock";

    /// <summary>The name of the key database in the data folder.</summary>
    public const string DatabaseName = "signer.db";

    /// <summary>Folder of <c>signer.db</c> and of the management socket.</summary>
    public string DataDirectory { get; init; } = "";

    /// <summary>The plans that keys are made for; the same as the issuer's.</summary>
    public IReadOnlyList<Plan> Plans { get; init; } = [];

    /// <summary>What gateways ask for beside tokens; the same as the issuer's. Default: nothing.</summary>
    public IReadOnlyList<PseudonymOffer> Pseudonyms { get; init; } = [];

    /// <summary>The passphrase that keys are encrypted under. Exactly one of this and <see cref="KeyFile"/>.</summary>
    public SecretReference? Passphrase { get; init; }

    /// <summary>A file of at least 32 random bytes that keys are encrypted under.</summary>
    public SecretReference? KeyFile { get; init; }

    /// <summary>Threads that sign. Default: one for each processor.</summary>
    public int SigningThreads { get; init; } = Environment.ProcessorCount;

    /// <summary>Most blinded elements that may wait; more are refused as busy. Default 10,000, some five seconds of one processor.</summary>
    public int MaxQueuedElements { get; init; } = 10_000;

    /// <summary>
    /// Renewals of chains that each plan may have a second, on average; ten seconds' worth may come at once. More are refused for now, and nothing is lost by
    /// that. Default 1,000, some half of what one processor signs.
    /// </summary>
    public int RenewalsPerSecond { get; init; } = 1000;

    /// <summary>
    /// Where a <see cref="SignerServer"/> answers issuer and gateway: <c>unix:PATH</c> or an address. Default: <c>signer-internal.sock</c> in the data folder.
    /// </summary>
    public ListenAddress? Listen { get; init; }

    /// <summary>HTTPS where it listens on an address, by certificate files that are taken up again when they change. Default: plain HTTP, which callers take on loopback only.</summary>
    public TlsOptions Tls { get; init; } = new();

    /// <summary>Default production, which refuses what nobody means there: see docs/operating.md, "Profiles".</summary>
    public Profile Profile { get; init; } = Profile.Production;

    /// <summary>Whether TLS ends in front, or an encrypted network lies below, so that plain HTTP may be taken from other machines. Default: no.</summary>
    public bool BehindProxy { get; init; }

    /// <summary>Where the signer's data is: SQLite in the data folder, or PostgreSQL.</summary>
    public DatabaseOptions Database { get; init; } = new();

    /// <summary>
    /// Whether the group of a Unix socket may use it too, mode 0660, for issuer and gateway that run as other users; name a socket in a folder that they can
    /// enter. Default: no, mode 0600.
    /// </summary>
    public bool SocketForGroup { get; init; }

    /// <summary>Key of at least 16 bytes shared with issuer and gateway; only a <see cref="SignerServer"/> needs it.</summary>
    public SecretReference? InternalKey { get; init; }

    /// <summary>The kind and place of the secret that keys are encrypted under.</summary>
    /// <exception cref="KeyProtectionException">Neither or both are set.</exception>
    internal (KeyProtectionKind Kind, SecretReference Secret, string Setting) KeySecret => (Passphrase, KeyFile) switch
    {
        (not null, null) => (KeyProtectionKind.Passphrase, Passphrase, nameof(Passphrase)),
        (null, not null) => (KeyProtectionKind.KeyFile, KeyFile, nameof(KeyFile)),
        (null, null) => throw new KeyProtectionException(KeyProtectionError.Missing),
        _ => throw new KeyProtectionException(KeyProtectionError.Ambiguous),
    };

    /// <summary>Where the operator sees how the signer does. Default: nowhere.</summary>
    public MetricsOptions Metrics { get; init; } = new();

    public void Validate(SettingsValidation validation)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation
            .Require(DataDirectory.Length > 0, nameof(DataDirectory), "no folder is named", "Name the folder for the signer's data.")
            .Require(Plans.Count > 0, nameof(Plans), "there is no plan", "List at least one plan.")
            .Require(
                Plans.Select(plan => plan.Id).Distinct(StringComparer.Ordinal).Count() == Plans.Count,
                nameof(Plans), "two plans have the same id", "Give each plan an id of its own.")
            .RequireRange(SigningThreads, 1, 1024, nameof(SigningThreads))
            .RequireRange(MaxQueuedElements, 1000, 10_000_000, nameof(MaxQueuedElements))
            .RequireRange(RenewalsPerSecond, 1, 1_000_000, nameof(RenewalsPerSecond));
        Tls.Validate(validation);
        ProductionRules.RequireEncryption(validation, Profile, Listen, Tls, BehindProxy);
        Metrics.Validate(validation, Listen);
        Database.Validate(validation);
        foreach (Plan plan in Plans)
        {
            if (plan.FindFault() is string fault)
            {
                validation.Add(nameof(Plans), fault, "Put the plan right.");
            }
        }

        // Truncated key ids have one byte (RFC 9578 §5.1, §6.1), and no two keys that are kept may share one.
        validation
            .Require(
                Pseudonyms.Select(offer => offer.Gateway).Distinct(StringComparer.OrdinalIgnoreCase).Count() == Pseudonyms.Count,
                nameof(Pseudonyms), "two entries are for the same gateway", "Give each gateway one entry.")
            .Require(Plans.Count + (2 * Pseudonyms.Count) <= MaxPlans, nameof(Pseudonyms), "there are more keys than requests can name", "Offer fewer plans or pseudonyms.");
        validation.Require(Plans.Count <= MaxPlans, nameof(Plans), $"there are more than {MaxPlans} plans", "Offer fewer plans.");
    }

    private const int MaxPlans = 48;
}
