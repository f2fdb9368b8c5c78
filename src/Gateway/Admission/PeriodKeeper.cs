using Tacit.Gateway.Catalog;

namespace Tacit.Gateway.Admission;

/// <summary>Opens the spend table of every deadline in the directory, so ahead of the first spend, and drops those that are over.</summary>
internal sealed class PeriodKeeper
{
    /// <summary>The longest grace a plan can have; see Period.Grace.</summary>
    private static readonly TimeSpan s_longestGrace = TimeSpan.FromDays(7);

    private readonly SpendLedger _ledger;
    private readonly TimeProvider _time;

    public PeriodKeeper(SpendLedger ledger, TimeProvider time)
    {
        _ledger = ledger;
        _time = time;
    }

    /// <summary>
    /// A period is over when this machine's clock and the issuer agree: the grace has passed, and the signed directory lists no key with that deadline any
    /// more. So a clock that jumps ahead makes nothing forgotten.
    /// </summary>
    public async Task AdoptAsync(PlanCatalog catalog, CancellationToken cancellationToken)
    {
        HashSet<DateTimeOffset> listed = [.. catalog.Keys.Select(key => key.Deadline)];
        await _ledger.OpenPeriodsAsync(listed, cancellationToken);
        DateTimeOffset now = _time.GetUtcNow();
        await _ledger.DropPeriodsAsync(deadline => !listed.Contains(deadline) && now >= deadline + s_longestGrace, cancellationToken);
    }
}
