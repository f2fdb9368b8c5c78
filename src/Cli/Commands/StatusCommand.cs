using System.CommandLine;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App;
using Tacit.Cli.Doctor;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Client.Transports;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Issuer;
using Tacit.Relay;
using Tacit.Signer;

namespace Tacit.Cli.Commands;

/// <summary>A role of this data folder.</summary>
/// <param name="Detail">What of it matters at a glance.</param>
/// <param name="Onion">Base address of its onion service; null if it has none.</param>
internal sealed record RoleState(string Role, bool Running, string Detail, string? Onion = null);

/// <summary>What runs on this data folder and what the wallet holds.</summary>
/// <param name="Transport">The setting that is in force, in its own word; null for the default.</param>
/// <param name="Tor">How connections are made, and whether they can be.</param>
/// <param name="Servers">Issuer and gateway, or relay, as the wallet or the device uses them.</param>
/// <param name="Device">This device's public key, if a gateway knows it; null otherwise.</param>
internal sealed record StatusReport(
    string DataFolder, IReadOnlyList<RoleState> Roles, WalletStatus? Wallet, IReadOnlyList<string> Notices, string? Transport, CarrierStatus Tor,
    IReadOnlyList<ServerStatus> Servers, string? Device);

internal static class StatusCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Option<bool> newIdentity = new("--new-identity")
        {
            Description = "Before that, have the running app put every conversation on another circuit of Tor, so that what is asked from now on cannot be linked to what was asked before by its way.",
        };
        Command command = new("status", "Show at a glance what runs here, how it connects and what the wallet holds. Calls nobody outside this machine.") { json, newIdentity };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AppOptions options = client.Load(parsed);
            if (parsed.GetValue(newIdentity))
            {
                await TakeNewIdentityAsync(terminal, options, cancellationToken);
            }
            StatusReport report = await ReadAsync(terminal, options, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.StatusReport);
                return ExitCode.Fine;
            }
            terminal.Line(report.DataFolder);
            terminal.Table(["role", "state", "detail"], [.. report.Roles.Select(role => (string[])[role.Role, role.Running ? "runs" : "-", role.Detail])]);
            terminal.Line();
            terminal.Line($"Tor: {DescribeTor(report)}");
            foreach (ServerStatus server in report.Servers)
            {
                terminal.Line($"{server.Role}: {Describe(server)}");
            }
            if (report.Device is string device)
            {
                terminal.Line($"device: {device}. {PromptNotices.OfDevices}");
            }
            foreach (string notice in report.Notices.Concat(report.Wallet is null ? [] : WalletPseudonymCommands.Explain(report.Wallet)))
            {
                terminal.Line("! " + notice);
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit status", "tacit status --json | jq -e '.tor.state == \"Ready\"'", "tacit status --new-identity");
    }

    private static async Task TakeNewIdentityAsync(Terminal terminal, AppOptions options, CancellationToken cancellationToken)
    {
        await using RunningApp app = new(options.DataDirectory);
        try
        {
            terminal.Done((await app.TakeNewIdentityAsync(cancellationToken)).ToldTor
                ? "Every conversation takes another circuit from now on."
                : "Every conversation takes another circuit from now on, as far as the app decides it: its Tor is not its own to tell, or not used.");
        }
        catch (ManagementException e) when (e.IsNotRunning)
        {
            terminal.Note("No app runs here: every command takes circuits of its own anyway.");
        }
    }

    private static async Task<StatusReport> ReadAsync(Terminal terminal, AppOptions options, CancellationToken cancellationToken)
    {
        string data = options.DataDirectory;
        WalletStatus? wallet = null;
        CarrierStatus? carrier = null;
        IReadOnlyList<ServerStatus> servers = [];
        string? device = null;
        List<string> notices = [];
        List<RoleState> roles = [];

        roles.Add(await AskAsync("app", async () =>
        {
            await using RunningApp app = new(data);
            AppStatus status = await app.GetAppStatusAsync(cancellationToken);
            (wallet, carrier, servers, device) = (status.Wallet, status.Carrier, status.Servers, status.Device);
            notices.AddRange(status.Notices.Select(notice => notice.Text));
            return $"{status.Address}/v1, {status.Pending.Count.ToString(CultureInfo.InvariantCulture)} open requests";
        }));
        if (carrier is null && options.Device && DeviceKey.Exists(data))
        {
            await using DeviceClient own = options.OpenDevice(TimeProvider.System);
            (carrier, servers, device) = (own.Transports.Status, [own.Gateway], own.KeyId);
        }
        if (wallet is null && Wallet.Exists(data) && (device is not null || !roles[0].Running))
        {
            await using TacitClient own = await TacitClient.OpenAsync(options.ToClientOptions(), TimeProvider.System, NullLoggerFactory.Instance, cancellationToken);
            wallet = await own.Wallet.GetStatusAsync(cancellationToken);
            if (device is null)
            {
                (carrier, servers) = (own.Transports.Status, await own.GetServersAsync(cancellationToken));
            }
        }
        roles.Add(new RoleState("wallet", wallet is not null, wallet is not null ? Describe(wallet) : device is null ? "none yet: tacit account create" : "none: requests are signed by the device's key"));
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
        for (int i = 0; i < roles.Count; i++)
        {
            if (roles[i] is { Running: true, Role: "issuer" or "gateway" or "relay" } role && await FindOnionAsync(data, role.Role, cancellationToken) is { } onion)
            {
                string address = $"http://{onion.Address}";
                roles[i] = role with { Onion = address, Detail = $"{role.Detail}{(role.Detail.Length > 0 ? "; " : "")}{address} ({OnionCommand.Describe(onion)})" };
            }
        }
        if (carrier is null)
        {
            await using TransportPool idle = new(options.ToTransportOptions(), TimeProvider.System);
            carrier = idle.Status;
        }
        return new StatusReport(data, roles, wallet, notices, options.Transport?.Word(), carrier, servers, device);
    }

    private static string DescribeTor(StatusReport report)
    {
        if (report.Tor.Carrier == Carrier.Direct)
        {
            return $"not used, as the setting Transport says ({report.Transport})";
        }
        bool isNeeded = report.Servers.Count == 0 || report.Servers.Any(server => server.Carried is null || server.Carried.StartsWith("tor", StringComparison.Ordinal));
        string state = report.Tor.State == CarrierState.Idle && !isNeeded ? "not needed: all is on this machine" : report.Tor.Describe();
        return state + (report.Tor.Version is string version ? $" (version {version})" : "") + (report.Tor.Source is string source ? $", at {source}" : "");
    }

    private static string Describe(ServerStatus server)
    {
        string way = server.Carried is null ? "" : $" ({server.Carried})";
        string seen = server.LastAnswered is DateTimeOffset at ? string.Create(CultureInfo.InvariantCulture, $", answered {at:yyyy-MM-dd HH:mm} UTC") : "";
        return $"{(server.Name is null ? "" : server.Name + " at ")}{server.Address}{way}{seen}{(server.Problem is null ? "" : $"; {server.Problem}")}";
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

    /// <summary>The onion service of a role that runs on this folder; null if it has none yet, or is of another user or folder.</summary>
    private static async Task<OnionReport?> FindOnionAsync(string data, string role, CancellationToken cancellationToken)
    {
        try
        {
            using ManagementClient client = new(data, role);
            OnionReport report = await client.GetAsync("/onion", OnionJson.Default.OnionReport, cancellationToken);
            return report is { Enabled: true, Address: not null } ? report : null;
        }
        catch (ManagementException)
        {
            return null;
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
        string credits = wallet.LastKnownCredits is long known ? string.Create(CultureInfo.InvariantCulture, $"; {known:N0} credits when last asked") : "";
        return (all.Length > 0 ? all : "no tokens yet: tacit wallet fill") + credits;
    }

    private static string Keys(int count) => count == 1 ? "1 key" : count.ToString(CultureInfo.InvariantCulture) + " keys";
}
