using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Tacit.Gateway;
using Tacit.Gateway.Chains;
using Tacit.Hosting;
using Tacit.Signer;

namespace Tacit.Cli.Commands;

/// <summary>What a signer signed under one plan in one period, beside what gateways had reason to ask for.</summary>
/// <param name="Allowed">Chain tokens that gateways spent, and renewals they asked for again; null where no gateway's totals are known.</param>
/// <param name="Unexplained">Renewals beyond that; null where no gateway's totals are known.</param>
internal sealed record PlanReconciliation(string Plan, DateTimeOffset Deadline, long Issued, long Exchanged, long Renewed, long? Allowed, long? Unexplained);

internal sealed record Reconciliation(IReadOnlyList<PlanReconciliation> Plans)
{
    public bool HasUnexplained => Plans.Any(plan => plan.Unexplained > 0);

    /// <summary>
    /// A gateway counts a renewal as allowed before it asks, and a signer counts it after it signed: read in this order, signer first, a surplus is never an
    /// accident of timing or of a crash.
    /// </summary>
    public static Reconciliation Of(SignerTotals signer, IReadOnlyList<GatewayTotals> gateways) => new(
    [
        .. signer.Plans.Select(plan =>
        {
            long? allowed = gateways.Count == 0 ? null : gateways
                .SelectMany(gateway => gateway.Plans)
                .Where(entry => entry.Plan == plan.Plan && entry.Deadline == plan.Deadline)
                .Sum(entry => entry.Spent + entry.Repeated);
            return new PlanReconciliation(
                plan.Plan, plan.Deadline, plan.Issued, plan.Exchanged, plan.Renewed, allowed, allowed is long most ? Math.Max(0, plan.Renewed - most) : null);
        }),
    ]);
}

/// <summary>Counters of signer and gateway, for an operator to hold against each other.</summary>
internal static class TotalsCommands
{
    public static Command Gateway(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("totals", "Show how many tokens were spent and renewed, by plan and period (on the gateway's machine).") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            GatewayTotals totals = await AskGatewayAsync(flags.DataFolderOf(parsed), cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(totals, CliJson.Default.GatewayTotals);
                return ExitCode.Fine;
            }
            terminal.Table(
                ["plan", "until", "spent", "asked again", "renewed"],
                [.. totals.Plans.Select(plan => (string[])[plan.Plan, Day(plan.Deadline), Number(plan.Spent), Number(plan.Repeated), Number(plan.Renewed)])]);
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway totals", "tacit gateway totals --json > gateway-1.json");
    }

    public static Command Signer(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Option<FileInfo[]> files = new("--gateways")
        {
            Description = "Files with what `tacit gateway totals --json` printed, one for each database of gateways. Default: the gateway that runs on this data folder, if one does.",
            HelpName = "FILE",
            AllowMultipleArgumentsPerToken = true,
        };
        Option<FileInfo?> from = new("--from")
        {
            Description = "A file with what this command printed with --json, in place of the running signer: taken before the gateways' totals, it makes the comparison exact.",
            HelpName = "FILE",
        };
        Command command = new("totals", "Show how many elements were signed, by plan, period and purpose, and whether gateways had reason to ask (on the signer's machine).") { from, files, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string data = flags.DataFolderOf(parsed);
            SignerTotals totals = parsed.GetValue(from) is FileInfo file
                ? await ReadAsync(file, "signer", CliJson.Default.SignerTotals, cancellationToken)
                : await AskSignerAsync(data, cancellationToken);
            Reconciliation reconciled = Reconciliation.Of(totals, await GatewaysAsync(data, parsed.GetValue(files), cancellationToken));
            if (parsed.GetValue(json))
            {
                terminal.Json(reconciled, CliJson.Default.Reconciliation);
            }
            else
            {
                Show(terminal, reconciled);
            }
            return reconciled.HasUnexplained ? ExitCode.Failed : ExitCode.Fine;
        });
        return command.WithExamples("tacit signer totals", "tacit signer totals --json > signer.json", "tacit signer totals --from signer.json --gateways gateway-1.json gateway-2.json");
    }

    private static void Show(Terminal terminal, Reconciliation reconciled)
    {
        terminal.Table(
            ["plan", "until", "issued", "exchanged", "renewed", "gateways had reason for"],
            [.. reconciled.Plans.Select(plan => (string[])
            [
                plan.Plan, Day(plan.Deadline), Number(plan.Issued), Number(plan.Exchanged), Number(plan.Renewed), plan.Allowed is long allowed ? Number(allowed) : "",
            ])]);
        foreach (PlanReconciliation plan in reconciled.Plans.Where(plan => plan.Unexplained > 0))
        {
            terminal.Fail(
                $"{Number(plan.Unexplained!.Value)} renewals of {plan.Plan} until {Day(plan.Deadline)} have no spent token behind them. Is every gateway's database counted? "
                + "If so, somebody else has the internal key: replace it in signer, issuer and gateways.");
        }
    }

    private static async Task<IReadOnlyList<GatewayTotals>> GatewaysAsync(string data, FileInfo[]? files, CancellationToken cancellationToken)
    {
        if (files is { Length: > 0 })
        {
            var read = new List<GatewayTotals>();
            foreach (FileInfo file in files)
            {
                read.Add(await ReadAsync(file, "gateway", CliJson.Default.GatewayTotals, cancellationToken));
            }
            return read;
        }
        return File.Exists(ManagementSocket.PathFor(data, GatewayServer.Role)) ? [await AskGatewayAsync(data, cancellationToken)] : [];
    }

    private static async Task<GatewayTotals> AskGatewayAsync(string data, CancellationToken cancellationToken)
    {
        using ManagementClient gateway = new(data, GatewayServer.Role);
        return await gateway.GetAsync("/totals", GatewayManagementJson.Default.GatewayTotals, cancellationToken);
    }

    private static async Task<SignerTotals> AskSignerAsync(string data, CancellationToken cancellationToken)
    {
        using ManagementClient signer = new(data, SignerServer.Role);
        return await signer.GetAsync("/totals", SignerJson.Default.SignerTotals, cancellationToken);
    }

    private static async Task<T> ReadAsync<T>(FileInfo file, string role, JsonTypeInfo<T> type, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            return JsonSerializer.Deserialize(await File.ReadAllBytesAsync(file.FullName, cancellationToken), type) ?? throw new JsonException("null");
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new CommandException($"{file.Name} cannot be read as what `tacit {role} totals --json` prints.");
        }
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
