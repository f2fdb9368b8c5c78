using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Tacit.Storage;

namespace Tacit.Gateway.Chains;

/// <summary>What was spent of one plan in one period, over all instances on the database.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="Deadline">First moment after the period.</param>
/// <param name="Spent">Tokens spent, each once; those of request plans as far as it is written yet, and returned ones among them.</param>
/// <param name="Repeated">Renewals asked for again: exchanges of ended requests, and requests taken over from an instance that died.</param>
/// <param name="Renewed">Renewals that the signer gave, as far as it is written yet.</param>
public sealed record GatewayPlanTotals(string Plan, DateTimeOffset Deadline, long Spent, long Repeated, long Renewed);

/// <summary>Counters of tokens, and nothing of any one of them.</summary>
/// <param name="Plans">By deadline, then by plan.</param>
public sealed record GatewayTotals(IReadOnlyList<GatewayPlanTotals> Plans);

/// <summary>
/// Counts tokens by plan and period. What a renewal may be asked for is counted in the transaction that allows it, so spent + repeated is never less than what
/// the signer was asked, whatever crashes; what came of it is written a few seconds later.
/// </summary>
internal sealed partial class ChainTotals : IAsyncDisposable
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(10);

    private readonly Database _database;
    private readonly byte[] _instance;
    private readonly ILogger _log;
    private readonly ITimer _timer;
    private readonly SemaphoreSlim _writing = new(1);
    private readonly ConcurrentDictionary<(string Plan, DateTimeOffset Deadline), (long Spent, long Renewed)> _counts = new();
    private long _notRenewed;

    public ChainTotals(Database database, byte[] instance, TimeProvider time, ILogger log)
    {
        _database = database;
        _instance = instance;
        _log = log;
        _timer = time.CreateTimer(_ => _ = WriteAsync(), null, s_interval, s_interval);
    }

    /// <summary>Adds inside the work of a spend.</summary>
    public static void Add(Session session, byte[] instance, string plan, DateTimeOffset deadline, long spent, long repeated, long renewed = 0) => session.Execute(
        """
        INSERT INTO chain_total (plan, deadline, instance, spent, repeated, renewed) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (plan, deadline, instance) DO UPDATE SET
          spent = chain_total.spent + excluded.spent, repeated = chain_total.repeated + excluded.repeated, renewed = chain_total.renewed + excluded.renewed
        """,
        plan, deadline.ToUnixTimeSeconds(), instance, spent, repeated, renewed);

    /// <summary>Counts a renewal that is asked for again, durably; false if that cannot be.</summary>
    public async Task<bool> TryCountRepeatedAsync(ChainLink link)
    {
        try
        {
            await _database.WriteAsync(session => Add(session, _instance, link.Key.Plan.Id, link.Key.Deadline, spent: 0, repeated: 1));
            return true;
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogNotWritten(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
            return false;
        }
    }

    public void CountRenewed(ChainLink link) => Count(link.Key.Plan.Id, link.Key.Deadline, (0, 1));

    /// <summary>A token of a request plan, spent for the first time. In memory first: a report is not worth a statement for each prompt.</summary>
    public void CountSpent(string plan, DateTimeOffset deadline) => Count(plan, deadline, (1, 0));

    public void CountNotRenewed() => Interlocked.Increment(ref _notRenewed);

    public async Task<GatewayTotals> ReadAsync(CancellationToken cancellationToken)
    {
        await WriteAsync();
        return new GatewayTotals(await _database.ReadAsync(
            static session => session.Query(
                session.Dialect.Render("""
                    SELECT plan, deadline, CAST(SUM(spent) AS {int}), CAST(SUM(repeated) AS {int}), CAST(SUM(renewed) AS {int})
                    FROM chain_total GROUP BY plan, deadline ORDER BY deadline, plan
                    """),
                static row => new GatewayPlanTotals(row.Text(0), DateTimeOffset.FromUnixTimeSeconds(row.Int64(1)), row.Int64(2), row.Int64(3), row.Int64(4))),
            cancellationToken));
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await WriteAsync();
    }

    private async Task WriteAsync()
    {
        await _writing.WaitAsync();
        try
        {
            if (Interlocked.Exchange(ref _notRenewed, 0) is > 0 and long missed)
            {
                LogNotRenewed(_log, missed);
            }

            var batch = new List<((string Plan, DateTimeOffset Deadline) Key, (long Spent, long Renewed) Count)>();
            foreach ((string, DateTimeOffset) key in _counts.Keys)
            {
                if (_counts.TryRemove(key, out (long, long) count))
                {
                    batch.Add((key, count));
                }
            }

            if (batch.Count > 0 && !await TryWriteAsync(batch))
            {
                foreach (((string plan, DateTimeOffset deadline), (long, long) count) in batch)
                {
                    Count(plan, deadline, count);
                }
            }
        }
        finally
        {
            _writing.Release();
        }
    }

    private void Count(string plan, DateTimeOffset deadline, (long Spent, long Renewed) count) => _counts.AddOrUpdate(
        (plan, deadline), static (_, more) => more, static (_, sum, more) => (sum.Spent + more.Spent, sum.Renewed + more.Renewed), count);

    private async Task<bool> TryWriteAsync(List<((string Plan, DateTimeOffset Deadline) Key, (long Spent, long Renewed) Count)> batch)
    {
        try
        {
            await _database.WriteAsync(session =>
            {
                foreach (((string plan, DateTimeOffset deadline), (long spent, long renewed)) in batch)
                {
                    Add(session, _instance, plan, deadline, spent, repeated: 0, renewed);
                }
            });
            return true;
        }
        catch (Exception e) when (e is StorageException or ObjectDisposedException)
        {
            LogNotWritten(_log, (e as StorageException)?.Kind ?? StorageErrorKind.Unavailable);
            return false;
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "The signer did not renew {Count} chains in the last moments; their holders will ask again.")]
    private static partial void LogNotRenewed(ILogger log, long count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The totals of plans could not be written ({Kind}); they are kept in memory meanwhile.")]
    private static partial void LogNotWritten(ILogger log, StorageErrorKind kind);
}
