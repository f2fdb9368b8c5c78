namespace Tacit.Cli;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        using Terminal terminal = Terminal.OfProcess();
        return await CommandLine.RunAsync(args, terminal, CancellationToken.None);
    }
}
