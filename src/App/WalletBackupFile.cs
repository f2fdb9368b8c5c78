using System.Security.Cryptography;
using System.Text;
using Tacit.Client;
using Tacit.Hosting.KeyProtection;

namespace Tacit.App;

/// <summary>
/// A wallet's backup as a file: a line that says what it is, the header of <see cref="KeyProtector"/> (2 bytes of length before it) and the content, sealed
/// under a passphrase. Whoever has both spends the wallet.
/// </summary>
public static class WalletBackupFile
{
    /// <summary>What a passphrase must have at least, in bytes: the file may lie where anybody can try.</summary>
    public const int MinPassphraseLength = 12;

    /// <summary>Larger files are none of ours: a wallet has about half a kilobyte for each of its tokens.</summary>
    public const int MaxSizeInBytes = 256 << 20;

    private static ReadOnlySpan<byte> Magic => "tacit wallet backup 1\n"u8;

    /// <summary>Seals and wipes the content.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.InvalidSetting"/>: the passphrase is too short.</exception>
    public static byte[] Seal(byte[] content, string passphrase)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(passphrase);
        byte[] secret = Encoding.UTF8.GetBytes(passphrase.Trim());
        try
        {
            if (secret.Length < MinPassphraseLength)
            {
                throw BackupErrors.PassphraseTooShort(MinPassphraseLength);
            }
            using KeyProtector protector = KeyProtector.Create(KeyProtectionKind.Passphrase, secret);
            byte[] header = protector.ExportHeader();
            return [.. Magic, (byte)(header.Length >> 8), (byte)header.Length, .. header, .. protector.Seal(content, Magic)];
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
            CryptographicOperations.ZeroMemory(content);
        }
    }

    /// <summary>Opens a file. The caller wipes the result.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.BackupUnusable"/>.</exception>
    public static byte[] Open(byte[] file, string passphrase)
    {
        ArgumentNullException.ThrowIfNull(file);
        ArgumentNullException.ThrowIfNull(passphrase);
        int start = Magic.Length + 2;
        if (file.Length < start || !file.AsSpan().StartsWith(Magic))
        {
            throw BackupErrors.NoBackup();
        }
        int length = (file[Magic.Length] << 8) | file[Magic.Length + 1];
        if (file.Length < start + length)
        {
            throw BackupErrors.Damaged();
        }
        byte[] secret = Encoding.UTF8.GetBytes(passphrase.Trim());
        try
        {
            using KeyProtector protector = KeyProtector.Open(KeyProtectionKind.Passphrase, secret, file.AsSpan(start, length));
            return protector.Unseal(file.AsSpan(start + length), Magic);
        }
        catch (KeyProtectionException e)
        {
            throw e.Error is KeyProtectionError.WrongSecret or KeyProtectionError.EmptySecret ? BackupErrors.WrongPassphrase() : BackupErrors.Damaged();
        }
        finally
        {
            CryptographicOperations.ZeroMemory(secret);
        }
    }
}
