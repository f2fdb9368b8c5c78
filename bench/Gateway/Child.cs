using System.Diagnostics;
using System.Globalization;

namespace Tacit.Bench.Gateway;

/// <summary>A process of the benchmark, pinned to one core.</summary>
internal sealed class Child : IAsyncDisposable
{
    private readonly Process _process;

    private Child(Process process, int port)
    {
        _process = process;
        Address = new Uri($"http://127.0.0.1:{port}/");
    }

    internal Uri Address { get; }

    /// <summary>Resident memory now, in bytes.</summary>
    internal long ResidentBytes
    {
        get
        {
            string line = File.ReadLines($"/proc/{_process.Id}/status").First(line => line.StartsWith("VmRSS:", StringComparison.Ordinal));
            return long.Parse(line.AsSpan(6).Trim()[..^3], CultureInfo.InvariantCulture) * 1024;
        }
    }

    /// <summary>Processor time taken so far, in seconds.</summary>
    internal double CpuSeconds
    {
        get
        {
            // Fields 14 and 15 of proc(5) stat, in hundredths; the name before them may hold anything but ends with the last bracket.
            string stat = File.ReadAllText($"/proc/{_process.Id}/stat");
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return (long.Parse(fields[11], CultureInfo.InvariantCulture) + long.Parse(fields[12], CultureInfo.InvariantCulture)) / 100.0;
        }
    }

    /// <summary>Starts a role of this program.</summary>
    internal static Task<Child> StartRoleAsync(int core, params string[] words) =>
        StartAsync(core, Environment.ProcessPath!, [.. Self(), "role", .. words], port: null);

    /// <summary>Starts a program that listens on a port it was told.</summary>
    internal static async Task<Child> StartAsync(int core, string program, string[] words, int? port)
    {
        var start = new ProcessStartInfo("taskset", ["-c", core.ToString(CultureInfo.InvariantCulture), program, .. words])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = port is not null,
        };
        start.Environment["DOTNET_gcServer"] = "0";
        // What is called often is compiled again at once and not after a pause that a load never leaves: else the warm-up would have to last a minute, on all sides.
        start.Environment["DOTNET_TC_CallCountingDelayMs"] = "0";
        Process process = Process.Start(start) ?? throw new InvalidOperationException("taskset did not start.");
        if (port is int known)
        {
            process.OutputDataReceived += (_, _) => { };
            process.ErrorDataReceived += (_, _) => { };
            process.BeginOutputReadLine();
            process.BeginErrorReadLine();
            return new Child(process, known);
        }

        string? line = await process.StandardOutput.ReadLineAsync();
        return new Child(process, int.Parse(line ?? throw new InvalidOperationException("A role did not start."), CultureInfo.InvariantCulture));
    }

    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(5));
        try
        {
            await _process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            _process.Kill(entireProcessTree: true);
        }

        _process.Dispose();
    }

    /// <summary>How this program is started again: by its host, or through <c>dotnet</c>.</summary>
    private static string[] Self() =>
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? [typeof(Child).Assembly.Location] : [];
}
