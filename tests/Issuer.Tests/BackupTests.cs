using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Signer;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class BackupTests
{
    [Fact]
    public async Task Books_copied_under_load_are_sound_and_hold_what_was_there_before()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string early = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> sold = await issuer.BlindAsync(2);
        Assert.Equal(200, (await issuer.RequestAsync(early, sold)).Status);
        string open = await issuer.CreateVoucherAsync(7);

        Task[] load = [.. Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            string account = await issuer.CreateAccountAsync(credits: 20);
            for (int i = 0; i < 5; i++)
            {
                Assert.Equal(200, (await issuer.RequestAsync(account, await issuer.BlindAsync(3))).Status);
            }
        }))];
        string[] copies = [.. Enumerable.Range(0, 3).Select(i => Path.Combine(issuer.Folder.Data, $"copy-{i}"))];
        foreach (string copy in copies)
        {
            await DatabaseCopy.WriteAsync(Path.Combine(issuer.Folder.Data, IssuerOptions.DatabaseName), copy, TestIssuer.Token);
        }
        await Task.WhenAll(load);
        string late = await issuer.CreateAccountAsync(credits: 9);

        await issuer.StopAsync();
        foreach (string copy in copies)
        {
            IssuerRestored restored = await IssuerBackup.RestoreAsync(copy, issuer.Folder.Data, null, issuer.Time, TestIssuer.Token);
            Assert.True(restored.Ledger.IsSound);
            Assert.True(restored.OpenVouchers >= 1);
            Assert.NotNull(restored.Aside);
        }
        await issuer.StartAsync();
        await issuer.AssertSoundBooksAsync();
        Assert.Equal(3, await issuer.CreditsAsync(early));
        // What was paid for before is signed again and not debited again.
        Answer again = await issuer.RequestAsync(early, sold);
        Assert.Equal(200, again.Status);
        Assert.Equal(3, await issuer.CreditsAsync(early));
        Assert.Equal(200, (await issuer.RedeemAsync(early, open)).Status);
        Assert.Equal(10, await issuer.CreditsAsync(early));
        // What came since is forgotten, and its account is one that was never credited.
        Assert.Equal(0, await issuer.CreditsAsync(late));
    }

    [Fact]
    public async Task Restored_issuer_goes_on_from_the_newest_directory_that_it_is_given()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string copy = Path.Combine(issuer.Folder.Data, "copy");
        await DatabaseCopy.WriteAsync(Path.Combine(issuer.Folder.Data, IssuerOptions.DatabaseName), copy, TestIssuer.Token);
        long old = (await issuer.DirectoryAsync()).Sequence;
        for (int i = 0; i < 3; i++)
        {
            issuer.Time.MoveTo(issuer.Time.GetUtcNow().AddMonths(1));
            await issuer.Signer.RotateAsync(TestIssuer.Token);
            await issuer.Server.RefreshKeysAsync(TestIssuer.Token);
        }
        byte[] newest = (await issuer.SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null)).Body;
        IssuerDirectory last = await issuer.DirectoryAsync();
        Assert.True(last.Sequence > old);
        await issuer.StopAsync();

        byte[] forged = [.. newest];
        forged[^10] ^= 1;
        await Assert.ThrowsAsync<InvalidDataException>(() => IssuerBackup.RestoreAsync(copy, issuer.Folder.Data, forged, issuer.Time, TestIssuer.Token));
        IssuerRestored restored = await IssuerBackup.RestoreAsync(copy, issuer.Folder.Data, newest, issuer.Time, TestIssuer.Token);
        Assert.Equal(last.Sequence, restored.Sequence);
        await issuer.StartAsync();
        IssuerDirectory next = await issuer.DirectoryAsync();
        Assert.Equal(last.Sequence + 1, next.Sequence);
        Assert.True(next.Follows(last));
    }

    [Fact]
    public async Task Restored_signer_signs_with_the_keys_of_the_copy()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        string account = await issuer.CreateAccountAsync(credits: 5);
        List<BlindedToken> sold = await issuer.BlindAsync(2);
        Answer first = await issuer.RequestAsync(account, sold);
        string copy = Path.Combine(issuer.Folder.Data, "copy");
        await DatabaseCopy.WriteAsync(Path.Combine(issuer.Folder.Data, SignerOptions.DatabaseName), copy, TestIssuer.Token);
        await Assert.ThrowsAsync<StorageException>(() => SignerBackup.RestoreAsync(copy, issuer.Folder.Data, issuer.Time, TestIssuer.Token));
        await issuer.StopAsync();
        // Another role's copy is refused.
        await Assert.ThrowsAsync<StorageException>(() => IssuerBackup.RestoreAsync(copy, issuer.Folder.Data, null, issuer.Time, TestIssuer.Token));
        File.Delete(Path.Combine(issuer.Folder.Data, SignerOptions.DatabaseName));
        Assert.Null(await SignerBackup.RestoreAsync(copy, issuer.Folder.Data, issuer.Time, TestIssuer.Token));
        await issuer.StartAsync();
        Assert.Equal(first.Body, (await issuer.RequestAsync(account, sold)).Body);
    }
}
