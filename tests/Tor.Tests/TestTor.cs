using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Tacit.Tor.Tests;

/// <summary>A folder of its own for tor, and the settings of one that reaches nobody; both end with the test.</summary>
internal sealed class TestTor : IDisposable
{
    /// <summary>How long a test waits for what has to come, on however slow a machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    private readonly CancellationTokenSource _patience = new(Patience);

    public TestTor(string? name = null)
    {
        Root = Directory.CreateTempSubdirectory("tacit-tor-").FullName;
        Folder = Path.Combine(Root, name ?? "tor");
    }

    public string Root { get; }

    public string Folder { get; }

    public CancellationToken Token => _patience.Token;

    /// <summary>Skips the test where there is no tor, and names it.</summary>
    public static string Program
    {
        get
        {
            string? found = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/sbin").Select(folder => Path.Combine(folder, "tor")).FirstOrDefault(File.Exists);
            Assert.SkipWhen(found is null, "There is no tor here (Debian package tor).");
            return found!;
        }
    }

    /// <summary>Options of a tor whose only directory authority is a port of this machine.</summary>
    public TorOptions Options(int authorityPort) => new()
    {
        Executable = Program,
        DataDirectory = Folder,
        Configuration = Write("authority", string.Create(CultureInfo.InvariantCulture,
            $"""
            # Nothing leaves the machine.
            TestingTorNetwork 1
            DirAuthority silent orport={authorityPort} no-v2 v3ident=0123456789ABCDEF0123456789ABCDEF01234567 127.0.0.1:{authorityPort} FEDCBA9876543210FEDCBA9876543210FEDCBA98

            """)),
    };

    public string Write(string name, string text)
    {
        string path = Path.Combine(Root, name);
        File.WriteAllText(path, text);
        return path;
    }

    /// <summary>A program of a few lines of shell.</summary>
    public string Script(string name, string lines)
    {
        // By another process: a file that this one had open for writing could be open still in a child that another test is just starting, and is then not executed (ETXTBSY).
        string draft = Write(name + ".draft", "#!/bin/sh\n" + lines + "\n");
        string made = Path.Combine(Root, name + ".new");
        using (Process copy = Process.Start("cp", [draft, made]))
        {
            copy.WaitForExit();
            Assert.Equal(0, copy.ExitCode);
        }
        File.SetUnixFileMode(made, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string path = Path.Combine(Root, name);
        File.Move(made, path, overwrite: true);
        return path;
    }

    public Task<TorService> StartAsync(TorOptions options, ILoggerFactory? loggers = null) =>
        TorService.StartAsync(options, TimeProvider.System, loggers ?? NullLoggerFactory.Instance, Token);

    /// <summary>Ends tor's process as a crash would, and waits until there is another.</summary>
    public async Task KillAsync(TorService tor)
    {
        int former = await tor.ProcessIdAsync(Token);
        using (var process = Process.GetProcessById(former))
        {
            process.Kill();
        }
        while (await tor.ProcessIdAsync(Token) == former)
        {
            await Task.Delay(50, Token);
        }
    }

    public async Task<TorStatus> StatusAsync(TorService tor, Func<TorStatus, bool> condition)
    {
        await foreach (TorStatus status in tor.WatchAsync(Token))
        {
            if (condition(status))
            {
                return status;
            }
        }
        throw new InvalidOperationException("Tor was stopped.");
    }

    /// <summary>Waits until a process has gone.</summary>
    public async Task GoneAsync(int processId)
    {
        while (IsAlive(processId))
        {
            await Task.Delay(50, Token);
        }
    }

    public static bool IsAlive(int processId)
    {
        try
        {
            // A zombie has ended, whoever has not asked for its exit code yet.
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            return stat[(stat.LastIndexOf(')') + 2)..][0] is not ('Z' or 'X');
        }
        catch (Exception e) when (e is IOException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        _patience.Dispose();
        Directory.Delete(Root, recursive: true);
    }
}
