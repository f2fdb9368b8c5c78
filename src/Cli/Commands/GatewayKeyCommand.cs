using System.CommandLine;
using System.Globalization;
using Tacit.Cli.Settings;
using Tacit.Gateway;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Cli.Commands;

/// <summary><c>tacit gateway keys</c>: what the issuer's settings name, or clients pin, and the sealing keys.</summary>
internal static class GatewayKeyCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        Option<string?> config = new("--config") { Description = "JSON file with the gateway's settings, for one that does not run yet.", HelpName = "FILE" };
        Option<bool> json = Flags.Json();
        Command command = new("keys", "Show the gateway's own key, for the issuer's settings or for clients to pin, and its sealing keys (on the gateway's machine).") { config, json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string data = flags.DataFolderOf(parsed);
            SealingKeyReport report = File.Exists(ManagementSocket.PathFor(data, GatewayServer.Role)) ? await AskAsync(data, cancellationToken)
                : await LoadAsync(data, parsed.GetValue(flags.Data) is not null, parsed.GetValue(config), cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.SealingKeyReport);
                return ExitCode.Fine;
            }
            terminal.Line($"gateway: {report.Gateway}");
            terminal.Line($"key: {report.Key}");
            terminal.Line(report.SignedBy == "issuer"
                ? "  It goes into Key of this gateway's entry in the issuer's Gateways."
                : "  Clients of this gateway pin it.");
            if (report.Keys.Count > 0)
            {
                terminal.Table(
                    ["sealing key", "from", "until", "shown to clients", "evidence"],
                    [.. report.Keys.Select(key => (string[])
                    [
                        key.KeyId.ToString(CultureInfo.InvariantCulture), Time(key.NotBefore), Time(key.NotAfter), key.IsPublished ? "yes" : "not yet", key.Evidence ?? "",
                    ])]);
            }
            if (report.Fault is string fault)
            {
                terminal.Fail($"Something is wrong: {fault}");
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway keys --config gateway.json", "tacit gateway keys --json | jq -r .key");
    }

    private static async Task<SealingKeyReport> AskAsync(string data, CancellationToken cancellationToken)
    {
        using ManagementClient gateway = new(data, GatewayServer.Role);
        return await gateway.GetAsync("/keys", GatewayManagementJson.Default.SealingKeyReport, cancellationToken);
    }

    /// <summary>The issuer wants the key before the gateway can start, which wants the issuer's directory.</summary>
    private static async Task<SealingKeyReport> LoadAsync(string data, bool isDataGiven, string? config, CancellationToken cancellationToken)
    {
        SettingsLoader settings = new SettingsLoader()
            .AddFlag("DataDirectory", data, "--data")
            .AddFile(config)
            .AddEnvironment("Gateway")
            .AddFlag("DataDirectory", isDataGiven ? data : null, "--data");
        _ = settings.TakeSection("Signer");
        _ = settings.TakeSection("Inference");
        GatewayOptions options = settings.Load(SettingsJson.Default.GatewayOptions);
        byte[] key = await GatewayServer.LoadKeyAsync(options, TimeProvider.System, cancellationToken)
            ?? throw new CommandException("This gateway has no keys: set Sealing:KeyFile or Sealing:Passphrase.");
        return new SealingKeyReport(options.Name, PublicKeyText.Format(key), options.Sealing.SignedBy == SealingSignatory.Issuer ? "issuer" : "gateway", []);
    }

    private static string Time(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
}
