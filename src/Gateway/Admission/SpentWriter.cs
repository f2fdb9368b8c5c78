using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>
/// Writes in flight → spent behind the client's back, many rows in one work. Nothing depends on when it happens: until then the row says in flight, and a
/// repetition of the request after a crash would ask the provider again.
/// </summary>
internal sealed partial class SpentWriter : IAsyncDisposable
{
    /// <summary>Rows in one work: few enough that a spend that waits behind it does not notice.</summary>
    private const int RowsPerWork = 128;

    /// <summary>Rows that are sorted at once.</summary>
    internal const int MaxGathered = 64 * 1024;

    /// <summary>The longer, the more rows share a page. What it costs is that so many seconds of rows say in flight after a crash.</summary>
    private static readonly TimeSpan s_gather = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_pauseAfterFailure = TimeSpan.FromSeconds(5);

    private readonly Channel<SpendClaim> _claims = Channel.CreateUnbounded<SpendClaim>(new UnboundedChannelOptions { SingleReader = true });
    private readonly CancellationTokenSource _stop = new();
    private readonly SpendLedger _ledger;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Task _loop;

    public SpentWriter(SpendLedger ledger, TimeProvider time, ILogger log)
    {
        _ledger = ledger;
        _time = time;
        _log = log;
        _loop = RunAsync();
    }

    /// <summary>The room each claim takes here is bounded by the replies in memory, which each have at most one.</summary>
    public void Add(SpendClaim claim) => _claims.Writer.TryWrite(claim);

    /// <summary>Writes what waits and ends. A database that fails then keeps its rows in flight.</summary>
    public async ValueTask DisposeAsync()
    {
        _claims.Writer.TryComplete();
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        var gathered = new List<SpendClaim>();
        while (await _claims.Reader.WaitToReadAsync(CancellationToken.None))
        {
            // Gathered for a moment and sorted, so that rows which share a page are written with it once.
            await PauseAsync(s_gather);
            bool isMore;
            do
            {
                gathered.Clear();
                while (gathered.Count < MaxGathered && _claims.Reader.TryRead(out SpendClaim claim))
                {
                    gathered.Add(claim);
                }

                // Then without a pause: else more could come than are written.
                isMore = gathered.Count == MaxGathered;
                gathered.Sort(static (left, right) => left.Deadline != right.Deadline ? left.Deadline.CompareTo(right.Deadline) : left.Id.CompareTo(right.Id));
                if (!await TryWriteAllAsync(gathered))
                {
                    return;
                }
            }
            while (isMore);
        }
    }

    /// <summary>False if this is to end and the database fails.</summary>
    private async Task<bool> TryWriteAllAsync(List<SpendClaim> gathered)
    {
        for (int at = 0; at < gathered.Count; at += RowsPerWork)
        {
            List<SpendClaim> rows = gathered.GetRange(at, Math.Min(RowsPerWork, gathered.Count - at));
            while (!await TryWriteAsync(rows))
            {
                if (_stop.IsCancellationRequested)
                {
                    return false;
                }

                await PauseAsync(s_pauseAfterFailure);
            }
        }

        return true;
    }

    private async Task PauseAsync(TimeSpan time)
    {
        try
        {
            await Task.Delay(time, _time, _stop.Token);
        }
        catch (OperationCanceledException)
        {
            // What is left is written, and then it ends.
        }
    }

    private async Task<bool> TryWriteAsync(List<SpendClaim> batch)
    {
        try
        {
            await _ledger.FinishAsync(batch, CancellationToken.None);
            return true;
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogFailed(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Ended requests could not be recorded as such ({Kind}); trying again.")]
    private static partial void LogFailed(ILogger log, StorageErrorKind kind);
}
