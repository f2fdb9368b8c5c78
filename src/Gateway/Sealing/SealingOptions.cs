using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;

namespace Tacit.Gateway.Sealing;

/// <summary>Who signs what clients believe of a gateway's sealing keys.</summary>
public enum SealingSignatory
{
    /// <summary>The issuer, in its directory: its setting <c>Gateways</c> names this gateway's key.</summary>
    Issuer,

    /// <summary>The gateway itself, whose key its clients pin: for one that is run for its own users.</summary>
    Gateway,
}

/// <summary>Keys that prompts are sealed with: the group <c>Sealing</c> of a gateway's settings. On once there is a secret to keep them under.</summary>
public sealed record SealingOptions
{
    /// <summary>The passphrase that the keys are encrypted under in the database. One of this and <see cref="KeyFile"/> turns sealing on.</summary>
    public SecretReference? Passphrase { get; init; }

    /// <summary>A file of at least 32 random bytes that the keys are encrypted under; the same for all instances.</summary>
    public SecretReference? KeyFile { get; init; }

    /// <summary>How long a key is used. Default: one day, from midnight to midnight, UTC.</summary>
    public TimeSpan Lifetime { get; init; } = TimeSpan.FromDays(1);

    /// <summary>Who signs the keys: <c>issuer</c> or <c>gateway</c>. Default: the issuer.</summary>
    public SealingSignatory SignedBy { get; init; }

    /// <summary>
    /// Whether there are keys of the hybrid post-quantum KEM beside the others, where libcrypto has ML-KEM. Turned off where an instance on the same database has not: it
    /// could open nothing that was sealed with them. Default: true.
    /// </summary>
    public bool PostQuantum { get; init; } = true;

    /// <summary>
    /// For how long a sealed stream's parts are gathered before they leave as one chunk. Zero: not at all, so that whoever sees chunks come can time a model's tokens.
    /// Default: 50 ms.
    /// </summary>
    public TimeSpan ReplyInterval { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>What attests each new key. Default: nothing.</summary>
    public KeyEvidenceOptions Evidence { get; init; } = new();

    /// <summary>Whether this gateway has sealing keys.</summary>
    internal bool IsOn => Passphrase is not null || KeyFile is not null;

    internal (KeyProtectionKind Kind, SecretReference Secret, string Setting) KeySecret => Passphrase is not null
        ? (KeyProtectionKind.Passphrase, Passphrase, "Sealing:Passphrase")
        : (KeyProtectionKind.KeyFile, KeyFile!, "Sealing:KeyFile");

    internal void Validate(SettingsValidation validation)
    {
        Evidence.Validate(validation);
        validation
            .Require(Passphrase is null || KeyFile is null, "Sealing:KeyFile", "there is a passphrase, too", "Keep one of Sealing:Passphrase and Sealing:KeyFile.")
            .Require(
                SignedBy == SealingSignatory.Issuer || IsOn, "Sealing:SignedBy", "there is nothing to sign", "Set Sealing:KeyFile or Sealing:Passphrase as well, or take this out.")
            .RequireRange(ReplyInterval, TimeSpan.Zero, TimeSpan.FromSeconds(5), "Sealing:ReplyInterval")
            .RequireRange(Lifetime, TimeSpan.FromHours(1), TimeSpan.FromDays(31), "Sealing:Lifetime")
            .Require(Lifetime.Ticks % TimeSpan.TicksPerSecond == 0, "Sealing:Lifetime", "this is no whole number of seconds", "Use whole hours or days.");
    }
}
