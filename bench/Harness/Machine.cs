using System.Runtime.InteropServices;

namespace Tacit.Bench.Harness;

/// <summary>Where the figures were taken.</summary>
internal static class Machine
{
    internal static string Describe(TimeProvider time)
    {
        string processor = File.ReadLines("/proc/cpuinfo")
            .FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':', 2)[1].Trim() ?? "unknown processor";
        return $"{time.GetUtcNow():yyyy-MM-dd}, {processor}, {Environment.ProcessorCount} cores, {RuntimeInformation.FrameworkDescription}, "
            + Tacit.Crypto.BlindRsaPrivateKey.PrivateOperationImplementation;
    }

    /// <summary>The bench folder of the working copy this was built from.</summary>
    internal static string BenchFolder()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Tacit.slnx")))
        {
            folder = folder.Parent;
        }

        return Path.Combine(folder?.FullName ?? throw new DirectoryNotFoundException("Not inside a working copy of Tacit."), "bench");
    }
}
