using System.Globalization;

namespace Tacit.Bench.Tor;

/// <summary>The tor processes of this machine.</summary>
internal static class Tors
{
    private const double TicksPerSecond = 100;

    /// <summary>Processor time that they took so far.</summary>
    internal static double CpuSeconds() => Directory.EnumerateDirectories("/proc").Select(Path.GetFileName).Where(name => name!.All(char.IsAsciiDigit)).Sum(name =>
    {
        try
        {
            string stat = File.ReadAllText($"/proc/{name}/stat");
            int end = stat.LastIndexOf(')');
            // Fields 14 and 15 of proc(5), after the name.
            string[] fields = stat[(end + 2)..].Split(' ');
            return stat.Contains("(tor)", StringComparison.Ordinal)
                ? (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond
                : 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended.
            return 0;
        }
    });
}
