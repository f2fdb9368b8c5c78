using System.CommandLine;
using System.Globalization;
using Tacit.App;
using Tacit.Cli.Doctor;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Hosting;
using Tacit.Issuer;
using Tacit.Relay;
using Tacit.Signer;

namespace Tacit.Cli.Commands;

/// <summary>A role of this data folder.</summary>
/// <param name="Detail">What of it matters at a glance.</param>
internal sealed record RoleState(string Role, bool Running, string Detail);

/// <summary>What runs on this data folder and what the wallet holds.</summary>
internal sealed record StatusReport(string DataFolder, IReadOnlyList<RoleState> Roles, WalletStatus? Wallet, IReadOnlyList<string> Notices);

internal static class StatusCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new("status", "Show at a glance what runs here and what the wallet holds. Calls nobody outside this machine.") { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AppOptions options = client.Load(parsed);
            StatusReport report = await ReadAsync(options, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.StatusReport);
                return ExitCode.Fine;
            }
            terminal.Line(report.DataFolder);
            terminal.Table(["role", "state", "detail"], [.. report.Roles.Select(role => (string[])[role.Role, role.Running ? "runs" : "-", role.Detail])]);
            foreach (string notice in report.Notices.Concat(report.Wallet is null ? [] : WalletPseudonymCommands.Explain(report.Wallet)))
            {
                terminal.Line("! " + notice);
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit status", "tacit status --json | jq -e '.roles[] | select(.role == \"app\").running'");
    }

    private static async Task<StatusReport> ReadAsync(AppOptions options, CancellationToken cancellationToken)
    {
        string data = options.DataDirectory;
        WalletStatus? wallet = null;
        List<string> notices = [];
        List<RoleState> roles = [];

        roles.Add(await AskAsync("app", async () =>
        {
            await using RunningApp app = new(data);
            AppStatus status = await app.GetAppStatusAsync(cancellationToken);
            wallet = status.Wallet;
            notices.AddRange(status.Notices.Select(notice => notice.Text));
            return $"{status.Address}/v1, {status.Pending.Count.ToString(CultureInfo.InvariantCulture)} open requests";
        }));
        if (wallet is null && Wallet.Exists(data) && !roles[0].Running)
        {
            await using IWalletAccess own = await WalletAccess.OpenAsync(options, cancellationToken);
            wallet = await own.GetStatusAsync(cancellationToken);
        }
        roles.Add(new RoleState("wallet", wallet is not null, wallet is null ? "none yet: tacit account create" : Describe(wallet)));
        roles.Add(await AskAsync("issuer", async () =>
        {
            using ManagementClient issuer = new(data, IssuerServer.Role);
            IssuerStatus status = await issuer.GetAsync("/status", IssuerJson.Default.IssuerStatus, cancellationToken);
            string waiting = status.PlansWithoutKey.Count > 0 ? $", no key yet for {string.Join(", ", status.PlansWithoutKey)}" : "";
            return status.Fault ?? $"{status.IssuerName}, directory {status.Sequence.ToString(CultureInfo.InvariantCulture)}, {Keys(status.Keys.Count)}{waiting}";
        }));
        roles.Add(await AskAsync("signer", async () =>
        {
            using ManagementClient signer = new(data, SignerServer.Role);
            SignerStatus status = await signer.GetAsync("/status", SignerJson.Default.SignerStatus, cancellationToken);
            return status.Fault ?? $"{Keys(status.Keys.Count)}{(status.SearchingKey ? ", searching one more" : "")}";
        }));
        Uri gateway = options.GatewayUrl is { IsLoopback: true } url ? url : new UriBuilder("http", "127.0.0.1", Gateway.GatewayOptions.DefaultPort).Uri;
        bool runs = await RoleChecks.AnswersAsync(gateway, TimeProvider.System, cancellationToken);
        roles.Add(new RoleState("gateway", runs, runs ? gateway.GetLeftPart(UriPartial.Authority) : ""));
        roles.Add(await AskAsync("relay", async () =>
        {
            using ManagementClient relay = new(data, RelayServer.Role);
            RelayStatus status = await relay.GetAsync("/status", RelayJson.Default.RelayStatus, cancellationToken);
            return $"to {string.Join(", ", status.Targets)}; {status.UnderWay.ToString(CultureInfo.InvariantCulture)} requests under way";
        }));
        return new StatusReport(data, roles, wallet, notices);
    }

    private static async Task<RoleState> AskAsync(string role, Func<Task<string>> ask)
    {
        try
        {
            return new RoleState(role, true, await ask());
        }
        catch (ManagementException e)
        {
            return e.IsNotRunning ? new RoleState(role, false, "") : new RoleState(role, true, e.Message);
        }
    }

    private static string Describe(WalletStatus wallet)
    {
        IEnumerable<string> subscriptions = wallet.Subscriptions.Select(entry => string.Create(
            CultureInfo.InvariantCulture,
            $"{entry.Plan} until {entry.Until:yyyy-MM-dd}{(entry.Ready + entry.Busy + entry.Pending == 0 ? " (ended)" : "")}"));
        IEnumerable<string> tokens = wallet.Plans.Select(plan => string.Create(
            CultureInfo.InvariantCulture,
            $"{plan.Held:N0} of {plan.Plan}{(plan.Deadline is DateTimeOffset deadline ? $" until {deadline:yyyy-MM-dd}" : "")}"));
        string all = string.Join("; ", subscriptions.Concat(tokens));
        return all.Length > 0 ? all : "no tokens yet: tacit wallet fill";
    }

    private static string Keys(int count) => count == 1 ? "1 key" : count.ToString(CultureInfo.InvariantCulture) + " keys";
}
