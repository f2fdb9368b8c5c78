using System.Text;
using Tacit.Client.Tests.Support;
using Tacit.Storage;

namespace Tacit.Client.Tests;

/// <summary>A wallet on the disk: made once, opened by its own seed, closed to others.</summary>
public sealed class WalletFileTests : IDisposable
{
    private readonly TestFolder _folder = new();

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    private WalletOptions Options => new() { DataDirectory = _folder["wallet"] };

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task New_wallet_is_readable_by_its_owner_only()
    {
        await using Wallet wallet = await Wallet.CreateAsync(Options, TimeProvider.System, Token);

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(_folder["wallet"], Wallet.SeedFile)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_folder["wallet"]));
        UnixFileMode database = File.GetUnixFileMode(Path.Combine(_folder["wallet"], Wallet.DatabaseFile));
        Assert.Equal(UnixFileMode.None, database & ~(UnixFileMode.UserRead | UnixFileMode.UserWrite));
    }

    [Fact]
    public async Task Wallet_reopens_with_the_same_seed_and_is_never_overwritten()
    {
        string seed;
        await using (Wallet wallet = await Wallet.CreateAsync(Options, TimeProvider.System, Token))
        {
            seed = wallet.RevealSeed();
        }

        await using (Wallet again = await Wallet.OpenAsync(Options, TimeProvider.System, Token))
        {
            Assert.Equal(seed, again.RevealSeed());
        }

        Assert.Equal(ClientError.WalletExists, (await Assert.ThrowsAsync<ClientException>(() => Wallet.CreateAsync(Options, TimeProvider.System, Token))).Error);
        Assert.Equal(ClientError.WalletExists, (await Assert.ThrowsAsync<ClientException>(() => Wallet.CreateAsync(Options, seed, TimeProvider.System, Token))).Error);
    }

    [Fact]
    public async Task Absent_wallet_is_reported_as_missing() =>
        Assert.Equal(ClientError.WalletMissing, (await Assert.ThrowsAsync<ClientException>(() => Wallet.OpenAsync(Options, TimeProvider.System, Token))).Error);

    [Fact]
    public async Task Second_process_is_kept_out()
    {
        await using Wallet wallet = await Wallet.CreateAsync(Options, TimeProvider.System, Token);

        StorageException error = await Assert.ThrowsAsync<StorageException>(() => Wallet.OpenAsync(Options, TimeProvider.System, Token));

        Assert.Equal(StorageErrorKind.Locked, error.Kind);
    }

    [Fact]
    public async Task Lost_seed_file_is_put_back_by_its_text_and_by_no_other()
    {
        string seed;
        await using (Wallet wallet = await Wallet.CreateAsync(Options, TimeProvider.System, Token))
        {
            seed = wallet.RevealSeed();
        }
        File.Delete(Path.Combine(_folder["wallet"], Wallet.SeedFile));
        string other;
        await using (Wallet elsewhere = await Wallet.CreateAsync(new WalletOptions { DataDirectory = _folder["other"] }, TimeProvider.System, Token))
        {
            other = elsewhere.RevealSeed();
        }

        await Unusable(() => Wallet.OpenAsync(Options, TimeProvider.System, Token));
        await Unusable(() => Wallet.CreateAsync(Options, TimeProvider.System, Token));
        await Unusable(() => Wallet.CreateAsync(Options, other, TimeProvider.System, Token));
        Assert.False(File.Exists(Path.Combine(_folder["wallet"], Wallet.SeedFile)));
        await using Wallet back = await Wallet.CreateAsync(Options, seed.ToLowerInvariant(), TimeProvider.System, Token);

        Assert.Equal(seed, back.RevealSeed());
    }

    [Theory]
    [InlineData("")]
    [InlineData("not a seed at all")]
    [InlineData("0000-0000-0000-0000-0000-0000-001")]
    public async Task Mistyped_or_damaged_seed_is_refused(string text)
    {
        await Unusable(() => Wallet.CreateAsync(Options, text, TimeProvider.System, Token));

        Directory.CreateDirectory(_folder["wallet"]);
        await File.WriteAllTextAsync(Path.Combine(_folder["wallet"], Wallet.SeedFile), text, Token);
        await Unusable(() => Wallet.OpenAsync(Options, TimeProvider.System, Token));
    }

    [Fact]
    public async Task Database_of_another_seed_is_refused()
    {
        await using (await Wallet.CreateAsync(Options, TimeProvider.System, Token))
        {
        }
        await using (await Wallet.CreateAsync(new WalletOptions { DataDirectory = _folder["other"] }, TimeProvider.System, Token))
        {
        }
        File.Copy(Path.Combine(_folder["other"], Wallet.SeedFile), Path.Combine(_folder["wallet"], Wallet.SeedFile), overwrite: true);

        await Unusable(() => Wallet.OpenAsync(Options, TimeProvider.System, Token));
    }

    [Fact]
    public async Task Crash_between_seed_and_database_leaves_a_usable_wallet()
    {
        string seed;
        await using (Wallet wallet = await Wallet.CreateAsync(Options, TimeProvider.System, Token))
        {
            seed = wallet.RevealSeed();
        }
        foreach (string file in Directory.GetFiles(_folder["wallet"], "wallet.db*"))
        {
            File.Delete(file);
        }

        await using Wallet opened = await Wallet.OpenAsync(Options, TimeProvider.System, Token);

        Assert.Equal(seed, opened.RevealSeed());
        Assert.Empty((await opened.GetStatusAsync(Token)).Plans);
    }

    [Fact]
    public async Task Nothing_secret_stands_in_the_database_in_the_clear()
    {
        await using TestOperator system = await TestOperator.StartAsync();
        var secrets = new List<string>();
        await using (TacitClient client = await system.WalletAsync(_folder["wallet"], credits: 0))
        {
            secrets.Add(client.Wallet.RevealSeed());
            secrets.Add(await client.Account.CreateAsync(Token));
            secrets.Add(await system.VoucherAsync(20));
            await client.Account.DepositAsync(secrets[^1], Token);
            await client.Filler.FillAsync("chat", 10, cancellationToken: Token);
            // A reply that is not read keeps its request open: its body is in the journal.
            await using PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("canary-body-5150", conversation: "canary-conversation"), Token);
            secrets.Add("canary-body-5150");
            secrets.Add("canary-conversation");
            foreach (Passing seen in system.GatewayFront.Seen)
            {
                string header = seen.Headers["Authorization"];
                secrets.Add(header["PrivateToken token=\"".Length..].TrimEnd('"', '='));
            }

            byte[] disk = [.. Directory.GetFiles(_folder["wallet"]).Where(file => Path.GetExtension(file) is not (".seed" or ".lock")).SelectMany(ReadShared)];
            foreach (string secret in secrets)
            {
                foreach (byte[] form in Forms(secret))
                {
                    Assert.Equal(-1, disk.AsSpan().IndexOf(form));
                }
            }
            Assert.NotEqual(-1, disk.AsSpan().IndexOf("gateway.test"u8));
        }
    }

    private static IEnumerable<byte[]> Forms(string secret)
    {
        yield return Encoding.UTF8.GetBytes(secret);
        yield return Encoding.UTF8.GetBytes(secret.Replace("-", "", StringComparison.Ordinal));
        string base64 = secret.Replace('-', '+').Replace('_', '/');
        if (secret.Length > 100)
        {
            yield return Convert.FromBase64String(base64.PadRight((base64.Length + 3) / 4 * 4, '='))[66..];
        }
    }

    private static byte[] ReadShared(string path)
    {
        using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var bytes = new MemoryStream();
        file.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static async Task Unusable(Func<Task> step) => Assert.Equal(ClientError.SeedUnusable, (await Assert.ThrowsAsync<ClientException>(step)).Error);
}
