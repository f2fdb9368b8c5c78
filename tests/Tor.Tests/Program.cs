using Xunit.Runner.InProc.SystemConsole;

namespace Tacit.Tor.Tests;

internal static class Program
{
    private static Task<int> Main(string[] args) => args is [TorParent.Switch, string folder, string configuration, string note]
        ? TorParent.RunAsync(folder, configuration, note)
        : ConsoleRunner.Run(args);
}
