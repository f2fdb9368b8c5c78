using Microsoft.Extensions.Logging;
using Tacit.Storage;

namespace Tacit.Issuer.Issuance;

/// <summary>
/// Drops what was issued under keys that retired, an hour at a time and a piece at a time. A day late on purpose: a clock that jumped ahead and was put right
/// must not have forgotten what an account paid for.
/// </summary>
internal sealed partial class RetiredIssuance : IAsyncDisposable
{
    private const int RowsAtOnce = 2000;
    private static readonly TimeSpan s_interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan s_delay = TimeSpan.FromDays(1);

    private readonly IssuanceBook _book;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stop = new();
    private Task _loop = Task.CompletedTask;

    public RetiredIssuance(IssuanceBook book, TimeProvider time, ILogger log)
    {
        _book = book;
        _time = time;
        _log = log;
    }

    public void Start() => _loop = Task.Run(LoopAsync);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task LoopAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                while (await _book.DropRetiredAsync(_time.GetUtcNow(), s_delay, RowsAtOnce, _stop.Token) == RowsAtOnce)
                {
                    // Each piece is a transaction of its own, with room for others between.
                }

                await Task.Delay(s_interval, _time, _stop.Token);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (StorageException e)
            {
                LogNotDropped(_log, e.Message);
                await Task.Delay(s_interval, _time, CancellationToken.None).WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Rows of retired keys were not dropped: {Reason}")]
    private static partial void LogNotDropped(ILogger logger, string reason);
}
