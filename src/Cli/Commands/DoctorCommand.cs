using System.CommandLine;
using Tacit.App;
using Tacit.Cli.Doctor;
using Tacit.Client;
using Tacit.Inference;

namespace Tacit.Cli.Commands;

internal static class DoctorCommand
{
    private static readonly (string Role, int Port)[] s_ports = [("app", 8224), ("issuer", 8225), ("gateway", 8226)];

    public static Command Create(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("doctor", "Check this machine and say what to do about what is wrong. A role's settings file is checked by `tacit ROLE --config FILE --check`.") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            List<Finding> findings = [];
            TimeProvider time = TimeProvider.System;
            string data = flags.DataFolderOf(parsed);
            findings.Add(MachineChecks.Runtime());
            findings.Add(MachineChecks.LibCrypto());
            findings.Add(MachineChecks.Sqlite());
            findings.AddRange(MachineChecks.DataFolder(data));
            findings.Add(MachineChecks.Clock(time, data));
            findings.Add(MachineChecks.OpenFiles());
            findings.Add(MachineChecks.Swap());
            findings.Add(MachineChecks.KeyMemory());
            findings.Add(MachineChecks.Cores());
            foreach ((string role, int port) in s_ports)
            {
                findings.Add(await RoleChecks.PortAsync(role, port, time, cancellationToken));
            }
            foreach (string role in (string[])["app", "issuer", "signer", "gateway"])
            {
                if (await RoleChecks.ManagementAsync(data, role, cancellationToken) is Finding finding)
                {
                    findings.Add(finding);
                }
            }
            foreach (string role in (string[])["issuer", "gateway", "relay"])
            {
                if (await RoleChecks.OnionAsync(data, role, cancellationToken) is Finding finding)
                {
                    findings.Add(finding);
                }
            }
            findings.Add(ModelChecks.Of(await LocalServers.FindAsync(time, cancellationToken)));
            findings.AddRange(SettingsChecks.Environment(Environment.GetEnvironmentVariables()));
            findings.AddRange(await DatabaseChecks.RunAsync(Environment.GetEnvironmentVariables(), cancellationToken));
            (Finding? settings, AppOptions? options) = SettingsChecks.App(data);
            if (settings is not null)
            {
                findings.Add(settings);
            }
            findings.AddRange(PageChecks.Of(Window.Surroundings.OfProcess(), data));
            findings.Add(await TorChecks.ProgramAsync(options ?? new AppOptions { DataDirectory = data }, time, cancellationToken));
            // Only where there is a wallet is there an issuer to be reached.
            if (options is not null && Wallet.Exists(data))
            {
                findings.Add(await ReachAsync("issuer of this wallet", options, options.IssuerUrl, time, cancellationToken));
                if (options.GatewayUrl is not null)
                {
                    findings.Add(await ReachAsync("gateway of this wallet", options, options.GatewayUrl, time, cancellationToken));
                }
            }
            bool healthy = findings.TrueForAll(f => f.Verdict != Verdict.Broken);
            if (parsed.GetValue(json))
            {
                terminal.Json(new DoctorReport(healthy, findings), CliJson.Default.DoctorReport);
            }
            else
            {
                Show(terminal, findings, healthy);
            }
            return healthy ? ExitCode.Fine : ExitCode.Failed;
        });
        return command.WithExamples("tacit doctor", "tacit doctor --data /var/lib/tacit --json | jq '.findings[] | select(.verdict != \"ok\")'");
    }

    /// <summary>What Tor is for is not asked without it, by nobody.</summary>
    private static async Task<Finding> ReachAsync(string what, AppOptions options, Uri address, TimeProvider time, CancellationToken cancellationToken) =>
        TorChecks.IsDirect(options, address)
            ? await RoleChecks.ReachAsync(what, address, time, cancellationToken)
            : Finding.Fine(what, $"{address.GetLeftPart(UriPartial.Authority)} is reached over Tor, and not asked here; `tacit status` tells what is known of it");

    private static void Show(Terminal terminal, List<Finding> findings, bool healthy)
    {
        int width = findings.Max(f => f.Check.Length);
        foreach (Finding finding in findings)
        {
            string mark = finding.Verdict switch
            {
                Verdict.Fine => terminal.Paint("ok     ", "32"),
                Verdict.Warning => terminal.Paint("warning", "33"),
                _ => terminal.Paint("broken ", "31"),
            };
            terminal.Line($"{mark}  {finding.Check.PadRight(width)}  {finding.Detail}");
            if (finding.Fix is not null)
            {
                terminal.Line($"{new string(' ', 9 + width + 2)}→ {finding.Fix}");
            }
        }
        terminal.Line();
        terminal.Line(healthy ? "Nothing is broken." : "Something is broken: see the arrows.");
    }
}
