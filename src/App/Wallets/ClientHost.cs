using Microsoft.Extensions.Logging;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Storage;

namespace Tacit.App.Wallets;

/// <summary>What answers the app's prompts.</summary>
[System.Text.Json.Serialization.JsonConverter(typeof(PageEnum<AppMode>))]
public enum AppMode
{
    /// <summary>Nothing yet: the page makes a wallet.</summary>
    Setup,

    /// <summary>A wallet, whose tokens pay.</summary>
    Wallet,

    /// <summary>A gateway that knows this device's key.</summary>
    Device,
}

/// <summary>
/// Holds what answers the app's prompts: a wallet's client, a device's, or nothing yet. Opens it anew where settings change or the set-up ends, once nothing is under way:
/// prompts and calls to the issuer that come meanwhile wait, since the way they are carried is what was changed. Thread safe.
/// </summary>
public sealed partial class ClientHost : IPromptSender, IAsyncDisposable
{
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private readonly ILogger _log;
    private readonly Func<AppOptions>? _reload;
    private readonly bool _owns;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly List<Notice> _notices = [];

    private Opened _current;
    private Exception? _failure;
    private int _uses;
    private bool _serving;
    private bool _disposed;

    /// <summary>Done when nothing is under way; null while nobody waits for that.</summary>
    private TaskCompletionSource? _quiet;

    /// <summary>Done when the client is open again; null while prompts may begin.</summary>
    private TaskCompletionSource? _closed;
    private bool _isExchanging;
    private Task _change = Task.CompletedTask;

    private ClientHost(AppOptions options, Opened current, bool owns, TimeProvider time, ILoggerFactory loggers, string? settingsFile, Func<AppOptions>? reload)
    {
        (Options, _current, _owns, _time, _loggers, _reload) = (options, current, owns, time, loggers, reload);
        _log = loggers.CreateLogger<ClientHost>();
        SettingsFile = settingsFile ?? Path.Combine(options.DataDirectory, AppOptions.SettingsFileName);
        Listen(current);
    }

    /// <summary>What is now there to ask with, or no longer; called without a lock held, and must not wait.</summary>
    public event Action? Changed;

    /// <summary>A prompt or a call has ended, which may have changed what the wallet holds; must not wait.</summary>
    public event Action? Activity;

    /// <summary>A notice of the wallet's; must not wait.</summary>
    public event Action<Notice>? NoticePosted;

    public AppOptions Options { get; private set; }

    /// <summary>The JSON file that changes of settings are written to.</summary>
    public string SettingsFile { get; }

    /// <summary>The app's own address, once it listens: told to whoever asks before the set-up.</summary>
    public Uri? Address { get; internal set; }

    public AppMode Mode => Current.Wallet is not null ? AppMode.Wallet : Current.Device is not null ? AppMode.Device : AppMode.Setup;

    /// <summary>The wallet's client; null where there is none. May be closed at any time: what goes on for longer takes <see cref="UseAsync"/>.</summary>
    public TacitClient? Wallet => Current.Wallet;

    public DeviceClient? Device => Current.Device;

    /// <summary>Whether settings wait for what is under way to end.</summary>
    public bool IsChanging
    {
        get
        {
            lock (_gate)
            {
                return _closed is not null;
            }
        }
    }

    /// <summary>The last day's, those of before the client was last opened included.</summary>
    public IReadOnlyList<Notice> Notices
    {
        get
        {
            lock (_gate)
            {
                return [.. _notices.Where(notice => notice.At > _time.GetUtcNow().AddDays(-1))];
            }
        }
    }

    private Opened Current
    {
        get
        {
            lock (_gate)
            {
                return _current;
            }
        }
    }

    /// <summary>Opens what the data folder has: a device's key where the settings say so, else a wallet, else nothing yet.</summary>
    /// <param name="settingsFile">Where changes of settings are written down; null takes <c>app.json</c> in the data folder.</param>
    /// <param name="reload">Reads the settings again from wherever they come; null takes changes as they were made here.</param>
    /// <exception cref="ClientException">What is there cannot be opened.</exception>
    /// <exception cref="StorageException">For one because another process has the wallet.</exception>
    public static async Task<ClientHost> OpenAsync(
        AppOptions options, TimeProvider time, ILoggerFactory loggers, string? settingsFile = null, Func<AppOptions>? reload = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new ClientHost(options, await OpenAsync(options, time, loggers, cancellationToken), owns: true, time, loggers, settingsFile, reload);
    }

    /// <summary>Around a client that somebody else has opened, and disposes of.</summary>
    public static ClientHost Around(AppOptions options, TacitClient client, TimeProvider time, ILoggerFactory loggers) =>
        new(options, new Opened(client, null), owns: false, time, loggers, null, null);

    /// <inheritdoc cref="Around(AppOptions, TacitClient, TimeProvider, ILoggerFactory)"/>
    public static ClientHost Around(AppOptions options, DeviceClient device, TimeProvider time, ILoggerFactory loggers) =>
        new(options, new Opened(null, device), owns: false, time, loggers, null, null);

    /// <summary>How connections are made; null while there is nothing to make any with.</summary>
    public TransportPool? Transports => Current is var current ? current.Wallet?.Transports ?? current.Device?.Transports : null;

    /// <summary>A key for what the app keeps; null while there is neither wallet nor device. Derived from the seed, so that it is the same whenever the client is opened.</summary>
    public LocalKey? DeriveLocalKey(string purpose) => Current is var current ? current.Wallet?.Wallet.DeriveLocalKey(purpose) ?? current.Device?.DeriveLocalKey(purpose) : null;

    /// <summary>Called once the app listens: the wallet's schedule begins, and Tor is started if it will be needed.</summary>
    internal async Task ServeAsync(Uri address, CancellationToken cancellationToken)
    {
        Address = address;
        _serving = true;
        await BeginAsync(Current, cancellationToken);
    }

    /// <exception cref="ClientException">Somebody else has opened the client, and it cannot be opened anew.</exception>
    internal void RequireOwned()
    {
        if (!_owns)
        {
            throw SetupErrors.NotOwned();
        }
    }

    /// <summary>Takes settings that need nothing to be opened anew.</summary>
    internal void Adopt(AppOptions options)
    {
        lock (_gate)
        {
            Options = options;
        }
    }

    /// <summary>
    /// Opens the client anew under these settings: at once where nothing is under way, else as soon as that has ended. Nothing is lost: what has begun goes to its end by the
    /// way it began.
    /// </summary>
    /// <returns>Whether it was done at once.</returns>
    internal async Task<bool> ReopenAsync(AppOptions options)
    {
        Task change;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            Options = options;
            if (_closed is null)
            {
                _closed = NewSource();
                _change = ExchangeAsync();
            }
            change = _change;
            if (_uses > 0)
            {
                return false;
            }
        }
        await change;
        return true;
    }

    /// <summary>Puts in what the set-up has made.</summary>
    internal async Task InstallAsync(AppOptions options, TacitClient? wallet, DeviceClient? device, CancellationToken cancellationToken)
    {
        var opened = new Opened(wallet, device);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            (Options, _current, _failure) = (options, opened, null);
        }
        Listen(opened);
        await BeginAsync(opened, cancellationToken);
        TellChanged();
    }

    /// <summary>The settings as they are read from file, environment and flags, or as they were changed here.</summary>
    internal AppOptions Reload(AppOptions changed) => _reload?.Invoke() ?? changed;

    /// <summary>While there is nothing to ask with: whether a command has made a wallet meanwhile, which is then opened.</summary>
    /// <returns>False if there still is none.</returns>
    internal async Task<bool> LookForWalletAsync(CancellationToken cancellationToken)
    {
        if (!_owns || Mode != AppMode.Setup || !Tacit.Client.Wallet.Exists(Options.DataDirectory))
        {
            return Mode != AppMode.Setup;
        }
        await _opening.WaitAsync(cancellationToken);
        try
        {
            if (Mode == AppMode.Setup)
            {
                AppOptions options = Reload(Options);
                Opened opened = await OpenAsync(options, _time, _loggers, cancellationToken);
                await InstallAsync(options, opened.Wallet, opened.Device, cancellationToken);
            }
            return true;
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <summary>Makes sure that no two set-ups, and no set-up and <see cref="LookForWalletAsync"/>, run at once.</summary>
    internal async Task<T> SetUpAloneAsync<T>(Func<Task<T>> setUp, CancellationToken cancellationToken)
    {
        if (await LookForWalletAsync(cancellationToken))
        {
            throw SetupErrors.AlreadySetUp();
        }
        await _opening.WaitAsync(cancellationToken);
        try
        {
            return Mode == AppMode.Setup ? await setUp() : throw SetupErrors.AlreadySetUp();
        }
        finally
        {
            _opening.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Task change;
        lock (_gate)
        {
            if (_disposed)
            {
                return;
            }
            _disposed = true;
            change = _change;
            // What waits for settings is told that it is over; what runs is ended by closing the client.
            _quiet?.TrySetResult();
        }
        await _stop.CancelAsync();
        await change;
        if (_owns)
        {
            await CloseAsync(Current);
        }
        _stop.Dispose();
        _opening.Dispose();
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static async Task<Opened> OpenAsync(AppOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        options.Device ? new Opened(null, options.OpenDevice(time, loggers: loggers))
        : Tacit.Client.Wallet.Exists(options.DataDirectory) ? new Opened(await TacitClient.OpenAsync(options.ToClientOptions(), time, loggers, cancellationToken), null)
        : new Opened(null, null);

    private static async Task CloseAsync(Opened opened)
    {
        if (opened.Wallet is not null)
        {
            await opened.Wallet.DisposeAsync();
        }
        if (opened.Device is not null)
        {
            await opened.Device.DisposeAsync();
        }
    }

    /// <summary>The address of the app's page.</summary>
    internal string Page => (Address ?? new Uri($"http://127.0.0.1:{AppOptions.DefaultPort}")).GetLeftPart(UriPartial.Authority);

    /// <summary>Waits until nothing is under way, closes the client and opens it under the settings as they are by then.</summary>
    private async Task ExchangeAsync()
    {
        // Not under the caller's lock.
        await Task.Yield();
        Opened before;
        while (true)
        {
            Task quiet;
            lock (_gate)
            {
                if (_uses == 0 || _disposed)
                {
                    (_isExchanging, before) = (true, _current);
                    break;
                }
                quiet = (_quiet ??= NewSource()).Task;
            }
            await quiet;
            lock (_gate)
            {
                _quiet = null;
            }
        }
        Opened after = before;
        Exception? failure = null;
        AppOptions options = Options;
        if (!_stop.IsCancellationRequested)
        {
            after = new Opened(null, null);
            try
            {
                await CloseAsync(before);
            }
            catch (Exception e)
            {
                // What it still holds, opening says; whoever waits here must not wait for ever.
                LogNotClosed(e.GetType().Name);
            }
            try
            {
                after = await OpenAsync(options, _time, _loggers, _stop.Token);
                Listen(after);
                await BeginAsync(after, _stop.Token);
            }
            catch (Exception e)
            {
                // The next change of settings, or start, tries again; whoever asks meanwhile hears why.
                failure = e;
            }
        }
        TaskCompletionSource? closed = null;
        lock (_gate)
        {
            (_current, _failure, _isExchanging) = (after, failure, false);
            if (Options != options && !_disposed)
            {
                // Settings that changed while this was going on are taken at once.
                _change = ExchangeAsync();
            }
            else
            {
                (closed, _closed) = (_closed, null);
            }
        }
        closed?.TrySetResult();
        TellChanged();
    }

    /// <summary>A listener that fails holds up neither the others nor the change, which has happened.</summary>
    private void TellChanged()
    {
        foreach (Action listener in Changed?.GetInvocationList().Cast<Action>() ?? [])
        {
            try
            {
                listener();
            }
            catch (Exception e)
            {
                LogNotTold(e.GetType().Name);
            }
        }
    }

    private async Task BeginAsync(Opened opened, CancellationToken cancellationToken)
    {
        if (!_serving)
        {
            return;
        }
        if (opened.Wallet is TacitClient client)
        {
            await client.StartTransportAsync(cancellationToken);
            client.Refills.Start();
        }
        opened.Device?.StartTransport();
    }

    private void Listen(Opened opened)
    {
        if (opened.Wallet is TacitClient client)
        {
            foreach (Notice notice in client.Notices.Latest)
            {
                Keep(notice);
            }
            client.Notices.Posted += notice =>
            {
                Keep(notice);
                NoticePosted?.Invoke(notice);
            };
        }

        void Keep(Notice notice)
        {
            lock (_gate)
            {
                _notices.Add(notice);
                if (_notices.Count > 50)
                {
                    _notices.RemoveAt(0);
                }
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The client could not be closed in order before it was opened anew ({Kind}).")]
    private partial void LogNotClosed(string kind);

    [LoggerMessage(Level = LogLevel.Error, Message = "What follows the client could not follow a change ({Kind}).")]
    private partial void LogNotTold(string kind);

    private sealed record Opened(TacitClient? Wallet, DeviceClient? Device);
}
