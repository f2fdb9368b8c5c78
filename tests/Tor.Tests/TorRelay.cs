using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Tacit.Tor.Tests;

/// <summary>A real relay on a port of this machine, for a tor that takes it for a directory authority: it says, signed, what time it is, and has no directory.</summary>
internal sealed partial class TorRelay : IDisposable
{
    private const string NoAuthority = "x orport=1 127.0.0.1:1 ffffffffffffffffffffffffffffffffffffffff";
    private readonly Process _process;

    private TorRelay(Process process, int port, string fingerprint)
    {
        _process = process;
        Port = port;
        Fingerprint = fingerprint;
    }

    public int Port { get; }

    public string Fingerprint { get; }

    public static async Task<TorRelay> StartAsync(TestTor test)
    {
        string folder = Path.Combine(test.Root, "relay");
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string none = test.Write("none", "");
        var process = new Process
        {
            StartInfo = new ProcessStartInfo(TestTor.Program,
            [
                "-f", none, "--defaults-torrc", none, "--DataDirectory", folder, "--Nickname", "clock", "--Address", "127.0.0.1", "--ORPort", "127.0.0.1:auto", "--SocksPort", "0",
                "--AssumeReachable", "1", "--ExitRelay", "0", "--TestingTorNetwork", "1", "--DirAuthority", NoAuthority, "--Log", "notice stdout",
                "--__OwningControllerProcess", Environment.ProcessId.ToString(CultureInfo.InvariantCulture),
            ])
            { RedirectStandardOutput = true },
        };
        process.Start();
        int? port = null;
        string? fingerprint = null;
        while ((port is null || fingerprint is null) && await process.StandardOutput.ReadLineAsync(test.Token) is { } line)
        {
            port ??= Opened().Match(line) is { Success: true } opened ? int.Parse(opened.Groups[1].Value, CultureInfo.InvariantCulture) : null;
            fingerprint ??= Identity().Match(line) is { Success: true } identity ? identity.Groups[1].Value : null;
        }
        // Nobody reads on: what it says is little.
        return new TorRelay(process, port!.Value, fingerprint!);
    }

    public void Dispose()
    {
        _process.Kill();
        _process.WaitForExit();
        _process.Dispose();
    }

    [GeneratedRegex(@"Opened OR listener connection \(ready\) on 127\.0\.0\.1:(\d+)")]
    private static partial Regex Opened();

    [GeneratedRegex("identity key fingerprint is 'clock ([0-9A-F]{40})'")]
    private static partial Regex Identity();
}
