using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

public sealed class KeyProtectionTests
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    [Fact]
    public async Task Wrong_passphrase_is_told_apart_and_the_right_one_opens_the_same_keys()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        await signer.CloseAsync();
        Directory.Delete(signer.Folder.Data, recursive: true);
        SecretReference right = signer.Folder.Secret("right", "correct horse battery staple");
        await signer.OpenAsync(options => options with { KeyFile = null, Passphrase = right });
        byte[] keyId = Assert.Single(await signer.KeysAsync()).TokenKeyId;
        await signer.CloseAsync();
        byte[] before = await File.ReadAllBytesAsync(Path.Combine(signer.Folder.Data, SignerOptions.DatabaseName), TestSigner.Token);

        SecretReference wrong = signer.Folder.Secret("wrong", "correct horse battery stable");
        Assert.Equal(KeyProtectionError.WrongSecret, await ErrorAsync(signer, options => options with { Passphrase = wrong }));
        Assert.Equal(KeyProtectionError.PassphraseExpected, await ErrorAsync(
            signer, options => options with { Passphrase = null, KeyFile = signer.Folder.KeyFile }));
        Assert.Equal(KeyProtectionError.Missing, await ErrorAsync(signer, options => options with { Passphrase = null, KeyFile = null }));
        Assert.Equal(KeyProtectionError.Ambiguous, await ErrorAsync(
            signer, options => options with { Passphrase = right, KeyFile = signer.Folder.KeyFile }));
        Assert.Equal(before, await File.ReadAllBytesAsync(Path.Combine(signer.Folder.Data, SignerOptions.DatabaseName), TestSigner.Token));

        await signer.OpenAsync(options => options with { Passphrase = right, KeyFile = null });
        Assert.Equal(keyId, Assert.Single(await signer.KeysAsync()).TokenKeyId);
    }

    [Fact]
    public async Task Missing_secret_file_names_the_setting()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        await signer.CloseAsync();
        SettingsException e = await Assert.ThrowsAsync<SettingsException>(
            () => signer.OpenAsync(options => options with { KeyFile = SecretReference.FromFile("/nonexistent/key") }));
        Assert.Equal(nameof(SignerOptions.KeyFile), Assert.Single(e.Problems).Key);
    }

    [Fact]
    public async Task Private_keys_are_not_on_the_disk()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        await signer.CloseAsync();
        byte[] prime;
        using (SecretBytes secret = signer.Folder.KeyFile.Load("KeyFile"))
        {
            await using KeyStore store = await signer.OpenStoreAsync(secret.Memory);
            prime = PrivateKeyParts.FirstPrime(store.Unseal(Assert.Single((await store.LoadAsync(TestSigner.Token)).Keys)));
        }

        byte[] disk = [.. Directory.GetFiles(signer.Folder.Data).SelectMany(File.ReadAllBytes)];
        Assert.Equal(-1, disk.AsSpan().IndexOf(prime.AsSpan(0, 16)));
        Assert.Equal(-1, disk.AsSpan().IndexOf(prime.AsSpan(64, 16)));
    }

    [Fact]
    public async Task Damaged_key_is_a_typed_error()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        await signer.CloseAsync();
        await using (Database database = await Database.OpenSqliteAsync(
            Path.Combine(signer.Folder.Data, SignerOptions.DatabaseName), SignerSchema.Migrations, signer.Time, TestSigner.Token))
        {
            byte[] sealedKey = (await database.ReadAsync(s => s.QuerySingle("SELECT sealed_key FROM signing_key", row => row.Blob(0)), TestSigner.Token))!;
            sealedKey[100] ^= 1;
            await database.WriteAsync(s => s.Execute("UPDATE signing_key SET sealed_key = $1", sealedKey), TestSigner.Token);
        }

        Assert.Equal(KeyProtectionError.Damaged, await ErrorAsync(signer, options => options));
    }

    [Fact]
    public async Task Second_signer_on_the_same_folder_is_turned_away()
    {
        await using TestSigner signer = await TestSigner.StartAsync(s_start, TestPlans.Chat);
        StorageException e = await Assert.ThrowsAsync<StorageException>(
            () => SignerService.OpenAsync(signer.Options, signer.Time, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, TestSigner.Token));
        Assert.Equal(StorageErrorKind.Locked, e.Kind);
    }

    [Fact]
    public void Wrong_options_are_named()
    {
        var validation = new SettingsValidation();
        new SignerOptions { Plans = [TestPlans.Chat, TestPlans.Chat], SigningThreads = 0 }.Validate(validation);
        Assert.Equal(
            [nameof(SignerOptions.DataDirectory), nameof(SignerOptions.Plans), nameof(SignerOptions.SigningThreads)],
            validation.Problems.Select(problem => problem.Key).Distinct().Order());
    }

    private static async Task<KeyProtectionError> ErrorAsync(TestSigner signer, Func<SignerOptions, SignerOptions> change)
    {
        KeyProtectionException e = await Assert.ThrowsAsync<KeyProtectionException>(() => signer.OpenAsync(change));
        return e.Error;
    }
}
