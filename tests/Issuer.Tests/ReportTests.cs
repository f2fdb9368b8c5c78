using Tacit.Issuer.Accounts;
using Tacit.Issuer.Ledger;
using Tacit.Protocol;
using Tacit.Storage;
using Tacit.Tests;

namespace Tacit.Issuer.Tests;

public class ReportTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Sales_are_summed_by_plan_and_its_own_period()
    {
        using var folder = new TestFolder();
        await using Database database = await (await RoleDatabase.CreateAsync(folder.Beside("database")))
            .OpenAsync(Path.Combine(folder.Data, "issuer.db"), IssuerSchema.Migrations, TimeProvider.System);
        Plan monthly = TestPlans.Chat with { Id = "monthly", Period = PeriodKind.Month };
        Plan weekly = monthly with { Id = "weekly", Period = PeriodKind.Week };
        await database.WriteAsync(
            session =>
            {
                AccountBook.Open(session, 7, new byte[32]);
                LedgerBook.Post(session, LedgerTransaction.Payment(7, 1000, Day(1)));
                LedgerBook.Post(session, LedgerTransaction.Tokens(7, "monthly", 10, 20, Day(1)));
                LedgerBook.Post(session, LedgerTransaction.Tokens(7, "monthly", 5, 10, Day(31)));
                LedgerBook.Post(session, LedgerTransaction.Refund(7, "monthly", 1, 2, Day(31)));
                LedgerBook.Post(session, LedgerTransaction.Tokens(7, "weekly", 1, 3, Day(8)));
                LedgerBook.Post(session, LedgerTransaction.Tokens(7, "weekly", 2, 6, Day(9)));
                LedgerBook.Post(session, LedgerTransaction.Subscription(7, "gone", 100, Day(20)));
            },
            Token);
        SalesReport report = await database.ReadAsync(session => SalesReport.Read(session, [monthly, weekly]), Token);
        Assert.Equal(
            [
                new PlanSales("gone", new DateOnly(2026, 3, 1), "subscription", 1, 100),
                new PlanSales("monthly", new DateOnly(2026, 3, 1), "refund", 1, -2),
                new PlanSales("monthly", new DateOnly(2026, 3, 1), "tokens", 15, 30),
                new PlanSales("weekly", new DateOnly(2026, 3, 2), "tokens", 1, 3),
                new PlanSales("weekly", new DateOnly(2026, 3, 9), "tokens", 2, 6),
            ],
            report.Sales);
        Assert.Equal(137, report.Credits);
        // Every credit that was turned into something is in it.
        Assert.Equal(report.Credits, (await database.ReadAsync(LedgerAudit.Run, Token)).TurnedIntoTokens);
    }

    private static long Day(int day) => LedgerDay.Of(new DateOnly(2026, 3, day));
}

public sealed class ReportTestsOnPostgres : ReportTests;
