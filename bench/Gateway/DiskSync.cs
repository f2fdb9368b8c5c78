using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Tacit.Bench.Gateway;

/// <summary>What one durable write costs on this disk, whoever makes it.</summary>
internal static partial class DiskSync
{
    /// <summary>Median seconds of writing 4 KB and fdatasync.</summary>
    internal static double Median(string folder, TimeProvider time)
    {
        string path = Path.Combine(folder, "sync");
        using SafeFileHandle file = File.OpenHandle(path, FileMode.Create, FileAccess.Write);
        byte[] page = new byte[4096];
        double[] seconds = new double[200];
        for (int i = 0; i < seconds.Length; i++)
        {
            long started = time.GetTimestamp();
            RandomAccess.Write(file, page, i * page.Length);
            _ = fdatasync(file);
            seconds[i] = time.GetElapsedTime(started).TotalSeconds;
        }

        Array.Sort(seconds);
        return seconds[seconds.Length / 2];
    }

    [LibraryImport("libc")]
    private static partial int fdatasync(SafeFileHandle file);
}
