using System.Diagnostics;
using System.Text.Json;

namespace Tacit.EndToEnd.Support;

/// <summary>A role as a process of its own, which can be killed at any point and started again on the same folder.</summary>
internal sealed class RoleProcess : IAsyncDisposable
{
    private readonly string[] _arguments;
    private readonly SemaphoreSlim _gate = new(1);
    private Process? _process;
    private Task<string> _log = Task.FromResult("");

    public RoleProcess(params string[] arguments)
    {
        _arguments = arguments;
    }

    public string Role => _arguments[0];

    /// <summary>Starts the role and waits until it serves; gives the line it then prints.</summary>
    public async Task<JsonElement> StartAsync()
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "tacit"), [.. _arguments, "--json"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        _process = Process.Start(start)!;
        _log = _process.StandardError.ReadToEndAsync();
        string? ready = await _process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
        Assert.True(ready is not null, $"{Role} did not start: {(ready is null ? await _log : "")}");
        return JsonDocument.Parse(ready!).RootElement;
    }

    /// <summary>SIGKILL: no handler runs, no buffer is written.</summary>
    public async Task KillAsync()
    {
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Kills it and starts it again; one at a time.</summary>
    public async Task KillAndRestartAsync()
    {
        await _gate.WaitAsync();
        try
        {
            await KillAsync();
            _process!.Dispose();
            await StartAsync();
        }
        finally
        {
            _gate.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is { HasExited: false })
        {
            await KillAsync();
        }

        _process?.Dispose();
        _gate.Dispose();
    }
}
