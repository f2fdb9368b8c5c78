using System.CommandLine;
using System.Globalization;
using Tacit.Hosting;
using Tacit.Hosting.Onion;

namespace Tacit.Cli.Commands;

/// <summary><c>tacit gateway onion</c>, and the same of issuer and relay: the address of the role's onion service, and how it stands.</summary>
internal static class OnionCommand
{
    public static Command Create(Terminal terminal, Flags flags, string role)
    {
        Option<bool> json = Flags.Json();
        Command command = new("onion", $"Show the {role}'s onion service: its address, whether it is published, and what its tor is at (on the {role}'s machine).") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string data = flags.DataFolderOf(parsed);
            OnionReport report = await ReadAsync(data, role, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.OnionReport);
                return ExitCode.Fine;
            }
            terminal.Line(report.Address is null ? "address: none yet" : $"address: http://{report.Address}");
            terminal.Line($"state: {Describe(report)}");
            if (report.AuthorizedClients > 0)
            {
                terminal.Line(string.Create(CultureInfo.InvariantCulture, $"clients: {report.AuthorizedClients} authorized, nobody else finds it, and it is announced nowhere"));
            }
            if (report.State is { } state)
            {
                terminal.Line($"proof of work under load: {(state.HasProofOfWork ? "yes" : "no")}");
                terminal.Line($"tor: {(state.TorVersion is null ? state.Tor : $"{state.Tor}, version {state.TorVersion}")}");
                if (state.Fault is string fault)
                {
                    terminal.Fail(fault);
                }
            }
            return ExitCode.Fine;
        });
        return command.WithExamples($"tacit {role} onion", $"tacit {role} onion --json | jq -r .address");
    }

    /// <summary>In one phrase, for lists.</summary>
    public static string Describe(OnionReport report) => report switch
    {
        { Enabled: false } => "off: it is turned on with --onion, or Onion:Enabled in the settings",
        { State: null } => "the role does not run",
        { State.IsPublished: true } => "published",
        { State.Fault: not null } => "not published",
        { State.Tor: var tor } => $"being published; tor: {tor}",
    };

    /// <summary>What the running role says; of one that does not run what its key file says.</summary>
    private static async Task<OnionReport> ReadAsync(string data, string role, CancellationToken cancellationToken)
    {
        string? kept = OnionDoor.FindAddress(data, role);
        if (kept is not null && !File.Exists(ManagementSocket.PathFor(data, role)))
        {
            return new OnionReport(true, kept, 0, null);
        }
        using ManagementClient client = new(data, role);
        return await client.GetAsync("/onion", OnionJson.Default.OnionReport, cancellationToken);
    }
}
