using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Tacit.Bench.Tor;

/// <summary>curl, which keeps its connection over the requests of one run.</summary>
internal static class Curl
{
    /// <summary>Posts bodies one after the other and gives the milliseconds of each but the first, which makes the connection.</summary>
    /// <param name="address">Where to.</param>
    /// <param name="proxy">A proxy's URL, or null.</param>
    /// <param name="requests">Headers and body of each.</param>
    internal static async Task<double[]> PostAsync(
        Uri address, string? proxy, IReadOnlyList<(IReadOnlyList<string> Headers, string Body)> requests, CancellationToken cancellationToken)
    {
        var configuration = new StringBuilder();
        foreach ((IReadOnlyList<string> headers, string body) in requests)
        {
            configuration.Append(configuration.Length == 0 ? "" : "next\n").Append(CultureInfo.InvariantCulture, $"url = \"{address}\"\nsilent\nshow-error\nhttp1.1\noutput = /dev/null\n");
            configuration.Append("write-out = \"%{http_code} %{time_total} %{num_connects}\\n\"\nheader = \"content-type: application/json\"\n");
            configuration.Append(proxy is null ? "noproxy = \"*\"\n" : $"proxy = \"{proxy}\"\n");
            foreach (string header in headers)
            {
                configuration.Append("header = \"").Append(header.Replace("\"", "\\\"", StringComparison.Ordinal)).Append("\"\n");
            }

            configuration.Append("data = \"").Append(body.Replace("\"", "\\\"", StringComparison.Ordinal)).Append("\"\n");
        }

        using Process curl = Process.Start(new ProcessStartInfo("curl", ["--config", "-"]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> errors = curl.StandardError.ReadToEndAsync(cancellationToken);
        Task<string> output = curl.StandardOutput.ReadToEndAsync(cancellationToken);
        await curl.StandardInput.WriteAsync(configuration, cancellationToken);
        curl.StandardInput.Close();
        await curl.WaitForExitAsync(cancellationToken);
        string[][] lines = [.. (await output).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' '))];
        if (lines.Length != requests.Count || lines.Any(line => line[0] != "200") || lines.Skip(1).Any(line => line[2] != "0"))
        {
            throw new InvalidOperationException($"curl was not answered as it should be: {await errors}{await output}");
        }

        return [.. lines.Skip(1).Select(line => 1000 * double.Parse(line[1], CultureInfo.InvariantCulture))];
    }
}
