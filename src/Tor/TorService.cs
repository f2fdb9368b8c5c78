using System.Collections.Immutable;
using Microsoft.Extensions.Logging;
using Tacit.Tor.Control;
using Tacit.Tor.Daemon;
using Tacit.Tor.Socks;

namespace Tacit.Tor;

/// <summary>
/// A tor process of our own, kept running and controlled over a Unix socket, without any TCP port; or the SOCKS address of a Tor that somebody else runs.
/// </summary>
public sealed class TorService : IAsyncDisposable
{
    /// <summary>Whoever ends something waits this long for tor's answer: what is stopped must not wait for what hangs.</summary>
    private static readonly TimeSpan s_lastWord = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time = TimeProvider.System;
    private readonly StatusBoard? _board;
    private readonly DataFolder? _data;
    private readonly RunFolder? _folder;
    private readonly Supervisor? _supervisor;
    private readonly OnionPublisher? _publisher;
    private readonly Task _telling = Task.CompletedTask;

    /// <summary>Held while tor is told what to tell of, so that the last word is the right one.</summary>
    private readonly SemaphoreSlim _choosing = new(1);
    private ImmutableArray<TorObservation> _observations = [];
    private int _disposed;

    private TorService(SocksAddress socks) => Connector = new TorConnector(() => socks);

    private TorService(TorOptions options, DataFolder data, TimeProvider time, ILogger logger)
    {
        _time = time;
        _data = data;
        _folder = RunFolder.Create(data.FolderPath);
        var socks = Socks.SocksAddress.Unix(_folder.SocksSocket);
        Connector = new TorConnector(() => socks);
        _board = new StatusBoard(options.StuckAfter, options.Bridges.Count > 0, time);
        _publisher = new OnionPublisher(_folder);
        _supervisor = new Supervisor(options, data, _folder, _board, Note, SetUpAsync, _publisher.Forget, time, logger);
        _telling = LogAsync(_board, logger);
    }

    /// <summary>Tor at this moment.</summary>
    public TorStatus Status => _board?.Status ?? new TorStatus { State = TorState.External };

    /// <summary>Makes connections through this Tor. Until it is ready, Tor holds them back, for up to two minutes.</summary>
    public TorConnector Connector { get; }

    /// <summary>Starts tor; returns once it can be controlled, long before it is in the network. With <see cref="TorOptions.Socks"/> at once.</summary>
    /// <exception cref="TorException">It could not be started: not found, too old, a wrong setting …</exception>
    public static async Task<TorService> StartAsync(TorOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(time);
        ArgumentNullException.ThrowIfNull(loggers);
        if (options.Problems() is [var first, ..])
        {
            throw new TorException(TorError.BadSetting, $"Tor:{first.Key}: {first.Problem}. {first.Fix}") { Setting = first.Key };
        }
        if (options.Socks is { } socks)
        {
            return new TorService(Socks.SocksAddress.TryParse(socks)!);
        }
        if (OperatingSystem.IsWindows())
        {
            throw new TorException(TorError.CannotStart, "On Windows no tor is started. Start one, and set Tor:Socks to its SOCKS address, 127.0.0.1:9050.");
        }
        // First what costs nothing and leaves nothing behind.
        await TorProgram.FindAsync(options, time, cancellationToken);
        var data = DataFolder.Open(options.DataDirectory);
        TorService service;
        try
        {
            service = new TorService(options, data, time, loggers.CreateLogger("Tacit.Tor"));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            data.Dispose();
            throw new TorException(TorError.CannotStart, $"No folder can be made for Tor's sockets: {ControlConnection.OneLine(e.Message)}", e);
        }
        try
        {
            await service._supervisor!.StartAsync(cancellationToken);
            return service;
        }
        catch
        {
            await service.DisposeAsync();
            throw;
        }
    }

    /// <summary>The status now, and after every change; a reader that is slow misses what lay between. Ends when the service is stopped.</summary>
    public IAsyncEnumerable<TorStatus> WatchAsync(CancellationToken cancellationToken = default) => _board?.WatchAsync(cancellationToken) ?? One(Status);

    /// <summary>Waits until circuits can be built. With <see cref="TorState.External"/> nothing is known, and nothing waited for.</summary>
    /// <exception cref="TorException">Tor is, or gets, stuck, or was stopped; the message names the phase and what to try. Tor itself goes on trying.</exception>
    public Task WaitUntilReadyAsync(CancellationToken cancellationToken = default) => _board?.WaitUntilReadyAsync(cancellationToken) ?? Task.CompletedTask;

    /// <summary>Connections made from now on share no circuit with those made before, whatever their isolation (control-spec, SIGNAL NEWNYM).</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public async Task NewIdentityAsync(CancellationToken cancellationToken = default) =>
        await WithControlAsync(control => control.DoAsync("SIGNAL NEWNYM", cancellationToken), cancellationToken);

    /// <summary>Publishes an onion service; returns as soon as its address is known, see <see cref="OnionService.WaitUntilPublishedAsync"/>.</summary>
    /// <exception cref="TorException">A wrong option, or this Tor cannot be controlled.</exception>
    public async Task<OnionService> PublishAsync(OnionServiceOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        OnionPublisher.Check(options);
        return await WithControlAsync(
            async control =>
            {
                await ChooseEventsAsync(control, forService: true, cancellationToken);
                return await _publisher!.AddAsync(control, _supervisor!.Program!, options, WithdrawAsync, cancellationToken);
            },
            cancellationToken);
    }

    /// <summary>Makes a private key known by which an onion service that is open to authorized clients only can be reached. It is not written to disk.</summary>
    /// <param name="onionAddress"><c>….onion</c>.</param>
    /// <param name="privateKey">X25519, 32 bytes.</param>
    /// <exception cref="TorException">No such address or key, or this Tor cannot be controlled.</exception>
    public async Task AddClientKeyAsync(string onionAddress, ReadOnlyMemory<byte> privateKey, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(onionAddress);
        string serviceId = OnionKeys.ServiceId(onionAddress) ?? throw new TorException(TorError.OnionAddressInvalid, "That is no onion address: 56 characters and .onion.");
        if (privateKey.Length != OnionKeys.ClientKeySizeInBytes)
        {
            throw new TorException(TorError.OnionAuthWrong, "A key for an onion service has 32 bytes (X25519).");
        }
        OnionPublisher publisher = _publisher ?? throw NoControl();
        await WithControlAsync(
            async control =>
            {
                await publisher.AddClientKeyAsync(control, serviceId, privateKey, cancellationToken);
                return true;
            },
            cancellationToken);
    }

    /// <summary>All circuits there are now.</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public async Task<IReadOnlyList<TorCircuit>> CircuitsAsync(CancellationToken cancellationToken = default) =>
        await ListAsync("circuit-status", TorEvents.Circuit, cancellationToken);

    /// <summary>All connections there are now.</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public async Task<IReadOnlyList<TorConnection>> ConnectionsAsync(CancellationToken cancellationToken = default) =>
        await ListAsync("stream-status", TorEvents.Connection, cancellationToken);

    /// <summary>Begins to observe circuits and connections: what happens after the return is in the observation.</summary>
    /// <exception cref="TorException">This Tor cannot be controlled.</exception>
    public async Task<TorObservation> ObserveAsync(CancellationToken cancellationToken = default)
    {
        var observation = new TorObservation(ForgetAsync);
        ImmutableInterlocked.Update(ref _observations, all => all.Add(observation));
        try
        {
            return await WithControlAsync(
                async control =>
                {
                    await ChooseEventsAsync(control, forService: false, cancellationToken);
                    return observation;
                },
                cancellationToken);
        }
        catch
        {
            await ForgetAsync(observation);
            throw;
        }
    }

    /// <summary>Asks tor for a value of its own (control-spec, section 3.9); null if it does not know the key.</summary>
    internal async Task<string?> InfoAsync(string key, CancellationToken cancellationToken = default) => await WithControlAsync(control => control.InfoAsync(key, cancellationToken), cancellationToken);

    /// <summary>The process of the present life.</summary>
    internal async Task<int> ProcessIdAsync(CancellationToken cancellationToken = default) =>
        _supervisor is null ? throw NoControl() : (await _supervisor.CurrentAsync(cancellationToken)).ProcessId;

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0 || _board is null)
        {
            return;
        }
        await _supervisor!.DisposeAsync();
        _publisher!.Dispose();
        foreach (TorObservation observation in _observations)
        {
            observation.End();
        }
        _board.Stopped();
        await _telling;
        _board.Dispose();
        _folder!.Dispose();
        _data!.Dispose();
    }

    private static async IAsyncEnumerable<TorStatus> One(TorStatus status)
    {
        await Task.CompletedTask;
        yield return status;
    }

    private static TorException NoControl() =>
        new(TorError.NoControl, "This Tor is run by somebody else (setting Tor:Socks) and cannot be controlled. Leave the setting out to have one started.");

    private static async Task LogAsync(StatusBoard board, ILogger logger)
    {
        TorState last = TorState.Starting;
        await foreach (TorStatus status in board.WatchAsync(CancellationToken.None))
        {
            if (status.State == TorState.Ready && last != TorState.Ready)
            {
                TorLog.Ready(logger);
            }
            if (status.State == TorState.Stuck && last != TorState.Stuck)
            {
                TorLog.Stuck(logger, board.Stuck(status).Message);
            }
            last = status.State;
        }
    }

    /// <summary>Does something with the control connection; again with the next one, if tor ended meanwhile.</summary>
    private async Task<T> WithControlAsync<T>(Func<ControlConnection, Task<T>> work, CancellationToken cancellationToken)
    {
        if (_supervisor is null)
        {
            throw NoControl();
        }
        while (true)
        {
            TorRun run = await _supervisor.CurrentAsync(cancellationToken);
            try
            {
                return await work(run.Control);
            }
            catch (TorException e) when (e.Error == TorError.NoControl && run.Control.Ended.IsCompleted && _disposed == 0)
            {
                // The supervisor notices at the same time: wait until it has.
                await _supervisor.NextAsync(run, cancellationToken);
            }
        }
    }

    private async Task<IReadOnlyList<T>> ListAsync<T>(string key, Func<string, T?> parse, CancellationToken cancellationToken)
        where T : class
    {
        string lines = await InfoAsync(key, cancellationToken) ?? "";
        return [.. lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(parse).OfType<T>()];
    }

    /// <summary>A new life of tor: what it is to tell of, how far it is, and what it is to publish.</summary>
    private async Task SetUpAsync(ControlConnection control, CancellationToken cancellationToken)
    {
        await ChooseEventsAsync(control, forService: false, cancellationToken);
        if (await control.InfoAsync("status/bootstrap-phase", cancellationToken) is { } phase)
        {
            ControlWords words = ControlWords.Parse(phase);
            _board!.NoteClient(words.At(0), words.At(1), words);
        }
        await _publisher!.RestoreAsync(control, _supervisor!.Program!, cancellationToken);
    }

    /// <param name="forService">Whether an onion service is about to be published.</param>
    private async Task ChooseEventsAsync(ControlConnection control, bool forService, CancellationToken cancellationToken)
    {
        await _choosing.WaitAsync(cancellationToken);
        try
        {
            bool hasServices = forService || _publisher!.HasServices;
            await control.DoAsync(
                "SETEVENTS STATUS_CLIENT STATUS_GENERAL NETWORK_LIVENESS" + (hasServices ? " HS_DESC" : "") + (_observations.IsEmpty ? "" : " CIRC STREAM"), cancellationToken);
        }
        finally
        {
            _choosing.Release();
        }
    }

    private void Note(ControlReply told)
    {
        string line = told.Lines[0].Text;
        if (line.StartsWith("CIRC ", StringComparison.Ordinal))
        {
            Tell(new TorEvent { Circuit = TorEvents.Circuit(line["CIRC ".Length..]) });
        }
        else if (line.StartsWith("STREAM ", StringComparison.Ordinal))
        {
            Tell(new TorEvent { Connection = TorEvents.Connection(line["STREAM ".Length..]) });
        }
        else if (line.StartsWith("HS_DESC ", StringComparison.Ordinal))
        {
            _publisher!.Note(ControlWords.Parse(line));
        }
        else
        {
            _board!.Note(ControlWords.Parse(line));
        }
    }

    private void Tell(TorEvent told)
    {
        if (told.Circuit is null && told.Connection is null)
        {
            return;
        }
        foreach (TorObservation observation in _observations)
        {
            observation.Tell(told);
        }
    }

    private async ValueTask ForgetAsync(TorObservation observation)
    {
        observation.End();
        ImmutableArray<TorObservation> before = _observations;
        if (ImmutableInterlocked.Update(ref _observations, all => all.Remove(observation)) && before.Contains(observation) && _observations.IsEmpty && _disposed == 0)
        {
            await TryTellAsync(cancellationToken => _supervisor?.Present is { } run ? ChooseEventsAsync(run.Control, forService: false, cancellationToken) : Task.CompletedTask);
        }
    }

    private async ValueTask WithdrawAsync(OnionService service)
    {
        await TryTellAsync(cancellationToken => _publisher!.WithdrawAsync(service, cancellationToken));
    }

    /// <summary>Says something that is true anyhow once tor has ended. It is said then; that a tor which hangs has heard it is waited for only so long.</summary>
    private async Task TryTellAsync(Func<CancellationToken, Task> tell)
    {
        using var patience = new CancellationTokenSource(s_lastWord, _time);
        try
        {
            await tell(patience.Token);
        }
        catch (Exception e) when (e is TorException or OperationCanceledException)
        {
            // It has, or will see.
        }
    }
}
