using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;

namespace Tacit.Tor.Tests;

/// <summary>This program as a process of its own that runs a tor until it is killed.</summary>
internal static class TorParent
{
    public const string Switch = "--run-tor";

    public static Process Start(TorOptions options, string note)
    {
        var process = new Process
        {
            StartInfo = new ProcessStartInfo("dotnet", ["exec", typeof(TorParent).Assembly.Location, Switch, options.DataDirectory, options.Configuration!, note]),
        };
        process.Start();
        return process;
    }

    public static async Task<int> RunAsync(string folder, string configuration, string note)
    {
        var options = new TorOptions { DataDirectory = folder, Configuration = configuration };
        await using TorService tor = await TorService.StartAsync(options, TimeProvider.System, NullLoggerFactory.Instance);
        string draft = note + ".new";
        await File.WriteAllTextAsync(draft, (await tor.ProcessIdAsync()).ToString(CultureInfo.InvariantCulture));
        File.Move(draft, note);
        await Task.Delay(Timeout.InfiniteTimeSpan);
        return 0;
    }
}
