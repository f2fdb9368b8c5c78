using System.Globalization;
using System.Security.Cryptography;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Tests;

public sealed class LockedMemoryTests
{
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
