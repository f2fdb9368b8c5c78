using System.Security.Cryptography;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;

namespace Tacit.Tor;

/// <summary>How a role's onion service and the tor that publishes it stand.</summary>
/// <param name="Tor">Tor; null before it was first started.</param>
/// <param name="IsPublished">Whether clients can find the service.</param>
/// <param name="HasProofOfWork">Whether clients are asked for proof of work under load.</param>
/// <param name="Fault">Why the service is not published, and what to try; null while nothing is wrong.</param>
public sealed record OnionHostStatus(TorStatus? Tor, bool IsPublished, bool HasProofOfWork, string? Fault);

/// <summary>
/// Keeps one onion service published for as long as its server runs: starts a tor for it, starts another when that could not be had, and tells of every change. What the
/// service leads to serves on meanwhile, whatever becomes of Tor.
/// </summary>
public sealed class OnionHost : IAsyncDisposable
{
    /// <summary>For this long a start waits for tor, to refuse what no waiting will mend: no tor program, one that is too old, a wrong setting.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(5);

    private readonly TorOptions _tor;
    private readonly OnionServiceOptions _service;
    private readonly Action<OnionService> _keep;
    private readonly Action<OnionHostStatus> _report;
    private readonly TimeProvider _time;
    private readonly ILoggerFactory _loggers;
    private readonly CancellationTokenSource _stop = new();
    private readonly TaskCompletionSource<TorException?> _first = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private byte[] _privateKey;
    private Task _loop = Task.CompletedTask;

    private OnionHost(
        TorOptions tor, OnionServiceOptions service, Action<OnionService> keep, Action<OnionHostStatus> report, TimeProvider time, ILoggerFactory loggers)
    {
        (_tor, _service, _keep, _report, _time, _loggers) = (tor, service, keep, report, time, loggers);
        _privateKey = service.PrivateKey.ToArray();
    }

    /// <summary>Begins, and returns once tor runs, or after ten seconds: what is not there by then is gone on with in the background.</summary>
    /// <param name="tor">How to run it.</param>
    /// <param name="service">What to publish. Without a key one is made.</param>
    /// <param name="keep">Keeps the key of a service that was just made, before anybody is told of it. Called once for each start of a service.</param>
    /// <param name="report">Called at every change, one call at a time.</param>
    /// <param name="time">The clock.</param>
    /// <param name="loggers">The log.</param>
    /// <param name="cancellationToken">Gives up.</param>
    /// <exception cref="TorException">Something that will not mend by itself: no tor, one that is too old, a wrong setting, a folder in use.</exception>
    /// <remarks>What <paramref name="keep"/> throws, other than that a file cannot be written now, ends the start as well.</remarks>
    public static Task<OnionHost> StartAsync(
        TorOptions tor, OnionServiceOptions service, Action<OnionService> keep, Action<OnionHostStatus> report, TimeProvider time, ILoggerFactory loggers,
        CancellationToken cancellationToken = default) => StartAsync(tor, service, keep, report, s_patience, time, loggers, cancellationToken);

    /// <param name="patience">How long to wait for tor before going on in the background.</param>
    internal static async Task<OnionHost> StartAsync(
        TorOptions tor, OnionServiceOptions service, Action<OnionService> keep, Action<OnionHostStatus> report, TimeSpan patience, TimeProvider time,
        ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tor);
        ArgumentNullException.ThrowIfNull(service);
        if (tor.Socks is not null)
        {
            throw new TorException(TorError.BadSetting, "A Tor that somebody else runs cannot be told to publish an onion service: leave Tor:Socks out to have one started.") { Setting = "Socks" };
        }

        var host = new OnionHost(tor, service, keep, report, time, loggers);
        try
        {
            host._loop = Task.Run(host.LoopAsync, CancellationToken.None);
            TorException? lasting = null;
            try
            {
                lasting = await host._first.Task.WaitAsync(patience, time, cancellationToken);
            }
            catch (TimeoutException)
            {
                // It takes long; whatever comes of it is reported.
            }

            return lasting is null ? host : throw lasting.Again();
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
    }

    /// <summary>Withdraws the service and ends tor.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        CryptographicOperations.ZeroMemory(_privateKey);
        _stop.Dispose();
    }

    private async Task LoopAsync()
    {
        TimeSpan pause = s_firstPause;
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await RunAsync(() => pause = s_firstPause);
            }
            catch (Exception) when (_stop.IsCancellationRequested)
            {
                // What ends is stopped, and no trouble to tell of.
                return;
            }
            catch (Exception e)
            {
                // Whatever it is, here is nobody else to tell of it: a loop that has ended unseen would look like a service that is about to come.
                _report(new OnionHostStatus(null, false, false, e.Message));
                if (e is TorException { Error: TorError.NotFound or TorError.TooOld or TorError.BadSetting or TorError.InUse } lasting && _first.TrySetResult(lasting))
                {
                    return;
                }
                if (e is not (TorException or IOException or UnauthorizedAccessException) && _first.TrySetException(e))
                {
                    // Such as a key that cannot be kept, as nothing is there to encrypt it under.
                    return;
                }

                _first.TrySetResult(null);
            }

            try
            {
                await Task.Delay(pause, _time, _stop.Token);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause;
        }
    }

    /// <summary>Runs one tor until it cannot be had back.</summary>
    private async Task RunAsync(Action published)
    {
        await using TorService tor = await TorService.StartAsync(_tor, _time, _loggers, _stop.Token);
        _report(new OnionHostStatus(tor.Status, false, false, null));
        await using OnionService service = await tor.PublishAsync(_service with { PrivateKey = _privateKey }, _stop.Token);
        _keep(service);
        if (_privateKey.Length == 0)
        {
            // The next tor is to publish the same service.
            _privateKey = service.PrivateKey.ToArray();
        }

        _first.TrySetResult(null);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        var statuses = Channel.CreateBounded<TorStatus>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropOldest });
        Task watch = WatchAsync(tor, statuses.Writer, ended.Token);
        try
        {
            await FollowAsync(service, statuses.Reader, published);
        }
        finally
        {
            await ended.CancelAsync();
            await watch;
        }
    }

    private static async Task WatchAsync(TorService tor, ChannelWriter<TorStatus> statuses, CancellationToken cancellationToken)
    {
        try
        {
            await foreach (TorStatus status in tor.WatchAsync(cancellationToken))
            {
                statuses.TryWrite(status);
            }
        }
        catch (OperationCanceledException)
        {
            // As asked.
        }
        finally
        {
            statuses.Complete();
        }
    }

    /// <summary>Tells of each change, of tor's and of the service's, until tor is given up.</summary>
    private async Task FollowAsync(OnionService service, ChannelReader<TorStatus> statuses, Action published)
    {
        TorStatus status = await statuses.ReadAsync(_stop.Token);
        Task<bool> changed = statuses.WaitToReadAsync(_stop.Token).AsTask();
        bool wasPublished = false;
        while (true)
        {
            bool isPublished = service.IsPublished && status.State is not (TorState.Restarting or TorState.Stopped);
            if (isPublished && !wasPublished)
            {
                published();
            }

            wasPublished = isPublished;
            _report(new OnionHostStatus(status, isPublished, service.HasProofOfWork, isPublished ? null : FaultOf(status)));
            // While tor is away a service may still pass for published, and then only tor's own change is worth waiting for.
            Task first = service.IsPublished ? changed : await Task.WhenAny(changed, service.WaitUntilPublishedAsync(_stop.Token));
            if (first != changed)
            {
                await first;
            }
            else if (!await changed)
            {
                throw new TorException(TorError.Died, "Tor has ended.");
            }

            if (statuses.TryRead(out TorStatus? next))
            {
                status = next;
                changed = statuses.WaitToReadAsync(_stop.Token).AsTask();
            }
        }
    }

    /// <summary>The same text for as long as it is the same trouble: whoever logs it at each change is to do it once.</summary>
    private static string? FaultOf(TorStatus status) => status switch
    {
        { Error: TorError.Died } or { State: TorState.Restarting or TorState.Stopped } => "Tor ended, and is started again.",
        { State: TorState.Stuck } or { Error: not null } => string.Join(' ', new[] { $"Tor: {status}.", status.Warning, status.Advice }.Where(part => !string.IsNullOrEmpty(part))),
        _ => null,
    };
}
