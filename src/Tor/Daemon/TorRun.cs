using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Tacit.Tor.Control;

namespace Tacit.Tor.Daemon;

/// <summary>
/// One life of a tor process with the control connection that owns it. Tor ends when that connection does (TAKEOWNERSHIP), or soon after our process has
/// gone (__OwningControllerProcess), whichever it notices first: it never outlives us, however we end.
/// </summary>
internal sealed class TorRun : IAsyncDisposable
{
    /// <summary>How long tor may take to end when it is told to. It only has to write its state file.</summary>
    private static readonly TimeSpan s_farewell = TimeSpan.FromSeconds(20);

    private readonly Process _process;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly StatusBoard _board;
    private readonly Lock _lock = new();
    private readonly Queue<string> _complaints = new();
    private readonly SemaphoreSlim _spoke = new(0, 1);
    private string _last = "";
    private Task _output = Task.CompletedTask;
    private ControlConnection? _control;

    private TorRun(Process process, TimeProvider time, ILogger logger, StatusBoard board)
    {
        _process = process;
        _time = time;
        _logger = logger;
        _board = board;
    }

    /// <summary>The control connection; authenticated.</summary>
    public ControlConnection Control => _control!;

    public int ProcessId => _process.Id;

    /// <summary>Starts tor and takes control of it.</summary>
    /// <exception cref="TorException"><see cref="TorError.CannotStart"/> with tor's own words, or <see cref="TorError.NoControl"/>.</exception>
    public static async Task<TorRun> StartAsync(
        TorProgram program, TorOptions options, DataFolder data, RunFolder folder, StatusBoard board, Action<ControlReply> onEvent, TimeProvider time, ILogger logger,
        CancellationToken cancellationToken)
    {
        DataFolder.Put(data.TorrcPath, Torrc.Write(options, folder, Environment.ProcessId));
        // What a killed tor left there would be taken for the new one's.
        File.Delete(folder.ControlSocket);
        File.Delete(folder.CookieFile);
        var process = new Process { StartInfo = Command(program.Path, data) };
        try
        {
            process.Start();
        }
        catch (Exception e) when (e is Win32Exception or IOException)
        {
            process.Dispose();
            throw new TorException(TorError.CannotStart, $"{program.Path} cannot be started: {e.Message}.", e);
        }
        var run = new TorRun(process, time, logger, board);
        try
        {
            process.StandardInput.Close();
            run._output = Task.WhenAll(run.ReadAsync(process.StandardOutput), run.ReadAsync(process.StandardError));
            board.Started(program.VersionText);
            await run.TakeControlAsync(folder, onEvent, options.StartTimeout, cancellationToken);
            TorLog.Started(logger, program.VersionText);
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    /// <summary>Waits until the process has ended, or cannot be controlled any more; returns how.</summary>
    public async Task<string> EndedAsync(CancellationToken cancellationToken)
    {
        Task exited = _process.WaitForExitAsync(cancellationToken);
        await Task.WhenAny(exited, Control.Ended).WaitAsync(cancellationToken);
        // The connection ends a moment before the process does.
        try
        {
            await exited.WaitAsync(s_farewell, _time, cancellationToken);
        }
        catch (TimeoutException)
        {
            return "it no longer answers";
        }
        return Exit();
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            if (!_process.HasExited && _control is { } control)
            {
                // HALT: at once, with the state file written. Losing its owner says the same; a reply may not come any more.
                using var patience = new CancellationTokenSource(s_farewell, _time);
                await SaidFarewellAsync(control, patience.Token);
                await control.DisposeAsync();
                await _process.WaitForExitAsync(patience.Token);
            }
        }
        catch (OperationCanceledException)
        {
            // It is killed.
        }
        if (_control is not null)
        {
            await _control.DisposeAsync();
        }
        try
        {
            if (!_process.HasExited)
            {
                _process.Kill(entireProcessTree: true);
            }
            await _process.WaitForExitAsync();
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception)
        {
            // It has ended meanwhile.
        }
        // A transport's program that does not follow tor's end could hold the pipe open.
        await Task.WhenAny(_output, Task.Delay(TimeSpan.FromSeconds(2), _time));
        _process.Dispose();
    }

    private static async Task SaidFarewellAsync(ControlConnection control, CancellationToken cancellationToken)
    {
        try
        {
            await control.SendAsync("SIGNAL HALT", cancellationToken);
        }
        catch (TorException)
        {
            // The connection was over before the reply.
        }
    }

    private static ProcessStartInfo Command(string path, DataFolder data)
    {
        // In a session of its own where that can be had: Ctrl-C in a terminal is for us, who let go of tor once all that goes through it has ended.
        const string NewSession = "/usr/bin/setsid";
        bool hasSession = File.Exists(NewSession);
        var command = new ProcessStartInfo(hasSession ? NewSession : path)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = data.FolderPath,
        };
        if (hasSession)
        {
            command.ArgumentList.Add(path);
        }
        foreach (string argument in (string[])["-f", data.TorrcPath, "--defaults-torrc", data.DefaultsPath])
        {
            command.ArgumentList.Add(argument);
        }
        return command;
    }

    private async Task TakeControlAsync(RunFolder folder, Action<ControlReply> onEvent, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(patience, _time);
        using var exit = new CancellationTokenSource();
        using var any = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, exit.Token, cancellationToken);
        Task watching = WatchExitAsync(exit, any.Token);
        try
        {
            _control = await ConnectAsync(folder.ControlSocket, onEvent, any.Token);
            await _control.AuthenticateAsync(() => ReadCookie(folder.CookieFile), any.Token);
            await _control.DoAsync("TAKEOWNERSHIP", any.Token);
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is OperationCanceledException or TorException { Error: TorError.NoControl })
        {
            await AwaitExitAsync(cancellationToken);
            if (_process.HasExited)
            {
                await Task.WhenAny(_output, Task.Delay(TimeSpan.FromSeconds(2), _time, cancellationToken));
                throw new TorException(TorError.CannotStart, $"Tor ended as soon as it was started ({Exit()}). {Complaints()}".TrimEnd(), e);
            }
            if (e is OperationCanceledException)
            {
                throw new TorException(
                    TorError.NoControl, string.Create(CultureInfo.InvariantCulture, $"Tor opened no control socket within {patience.TotalSeconds:0} s of its start. {Complaints()}").TrimEnd(), e);
            }
            throw;
        }
        finally
        {
            await any.CancelAsync();
            await watching;
        }
    }

    private async Task AwaitExitAsync(CancellationToken cancellationToken)
    {
        try
        {
            // Its connection ends a moment before it does; who was only too slow does not end at all.
            await _process.WaitForExitAsync(cancellationToken).WaitAsync(TimeSpan.FromSeconds(2), _time, cancellationToken);
        }
        catch (TimeoutException)
        {
        }
    }

    private async Task WatchExitAsync(CancellationTokenSource exit, CancellationToken cancellationToken)
    {
        try
        {
            await _process.WaitForExitAsync(cancellationToken);
            await exit.CancelAsync();
        }
        catch (OperationCanceledException)
        {
        }
    }

    private async Task<ControlConnection> ConnectAsync(string path, Action<ControlReply> onEvent, CancellationToken cancellationToken)
    {
        while (true)
        {
            try
            {
                return await ControlConnection.ConnectAsync(path, _time, onEvent, cancellationToken);
            }
            catch (SocketException)
            {
                // Not there yet. Tor says a line when it is; one that says nothing is asked again in a while.
                await _spoke.WaitAsync(TimeSpan.FromMilliseconds(250), cancellationToken);
            }
        }
    }

    private static byte[] ReadCookie(string path)
    {
        try
        {
            return File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new TorException(TorError.NoControl, $"Tor's cookie file {path} cannot be read.", e);
        }
    }

    private async Task ReadAsync(StreamReader reader)
    {
        try
        {
            while (await ReadLineAsync(reader) is { } line)
            {
                Take(line);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // The process has gone.
        }
    }

    /// <summary>A line of at most 2,000 characters; the rest of a longer one is passed over.</summary>
    private static async Task<string?> ReadLineAsync(StreamReader reader)
    {
        const int Most = 2000;
        char[] one = new char[1];
        var line = new System.Text.StringBuilder();
        while (await reader.ReadAsync(one) > 0)
        {
            if (one[0] == '\n')
            {
                return line.ToString();
            }
            if (line.Length < Most)
            {
                line.Append(one[0]);
            }
        }
        return line.Length > 0 ? line.ToString() : null;
    }

    private void Take(string line)
    {
        // "Nov 21 08:15:42.000 [warn] Path for …": the time is tor's, the level in brackets.
        int open = line.IndexOf('[', StringComparison.Ordinal);
        int close = open < 0 ? -1 : line.IndexOf("] ", open, StringComparison.Ordinal);
        string level = close > 0 && open < 40 ? line[(open + 1)..close] : "";
        string text = ControlConnection.OneLine(level.Length > 0 ? line[(close + 2)..] : line);
        if (level is "warn" or "err")
        {
            lock (_lock)
            {
                _complaints.Enqueue(text);
                if (_complaints.Count > 4)
                {
                    _complaints.Dequeue();
                }
            }
            _board.NoteLog(text);
            TorLog.Warned(_logger, text);
        }
        else
        {
            lock (_lock)
            {
                _last = text;
            }
            TorLog.Said(_logger, text);
        }
        if (_spoke.CurrentCount == 0)
        {
            try
            {
                _spoke.Release();
            }
            catch (SemaphoreFullException)
            {
                // The other pipe's reader was faster.
            }
        }
    }

    private string Complaints()
    {
        lock (_lock)
        {
            return _complaints.Count > 0 ? "Tor says: " + string.Join(" / ", _complaints) : _last.Length > 0 ? "Its last words: " + _last : "";
        }
    }

    private string Exit() => string.Create(CultureInfo.InvariantCulture, $"exit code {_process.ExitCode}");
}
