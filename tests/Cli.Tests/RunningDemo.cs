using System.Diagnostics;
using Tacit.EndToEnd.Support;
using Tacit.Hosting;
using Tacit.Issuer;

namespace Tacit.Cli.Tests;

/// <summary>A demo that keeps running in this process, as it does on a terminal, for commands to be tried against.</summary>
internal sealed class RunningDemo : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly HeardText _output = new();
    private readonly HeardText _error = new();
    private Task<int> _run = Task.FromResult(0);

    public int PortBase { get; } = FreePorts.Take(3);

    /// <summary>Everything it said beside its results.</summary>
    public string Error => _error.Text;

    public static async Task<RunningDemo> StartAsync(string data)
    {
        RunningDemo demo = new();
        Terminal terminal = new(demo._output.Writer, demo._error.Writer, TextReader.Null) { IsInteractive = true };
        string[] args = ["demo", "--no-local-model", "--data", data, "--port-base", demo.PortBase.ToString(System.Globalization.CultureInfo.InvariantCulture)];
        demo._run = Task.Run(() => CommandLine.RunAsync(args, terminal, demo._stop.Token));
        long start = Stopwatch.GetTimestamp();
        while (!demo._output.Text.Contains("Ctrl-C ends it.", StringComparison.Ordinal))
        {
            Assert.False(demo._run.IsCompleted, demo.Error);
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(5), "The demo did not start.");
            await Task.Delay(20, TestContext.Current.CancellationToken);
        }
        return demo;
    }

    public async Task<int> StopAsync()
    {
        await _stop.CancelAsync();
        return await _run;
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _stop.Dispose();
    }
}

/// <summary>A demo's data folder with all keys made, copied for each test: making them takes seconds.</summary>
internal static class KeyedFolder
{
    private static readonly Lazy<Task<string>> s_made = new(MakeAsync);

    public static async Task CopyToAsync(string target)
    {
        string made = await s_made.Value;
        Directory.CreateDirectory(target, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        foreach (string name in (string[])["demo.key", "signer.db", "issuer.db", "gateway.db"])
        {
            File.Copy(Path.Combine(made, name), Path.Combine(target, name));
        }
    }

    private static async Task<string> MakeAsync()
    {
        string folder = Directory.CreateTempSubdirectory("tacit-keys").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        await using RunningDemo demo = await RunningDemo.StartAsync(Path.Combine(folder, "data"));
        long start = Stopwatch.GetTimestamp();
        using ManagementClient issuer = new(Path.Combine(folder, "data"), IssuerServer.Role);
        while ((await issuer.PostAsync("/keys/refresh", IssuerJson.Default.IssuerStatus, TestContext.Current.CancellationToken)).PlansWithoutKey.Count > 0)
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(30), "The keys were not found.");
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
        await demo.StopAsync();
        return Path.Combine(folder, "data");
    }
}
