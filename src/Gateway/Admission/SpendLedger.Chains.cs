using Tacit.Gateway.Chains;
using Tacit.Storage;

namespace Tacit.Gateway.Admission;

/// <summary>What may be done about a renewal that a client asks for apart from a reply.</summary>
internal enum RenewalVerdict
{
    /// <summary>The row binds this successor and its request has ended: it may be signed.</summary>
    Granted,

    /// <summary>The request is still under way at an instance that lives.</summary>
    InFlight,

    /// <summary>The row binds another successor.</summary>
    OtherSuccessor,

    /// <summary>The operator refused the renewal.</summary>
    Refused,

    /// <summary>The period is over.</summary>
    PeriodOver,
}

/// <summary>Chains: the row of a token binds its successor with its insert, and from then on says only whether it may be signed yet.</summary>
internal sealed partial class SpendLedger
{
    /// <summary>
    /// Whether the successor may be signed: an unspent token is spent and bound by this, one whose request has ended gets the same again, and a request whose owner
    /// died ends here. Durable when it completes, so that a crash before the signature is repaired by asking again.
    /// </summary>
    /// <param name="id">The token.</param>
    /// <param name="requestTag">Of this call; only a token that is not spent yet takes it.</param>
    /// <param name="link">The successor.</param>
    /// <param name="isLiveHere">Whether this process answers a request with the token. Asked inside the work: a reply is in memory before its row is written.</param>
    public Task<RenewalVerdict> BindForRenewalAsync(SpendId id, byte[] requestTag, ChainLink link, Func<SpendId, bool> isLiveHere)
    {
        DateTimeOffset deadline = link.Key.Deadline;
        byte[] key = id.ToArray();
        return OnPeriodAsync(deadline, RenewalVerdict.PeriodOver, sql => _database.WriteAsync(session =>
        {
            if (session.Execute(sql.Insert, key, requestTag, _instance, (int)SpendState.Spent, link.Hash) == 1)
            {
                ChainTotals.Add(session, _instance, link.Key.Plan.Id, deadline, spent: 1, repeated: 0);
                return RenewalVerdict.Granted;
            }

            if (ReadRow(session, sql, key) is not { } row || !ChainLink.IsSame(row.Successor, link.Hash))
            {
                return RenewalVerdict.OtherSuccessor;
            }

            if (row.RenewalRefused)
            {
                return RenewalVerdict.Refused;
            }

            if (row.State != SpendState.Spent && !TryEnd(session, sql, id, key, row, isLiveHere))
            {
                return RenewalVerdict.InFlight;
            }

            ChainTotals.Add(session, _instance, link.Key.Plan.Id, deadline, spent: 0, repeated: 1);
            return RenewalVerdict.Granted;
        }));
    }

    /// <summary>Records that the successor of a request under way is never signed. Before its reply ends, so that no exchange comes between.</summary>
    /// <exception cref="StorageException">It is not recorded.</exception>
    public Task RefuseRenewalAsync(SpendClaim claim) => OnPeriodAsync(claim.Deadline, 0, sql =>
        _database.WriteAsync(session => session.Execute(sql.RefuseRenewal, claim.Id.ToArray(), _instance, claim.Returns, claim.Takeovers)));

    /// <summary>In flight → spent where nobody answers the request any more; false if somebody does.</summary>
    private bool TryEnd(Session session, SpendTables.Statements sql, SpendId id, byte[] key, SpendRow row, Func<SpendId, bool> isLiveHere)
    {
        bool isLive = row.Owner.AsSpan().SequenceEqual(_instance) ? isLiveHere(id) : LiveAddress(session, row.Owner) is not null;
        return !isLive && session.Execute(sql.Finish, key, row.Owner, row.Returns, row.Takeovers) == 1;
    }

    /// <summary>Counts what this work allows to be renewed, once a plan and period.</summary>
    private void CountChains(Session session, List<PendingSpend> batch)
    {
        Dictionary<(string Plan, DateTimeOffset Deadline), (long Spent, long Repeated)>? counts = null;
        foreach (PendingSpend spend in batch)
        {
            if (spend.Link is null || spend.Decision.Verdict != SpendVerdict.Granted)
            {
                continue;
            }

            counts ??= [];
            (string, DateTimeOffset) key = (spend.Link.Key.Plan.Id, spend.Deadline);
            (long spent, long repeated) = counts.GetValueOrDefault(key);
            counts[key] = spend.Decision.Claim.Takeovers == 0 ? (spent + 1, repeated) : (spent, repeated + 1);
        }

        foreach (((string plan, DateTimeOffset deadline), (long spent, long repeated)) in counts ?? [])
        {
            ChainTotals.Add(session, _instance, plan, deadline, spent, repeated);
        }
    }
}
