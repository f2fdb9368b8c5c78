using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Tests;

/// <summary>The memory is the whole process's: what is free in it and how much there is holds still only while no other test takes of it.</summary>
[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

[Collection(nameof(Alone))]
public sealed class LockedMemoryTests
{
    private const string Child = "TACIT_TEST_WITHOUT_LOCKING";

    /// <summary>As the kernel tells it (proc(5), smaps): <c>lo</c> = locked, <c>dd</c> = not dumped.</summary>
    [Fact]
    public void Secrets_lie_in_memory_that_the_kernel_neither_swaps_nor_dumps()
    {
        Assert.SkipUnless(File.Exists("/proc/self/smaps"), "No /proc.");
        LockedMemoryStatus status = LockedMemory.Status;
        Assert.SkipUnless(status.IsLocked, status.Problem ?? "");
        Assert.NotEqual(0, status.LockedSizeInBytes);
        using LockedBytes secret = new();
        string flags = FlagsAt(secret.DangerousGetHandle());
        Assert.Contains(" lo", flags);
        Assert.Contains(" dd", flags);
    }

    [Fact]
    public void Freed_bytes_are_zero_and_given_out_again()
    {
        nint slot;
        using (LockedBytes secret = new())
        {
            using LockedBytes.Lease lease = secret.Use();
            RandomNumberGenerator.Fill(lease.Bytes);
            slot = secret.DangerousGetHandle();
        }

        List<LockedBytes> taken = [];
        try
        {
            do
            {
                taken.Add(new LockedBytes());
            }
            while (taken[^1].DangerousGetHandle() != slot && taken.Count < 100_000);
            using LockedBytes.Lease lease = taken[^1].Use();
            Assert.Equal(slot, taken[^1].DangerousGetHandle());
            Assert.False(lease.Bytes.ContainsAnyExcept((byte)0));
        }
        finally
        {
            taken.ForEach(secret => secret.Dispose());
        }
    }

    [Fact]
    public void Contexts_that_are_done_with_leave_no_memory_behind()
    {
        HpkeSuite suite = HpkeSuite.X25519ChaCha20Poly1305;
        using HpkePrivateKey key = HpkePrivateKey.Generate(suite);
        byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
        long before = LockedSize();
        for (int i = 0; i < (Property.IsSoak ? 200_000 : 5_000); i++)
        {
            HpkeSender sender = suite.SetupSender(key.PublicKey, [], encapsulated);
            HpkeRecipient recipient = suite.SetupRecipient(key, encapsulated, [])!;
            sender.Dispose();
            recipient.Dispose();
        }

        // 10,000 contexts would be twenty regions.
        Assert.InRange(LockedSize() - before, 0, 5 * 64 * 1024);

        static long LockedSize() => LockedMemory.Status.LockedSizeInBytes + LockedMemory.Status.UnlockedSizeInBytes;
    }

    [Fact]
    public void Bytes_in_use_are_not_freed_before_the_use_ends()
    {
        LockedBytes secret = new();
        using (LockedBytes.Lease lease = secret.Use())
        {
            lease.Bytes.Fill(7);
            secret.Dispose();
            Assert.False(lease.Bytes.ContainsAnyExcept((byte)7));
            Assert.Throws<ObjectDisposedException>(() => secret.Use().Dispose());
        }

        Assert.True(secret.IsClosed);
    }

    /// <summary>In a process of its own, which may lock nothing.</summary>
    [Fact]
    public async Task Memory_that_the_system_does_not_lock_is_used_all_the_same_and_said()
    {
        if (Environment.GetEnvironmentVariable(Child) == "1")
        {
            using HpkePrivateKey key = HpkePrivateKey.Generate(HpkeSuite.X25519ChaCha20Poly1305);
            LockedMemoryStatus status = LockedMemory.Status;
            Assert.False(status.IsLocked);
            Assert.Equal(0, status.LockedSizeInBytes);
            Assert.NotEqual(0, status.UnlockedSizeInBytes);
            Assert.NotNull(status.Problem);
            using LockedBytes secret = new();
            Assert.Contains(" dd", FlagsAt(secret.DangerousGetHandle()));
            return;
        }

        Assert.SkipUnless(File.Exists("/usr/bin/setpriv") && File.Exists("/proc/self/smaps"), "Needs Linux and setpriv.");
        string command = Environment.IsPrivilegedProcess ? "exec setpriv --bounding-set=-ipc_lock --inh-caps=-ipc_lock" : "exec";
        string program = Environment.ProcessPath!;
        string[] self = Path.GetFileName(program) == "dotnet" ? [program, "exec", typeof(LockedMemoryTests).Assembly.Location] : [program];
        ProcessStartInfo start = new("bash", [
            "-c", $"ulimit -l 0 && {command} \"$@\"", "bash", .. self,
            "-noLogo", "-method", $"*.{nameof(Memory_that_the_system_does_not_lock_is_used_all_the_same_and_said)}"])
        {
            RedirectStandardOutput = true,
        };
        start.Environment[Child] = "1";
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0 && output.Contains("Total: 1,", StringComparison.Ordinal), output);
    }

    private static string FlagsAt(nint address)
    {
        bool isInside = false;
        foreach (string line in File.ReadLines("/proc/self/smaps"))
        {
            string[] words = line.Split(' ', 2);
            string[] range = words[0].Split('-');
            if (range.Length == 2 && nint.TryParse(range[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out nint from))
            {
                isInside = address >= from && address < nint.Parse(range[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            }
            else if (isInside && words[0] == "VmFlags:")
            {
                return " " + words[1];
            }
        }

        return "";
    }
}
