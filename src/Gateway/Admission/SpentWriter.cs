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
    private const int MaxBatch = 256;
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
        var batch = new List<SpendClaim>();
        while (await _claims.Reader.WaitToReadAsync(CancellationToken.None))
        {
            while (batch.Count < MaxBatch && _claims.Reader.TryRead(out SpendClaim claim))
            {
                batch.Add(claim);
            }

            while (!await TryWriteAsync(batch))
            {
                if (_stop.IsCancellationRequested)
                {
                    return;
                }

                try
                {
                    await Task.Delay(s_pauseAfterFailure, _time, _stop.Token);
                }
                catch (OperationCanceledException)
                {
                    // One more try, then the end.
                }
            }

            batch.Clear();
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
