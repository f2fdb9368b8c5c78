using System.Security.Cryptography;
using System.Text;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Cli.Sealed;

/// <summary>What <c>tacit seal</c> keeps for <c>tacit unseal</c>.</summary>
/// <param name="Secret">Opens the reply.</param>
/// <param name="Payment">The open request in the wallet; null where no token of it pays.</param>
internal sealed record KeptSecret(SealedReplySecret Secret, string? Payment);

/// <summary>
/// The secrets of replies that are awaited: one file each in <c>sealed/</c> of the data folder, named by the request id, encrypted under a key file beside them, gone once
/// it is taken. Who reads one file alone, or finds it on a disk after its key, opens nothing.
/// </summary>
internal sealed class ReplySecrets
{
    private const int KeySize = 32;
    private const int NonceSize = 12;
    private const int TagSize = 16;
    private const string KeyName = "key";

    /// <summary>No reply comes after so long: gateways keep them for ten minutes.</summary>
    private static readonly TimeSpan s_lifetime = TimeSpan.FromDays(1);

    private readonly string _folder;
    private readonly TimeProvider _time;

    public ReplySecrets(string dataFolder, TimeProvider time)
    {
        _folder = Path.Combine(dataFolder, "sealed");
        _time = time;
    }

    public void Keep(KeptSecret kept)
    {
        DataFolder.Create(_folder);
        ForgetOld();
        byte[] payment = Encoding.ASCII.GetBytes(kept.Payment ?? "");
        byte[] secret = kept.Secret.Encode();
        byte[] plain = [checked((byte)payment.Length), .. payment, .. secret];
        byte[] key = LoadKey() ?? MakeKey();
        byte[] file = new byte[NonceSize + plain.Length + TagSize];
        RandomNumberGenerator.Fill(file.AsSpan(0, NonceSize));
        using (var cipher = new AesGcm(key, TagSize))
        {
            cipher.Encrypt(file.AsSpan(0, NonceSize), plain, file.AsSpan(NonceSize, plain.Length), file.AsSpan(NonceSize + plain.Length), kept.Secret.RequestId.Span);
        }

        foreach (byte[] wiped in new[] { secret, plain, key })
        {
            CryptographicOperations.ZeroMemory(wiped);
        }

        WriteNew(PathOf(kept.Secret.RequestId.Span), file);
    }

    /// <summary>The secret of a request, which nobody gets a second time; null if there is none.</summary>
    public KeptSecret? Take(ReadOnlySpan<byte> requestId)
    {
        string path = PathOf(requestId);
        string taken = path + ".taken";
        try
        {
            // Of two that ask at once, one moves it.
            File.Move(path, taken, overwrite: false);
        }
        catch (IOException)
        {
            return null;
        }

        byte[] file = File.ReadAllBytes(taken);
        File.Delete(taken);
        byte[] key = LoadKey() ?? throw new CommandException($"The key that the secrets of awaited replies are kept under is missing in {_folder}.");
        if (file.Length <= NonceSize + TagSize)
        {
            return null;
        }

        byte[] plain = new byte[file.Length - NonceSize - TagSize];
        try
        {
            using var cipher = new AesGcm(key, TagSize);
            cipher.Decrypt(file.AsSpan(0, NonceSize), file.AsSpan(NonceSize, plain.Length), file.AsSpan(NonceSize + plain.Length), plain, requestId);
            int length = plain[0];
            return SealedReplySecret.TryParse(plain.AsSpan(1 + length), out SealedReplySecret? secret)
                ? new KeptSecret(secret, length == 0 ? null : Encoding.ASCII.GetString(plain, 1, length))
                : null;
        }
        catch (Exception e) when (e is AuthenticationTagMismatchException or ArgumentOutOfRangeException)
        {
            throw new CommandException("What was kept to open this reply was changed since.");
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(plain);
        }
    }

    private string PathOf(ReadOnlySpan<byte> requestId) => Path.Combine(_folder, Convert.ToHexStringLower(requestId));

    private void ForgetOld()
    {
        foreach (string file in Directory.EnumerateFiles(_folder))
        {
            if (Path.GetFileName(file) != KeyName && File.GetLastWriteTimeUtc(file) < _time.GetUtcNow().UtcDateTime - s_lifetime)
            {
                File.Delete(file);
            }
        }
    }

    private byte[]? LoadKey()
    {
        string path = Path.Combine(_folder, KeyName);
        return File.Exists(path) && File.ReadAllBytes(path) is { Length: KeySize } key ? key : null;
    }

    private byte[] MakeKey()
    {
        try
        {
            WriteNew(Path.Combine(_folder, KeyName), RandomNumberGenerator.GetBytes(KeySize));
        }
        catch (IOException) when (LoadKey() is not null)
        {
            // Another command was faster.
        }

        return LoadKey() ?? throw new CommandException($"The key file in {_folder} cannot be used. Remove the folder; replies that are awaited now are lost with it.");
    }

    /// <summary>For its owner only, whole, and never over another.</summary>
    private static void WriteNew(string path, byte[] content)
    {
        string temporary = $"{path}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(4))}.new";
        var form = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            form.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        using (var file = new FileStream(temporary, form))
        {
            file.Write(content);
            file.Flush(flushToDisk: true);
        }

        try
        {
            File.Move(temporary, path, overwrite: false);
        }
        finally
        {
            File.Delete(temporary);
        }
    }
}
