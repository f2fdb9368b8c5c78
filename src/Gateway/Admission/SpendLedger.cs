using System.Collections.Concurrent;
using System.Security.Cryptography;
using Tacit.Gateway.Chains;
using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>
/// The spend record of law 2 as a small state machine whose states are rows and whose transitions are each one transaction.
/// <code>
/// (none) ──spend──► in flight ──finish──► spent
///                    │  ▲ └─ take over a dead owner's, at most twice
///             return ▼  │ spend again, any body
///                   returned, at most three times
/// </code>
/// </summary>
internal sealed partial class SpendLedger
{
    private const int InsertArguments = 5;

    private readonly Database _database;
    private readonly byte[] _instance;
    private readonly TimeProvider _time;
    private readonly GatewayMeter? _meter;
    private readonly ConcurrentDictionary<DateTimeOffset, SpendTables.Statements> _open = new();
    private readonly Lock _pendingGate = new();
    private List<PendingSpend> _pending = [];
    private long _droppedUntil = long.MinValue;
    private int _closings;

    public SpendLedger(Database database, byte[] instance, TimeProvider time, GatewayMeter? meter = null)
    {
        _meter = meter;
        _database = database;
        _instance = instance;
        _time = time;
    }

    /// <summary>
    /// Records the spend for a prompt, durably, or says why it cannot be. Spends that wait at the same time are one work of the database, each still decided
    /// by its own statements: what an insert costs around itself is then shared as the sync is.
    /// </summary>
    /// <param name="deadline">Of the token's period.</param>
    /// <param name="id">The token.</param>
    /// <param name="requestTag">The request.</param>
    /// <param name="link">For a chain token, the successor that the spend binds; null for a token of a request plan.</param>
    /// <exception cref="StorageException">Nothing was spent.</exception>
    public Task<SpendDecision> SpendAsync(DateTimeOffset deadline, SpendId id, byte[] requestTag, ChainLink? link = null)
    {
        var spend = new PendingSpend(deadline, id, requestTag, link) { Began = _meter is { Spend.Enabled: true } ? _time.GetTimestamp() : null };
        bool isFirst;
        lock (_pendingGate)
        {
            isFirst = _pending.Count == 0;
            _pending.Add(spend);
        }

        if (isFirst)
        {
            _ = WritePendingAsync();
        }

        return spend.Task;
    }

    /// <summary>
    /// Records the spend for an exchange. There is no state in flight: the signature is a function of the request, so the same request is granted again for
    /// ever, and a crash between spend and signature is repaired by asking again.
    /// </summary>
    public Task<SpendVerdict> SpendForExchangeAsync(DateTimeOffset deadline, SpendId id, byte[] requestTag, CancellationToken cancellationToken)
    {
        byte[] key = id.ToArray();
        return OnPeriodAsync(deadline, SpendVerdict.PeriodOver, sql => _database.WriteAsync(
            session =>
            {
                if (session.Execute(sql.Insert, key, requestTag, _instance, (int)SpendState.Spent, SqlValue.Null) == 1)
                {
                    return SpendVerdict.Granted;
                }

                return ReadRow(session, sql, key) switch
                {
                    { } row when row.State != SpendState.Returned && CryptographicOperations.FixedTimeEquals(row.RequestTag, requestTag) => SpendVerdict.Granted,
                    { State: SpendState.Returned } row
                        when session.Execute(sql.Reuse, key, requestTag, _instance, (int)SpendState.Spent, row.Returns) == 1 => SpendVerdict.Granted,
                    _ => SpendVerdict.OtherRequest,
                };
            },
            cancellationToken));
    }

    /// <summary>Whether the token was spent on the exchange with this tag.</summary>
    public Task<bool> IsExchangedAsync(DateTimeOffset deadline, SpendId id, byte[] requestTag, CancellationToken cancellationToken) =>
        OnPeriodAsync(deadline, false, sql => _database.ReadAsync(
            session => ReadRow(session, sql, id.ToArray()) is { State: SpendState.Spent } row
                && CryptographicOperations.FixedTimeEquals(row.RequestTag, requestTag),
            cancellationToken));

    /// <summary>In flight → spent, for several rows in one work. Rows that are no longer ours are left alone.</summary>
    public Task FinishAsync(IReadOnlyList<SpendClaim> claims, CancellationToken cancellationToken) =>
        OnOpenPeriodsAsync(session => Finish(session, claims), cancellationToken);

    /// <summary>
    /// In flight → returned, durably; or spent, if it was returned three times already, or its row was taken over before, when an earlier
    /// owner may have passed something on. A row that may be taken over once more is then left in flight, so that the same request can still be repeated.
    /// </summary>
    public async Task<ReturnOutcome> ReturnAsync(SpendClaim claim, CancellationToken cancellationToken)
    {
        if (claim.Takeovers is > 0 and < SpendLimits.MaxTakeovers)
        {
            return ReturnOutcome.LeftInFlight;
        }

        bool returns = claim is { Returns: < SpendLimits.MaxReturns, Takeovers: 0 };
        int changed = await OnPeriodAsync(claim.Deadline, 0, sql => _database.WriteAsync(
            session => session.Execute(returns ? sql.Return : sql.Finish, claim.Id.ToArray(), _instance, claim.Returns, claim.Takeovers), cancellationToken));
        return returns && changed == 1 ? ReturnOutcome.Returned : ReturnOutcome.Spent;
    }

    private async Task WritePendingAsync()
    {
        List<PendingSpend>? batch = null;
        try
        {
            await OnOpenPeriodsAsync(
                session =>
                {
                    // Taken when the work runs, not when it was queued: whoever came meanwhile is in it. And if it runs again, so are those of the run before.
                    batch = batch is null ? TakePending() : [.. batch, .. TakePending()];
                    Spend(session, batch);
                    CountChains(session, batch);
                },
                CancellationToken.None);
        }
#pragma warning disable CA1031 // Whoever waits gets it, whatever it is.
        catch (Exception e)
#pragma warning restore CA1031
        {
            foreach (PendingSpend spend in batch ?? TakePending())
            {
                spend.SetException(e);
            }

            return;
        }

        if (_meter is { SpendGroup.Enabled: true })
        {
            _meter.SpendGroup.Record(batch!.Count);
        }

        foreach (PendingSpend spend in batch!)
        {
            if (spend.Began is long began)
            {
                _meter!.Spend.Record(_time.GetElapsedTime(began).TotalSeconds);
            }

            spend.SetResult(spend.Decision);
        }
    }

    private List<PendingSpend> TakePending()
    {
        lock (_pendingGate)
        {
            List<PendingSpend> taken = _pending;
            _pending = new List<PendingSpend>(taken.Count);
            return taken;
        }
    }

    private void Finish(Session session, IReadOnlyList<SpendClaim> claims)
    {
        foreach (IGrouping<DateTimeOffset, SpendClaim> period in claims.GroupBy(claim => claim.Deadline))
        {
            if (_open.TryGetValue(period.Key, out SpendTables.Statements? sql))
            {
                session.ExecuteMany(sql.Finish, 4, period.SelectMany(claim => (SqlValue[])[claim.Id.ToArray(), _instance, claim.Returns, claim.Takeovers]).ToArray());
            }
        }
    }

    /// <summary>
    /// Decides all spends of a work: the inserts of each period in one message to the database, which settle nearly all of them, then one by one whoever comes with a
    /// token that is in the table. In the order of the ids, so that two instances never wait for each other, and the disk does not tell who came first.
    /// </summary>
    private void Spend(Session session, List<PendingSpend> batch)
    {
        foreach (IGrouping<DateTimeOffset, PendingSpend> period in batch.GroupBy(spend => spend.Deadline))
        {
            if (!_open.TryGetValue(period.Key, out SpendTables.Statements? sql))
            {
                foreach (PendingSpend spend in period)
                {
                    spend.Decision = new SpendDecision(SpendVerdict.PeriodOver, default);
                }

                continue;
            }

            (byte[] Key, PendingSpend Spend)[] sorted = [.. period.Select(spend => (spend.Id.ToArray(), spend))];
            Array.Sort(sorted, static (a, b) => a.Key.AsSpan().SequenceCompareTo(b.Key));
            var rows = new SqlValue[sorted.Length * InsertArguments];
            for (int i = 0; i < sorted.Length; i++)
            {
                (byte[] key, PendingSpend spend) = sorted[i];
                Span<SqlValue> row = rows.AsSpan(i * InsertArguments, InsertArguments);
                (row[0], row[1], row[2], row[3], row[4]) = (key, spend.RequestTag, _instance, (int)SpendState.InFlight, spend.Link?.Hash);
            }

            int[] inserted = session.ExecuteMany(sql.Insert, InsertArguments, rows);
            for (int i = 0; i < sorted.Length; i++)
            {
                (byte[] key, PendingSpend spend) = sorted[i];
                spend.Decision = inserted[i] == 1
                    ? new SpendDecision(SpendVerdict.Granted, new SpendClaim(spend.Deadline, spend.Id, 0, 0))
                    : SpendAgain(session, sql, key, spend);
            }
        }
    }

    /// <summary>Decides about a token that is in the table already; again where another instance changed its row meanwhile, which may have been with the same request.</summary>
    private SpendDecision SpendAgain(Session session, SpendTables.Statements sql, byte[] key, PendingSpend spend)
    {
        // Ends: a row only goes forward, and its returns and takeovers are few (SpendLimits).
        while (true)
        {
            if (TrySpendAgain(session, sql, key, spend) is { } decision)
            {
                return decision;
            }
        }
    }

    /// <summary>Null if the row was changed between reading and writing.</summary>
    private SpendDecision? TrySpendAgain(Session session, SpendTables.Statements sql, byte[] key, PendingSpend spend)
    {
        (DateTimeOffset deadline, SpendId id, byte[] requestTag) = (spend.Deadline, spend.Id, spend.RequestTag);
        if (ReadRow(session, sql, key) is not { } row)
        {
            return new SpendDecision(SpendVerdict.OtherRequest, default);
        }

        if (row.State == SpendState.Returned)
        {
            return session.Execute(sql.Reuse, key, requestTag, _instance, (int)SpendState.InFlight, row.Returns) == 1
                ? new SpendDecision(SpendVerdict.Granted, new SpendClaim(deadline, id, row.Returns, 0))
                : null;
        }

        if (!CryptographicOperations.FixedTimeEquals(row.RequestTag, requestTag) || !ChainLink.IsSame(row.Successor, spend.Link?.Hash))
        {
            return new SpendDecision(SpendVerdict.OtherRequest, default);
        }

        // The same request. The caller asks only for what it has not in memory, so a row of our own is one from before a restart, or whose reply was let go.
        string? address = row.Owner.AsSpan().SequenceEqual(_instance) ? null : LiveAddress(session, row.Owner);
        if (row.State == SpendState.Spent)
        {
            // It may still be kept where it was given; whether it is, only that instance knows.
            return string.IsNullOrEmpty(address)
                ? new SpendDecision(SpendVerdict.ReplyGone, default)
                : new SpendDecision(SpendVerdict.OwnedElsewhere, default, address);
        }

        if (address is not null)
        {
            return new SpendDecision(SpendVerdict.OwnedElsewhere, default, address);
        }

        // What was refused its renewal is over: judged again the prompt might pass, and its reply bring what the row denies for ever.
        if (row.RenewalRefused || row.Takeovers >= SpendLimits.MaxTakeovers)
        {
            return new SpendDecision(SpendVerdict.ReplyGone, default);
        }

        return session.Execute(sql.TakeOver, key, _instance, row.Owner, row.Returns, row.Takeovers) == 1
            ? new SpendDecision(SpendVerdict.Granted, new SpendClaim(deadline, id, row.Returns, row.Takeovers + 1))
            : null;
    }

    /// <summary>Whether the token is used, by another request than this. Only reads.</summary>
    public Task<bool> IsOtherRequestAsync(DateTimeOffset deadline, SpendId id, byte[] requestTag, ChainLink? link) =>
        OnPeriodAsync(deadline, false, sql => _database.ReadAsync(
            session => ReadRow(session, sql, id.ToArray()) is { State: not SpendState.Returned } row
                && !(CryptographicOperations.FixedTimeEquals(row.RequestTag, requestTag) && ChainLink.IsSame(row.Successor, link?.Hash))));

    /// <summary>Whether there is a row. Only reads.</summary>
    public Task<bool> HasRowAsync(DateTimeOffset deadline, SpendId id) =>
        OnPeriodAsync(deadline, false, sql => _database.ReadAsync(session => ReadRow(session, sql, id.ToArray()) is not null));

    /// <summary>The address of the live instance that answers a request with the token, if it is another one.</summary>
    public Task<string?> FindOwnerAsync(DateTimeOffset deadline, SpendId id, CancellationToken cancellationToken) =>
        OnPeriodAsync<string?>(deadline, null, sql => _database.ReadAsync(
            session => ReadRow(session, sql, id.ToArray()) is { State: SpendState.InFlight } row && !row.Owner.AsSpan().SequenceEqual(_instance)
                ? LiveAddress(session, row.Owner)
                : null,
            cancellationToken));

    private string? LiveAddress(Session session, byte[] owner) =>
        session.QuerySingle(
            "SELECT address FROM instances WHERE id = $1 AND lease_until > $2", static row => row.Text(0), owner, _time.GetUtcNow().ToUnixTimeSeconds());

    private static SpendRow? ReadRow(Session session, SpendTables.Statements sql, byte[] key) =>
        session.TryQuerySingle(sql.Read, SpendRow.From, out SpendRow row, key) ? row : null;

    /// <summary>A spend that waits for the next work, and later its outcome.</summary>
    private sealed class PendingSpend(DateTimeOffset deadline, SpendId id, byte[] requestTag, ChainLink? link)
        : TaskCompletionSource<SpendDecision>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public DateTimeOffset Deadline => deadline;

        public SpendId Id => id;

        public byte[] RequestTag => requestTag;

        public ChainLink? Link => link;

        /// <summary>When it was asked for, where that is measured.</summary>
        public long? Began { get; init; }

        public SpendDecision Decision { get; set; }
    }
}
