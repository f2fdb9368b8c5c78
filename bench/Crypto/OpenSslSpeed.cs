using System.Diagnostics;
using System.Globalization;
using Tacit.Bench.Harness;

namespace Tacit.Bench.Crypto;

/// <summary>Runs <c>openssl speed rsa2048</c> on the measuring core.</summary>
internal static class OpenSslSpeed
{
    internal static async Task<(double Signs, double Verifies)> Rsa2048Async(TimeSpan time, CancellationToken cancellationToken)
    {
        int seconds = Math.Max(1, (int)time.TotalSeconds);
        ProcessStartInfo start = new("taskset")
        {
            ArgumentList = { "-c", OneCore.Index.ToString(CultureInfo.InvariantCulture), "openssl", "speed", "-seconds", $"{seconds}", "rsa2048" },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using Process process = Process.Start(start) ?? throw new InvalidOperationException("Neither taskset nor openssl could be started.");
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);

        // "rsa 2048 bits 0.000209s 0.000012s   4795.0  80199.0"
        string? line = output.Split('\n').LastOrDefault(candidate => candidate.StartsWith("rsa 2048 bits", StringComparison.Ordinal));
        string[] columns = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) ?? [];
        return columns.Length == 7
            ? (double.Parse(columns[5], CultureInfo.InvariantCulture), double.Parse(columns[6], CultureInfo.InvariantCulture))
            : throw new InvalidOperationException("openssl speed gave no figures: " + await errors);
    }
}
