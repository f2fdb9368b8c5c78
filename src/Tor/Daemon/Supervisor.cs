using Microsoft.Extensions.Logging;
using Tacit.Tor.Control;

namespace Tacit.Tor.Daemon;

/// <summary>Keeps a tor running: one that ends is started again, after a pause that grows while it goes on ending.</summary>
internal sealed class Supervisor : IAsyncDisposable
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);

    /// <summary>After a life of this length the pauses begin anew.</summary>
    private static readonly TimeSpan s_longLife = TimeSpan.FromMinutes(2);

    private readonly TorOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly StatusBoard _board;
    private readonly DataFolder _data;
    private readonly RunFolder _folder;
    private readonly Action<ControlReply> _onEvent;
    private readonly Func<ControlConnection, CancellationToken, Task> _setUp;
    private readonly Action _onEnd;
    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _lock = new();
    private TaskCompletionSource<TorRun> _current = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _over = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task _keeping = Task.CompletedTask;

    /// <param name="onEvent">Called with each event of tor; must not wait.</param>
    /// <param name="setUp">Called with the control connection of each new life, before anybody else gets it.</param>
    /// <param name="onEnd">Called when a life has ended and another is to follow.</param>
    public Supervisor(
        TorOptions options, DataFolder data, RunFolder folder, StatusBoard board, Action<ControlReply> onEvent, Func<ControlConnection, CancellationToken, Task> setUp, Action onEnd,
        TimeProvider time, ILogger logger)
    {
        _options = options;
        _data = data;
        _folder = folder;
        _board = board;
        _onEvent = onEvent;
        _setUp = setUp;
        _onEnd = onEnd;
        _time = time;
        _logger = logger;
    }

    /// <summary>The program of the present life.</summary>
    public TorProgram? Program { get; private set; }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        TorRun run = await BeginAsync(cancellationToken);
        _current.TrySetResult(run);
        _keeping = KeepAsync(run);
    }

    /// <summary>The present life; null if there is none now.</summary>
    public TorRun? Present
    {
        get
        {
            lock (_lock)
            {
                return _current.Task.IsCompletedSuccessfully ? _current.Task.Result : null;
            }
        }
    }

    /// <summary>The present life, or the next if there is none now.</summary>
    /// <exception cref="TorException">It was stopped.</exception>
    public async Task<TorRun> CurrentAsync(CancellationToken cancellationToken)
    {
        Task<TorRun> current;
        lock (_lock)
        {
            current = _current.Task;
        }
        return await current.WaitAsync(cancellationToken);
    }

    /// <summary>Waits until that life is no longer the present one, and there is another.</summary>
    public async Task NextAsync(TorRun former, CancellationToken cancellationToken)
    {
        Task over;
        lock (_lock)
        {
            over = Present == former ? _over.Task : Task.CompletedTask;
        }
        await over.WaitAsync(cancellationToken);
        await CurrentAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _keeping;
        lock (_lock)
        {
            // Those who wait for the next life, and those who will ask.
            if (_current.Task.IsCompletedSuccessfully)
            {
                _current = new TaskCompletionSource<TorRun>();
            }
            _current.TrySetException(Stopped());
            _ = _current.Task.Exception;
            _over.TrySetResult();
        }
        _stopping.Dispose();
    }

    private static TorException Stopped() => new(TorError.Died, "Tor was stopped.");

    private async Task<TorRun> BeginAsync(CancellationToken cancellationToken)
    {
        // Looked for at every start: an update may have moved or mended it meanwhile.
        Program = await TorProgram.FindAsync(_options, _time, cancellationToken);
        TorRun run = await TorRun.StartAsync(Program, _options, _data, _folder, _board, _onEvent, _time, _logger, cancellationToken);
        try
        {
            await _setUp(run.Control, cancellationToken);
            return run;
        }
        catch
        {
            await run.DisposeAsync();
            throw;
        }
    }

    private async Task KeepAsync(TorRun run)
    {
        CancellationToken stop = _stopping.Token;
        TorRun? present = run;
        TimeSpan pause = s_firstPause;
        try
        {
            while (true)
            {
                long began = _time.GetTimestamp();
                string how = await present.EndedAsync(stop);
                lock (_lock)
                {
                    _current = new TaskCompletionSource<TorRun>(TaskCreationOptions.RunContinuationsAsynchronously);
                    _over.TrySetResult();
                    _over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                }
                // What it said last is heard before that it has ended: it would be taken for its successor's word.
                await present.Control.DisposeAsync();
                _board.Ended($"Tor ended ({how}).");
                _onEnd();
                pause = _time.GetElapsedTime(began) >= s_longLife ? s_firstPause : pause;
                TorLog.Ended(_logger, how, pause);
                await present.DisposeAsync();
                present = null;
                while (present is null)
                {
                    await Task.Delay(pause, _time, stop);
                    pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
                    present = await TryBeginAsync(pause, stop);
                }
                lock (_lock)
                {
                    _current.TrySetResult(present);
                }
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Stopped.
        }
        finally
        {
            if (present is not null)
            {
                await present.DisposeAsync();
            }
        }
    }

    private async Task<TorRun?> TryBeginAsync(TimeSpan nextPause, CancellationToken cancellationToken)
    {
        try
        {
            return await BeginAsync(cancellationToken);
        }
        catch (TorException e)
        {
            _board.Failed(e);
            TorLog.CannotRestart(_logger, e.Error, e.Message, nextPause);
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            var failure = new TorException(TorError.CannotStart, $"Tor's data folder cannot be written to: {ControlConnection.OneLine(e.Message)}", e);
            _board.Failed(failure);
            TorLog.CannotRestart(_logger, failure.Error, failure.Message, nextPause);
            return null;
        }
    }
}
