using System.CommandLine;
using System.Globalization;
using Tacit.Hosting;
using Tacit.Issuer;
using Tacit.Issuer.Ledger;
using Tacit.Issuer.Payments;

namespace Tacit.Cli.Commands;

/// <summary>What an operator asks a running issuer.</summary>
internal static class IssuerCommands
{
    /// <summary>Adds them to the command that runs the role.</summary>
    public static Command AddTo(Command issuer, Terminal terminal, Flags flags)
    {
        issuer.Add(Payments(terminal, flags));
        issuer.Add(Report(terminal, flags));
        issuer.Add(InviteCommand.Create(terminal, flags));
        return issuer;
    }

    private static Command Payments(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("payments", "Sum up payments, what went back, what is owed, and money that no checkout asked for.") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient issuer = new(flags.DataFolderOf(parsed), IssuerServer.Role);
            PaymentReport report = await issuer.GetAsync("/payments", IssuerJson.Default.PaymentReport, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, IssuerJson.Default.PaymentReport);
                return ExitCode.Fine;
            }
            terminal.Table(["payments", "credits", "reversed", "owed", "open checkouts"],
                [[Number(report.Payments), Number(report.Credits), Number(report.Reversed), Number(report.Owed), Number(report.OpenCheckouts)]]);
            if (report.Strays.Count > 0)
            {
                terminal.Line();
                terminal.Line("Money that brought no credits; refund it at the provider, or answer with a voucher:");
                terminal.Table(["day", "provider", "payment", "why"], [.. report.Strays.Select(stray => (string[])
                    [stray.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), stray.Provider, stray.Payment, stray.Reason])]);
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit issuer payments", "tacit issuer payments --json | jq .owed");
    }

    private static Command Report(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("report", "Sum up what was sold, by plan and period.") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient issuer = new(flags.DataFolderOf(parsed), IssuerServer.Role);
            SalesReport report = await issuer.GetAsync("/sales", IssuerJson.Default.SalesReport, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.SalesReport);
                return ExitCode.Fine;
            }
            terminal.Table(
                ["from", "plan", "what", "quantity", "credits"],
                [.. report.Sales.Select(sales => (string[])
                    [sales.Start.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), sales.Plan, sales.Kind, Number(sales.Quantity), Number(sales.Credits)])]);
            terminal.Line($"{Number(report.Credits)} credits in all");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit issuer report", "tacit issuer report --json > sales.json");
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
