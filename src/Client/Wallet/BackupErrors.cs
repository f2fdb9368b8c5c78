namespace Tacit.Client;

/// <summary>Why a backup cannot be made or used, in words for people.</summary>
public static class BackupErrors
{
    public static ClientException PassphraseTooShort(int minimum) => new(
        ClientError.InvalidSetting, $"The passphrase must have at least {minimum} characters: whoever guesses it spends this wallet.", "passphrase_too_short");

    public static ClientException WrongPassphrase() => new(ClientError.BackupUnusable, "The backup does not open with this passphrase.");

    public static ClientException NoBackup() => new(ClientError.BackupUnusable, "The file is no backup of a wallet.");

    public static ClientException Damaged() => new(ClientError.BackupUnusable, "The backup is damaged or was made by a newer version.");
}
