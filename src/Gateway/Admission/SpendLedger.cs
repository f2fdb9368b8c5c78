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
    private readonly Database _database;
    private readonly byte[] _instance;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<DateTimeOffset, SpendTables.Statements> _open = new();
    private readonly Lock _pendingGate = new();
    private List<PendingSpend> _pending = [];
    private long _droppedUntil = long.MinValue;

    public SpendLedger(Database database, byte[] instance, TimeProvider time)
    {
        _database = database;
        _instance = instance;
        _time = time;
    }

    /// <summary>Reads which periods are open. Once, before anything else.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<(long Deadline, bool Dropped, int Layout)> periods = await _database.ReadAsync(
            static session => session.Query("SELECT deadline, dropped, layout FROM periods", static row => (row.Int64(0), row.Boolean(1), row.Int32(2))), cancellationToken);
        foreach ((long seconds, bool dropped, int layout) in periods)
        {
            if (dropped)
            {
                _droppedUntil = Math.Max(_droppedUntil, seconds);
            }
            else
            {
                DateTimeOffset deadline = DateTimeOffset.FromUnixTimeSeconds(seconds);
                var statements = new SpendTables.Statements(SpendTables.TableName(deadline));
                if (layout < SpendTables.Layout)
                {
                    await UpgradeAsync(seconds, statements, cancellationToken);
                }

                _open[deadline] = statements;
            }
        }
    }

    /// <summary>Adds the columns of chains to a table from before there were any; one of several instances does it.</summary>
    private Task UpgradeAsync(long deadline, SpendTables.Statements statements, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                if (session.Execute("UPDATE periods SET layout = $2 WHERE deadline = $1 AND layout < $2", deadline, SpendTables.Layout) == 1)
                {
                    foreach (string statement in statements.Upgrade)
                    {
                        session.Execute(session.Dialect.Render(statement));
                    }
                }
            },
            cancellationToken);

    /// <summary>Whether tokens of this deadline can be spent: their table stands.</summary>
    public bool IsOpen(DateTimeOffset deadline) => _open.ContainsKey(deadline);

    /// <summary>
    /// Creates the tables of these deadlines, ahead of the first spend. A deadline at or before one that was dropped stays closed, whatever the clock says
    /// now: its spends are forgotten, so its tokens can no longer be told from spent ones.
    /// </summary>
    public async Task OpenPeriodsAsync(IEnumerable<DateTimeOffset> deadlines, CancellationToken cancellationToken)
    {
        foreach (DateTimeOffset deadline in deadlines)
        {
            if (_open.ContainsKey(deadline) || deadline.ToUnixTimeSeconds() <= _droppedUntil)
            {
                continue;
            }

            var statements = new SpendTables.Statements(SpendTables.TableName(deadline));
            await _database.WriteAsync(
                session =>
                {
                    session.Execute(session.Dialect.Render(statements.Create));
                    session.Execute("INSERT INTO periods (deadline, dropped, layout) VALUES ($1, 0, $2) ON CONFLICT (deadline) DO NOTHING", deadline.ToUnixTimeSeconds(), SpendTables.Layout);
                },
                cancellationToken);
            _open[deadline] = statements;
        }
    }

    /// <summary>Forgets every period for which <paramref name="isOver"/> holds.</summary>
    public async Task DropPeriodsAsync(Func<DateTimeOffset, bool> isOver, CancellationToken cancellationToken)
    {
        foreach (DateTimeOffset deadline in _open.Keys.Where(isOver).Order().ToArray())
        {
            if (!_open.TryRemove(deadline, out SpendTables.Statements? statements))
            {
                continue;
            }

            _droppedUntil = Math.Max(_droppedUntil, deadline.ToUnixTimeSeconds());
            await _database.WriteAsync(
                session =>
                {
                    session.Execute(statements.Drop);
                    session.Execute("UPDATE periods SET dropped = 1 WHERE deadline = $1", deadline.ToUnixTimeSeconds());
                },
                cancellationToken);
        }
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
        var spend = new PendingSpend(deadline, id, requestTag, link);
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
    public async Task<SpendVerdict> SpendForExchangeAsync(DateTimeOffset deadline, SpendId id, byte[] requestTag, CancellationToken cancellationToken)
    {
        if (!_open.TryGetValue(deadline, out SpendTables.Statements? sql))
        {
            return SpendVerdict.PeriodOver;
        }

        byte[] key = id.ToArray();
        return await _database.WriteAsync(
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
            cancellationToken);
    }

    /// <summary>Whether the token was spent on the exchange with this tag.</summary>
    public async Task<bool> IsExchangedAsync(DateTimeOffset deadline, SpendId id, byte[] requestTag, CancellationToken cancellationToken) =>
        _open.TryGetValue(deadline, out SpendTables.Statements? sql)
        && await _database.ReadAsync(
            session => ReadRow(session, sql, id.ToArray()) is { State: SpendState.Spent } row
                && CryptographicOperations.FixedTimeEquals(row.RequestTag, requestTag),
            cancellationToken);

    /// <summary>In flight → spent, for several rows in one work. Rows that are no longer ours are left alone.</summary>
    public Task FinishAsync(IReadOnlyList<SpendClaim> claims, CancellationToken cancellationToken) =>
        _database.WriteAsync(
            session =>
            {
                foreach (SpendClaim claim in claims)
                {
                    if (_open.TryGetValue(claim.Deadline, out SpendTables.Statements? sql))
                    {
                        session.Execute(sql.Finish, claim.Id.ToArray(), _instance, claim.Returns, claim.Takeovers);
                    }
                }
            },
            cancellationToken);

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

        if (!_open.TryGetValue(claim.Deadline, out SpendTables.Statements? sql))
        {
            return ReturnOutcome.Spent;
        }

        bool returns = claim is { Returns: < SpendLimits.MaxReturns, Takeovers: 0 };
        string statement = returns ? sql.Return : sql.Finish;
        int changed = await _database.WriteAsync(
            session => session.Execute(statement, claim.Id.ToArray(), _instance, claim.Returns, claim.Takeovers), cancellationToken);
        return returns && changed == 1 ? ReturnOutcome.Returned : ReturnOutcome.Spent;
    }

    private async Task WritePendingAsync()
    {
        List<PendingSpend>? batch = null;
        try
        {
            await _database.WriteAsync(session =>
            {
                // Taken when the work runs, not when it was queued: whoever came meanwhile is in it. And if it runs again, so are those of the run before.
                batch = batch is null ? TakePending() : [.. batch, .. TakePending()];
                foreach (PendingSpend spend in batch)
                {
                    spend.Decision = Spend(session, spend);
                }

                CountChains(session, batch);
            });
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

        foreach (PendingSpend spend in batch!)
        {
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

    private SpendDecision Spend(Session session, PendingSpend spend)
    {
        (DateTimeOffset deadline, SpendId id, byte[] requestTag) = (spend.Deadline, spend.Id, spend.RequestTag);
        if (!_open.TryGetValue(deadline, out SpendTables.Statements? sql))
        {
            return new SpendDecision(SpendVerdict.PeriodOver, default);
        }

        byte[] key = id.ToArray();
        if (session.Execute(sql.Insert, key, requestTag, _instance, (int)SpendState.InFlight, spend.Link?.Hash) == 1)
        {
            return new SpendDecision(SpendVerdict.Granted, new SpendClaim(deadline, id, 0, 0));
        }

        if (ReadRow(session, sql, key) is not { } row)
        {
            return new SpendDecision(SpendVerdict.OtherRequest, default);
        }

        if (row.State == SpendState.Returned)
        {
            return session.Execute(sql.Reuse, key, requestTag, _instance, (int)SpendState.InFlight, row.Returns) == 1
                ? new SpendDecision(SpendVerdict.Granted, new SpendClaim(deadline, id, row.Returns, 0))
                : new SpendDecision(SpendVerdict.OtherRequest, default);
        }

        if (!CryptographicOperations.FixedTimeEquals(row.RequestTag, requestTag) || !ChainLink.IsSame(row.Successor, spend.Link?.Hash))
        {
            return new SpendDecision(SpendVerdict.OtherRequest, default);
        }

        if (row.State == SpendState.Spent)
        {
            return new SpendDecision(SpendVerdict.ReplyGone, default);
        }

        // In flight and the same request. The caller asks only for what it has not in memory, so a row of our own is one from before a restart.
        bool ours = row.Owner.AsSpan().SequenceEqual(_instance);
        if (!ours && LiveAddress(session, row.Owner) is string address)
        {
            return new SpendDecision(SpendVerdict.OwnedElsewhere, default, address);
        }

        return row.Takeovers < SpendLimits.MaxTakeovers
            && session.Execute(sql.TakeOver, key, _instance, row.Owner, row.Returns, row.Takeovers) == 1
                ? new SpendDecision(SpendVerdict.Granted, new SpendClaim(deadline, id, row.Returns, row.Takeovers + 1))
                : new SpendDecision(SpendVerdict.ReplyGone, default);
    }

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

        public SpendDecision Decision { get; set; }
    }
}
