using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Tacit.EndToEnd.Support;

/// <summary>
/// llama.cpp, with a tiny model of random weights, behind <c>llama/server.mjs</c>. Skips the test where what it needs is missing: x64 Linux, Node 20, Python 3, and
/// the tool that makes the model, beside the repository.
/// </summary>
internal sealed class LlamaServer : IAsyncDisposable
{
    private static readonly string s_folder = Path.Combine(Node.RepositoryRoot(), "tests", "EndToEnd", "llama");

    // Not `npm ci`: it wants builds for every platform in the lock file, also those that not every registry has. Half a gigabyte of them is left out.
    private static readonly Lazy<Task> s_installed = new(() => Node.InstallAsync(s_folder, "install", "--no-save", "--omit=optional"));

    private readonly Process _process;

    private LlamaServer(Process process, int? port)
    {
        _process = process;
        Port = port;
    }

    public int? Port { get; }

    /// <param name="model">Where <see cref="MakeModelAsync"/> put it.</param>
    /// <param name="socket">The Unix socket to listen on, or null.</param>
    /// <param name="port">The port to listen on, 0 for any, or null.</param>
    public static async Task<LlamaServer> StartAsync(string model, string? socket, int? port)
    {
        await s_installed.Value;
        var start = new ProcessStartInfo("node", ["server.mjs", model, socket ?? "-", port?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "-"])
        {
            WorkingDirectory = s_folder,
            RedirectStandardOutput = true,
        };
        Process process = Process.Start(start)!;
        using JsonDocument listening = JsonDocument.Parse(await process.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken) ?? throw new InvalidOperationException("llama.cpp did not start."));
        return new LlamaServer(process, listening.RootElement.TryGetProperty("port", out JsonElement at) ? at.GetInt32() : null);
    }

    public static async Task MakeModelAsync(string path)
    {
        string? tool = null;
        for (DirectoryInfo? folder = Directory.GetParent(Node.RepositoryRoot()); folder is not null && tool is null; folder = folder.Parent)
        {
            string candidate = Path.Combine(folder.FullName, "shared", "tools", "make-tiny-gguf.py");
            tool = File.Exists(candidate) ? candidate : null;
        }

        if (tool is null || RuntimeInformation.ProcessArchitecture != Architecture.X64 || !OperatingSystem.IsLinux())
        {
            Assert.Skip("Real inference is tried on x64 Linux, with shared/tools/make-tiny-gguf.py beside the repository.");
        }

        try
        {
            using Process making = Process.Start(new ProcessStartInfo("python3", [tool, path]) { RedirectStandardOutput = true })!;
            await making.WaitForExitAsync(TestContext.Current.CancellationToken);
            Assert.Equal(0, making.ExitCode);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Assert.Skip("Python 3 is not on this machine.");
        }
    }

    /// <summary>Kills it as the kernel would when memory runs out.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
