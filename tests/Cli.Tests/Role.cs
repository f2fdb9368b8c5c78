using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Tacit.Cli.Tests;

/// <summary>A role's process.</summary>
internal sealed class Role : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _log;

    private Role(Process process, JsonElement ready, Task<string> log)
    {
        _process = process;
        Ready = ready;
        _log = log;
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    /// <summary>The line it printed once it was ready.</summary>
    public JsonElement Ready { get; }

    public int ProcessId => _process.Id;

    public string Log => _log.IsCompletedSuccessfully ? _log.Result : throw new InvalidOperationException("The role still runs.");

    public static async Task<Role> StartAsync(params string[] args)
    {
        Process process = Program.Start([.. args, "--json", "--log-level", "debug"]);
        Task<string> log = process.StandardError.ReadToEndAsync(Ct);
        string? line = await process.StandardOutput.ReadLineAsync(Ct);
        if (line is null)
        {
            Assert.Fail($"{args[0]} did not start: {await log}");
        }
        using JsonDocument ready = JsonDocument.Parse(line);
        return new Role(process, ready.RootElement.Clone(), log);
    }

    /// <returns>Its exit code.</returns>
    public async Task<int> TerminateAsync()
    {
        using (Process kill = Process.Start("kill", ["-TERM", _process.Id.ToString(CultureInfo.InvariantCulture)]))
        {
            await kill.WaitForExitAsync(Ct);
        }
        await _process.WaitForExitAsync(Ct);
        await _log;
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
            await _process.WaitForExitAsync(CancellationToken.None);
        }
        _process.Dispose();
    }
}
