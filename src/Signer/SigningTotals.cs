using Microsoft.Extensions.Logging;
using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Signer;

/// <summary>How many blinded elements were signed under one plan and period for one purpose.</summary>
internal sealed record SigningTotal(string PlanId, string PeriodKind, DateTimeOffset PeriodStart, SigningPurpose Purpose, long Signed);

/// <summary>
/// Counts signatures by plan, period and purpose, so that an operator can hold them against what issuer and gateways say they asked for. Written every few
/// seconds and at the end, not with each signature: what a crash loses makes the totals too small, never too large.
/// </summary>
internal sealed partial class SigningTotals : IAsyncDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(10);

    private readonly KeyStore _store;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly Lock _gate = new();
    private readonly long[] _sinceStart = new long[Enum.GetValues<SigningPurpose>().Length + 1];
    private Dictionary<(PlanKey Plan, SigningPurpose Purpose), long> _unwritten = [];

    public SigningTotals(KeyStore store, TimeProvider time, ILogger log)
    {
        _store = store;
        _log = log;
        _timer = time.CreateTimer(_ => _ = WriteAsync(), null, s_interval, s_interval);
    }

    /// <summary>Signed for a purpose since the start, over all plans.</summary>
    public long SinceStart(SigningPurpose purpose) => Volatile.Read(ref _sinceStart[(int)purpose]);

    public void Add(PlanKey plan, SigningPurpose purpose, long count)
    {
        Interlocked.Add(ref _sinceStart[(int)purpose], count);
        Put(plan, purpose, count);
    }

    private void Put(PlanKey plan, SigningPurpose purpose, long count)
    {
        lock (_gate)
        {
            _unwritten[(plan, purpose)] = _unwritten.GetValueOrDefault((plan, purpose)) + count;
        }
    }

    /// <summary>The totals up to now.</summary>
    public async Task<IReadOnlyList<SigningTotal>> ReadAsync(CancellationToken cancellationToken)
    {
        await WriteAsync();
        return await _store.LoadTotalsAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await WriteAsync();
        _writing.Dispose();
    }

    private async Task WriteAsync()
    {
        await _writing.WaitAsync();
        try
        {
            Dictionary<(PlanKey Plan, SigningPurpose Purpose), long> batch;
            lock (_gate)
            {
                batch = _unwritten;
                _unwritten = [];
            }

            if (batch.Count > 0 && !await TryWriteAsync(batch))
            {
                foreach (((PlanKey plan, SigningPurpose purpose), long count) in batch)
                {
                    Put(plan, purpose, count);
                }
            }
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task<bool> TryWriteAsync(Dictionary<(PlanKey Plan, SigningPurpose Purpose), long> batch)
    {
        try
        {
            await _store.AddToTotalsAsync(
            [
                .. batch.Select(pair => new SigningTotal(
                    pair.Key.Plan.PlanId, pair.Key.Plan.Period.Kind.ToName(), pair.Key.Plan.Start, pair.Key.Purpose, pair.Value)),
            ]);
            return true;
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogNotWritten(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The totals of signatures could not be written ({Kind}); they are kept in memory meanwhile.")]
    private static partial void LogNotWritten(ILogger log, StorageErrorKind kind);
}
