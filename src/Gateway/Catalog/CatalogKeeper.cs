using Microsoft.Extensions.Logging;
using Tacit.Crypto;
using Tacit.Hosting;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Gateway.Catalog;

/// <summary>
/// Keeps the catalog up to date: fetches the directory, checks it against the pinned key and against the one before, and keeps the last good one on disk, so
/// that a restart does not need the issuer.
/// </summary>
internal sealed partial class CatalogKeeper : IAsyncDisposable
{
    private static readonly TimeSpan s_fetchTimeout = TimeSpan.FromSeconds(15);

    private readonly DirectoryFetch? _fetch;
    private readonly GatewayOptions _options;
    private readonly IReadOnlyList<string> _models;
    private readonly Ed25519PublicKey? _directoryKey;
    private readonly Func<PlanCatalog, bool, CancellationToken, Task> _adopt;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private readonly SemaphoreSlim _gate = new(1);
    private Task _loop = Task.CompletedTask;
    private PlanCatalog? _current;
    private ReadOnlyMemory<byte>[] _document = [default];

    /// <param name="fetch">Where the document comes from; null for a gateway that has no issuer.</param>
    /// <param name="options">Name, pinned key, data directory.</param>
    /// <param name="models">The models that this gateway can serve.</param>
    /// <param name="adopt">Called with each new catalog before it is used, and whether it is the one kept on disk; again when the issuer confirms that one.</param>
    public CatalogKeeper(
        DirectoryFetch? fetch, GatewayOptions options, IReadOnlyList<string> models, Func<PlanCatalog, bool, CancellationToken, Task> adopt, TimeProvider time, ILogger log)
    {
        _fetch = fetch;
        _options = options;
        _models = models;
        _adopt = adopt;
        _time = time;
        _log = log;
        _ = GatewayOptions.TryDecodeKey(options.DirectoryKey, out byte[] key);
        _directoryKey = fetch is null ? null : Ed25519PublicKey.Import(key);
    }

    public PlanCatalog Current => _current ?? throw new InvalidOperationException("Start first.");

    /// <summary>The directory that <see cref="Current"/> was made from, as the issuer signed it.</summary>
    public ReadOnlyMemory<byte> Document => Volatile.Read(ref _document)[0];

    private string CachePath => Path.Combine(_options.DataDirectory, "issuer-directory.json");

    /// <summary>Takes up the cached directory or a fetched one, the newer of both.</summary>
    /// <exception cref="SettingsException">There is neither, or it does not list this gateway.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        if (_fetch is null)
        {
            _current = PlanCatalog.WithoutIssuer;
            return;
        }

        string? cacheFault = null;
        if (File.Exists(CachePath))
        {
            cacheFault = await TryAdoptAsync(await File.ReadAllBytesAsync(CachePath, cancellationToken), isCached: true, cancellationToken);
        }

        string? fault = await RefreshAsync(cancellationToken);
        if (_current is null)
        {
            throw new SettingsException(new SettingsProblem(
                _options.IssuerUrl is null ? "DirectoryKey" : "IssuerUrl",
                $"no usable issuer directory: {fault ?? cacheFault}",
                "Start the issuer first and check IssuerUrl, DirectoryKey and Name."));
        }

        _loop = RunAsync();
    }

    /// <summary>Looks for a newer directory now instead of at its time. Trouble is logged.</summary>
    public async Task LookForNewerAsync(CancellationToken cancellationToken)
    {
        if (_fetch is null)
        {
            return;
        }

        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _stop.Token);
        if (await TryRefreshAsync(either.Token) is string fault)
        {
            LogNotRefreshed(_log, fault);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
        _gate.Dispose();
        _directoryKey?.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(_options.DirectoryRefresh, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                if (await TryRefreshAsync(_stop.Token) is string fault)
                {
                    LogNotRefreshed(_log, fault);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    /// <summary>A full disk must not be the end of all refreshing: the keys in use would run out.</summary>
    private async Task<string?> TryRefreshAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await RefreshAsync(cancellationToken);
        }
        catch (StorageException e)
        {
            return $"the tables of its periods cannot be made ({e.Kind})";
        }
    }

    private async Task<string?> RefreshAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        try
        {
            return await FetchAsync(cancellationToken);
        }
        finally
        {
            _gate.Release();
        }
    }

    private async Task<string?> FetchAsync(CancellationToken cancellationToken)
    {
        ReadOnlyMemory<byte> document;
        using var timeout = new CancellationTokenSource(s_fetchTimeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, timeout.Token);
        try
        {
            document = await _fetch!(either.Token);
        }
#pragma warning disable CA1031 // The source may be the issuer itself, in this process; whatever it throws, the last directory stays good.
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
#pragma warning restore CA1031
        {
            return $"the issuer does not hand it out: {PublicDocument.FaultOf(e)}";
        }

        return await TryAdoptAsync(document, isCached: false, cancellationToken);
    }

    /// <summary>Null if the directory is the current one now, or was already; else what is wrong with it.</summary>
    private async Task<string?> TryAdoptAsync(ReadOnlyMemory<byte> document, bool isCached, CancellationToken cancellationToken)
    {
        if (!IssuerDirectory.TryParse(document, out IssuerDirectory? directory, out string? error))
        {
            return error;
        }

        if (!directory.Verify((message, signature) => _directoryKey!.Verify(message.Span, signature.Span)))
        {
            return "the directory is not signed with the pinned DirectoryKey";
        }

        if (_current?.Directory is { } known)
        {
            if (directory.Sequence == known.Sequence && directory.Hash().AsSpan().SequenceEqual(known.Hash()))
            {
                if (!isCached)
                {
                    await _adopt(_current, false, cancellationToken);
                }

                return null;
            }

            // A directory that goes back, or two with one number, is how a single user or gateway would be shown other keys.
            if (directory.Sequence < known.Sequence)
            {
                return "the directory's number went back";
            }

            if (directory.FindConflict(known) is string conflict)
            {
                return "two directories contradict each other: " + conflict;
            }
        }

        if (PlanCatalog.TryCreate(directory, _options.Name, _models, _current, out string? fault) is not { } catalog)
        {
            return fault;
        }

        await _adopt(catalog, isCached, cancellationToken);
        if (!isCached)
        {
            await SaveAsync(document, cancellationToken);
        }

        // In an array, since a Memory cannot be swapped in one step.
        Volatile.Write(ref _document, [document.ToArray()]);
        Volatile.Write(ref _current, catalog);
        LogAdopted(_log, directory.Sequence);
        return null;
    }

    private async Task SaveAsync(ReadOnlyMemory<byte> document, CancellationToken cancellationToken)
    {
        try
        {
            string temporary = CachePath + ".new";
            await File.WriteAllBytesAsync(temporary, document, cancellationToken);
            File.Move(temporary, CachePath, overwrite: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            LogNotSaved(_log);
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Using issuer directory {Sequence}.")]
    private static partial void LogAdopted(ILogger log, long sequence);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The issuer directory was not refreshed: {Fault}")]
    private static partial void LogNotRefreshed(ILogger log, string fault);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The issuer directory could not be saved; a restart would need the issuer.")]
    private static partial void LogNotSaved(ILogger log);
}
