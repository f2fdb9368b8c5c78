using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>
/// Which periods are open. Several instances on one database come to the same conclusion at about the same time: the row of a period is the lock that they make and
/// drop its table under, and what it says counts, not what an instance remembers.
/// </summary>
internal sealed partial class SpendLedger
{
    /// <summary>Reads which periods are open. Once, before anything else.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        foreach ((long seconds, int layout) in await ReadPeriodsAsync(cancellationToken))
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
            long seconds = deadline.ToUnixTimeSeconds();
            if (_open.ContainsKey(deadline) || seconds <= Volatile.Read(ref _droppedUntil))
            {
                continue;
            }

            var statements = new SpendTables.Statements(SpendTables.TableName(deadline));
            bool isOpen = await _database.WriteAsync(
                session =>
                {
                    // An update even of what is there: it waits for whoever makes or drops this table now, and tells what that did.
                    long dropped = session.QueryInt64(
                        """
                        INSERT INTO periods (deadline, dropped, layout) VALUES ($1, 0, $2)
                        ON CONFLICT (deadline) DO UPDATE SET layout = periods.layout RETURNING dropped
                        """,
                        seconds, SpendTables.Layout) ?? 0;
                    if (dropped != 0 || session.QueryInt64("SELECT MAX(deadline) FROM periods WHERE dropped = 1") >= seconds)
                    {
                        return false;
                    }

                    session.Execute(session.Dialect.Render(statements.Create));
                    return true;
                },
                cancellationToken);
            if (isOpen)
            {
                _open[deadline] = statements;
            }
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

            Interlocked.Increment(ref _closings);
            NoteDropped(deadline.ToUnixTimeSeconds());
            await _database.WriteAsync(
                session =>
                {
                    session.Execute("UPDATE periods SET dropped = 1 WHERE deadline = $1", deadline.ToUnixTimeSeconds());
                    session.Execute(statements.Drop);
                },
                cancellationToken);
        }
    }

    /// <summary>
    /// Runs something on a period's table. If another instance has dropped that meanwhile, the period is over here as well, and <paramref name="over"/> says so.
    /// </summary>
    private async Task<T> OnPeriodAsync<T>(DateTimeOffset deadline, T over, Func<SpendTables.Statements, Task<T>> action)
    {
        if (!_open.TryGetValue(deadline, out SpendTables.Statements? sql))
        {
            return over;
        }

        try
        {
            return await action(sql);
        }
        catch (StorageException e) when (e.Kind == StorageErrorKind.NoTable)
        {
            await ForgetDroppedAsync();
            if (_open.ContainsKey(deadline))
            {
                throw;
            }

            return over;
        }
    }

    /// <summary>
    /// Writes to the tables of those periods that are open when it runs; again, without them, if some were dropped by whomever since it was begun.
    /// </summary>
    private async Task OnOpenPeriodsAsync(Action<Session> work, CancellationToken cancellationToken)
    {
        while (true)
        {
            int closings = Volatile.Read(ref _closings);
            try
            {
                await _database.WriteAsync(work, cancellationToken);
                return;
            }
            catch (StorageException e) when (e.Kind == StorageErrorKind.NoTable)
            {
                await ForgetDroppedAsync();
                if (Volatile.Read(ref _closings) == closings)
                {
                    throw;
                }
            }
        }
    }

    /// <summary>Closes the periods that another instance has dropped.</summary>
    private async Task ForgetDroppedAsync()
    {
        HashSet<long> open = [.. (await ReadPeriodsAsync(CancellationToken.None)).Select(period => period.Deadline)];
        foreach (DateTimeOffset deadline in _open.Keys.Where(deadline => !open.Contains(deadline.ToUnixTimeSeconds())))
        {
            _open.TryRemove(deadline, out _);
            Interlocked.Increment(ref _closings);
        }
    }

    /// <summary>The open ones; of those that were dropped, the last is remembered.</summary>
    private async Task<IEnumerable<(long Deadline, int Layout)>> ReadPeriodsAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<(long Deadline, bool Dropped, int Layout)> periods = await _database.ReadAsync(
            static session => session.Query("SELECT deadline, dropped, layout FROM periods", static row => (row.Int64(0), row.Boolean(1), row.Int32(2))), cancellationToken);
        foreach ((long deadline, _, _) in periods.Where(period => period.Dropped))
        {
            NoteDropped(deadline);
        }

        return periods.Where(period => !period.Dropped).Select(period => (period.Deadline, period.Layout));
    }

    private void NoteDropped(long deadline)
    {
        lock (_pendingGate)
        {
            _droppedUntil = Math.Max(_droppedUntil, deadline);
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
}
