using System.ComponentModel;
using System.Diagnostics;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Client.Tests;

public sealed class FullDiskTests
{
    private const int Bought = 100;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Wallet_on_a_full_disk_says_so_pays_nothing_unwritten_and_goes_on_when_there_is_room()
    {
        string disk = Directory.CreateTempSubdirectory("tacit-disk-").FullName;
        Assert.SkipUnless(await RunAsync("mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", disk), "Needs the right to mount a file system.");
        try
        {
            await using TestOperator system = await TestOperator.StartAsync();
            await using TacitClient client = await system.WalletAsync(Path.Combine(disk, "wallet"), credits: Bought + 10, tokens: Bought);
            string filler = Path.Combine(disk, "filler");
            await FillAsync(filler);

            // The log has some room of its own; in the end there is none. Each prompt is longer than what the last one may have left.
            StorageException? full = null;
            int asked = 0;
            while (full is null)
            {
                Assert.True(asked < Bought, "the disk never filled");
                full = await AskAsync(client, asked++);
                await FillAsync(filler);
            }

            Assert.Equal(StorageErrorKind.DiskFull, full.Kind);
            ClientException? notBought = null;
            try
            {
                Assert.Equal(10, (await client.Filler.FillAsync("chat", 10, cancellationToken: Token)).Received);
            }
            catch (StorageException e)
            {
                Assert.Equal(StorageErrorKind.DiskFull, e.Kind);
            }
            catch (ClientException e)
            {
                notBought = e;
            }

            Assert.Null(notBought);
            Assert.InRange(system.GatewayFront.SeenAt(Routes.ChatCompletions).Select(seen => seen.Headers["Authorization"]).Distinct().Count(), asked - 1, asked);

            // Whatever was told, what was asked is answered now, each for one token; what was bought is there once.
            File.Delete(filler);
            await client.Refills.RunOnceAsync(Token);
            for (int i = asked - 1; i < asked + 2; i++)
            {
                Assert.Null(await AskAsync(client, i));
            }

            PlanHoldings held = await client.SettledAsync();
            Assert.Equal(asked + 2, held.Spent);
            Assert.Equal(0, held.Presented + held.Returned + held.Unknown + held.Void);
            Assert.Equal(Bought + 10, (await client.Account.GetAsync(Token)).Credits + held.Spent + held.Held);
        }
        finally
        {
            await RunAsync("umount", disk);
            Directory.Delete(disk);
        }
    }

    private static async Task<StorageException?> AskAsync(TacitClient client, int number)
    {
        try
        {
            Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask($"{number}{new string('.', 40_000)}"), Token)).Status);
            return null;
        }
        catch (StorageException e)
        {
            return e;
        }
    }

    private static async Task FillAsync(string path)
    {
        await using FileStream file = new(path, FileMode.Append);
        try
        {
            while (true)
            {
                await file.WriteAsync(new byte[4096], Token);
                await file.FlushAsync(Token);
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
            await process.WaitForExitAsync(Token);
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }
}
