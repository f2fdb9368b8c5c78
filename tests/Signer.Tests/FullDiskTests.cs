using System.Diagnostics;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

public sealed class FullDiskTests
{
    [Fact]
    public async Task Full_disk_stops_rotation_with_a_reason_and_nothing_else()
    {
        Plan daily = TestPlans.Chat with { Period = PeriodKind.Day };
        var start = new DateTimeOffset(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);
        await using TestSigner signer = await TestSigner.StartAsync(start, daily);
        await signer.CloseAsync();
        Directory.Delete(signer.Folder.Data, recursive: true);
        Directory.CreateDirectory(signer.Folder.Data);
        Assert.SkipUnless(
            await RunAsync("mount", "-t", "tmpfs", "-o", "size=1m,mode=0700", "tmpfs", signer.Folder.Data), "Needs the right to mount a file system.");
        try
        {
            await signer.OpenAsync();
            (SignerKey key, PlanKey plan) = await signer.KeyAsync(daily.Id, start.AddHours(-12));
            string filler = Path.Combine(signer.Folder.Data, "filler");
            await FillAsync(filler);

            // The log may have some room left of its own: days go by until there is none. What there is goes on signing.
            int days = 0;
            while (signer.Service.GetStatus().Fault is null)
            {
                days++;
                signer.Time.MoveTo(start.AddDays(days).AddHours(10));
                await WaitForPassAsync(signer);
                await FillAsync(filler);
            }

            if (days == 1)
            {
                Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Exchange));
            }

            File.Delete(filler);
            await signer.Service.RotateAsync(TestSigner.Token);
            Assert.Null(signer.Service.GetStatus().Fault);
            (key, plan) = await signer.KeyAsync(daily.Id, start.AddDays(days).AddHours(-12));
            Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan));
        }
        finally
        {
            await signer.CloseAsync();
            await RunAsync("umount", signer.Folder.Data);
        }
    }

    /// <summary>Lets the signer's own loop notice the time, for better or worse.</summary>
    private static async Task WaitForPassAsync(TestSigner signer)
    {
        DateTimeOffset today = new(signer.Time.GetUtcNow().Date, TimeSpan.Zero);
        for (int i = 0; signer.Service.GetStatus() is { Fault: null } status && !status.Keys.Any(key => key.Start == today); i++)
        {
            Assert.True(i < 3000, "What was waited for did not happen.");
            await Task.Delay(20, TestSigner.Token);
            signer.Time.Advance(TimeSpan.FromSeconds(30));
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
                await file.WriteAsync(page, TestSigner.Token);
                await file.FlushAsync(TestSigner.Token);
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
            await process.WaitForExitAsync(TestSigner.Token);
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }
}
