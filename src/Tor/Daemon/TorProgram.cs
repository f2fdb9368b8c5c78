using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;

namespace Tacit.Tor.Daemon;

/// <summary>A tor program that was found and asked for its version.</summary>
/// <param name="Path">The file, or the name that PATH resolved to one.</param>
/// <param name="Version">Four numbers.</param>
/// <param name="VersionText">As it calls itself: <c>0.4.9.11</c>, <c>0.4.8.1-alpha</c>.</param>
/// <param name="HasProofOfWork">Whether it was built with the module <c>pow</c> (tor --list-modules).</param>
internal sealed record TorProgram(string Path, Version Version, string VersionText, bool HasProofOfWork)
{
    private const int MaxOutput = 16 << 10;

    /// <summary>Where tor is when PATH does not say so, as for programs that a desktop starts.</summary>
    private static readonly string[] s_usualFolders =
        ["/usr/bin", "/usr/local/bin", "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/opt/local/bin", "/home/linuxbrew/.linuxbrew/bin"];

    /// <exception cref="TorException"><see cref="TorError.NotFound"/>, <see cref="TorError.TooOld"/>, <see cref="TorError.CannotStart"/>.</exception>
    public static async Task<TorProgram> FindAsync(TorOptions options, TimeProvider time, CancellationToken cancellationToken)
    {
        string path = Find(options.Executable);
        string said = await RunAsync(path, "--version", options.StartTimeout, time, cancellationToken);
        // "Tor version 0.4.9.11." or "Tor version 0.4.8.1-alpha (git-0123456789abcdef)."
        string[] words = said.Split('\n')[0].Split(' ');
        string text = words is ["Tor", "version", var third, ..] ? third.Trim().TrimEnd('.') : "";
        if (ParseVersion(text) is not { } version)
        {
            throw new TorException(TorError.CannotStart, $"{path} does not say which version of tor it is: it is none, or it cannot run here. Set Tor:Executable to the tor program.");
        }
        if (version < TorOptions.OldestVersion)
        {
            throw new TorException(
                TorError.TooOld,
                $"{path} is tor {text}; {TorOptions.OldestVersion} or later is needed. Update it (Debian and Ubuntu: packages of deb.torproject.org), or set Tor:Executable to a newer one.");
        }
        string modules = await RunAsync(path, "--list-modules", options.StartTimeout, time, cancellationToken);
        return new TorProgram(path, version, text, modules.Split('\n').Any(line => line.Trim() == "pow: yes"));
    }

    internal static Version? ParseVersion(string text)
    {
        string numbers = text.Split('-')[0];
        return numbers.Count(c => c == '.') == 3 && numbers.All(c => char.IsAsciiDigit(c) || c == '.') && Version.TryParse(numbers, out Version? version) ? version : null;
    }

    private static string Find(string? setting)
    {
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(System.IO.Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        if (setting is not null)
        {
            string? named = setting.Contains(System.IO.Path.DirectorySeparatorChar, StringComparison.Ordinal)
                ? (IsProgram(setting) ? System.IO.Path.GetFullPath(setting) : null)
                : folders.Select(folder => System.IO.Path.Combine(folder, setting)).FirstOrDefault(IsProgram);
            return named ?? throw new TorException(
                TorError.NotFound, $"There is no program {setting}, which Tor:Executable names, or this user may not run it. Put the path right, or leave the setting out to have tor found.");
        }
        return folders.Where(System.IO.Path.IsPathRooted).Concat(s_usualFolders).Select(folder => System.IO.Path.Combine(folder, "tor")).FirstOrDefault(IsProgram)
            ?? throw new TorException(
                TorError.NotFound,
                "The tor program is not installed. Install it (Debian and Ubuntu: sudo apt install tor; Fedora: sudo dnf install tor; macOS: brew install tor), or set "
                + "Tor:Executable to it, or Tor:Socks to the SOCKS address of a Tor that runs already.");
    }

    private static bool IsProgram(string path)
    {
        try
        {
            const UnixFileMode Execute = UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute;
            return File.Exists(path) && (File.GetUnixFileMode(path) & Execute) != 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static async Task<string> RunAsync(string path, string argument, TimeSpan patience, TimeProvider time, CancellationToken cancellationToken)
    {
        using Process process = new()
        {
            StartInfo = new ProcessStartInfo(path, argument) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true },
        };
        try
        {
            process.Start();
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            throw new TorException(TorError.CannotStart, $"{path} cannot be started: {e.Message}. Set Tor:Executable to a tor program for this machine.", e);
        }
        using var timeout = new CancellationTokenSource(patience, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            process.StandardInput.Close();
            Task<string> errors = ReadAsync(process.StandardError, either.Token);
            string output = await ReadAsync(process.StandardOutput, either.Token);
            await errors;
            await process.WaitForExitAsync(either.Token);
            return output;
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new TorException(TorError.CannotStart, string.Create(CultureInfo.InvariantCulture, $"{path} {argument} did not end within {patience.TotalSeconds:0} s: it is no tor program."));
        }
        finally
        {
            if (!process.HasExited)
            {
                process.Kill(entireProcessTree: true);
            }
        }
    }

    private static async Task<string> ReadAsync(StreamReader reader, CancellationToken cancellationToken)
    {
        char[] buffer = new char[MaxOutput];
        int kept = 0;
        char[] rest = new char[1024];
        while (true)
        {
            Memory<char> room = kept < buffer.Length ? buffer.AsMemory(kept) : rest;
            int read = await reader.ReadAsync(room, cancellationToken);
            if (read == 0)
            {
                return new string(buffer, 0, kept);
            }
            kept = Math.Min(kept + read, buffer.Length);
        }
    }
}
