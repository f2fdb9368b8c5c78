using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Tacit.Bench.Harness;

namespace Tacit.Bench.Demo;

/// <summary>How long a person waits for the demo: a process started from what is built, with its keys made by an earlier run, until the answer is there.</summary>
internal sealed class DemoSuite : Suite
{
    private const string Total = "answer";

    internal override string Name => "demo";

    internal override string Summary => "tacit demo --once, from built, keys existing";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        string folder = System.IO.Directory.CreateTempSubdirectory("tacit-bench-demo-").FullName;
        try
        {
            say("first run, which makes the keys");
            await AskAsync(folder, cancellationToken);
            Dictionary<string, List<double>> steps = [];
            for (int round = 1; round <= effort.Rounds; round++)
            {
                say($"round {round} of {effort.Rounds}");
                foreach ((string step, double milliseconds) in await AskAsync(folder, cancellationToken))
                {
                    (steps.TryGetValue(step, out List<double>? times) ? times : steps[step] = []).Add(milliseconds);
                }
            }

            string parts = string.Join(
                ", ",
                steps.Where(step => step.Key != Total).OrderByDescending(step => Median(step.Value))
                    .Select(step => string.Create(CultureInfo.InvariantCulture, $"{step.Key} {Median(step.Value):0}")));
            return [new Row("tacit demo --once, from built, keys existing, to the answer", Median(steps[Total]) / 1000, "s", "its steps, in ms, some side by side: " + parts, null, 3, Row.Lower)];
        }
        finally
        {
            System.IO.Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task<Dictionary<string, double>> AskAsync(string folder, CancellationToken cancellationToken)
    {
        string program = Path.Combine(Machine.BenchFolder(), "..", "src", "Cli", "bin", "Release", "net10.0", "tacit");
        if (!File.Exists(program))
        {
            throw new FileNotFoundException("src/Cli is not built in Release: make build CONFIGURATION=Release.", program);
        }

        string port = FreePort().ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo(program, ["demo", "--once", "--json", "--timing", "--data", folder, "--port-base", port]) { RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException("The demo failed; its time would mean nothing.");
        }

        using JsonDocument document = JsonDocument.Parse(output);
        Dictionary<string, double> steps = document.RootElement.GetProperty("timing").EnumerateArray()
            .ToDictionary(step => step.GetProperty("what").GetString()!, step => step.GetProperty("duration").GetDouble());
        steps[Total] = document.RootElement.GetProperty("answerMs").GetDouble();
        return steps;
    }

    private static double Median(List<double> figures) => figures.Order().ElementAt(figures.Count / 2);

    /// <summary>The first of three ports in a row that are free now.</summary>
    private static int FreePort()
    {
        for (int first = 20_000; ; first += 3)
        {
            try
            {
                for (int port = first; port < first + 3; port++)
                {
                    using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                    probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                }

                return first;
            }
            catch (SocketException) when (first < 60_000)
            {
                // Taken; the next three may be free.
            }
        }
    }
}
