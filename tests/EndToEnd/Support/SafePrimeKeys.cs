using Tacit.Hosting;
using Tacit.Signer;

namespace Tacit.EndToEnd.Support;

/// <summary>One search for safe primes serves every test of a run: a signer's database with its key, copied to whoever needs one.</summary>
internal static class SafePrimeKeys
{
    private static readonly Lazy<Task<(string Folder, byte[] KeyFile)>> s_made = new(MakeAsync);

    /// <summary>Puts a signer's data with the plans of <see cref="WholeSystem"/> into a folder, and the key file it is encrypted under beside it.</summary>
    public static async Task ProvideAsync(string folder, string keyFile)
    {
        (string made, byte[] key) = await s_made.Value;
        Directory.CreateDirectory(folder);
        foreach (string file in Directory.EnumerateFiles(made, "signer.db*"))
        {
            File.Copy(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        await File.WriteAllBytesAsync(keyFile, key);
    }

    private static async Task<(string Folder, byte[] KeyFile)> MakeAsync()
    {
        string folder = Directory.CreateTempSubdirectory("tacit-safe-primes-").FullName;
        string keyFile = Path.Combine(folder, "key");
        byte[] key = System.Security.Cryptography.RandomNumberGenerator.GetBytes(64);
        await File.WriteAllBytesAsync(keyFile, key);
        await using (SignerService signer = await SignerService.OpenAsync(
            new SignerOptions { DataDirectory = folder, Plans = [WholeSystem.Chat, WholeSystem.ChatLarge], KeyFile = SecretReference.FromFile(keyFile) },
            TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, CancellationToken.None))
        {
            await signer.AllKeysReady;
        }

        return (folder, key);
    }
}
