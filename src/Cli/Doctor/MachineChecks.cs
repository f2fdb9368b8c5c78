using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Storage;

namespace Tacit.Cli.Doctor;

/// <summary>Runtime, libraries, disk, clock, limits: what the machine itself brings.</summary>
internal static class MachineChecks
{
    /// <summary>Below this a full disk is near: a gateway's period of spent tokens and the write-ahead logs need room.</summary>
    private const long LowSpaceBytes = 1L << 30;

    private const long NoSpaceBytes = 64L << 20;

    public static Finding Runtime()
    {
        Version version = Environment.Version;
        string detail = $".NET {version} on {RuntimeInformation.RuntimeIdentifier}, {Environment.ProcessorCount} processors";
        return version.Major >= 10 ? Finding.Fine("runtime", detail) : Finding.Broken("runtime", detail, "Install the .NET 10 runtime.");
    }

    public static Finding LibCrypto()
    {
        try
        {
            string halves = CryptoEngine.PairsExponentiations ? "both halves at once (AVX512-IFMA)" : "one half after the other (no AVX512-IFMA)";
            string hybrid = HpkeSuite.MLKem768X25519ChaCha20Poly1305.IsSupported ? "has" : "lacks, before OpenSSL 3.5,";
            return Finding.Fine("libcrypto", $"{CryptoEngine.Version}; private operations do {halves}; {hybrid} ML-KEM for post-quantum sealing");
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException or TypeInitializationException)
        {
            string reason = (e.InnerException ?? e) is DllNotFoundException missing ? missing.Message : "not usable";
            return Finding.Broken("libcrypto", reason, "Install OpenSSL 3 (Debian: apt install libssl3).");
        }
    }

    public static Finding KeyMemory()
    {
        if (!OperatingSystem.IsLinux())
        {
            return Finding.Fine("key memory", "not checked on this system");
        }
        return LockedMemory.Status is { Problem: string problem }
            ? Finding.Warn("key memory", $"{problem}; keys can be swapped", LockedMemoryStatus.Remedy)
            : Finding.Fine("key memory", "locked: sealing keys are neither swapped nor dumped");
    }

    public static Finding Sqlite()
    {
        try
        {
            return Finding.Fine("libsqlite3", SqliteEngine.Version);
        }
        catch (Exception e) when (e is StorageException or DllNotFoundException or TypeInitializationException)
        {
            return Finding.Broken("libsqlite3", (e as StorageException)?.Message ?? "not usable", "Install SQLite 3.37 or newer (Debian: apt install libsqlite3-0).");
        }
    }

    public static Finding OpenFiles()
    {
        if (!OperatingSystem.IsLinux())
        {
            return Finding.Fine("open files", "not checked on this system");
        }
        foreach (string line in File.ReadLines("/proc/self/limits"))
        {
            if (line.StartsWith("Max open files", StringComparison.Ordinal))
            {
                string soft = line[26..].TrimStart().Split(' ')[0];
                // The runtime raises the soft limit to the hard one at start, so this is what a server has.
                return soft != "unlimited" && long.Parse(soft, CultureInfo.InvariantCulture) < 8192
                    ? Finding.Warn("open files", $"{soft} at most", "A gateway with 2,000 streams needs two each: raise it (ulimit -n 65536, or LimitNOFILE in the unit).")
                    : Finding.Fine("open files", $"{soft} at most");
            }
        }
        return Finding.Fine("open files", "no limit found");
    }

    public static Finding Swap()
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/proc/swaps"))
        {
            return Finding.Fine("swap", "not checked on this system");
        }
        int areas = File.ReadLines("/proc/swaps").Skip(1).Count(line => !line.Contains("zram", StringComparison.Ordinal));
        return areas == 0
            ? Finding.Fine("swap", "none on disk: prompts in memory stay there")
            : Finding.Warn("swap", $"{areas} area(s) on disk: prompts and keys in memory may be written there", "On a gateway or signer switch it off (swapoff -a), or encrypt it.");
    }

    public static Finding Cores() => ProductionRules.MayDumpCore() switch
    {
        null => Finding.Fine("core dumps", "not checked on this system"),
        false => Finding.Fine("core dumps", "off"),
        true => Finding.Warn("core dumps", "a crash may write memory to the disk", "Start roles by their units, or after `ulimit -c 0`."),
    };

    /// <param name="time">The clock that everything runs on.</param>
    /// <param name="dataFolder">If it exists, nothing in it can be from the future.</param>
    public static Finding Clock(TimeProvider time, string dataFolder)
    {
        DateTimeOffset now = time.GetUtcNow();
        DateTimeOffset built = File.GetLastWriteTimeUtc(Environment.ProcessPath ?? AppContext.BaseDirectory);
        const string fix = "Set the clock (timedatectl set-ntp true): keys and tokens are bound to periods.";
        string text = now.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
        if (now < built.AddDays(-2))
        {
            return Finding.Broken("clock", $"{text} is before this program was built", fix);
        }
        DateTimeOffset newest = Directory.Exists(dataFolder)
            ? Directory.EnumerateFiles(dataFolder).Select(f => new DateTimeOffset(File.GetLastWriteTimeUtc(f))).DefaultIfEmpty().Max()
            : default;
        return newest > now.AddMinutes(5)
            ? Finding.Broken("clock", $"{text} is before files in the data folder were written", fix)
            : Finding.Fine("clock", text);
    }

    public static IEnumerable<Finding> DataFolder(string path)
    {
        string? existing = path;
        while (existing is not null && !Directory.Exists(existing))
        {
            existing = Path.GetDirectoryName(existing);
        }
        if (existing is null)
        {
            yield return Finding.Broken("data folder", $"{path} has no existing parent", "Name another folder with --data or TACIT_HOME.");
            yield break;
        }
        bool exists = existing == path;
        if (!exists)
        {
            yield return Finding.Fine("data folder", $"{path} (will be made)");
        }
        else if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0)
        {
            yield return Finding.Broken("data folder", $"{path} can be written by other users", $"Run: chmod 700 {path}");
        }
        else if (!OperatingSystem.IsWindows() && (File.GetUnixFileMode(path) & (UnixFileMode.GroupRead | UnixFileMode.OtherRead)) != 0)
        {
            yield return Finding.Warn("data folder", $"{path} can be read by other users", $"Run: chmod 700 {path}");
        }
        else
        {
            yield return Finding.Fine("data folder", path);
        }
        yield return FreeSpace(existing);
        yield return SyncTime(existing);
    }

    private static Finding FreeSpace(string folder)
    {
        long free = new DriveInfo(folder).AvailableFreeSpace;
        string detail = $"{free / (1024.0 * 1024 * 1024):F1} GiB free";
        return free switch
        {
            < NoSpaceBytes => Finding.Broken("disk space", detail, "Free some, or move the data folder: nothing can be recorded durably."),
            < LowSpaceBytes => Finding.Warn("disk space", detail, "Free some: a full disk stops issuing and spending."),
            _ => Finding.Fine("disk space", detail),
        };
    }

    /// <summary>Every credit and every spent token waits for one of these.</summary>
    private static Finding SyncTime(string folder)
    {
        string file = Path.Combine(folder, $".tacit-doctor-{Environment.ProcessId}");
        try
        {
            double[] milliseconds = new double[9];
            using (FileStream stream = new(file, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, BufferSize = 0, Options = FileOptions.DeleteOnClose }))
            {
                byte[] block = RandomNumberGenerator.GetBytes(4096);
                for (int i = 0; i < milliseconds.Length; i++)
                {
                    long start = Stopwatch.GetTimestamp();
                    stream.Write(block);
                    stream.Flush(flushToDisk: true);
                    milliseconds[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
                }
            }
            Array.Sort(milliseconds);
            double median = milliseconds[milliseconds.Length / 2];
            string detail = string.Create(CultureInfo.InvariantCulture, $"{median:F2} ms to make 4 KiB durable (median of {milliseconds.Length})");
            return median > 50
                ? Finding.Warn("disk sync", detail, "Every spend waits for it: put the data folder on a local SSD.")
                : Finding.Fine("disk sync", detail);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Finding.Broken("disk sync", $"{folder} cannot be written", "Give this user write access, or name another folder with --data or TACIT_HOME.");
        }
    }
}
