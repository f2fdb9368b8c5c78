using Tacit.Hosting.KeyProtection;

namespace Tacit.Hosting.Onion;

/// <summary>A role's onion service: the group <c>Onion</c> of its settings. Off unless set. How tor itself is run is in the group <c>Tor</c>.</summary>
public sealed record OnionOptions
{
    /// <summary>The longest list of clients that tor's own descriptors have room for is longer; this many are an operator's friends.</summary>
    public const int MaxAuthorizedClients = 256;

    private const int ClientKeyDigits = 52;
    private const string Base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    /// <summary>Whether the role publishes an onion service beside its address. Default: no.</summary>
    public bool Enabled { get; init; }

    /// <summary>Whether the role is ready only while its onion service is published. Default: no, it serves its address whatever becomes of Tor.</summary>
    public bool Required { get; init; }

    /// <summary>Whether tor asks clients for proof of work when many come at once, where it can. Default: yes.</summary>
    public bool ProofOfWork { get; init; } = true;

    /// <summary>
    /// X25519 public keys in base32 (<c>tacit keys onion-client</c> makes them) of the only clients that may find the service; it is then announced nowhere. Default:
    /// everyone may.
    /// </summary>
    public IReadOnlyList<string> AuthorizedClients { get; init; } = [];

    /// <summary>As how many network addresses all clients of the onion service count together, where something is limited by address. Default 64.</summary>
    public int Addresses { get; init; } = 64;

    /// <summary>The passphrase that the service's key is encrypted under. Default: what the role's other keys are under.</summary>
    public SecretReference? Passphrase { get; init; }

    /// <summary>A file of at least 32 random bytes that the service's key is encrypted under. Default: what the role's other keys are under.</summary>
    public SecretReference? KeyFile { get; init; }

    /// <param name="validation">Takes what is wrong.</param>
    /// <param name="hasSecret">Whether the role has a passphrase or key file of its own.</param>
    public void Validate(SettingsValidation validation, bool hasSecret)
    {
        ArgumentNullException.ThrowIfNull(validation);
        validation
            .Require(Passphrase is null || KeyFile is null, "Onion:KeyFile", "there is a passphrase, too", "Keep one of Onion:Passphrase and Onion:KeyFile.")
            .Require(
                !Enabled || hasSecret || Passphrase is not null || KeyFile is not null, "Onion:KeyFile", "the onion service's key is kept encrypted, and there is nothing to encrypt it under",
                "Point it to a file of 32 random bytes or more: umask 077; head -c 32 /dev/urandom | base64 > FILE; then set Onion:KeyFile to file:FILE.")
            .Require(
                AuthorizedClients.Count <= MaxAuthorizedClients && AuthorizedClients.All(IsClientKey), "Onion:AuthorizedClients", "one of these is no client's public key",
                $"Write the 52 letters and digits that `tacit keys onion-client` prints, of at most {MaxAuthorizedClients} clients.")
            .RequireRange(Addresses, 1, 1_000_000, "Onion:Addresses");
    }

    /// <summary>What the service's key is encrypted under.</summary>
    /// <param name="fallback">What the role's other keys are under; null if it has none.</param>
    internal (KeyProtectionKind Kind, SecretReference Secret, string Setting) SecretOr((KeyProtectionKind Kind, SecretReference Secret, string Setting)? fallback) =>
        Passphrase is not null ? (KeyProtectionKind.Passphrase, Passphrase, "Onion:Passphrase")
        : KeyFile is not null ? (KeyProtectionKind.KeyFile, KeyFile, "Onion:KeyFile")
        : fallback ?? throw new KeyProtectionException(KeyProtectionError.Missing);

    // 32 bytes are 51 digits and one of which a single bit counts. All zeros is no point; tor takes it, and then never publishes the service.
    private static bool IsClientKey(string text) =>
        text.Length == ClientKeyDigits && text.All(c => Base32.Contains(c, StringComparison.OrdinalIgnoreCase)) && char.ToUpperInvariant(text[^1]) is 'A' or 'Q'
        && text.Any(c => c is not ('A' or 'a'));
}
