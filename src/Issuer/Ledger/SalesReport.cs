using Tacit.Protocol;
using Tacit.Storage;

namespace Tacit.Issuer.Ledger;

/// <summary>What was sold of one plan in one of its periods.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="Start">First day of the period in which it was sold, UTC: of the plan's own kind, a month for a plan that is no longer on sale.</param>
/// <param name="Kind">What the ledger calls it: <c>tokens</c>, <c>subscription</c>, <c>refund</c>.</param>
/// <param name="Quantity">Tokens or subscriptions.</param>
/// <param name="Credits">Taken for them; negative where they were given back.</param>
public sealed record PlanSales(string Plan, DateOnly Start, string Kind, long Quantity, long Credits);

/// <summary>Sales by plan and period. Sums of the ledger, which knows days and nothing finer; no account is in it.</summary>
/// <param name="Sales">By period, then by plan.</param>
public sealed record SalesReport(IReadOnlyList<PlanSales> Sales)
{
    /// <summary>Credits over all.</summary>
    public long Credits => Sales.Sum(sales => sales.Credits);

    internal static SalesReport Read(Session session, IReadOnlyList<Plan> plans)
    {
        Dictionary<string, PeriodKind> kinds = plans.ToDictionary(plan => plan.Id, plan => plan.Period, StringComparer.Ordinal);
        IReadOnlyList<PlanSales> days = session.Query(
            session.Dialect.Render("""
                SELECT t.plan, t.day, t.kind, CAST(SUM(t.quantity) AS {int}), CAST(SUM(p.amount) AS {int})
                FROM ledger_transaction t JOIN ledger_posting p ON p.ledger_transaction = t.id
                WHERE t.plan IS NOT NULL AND p.account = $1 GROUP BY t.plan, t.day, t.kind
                """),
            row => new PlanSales(row.Text(0), LedgerDay.ToDate(row.Int64(1)), row.Text(2), row.Int64(3), row.Int64(4)),
            IssuerAccounts.Tokens);
        return new SalesReport(
        [
            .. days.GroupBy(day => (day.Plan, Start: StartOf(kinds.GetValueOrDefault(day.Plan, PeriodKind.Month), day.Start), day.Kind))
                .Select(group => new PlanSales(group.Key.Plan, group.Key.Start, group.Key.Kind, group.Sum(day => day.Quantity), group.Sum(day => day.Credits)))
                .OrderBy(sales => sales.Start).ThenBy(sales => sales.Plan, StringComparer.Ordinal).ThenBy(sales => sales.Kind, StringComparer.Ordinal),
        ]);
    }

    private static DateOnly StartOf(PeriodKind kind, DateOnly day) =>
        DateOnly.FromDateTime(Period.Containing(kind, new DateTimeOffset(day, TimeOnly.MinValue, TimeSpan.Zero)).Start.UtcDateTime);
}
