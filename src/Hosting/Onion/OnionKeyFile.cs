using System.Security.Cryptography;
using System.Text;
using Tacit.Hosting.KeyProtection;

namespace Tacit.Hosting.Onion;

/// <summary>The key of an onion service, which is its address.</summary>
/// <param name="Address"><c>….onion</c>.</param>
/// <param name="PrivateKey">As tor writes it: 64 bytes. Wiped by whoever is done with it.</param>
internal sealed record OnionKey(string Address, byte[] PrivateKey)
{
    public override string ToString() => Address;
}

/// <summary>
/// The file <c>&lt;role&gt;-onion.key</c> in a role's data folder: four lines of text, which are its version, the address for people to read, and in base64 the header of
/// the protection and the encrypted key. Written once, whole, before the address is told to anybody.
/// </summary>
internal static class OnionKeyFile
{
    /// <summary>Behind the name of a copy of the role's database.</summary>
    public const string BackupSuffix = ".onion.key";

    private const string Version = "tacit onion key 1";
    private const int MaxSize = 4096;

    private static readonly byte[] s_label = Encoding.ASCII.GetBytes("tacit onion key");

    /// <returns>Null if there is no file.</returns>
    /// <exception cref="KeyProtectionException">The passphrase or key file is not the one that it was encrypted under, or the file is damaged.</exception>
    public static OnionKey? Load(string path, KeyProtectionKind kind, ReadOnlySpan<byte> secret)
    {
        string[] lines;
        try
        {
            if (new FileInfo(path) is { Exists: true, Length: > MaxSize })
            {
                throw new KeyProtectionException(KeyProtectionError.Damaged);
            }

            lines = File.ReadAllLines(path);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }

        byte[] header = new byte[MaxSize];
        byte[] encrypted = new byte[MaxSize];
        if (lines is not [Version, { } address, { } headerText, { } keyText] || !Convert.TryFromBase64String(headerText, header, out int headerSize)
            || !Convert.TryFromBase64String(keyText, encrypted, out int size))
        {
            throw new KeyProtectionException(KeyProtectionError.Damaged);
        }

        using KeyProtector protector = KeyProtector.Open(kind, secret, header.AsSpan(0, headerSize));
        return new OnionKey(address, protector.Unseal(encrypted.AsSpan(0, size), AssociatedData(address)));
    }

    /// <summary>Writes a new key, durably; replaces nothing.</summary>
    public static void Save(string path, OnionKey key, KeyProtectionKind kind, ReadOnlySpan<byte> secret)
    {
        using KeyProtector protector = KeyProtector.Create(kind, secret);
        string text = string.Join('\n',
        [
            Version, key.Address, Convert.ToBase64String(protector.ExportHeader()), Convert.ToBase64String(protector.Seal(key.PrivateKey, AssociatedData(key.Address))), "",
        ]);
        string temporary = $"{path}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}";
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        try
        {
            using (FileStream stream = new(temporary, options))
            {
                stream.Write(Encoding.ASCII.GetBytes(text));
                stream.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: false);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>The address that a file is for; null if there is none, or it is no such file. Needs no secret.</summary>
    public static string? ReadAddress(string path)
    {
        try
        {
            return File.ReadLines(path).Take(2).ToArray() is [Version, { } address] ? address : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Ties the encrypted key to the address beside it.</summary>
    private static byte[] AssociatedData(string address) => [.. s_label, .. Encoding.UTF8.GetBytes(address)];
}
