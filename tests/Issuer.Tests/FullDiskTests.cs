using System.Diagnostics;
using Tacit.Issuer.Tests.Support;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public sealed class FullDiskTests
{
    [Fact]
    public async Task Full_disk_refuses_and_loses_nothing()
    {
        await using TestIssuer issuer = await TestIssuer.StartAsync();
        await issuer.StopAsync();
        Directory.Delete(issuer.Folder.Data, recursive: true);
        Directory.CreateDirectory(issuer.Folder.Data);
        Assert.SkipUnless(
            await RunAsync("mount", "-t", "tmpfs", "-o", "size=6m,mode=0700", "tmpfs", issuer.Folder.Data), "Needs the right to mount a file system.");
        try
        {
            await issuer.StartAsync();
            string account = await issuer.CreateAccountAsync(credits: 500);
            string voucher = await issuer.CreateVoucherAsync(10);
            List<BlindedToken> tokens = await issuer.BlindAsync(400);
            string filler = Path.Combine(issuer.Folder.Data, "filler");
            await FillAsync(filler);

            // The log has some room left of its own; in the end there is none.
            int paid = 0;
            Answer answer;
            while ((answer = await issuer.RequestAsync(account, tokens[paid..(paid + 40)])).Status == 200)
            {
                paid += 40;
                await FillAsync(filler);
            }

            TestIssuer.AssertProblem(ProblemTypes.StorageUnavailable, answer);
            TestIssuer.AssertProblem(ProblemTypes.StorageUnavailable, await issuer.RedeemAsync(account, voucher));
            Assert.Equal(500 - paid, await issuer.CreditsAsync(account));
            await issuer.AssertSoundBooksAsync();

            File.Delete(filler);
            IssuanceTests.AssertTokens(tokens, await issuer.RequestAsync(account, tokens));
            Assert.Equal(200, (await issuer.RedeemAsync(account, voucher)).Status);
            Assert.Equal(110, await issuer.CreditsAsync(account));
            await issuer.AssertSoundBooksAsync();
        }
        finally
        {
            await issuer.StopAsync();
            await RunAsync("umount", issuer.Folder.Data);
        }
    }

    private static async Task FillAsync(string path)
    {
        await using FileStream file = new(path, FileMode.Append);
        byte[] page = new byte[4096];
        try
        {
            while (true)
            {
                await file.WriteAsync(page, TestIssuer.Token);
                await file.FlushAsync(TestIssuer.Token);
            }
        }
        catch (IOException)
        {
            // Full.
        }
    }

    private static async Task<bool> RunAsync(string program, params string[] arguments)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardError = true })!;
            await process.WaitForExitAsync(TestIssuer.Token);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
