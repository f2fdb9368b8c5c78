using Xunit.Runner.InProc.SystemConsole;

namespace Tacit.Storage;

internal static class Program
{
    private static Task<int> Main(string[] args) => args is [CrashChild.Switch, string path, string log] ? CrashChild.RunAsync(path, log) : ConsoleRunner.Run(args);
}
