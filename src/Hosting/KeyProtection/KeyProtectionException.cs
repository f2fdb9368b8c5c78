namespace Tacit.Hosting.KeyProtection;

/// <summary>What a role's private keys are encrypted under.</summary>
public enum KeyProtectionKind : byte
{
    /// <summary>A passphrase that a person chose; stretched with PBKDF2.</summary>
    Passphrase = 1,

    /// <summary>A file of at least 32 random bytes; not stretched.</summary>
    KeyFile = 2,
}

/// <summary>Why private keys can't be opened.</summary>
public enum KeyProtectionError
{
    /// <summary>Neither a passphrase nor a key file is set.</summary>
    Missing,

    /// <summary>Both a passphrase and a key file are set.</summary>
    Ambiguous,

    /// <summary>The passphrase or key file is empty.</summary>
    EmptySecret,

    /// <summary>The key file holds fewer than 32 bytes.</summary>
    KeyFileTooShort,

    /// <summary>The passphrase or key file is not the one that the keys were encrypted under.</summary>
    WrongSecret,

    /// <summary>A passphrase was given, but the keys were encrypted under a key file.</summary>
    KeyFileExpected,

    /// <summary>A key file was given, but the keys were encrypted under a passphrase.</summary>
    PassphraseExpected,

    /// <summary>An encrypted key was changed on the disk, or moved to another row.</summary>
    Damaged,
}

/// <summary>A role's private keys can't be opened. The message says what to do; it never holds a secret.</summary>
public sealed class KeyProtectionException : Exception
{
    public KeyProtectionException(KeyProtectionError error)
        : base(Describe(error))
    {
        Error = error;
    }

    public KeyProtectionError Error { get; }

    private static string Describe(KeyProtectionError error) => error switch
    {
        KeyProtectionError.Missing =>
            "Private keys are kept encrypted, and nothing to encrypt them under is set. Set Passphrase to env:NAME or file:PATH, or KeyFile to file:PATH with 32 random bytes or more.",
        KeyProtectionError.Ambiguous => "Both Passphrase and KeyFile are set. Keep the one that the keys were encrypted under.",
        KeyProtectionError.EmptySecret => "The passphrase or key file is empty. Point Passphrase or KeyFile to one that is not.",
        KeyProtectionError.KeyFileTooShort =>
            "The key file holds fewer than 32 bytes. Make one with: umask 077; head -c 32 /dev/urandom | base64 > FILE",
        KeyProtectionError.WrongSecret =>
            "The passphrase or key file is not the one that these keys were encrypted under. Nothing was changed. Set the right one, or restore the data folder that belongs to it.",
        KeyProtectionError.KeyFileExpected => "These keys were encrypted under a key file. Set KeyFile, not Passphrase. Nothing was changed.",
        KeyProtectionError.PassphraseExpected => "These keys were encrypted under a passphrase. Set Passphrase, not KeyFile. Nothing was changed.",
        KeyProtectionError.Damaged => "An encrypted key is damaged on the disk. Restore the data folder from a backup.",
        _ => "The private keys can't be opened.",
    };
}
