using System.CommandLine;
using Tacit.App;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Hosting;

namespace Tacit.Cli.Commands;

/// <summary>The device as <c>--json</c> shows it.</summary>
internal sealed record DeviceShown(string Key, string? Gateway);

/// <summary>This device's key, by which a gateway of one's own knows it: <c>tacit device</c>.</summary>
internal static class DeviceCommands
{
    public static Command Create(Terminal terminal, Flags flags) => new("device", "Use a gateway that knows this device, without tokens: its requests are linkable to each other.")
    {
        CreateKey(terminal, flags),
        Show(terminal, flags),
        Register(terminal, flags),
    };

    private static Command CreateKey(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<Uri?> gateway = Flags.Url("--gateway", "The gateway to ask. Remembered: `tacit ask` and `tacit app` then sign their requests with this key.");
        Option<string?> pin = new("--pin") { Description = "SHA-256 of the public key of the gateway's certificate, in base64url or hexadecimal: no other is taken.", HelpName = "HASH" };
        Option<string?> sealedBy = new("--key")
        {
            Description = "The gateway's own key, as `tacit gateway keys` prints it there: questions are sealed with what it signs, whatever ends TLS in front of the gateway.", HelpName = "KEY",
        };
        Command command = new("create", "Make this device's key and show its public half; with --gateway, keep the key that is there.") { gateway, pin, sealedBy };
        client.AddTo(command);
        // Before the settings that come of them are looked at, which have other names.
        command.Validators.Add(result =>
        {
            foreach (Option<string?> given in (Option<string?>[])[pin, sealedBy])
            {
                if (result.GetValue(given) is string text && !DirectoryOptions.TryParseKey(text, out _))
                {
                    result.AddError($"{given.Name} takes 32 bytes in base64url or hexadecimal.");
                }
                if (result.GetResult(given) is not null && result.GetResult(gateway) is null)
                {
                    result.AddError($"{given.Name} goes with --gateway.");
                }
            }
        });
        command.SetAction((parsed, _) =>
        {
            AppOptions options = client.Load(parsed);
            if (parsed.GetValue(gateway) is Uri address)
            {
                if (options.GatewayUrl is Uri before && before != address)
                {
                    // Those were another gateway's. That prompts are sealed stays, and so wants this one's key.
                    options = options with { GatewayPin = null, GatewayKey = null };
                }
                options = options with { Device = true, GatewayUrl = address, GatewayPin = parsed.GetValue(pin) ?? options.GatewayPin };
                if (parsed.GetValue(sealedBy) is string own)
                {
                    options = options with { GatewayKey = own, Transport = options.Transport.SealedTo(address) };
                }
                SettingsValidation validation = new();
                options.Validate(validation);
                validation.ThrowIfAny();
            }
            DataFolder.Create(options.DataDirectory);
            // With a gateway to remember there is something to do where a key is already, which is never made anew.
            bool isKept = parsed.GetValue(gateway) is not null && DeviceKey.Exists(options.DataDirectory);
            using DeviceKey key = isKept ? DeviceKey.Load(options.DataDirectory) : DeviceKey.Create(options.DataDirectory);
            if (parsed.GetValue(gateway) is not null)
            {
                ClientFlags.Remember(options);
            }
            terminal.Line(key.Id);
            if (isKept)
            {
                terminal.Note("The key was here already and is the same; the gateway is remembered.");
            }
            terminal.Note($"Have the gateway's operator run: tacit gateway devices add {key.Id} NAME");
            terminal.Note(PromptNotices.OfDevices);
            return Task.FromResult(ExitCode.Fine);
        });
        return command.WithExamples("tacit device create", "tacit device create --gateway https://gateway.example --key KEY");
    }

    private static Command Show(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new("show", "Show the public half of this device's key.") { json };
        client.AddTo(command);
        command.SetAction((parsed, _) =>
        {
            AppOptions options = client.Load(parsed);
            using DeviceKey key = DeviceKey.Load(options.DataDirectory);
            if (parsed.GetValue(json))
            {
                terminal.Json(new DeviceShown(key.Id, options.Device ? options.GatewayUrl?.ToString() : null), CliJson.Default.DeviceShown);
                return Task.FromResult(ExitCode.Fine);
            }
            terminal.Line(key.Id);
            if (options.Device)
            {
                terminal.Note($"Questions go to {options.GatewayUrl}, signed by this key. {PromptNotices.OfDevices}");
            }
            return Task.FromResult(ExitCode.Fine);
        });
        return command.WithExamples("tacit device show", "tacit device show --json");
    }

    private static Command Register(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<string?> code = new("--code") { Description = "The operator's invitation code; - reads it from standard input.", HelpName = "CODE" };
        Command command = new("register", "Put this device on its gateway's list, where the operator lets devices do that.") { code };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AppOptions options = client.Load(parsed);
            if (!options.Device)
            {
                throw new CommandException("No gateway is set. Name it with `tacit device create --gateway URL`, which keeps a key that is there, or set Device and GatewayUrl of the app.");
            }
            string? invitation = parsed.GetValue(code) is "-" ? (await terminal.In.ReadLineAsync(cancellationToken))?.Trim() : parsed.GetValue(code);
            await using DeviceClient device = options.OpenDevice(TimeProvider.System, new OwnDevice.WorkReport(terminal), new TorReport(terminal));
            bool isNew = await device.RegisterAsync(invitation, cancellationToken);
            terminal.Done(isNew ? "The gateway knows this device now." : "The gateway knew this device already.");
            terminal.Note(PromptNotices.OfDevices);
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit device register", "tacit device register --code - < invitation.txt");
    }
}
