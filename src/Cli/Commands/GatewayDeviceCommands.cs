using System.CommandLine;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Hosting;

namespace Tacit.Cli.Commands;

/// <summary>The devices that may ask a gateway without tokens: <c>tacit gateway devices</c>, over its management socket.</summary>
internal static class GatewayDeviceCommands
{
    public static Command Create(Terminal terminal, Flags flags) => new("devices", "Show and change which devices may ask without tokens (on the gateway's machine).")
    {
        List(terminal, flags),
        Add(terminal, flags),
        Remove(terminal, flags),
    };

    private static Command List(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("list", "Show the devices on the list, and those that were taken off.") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            DeviceReport report = await gateway.GetAsync("/devices", GatewayManagementJson.Default.DeviceReport, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.DeviceReport);
                return ExitCode.Fine;
            }
            terminal.Table(
                ["name", "key", "from", ""],
                [.. report.Devices.Select(device => (string[])[device.Name, device.Key, device.Source.ToString().ToLowerInvariant(), device.Revoked ? "removed" : ""])]);
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway devices list", "tacit gateway devices list --json");
    }

    private static Command Add(Terminal terminal, Flags flags)
    {
        Argument<string> key = new("KEY") { Description = "The device's key, as `tacit device show` gives it there." };
        Argument<string> name = new("NAME") { Description = "What you call it.", DefaultValueFactory = _ => "" };
        Command command = new("add", "Let a device ask without tokens, or again.") { key, name };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            DeviceName device = await gateway.PostAsync(
                "/devices/add", new DeviceName(parsed.GetRequiredValue(key), parsed.GetValue(name) ?? ""), GatewayManagementJson.Default.DeviceName,
                GatewayManagementJson.Default.DeviceName, cancellationToken);
            terminal.Done($"{(device.Name.Length > 0 ? device.Name : device.Key)} may ask.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway devices add 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo laptop");
    }

    private static Command Remove(Terminal terminal, Flags flags)
    {
        Argument<string> key = new("KEY") { Description = "The device's key, as `tacit gateway devices list` shows it." };
        Command command = new("remove", "Take a device off the list. All instances on the database refuse its next request.") { key };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            await gateway.PostAsync(
                "/devices/remove", new DeviceName(parsed.GetRequiredValue(key)), GatewayManagementJson.Default.DeviceName, GatewayManagementJson.Default.DeviceName, cancellationToken);
            terminal.Done("The device is off the list.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway devices remove 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
    }
}
