using System.Diagnostics;
using System.Globalization;

namespace Tacit.Bench.Gateway;

/// <summary>Which cores all threads of this process may use.</summary>
internal static class Affinity
{
    internal static void Set(string cores)
    {
        using Process process = Process.Start(new ProcessStartInfo("taskset", ["-acp", cores, Environment.ProcessId.ToString(CultureInfo.InvariantCulture)])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
    }
}
