using System.CommandLine;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;

namespace Tacit.Cli.Roles;

/// <summary>A role that runs, as the command that started it sees it.</summary>
/// <param name="Role">Its name.</param>
/// <param name="Address">Where it answers.</param>
/// <param name="Facts">What its operator needs to know, such as the directory key.</param>
/// <param name="StopAsync">Drains and stops it, and disposes of everything.</param>
/// <param name="Failed">Completes, with why, if the role cannot go on and is to be stopped; null if there is nothing of that kind.</param>
internal sealed record RunningRole(string Role, string Address, IReadOnlyDictionary<string, string> Facts, Func<Task> StopAsync, Task<string>? Failed = null);

/// <summary>What starting a role needs from its command line.</summary>
/// <param name="Again">Reads the settings anew from wherever they come.</param>
/// <param name="SettingsFile">Where changes of settings are written down; null if the role has no such file.</param>
/// <param name="Starts">Whether the role starts; else its settings are only checked.</param>
internal sealed record RoleContext(
    SettingsLoader Settings, Func<SettingsLoader> Again, string? SettingsFile, TimeProvider Time, ILoggerFactory Loggers, Action<string> Progress, Action<string> Warn, bool Starts)
{
    /// <summary>Reads a secret to see that it can be. One that everybody can read is refused in production; of one that a group can read a check warns.</summary>
    public void Try(SecretReference? reference, string setting, Profile profile)
    {
        if (reference is null)
        {
            return;
        }
        reference.Load(setting).Dispose();
        ProductionRules.RequireClosedFile(profile, reference, setting);
        if (reference.IsReadableByOthers && !Starts)
        {
            Warn($"{setting}: other users of this machine can read {reference}. Run: chmod 600 {reference.ToString()[5..]}");
        }
    }
}

/// <summary>The line that a started role prints with <c>--json</c>.</summary>
internal sealed record RoleReady(string Role, string Address, IReadOnlyDictionary<string, string> Facts);

/// <summary>Turns a role into a command: loads its settings, runs it until a signal, drains it.</summary>
internal static class RoleHost
{
    /// <param name="section">The role's section in the environment: <c>Issuer</c>.</param>
    /// <param name="check">Loads and checks the settings, secrets included, without starting anything.</param>
    /// <param name="start">Starts the role.</param>
    /// <param name="servesTls">Whether the role can serve HTTPS: all that others than its own user reach.</param>
    /// <param name="addFlags">Adds flags of the role's own.</param>
    /// <param name="takeFlags">Takes those that were given into its settings.</param>
    /// <param name="hasOnion">Whether the role can have an onion service.</param>
    /// <param name="rememberedConfig">A file in the data folder that stands for --config if that is not given and the file is there.</param>
    public static Command CreateCommand(
        Terminal terminal, Flags flags, string section, string description, Action<RoleContext> check, Func<RoleContext, CancellationToken, Task<RunningRole>> start,
        string? rememberedConfig = null, bool servesTls = true, Action<Command>? addFlags = null, Func<SettingsLoader, ParseResult, SettingsLoader>? takeFlags = null, bool hasOnion = false)
    {
        string role = section.ToLowerInvariant();
        Option<string?> config = new("--config") { Description = "JSON file with the role's settings.", HelpName = "FILE" };
        Option<string?> listen = new("--listen") { Description = "Where to listen: 127.0.0.1:PORT, [::1]:PORT, unix:/path, or systemd for a socket that comes with the process. Port 0 takes a free one.", HelpName = "ADDRESS" };
        listen.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !ListenAddress.TryParse(result.Tokens[0].Value, out _))
            {
                result.AddError("--listen takes 127.0.0.1:PORT, [::1]:PORT, unix:/path or systemd.");
            }
        });
        Option<LogLevel> level = new("--log-level") { Description = "debug, information, warning or error.", HelpName = "LEVEL", DefaultValueFactory = _ => LogLevel.Information };
        Option<bool> onlyCheck = new("--check") { Description = "Check the settings and end." };
        Option<bool> json = new("--json") { Description = "Print one line of JSON once the role is ready." };
        Option<string?> certificate = new("--tls-certificate") { Description = "PEM file with the certificate to serve HTTPS with; taken up again when it changes.", HelpName = "FILE" };
        Option<SecretReference?> key = Flags.Secret("--tls-key", "The certificate's private key in PEM.");
        Option<bool> onion = new("--onion") { Description = "Publish an onion service as well, through a tor that the role starts. Its address: tacit " + role + " onion." };
        Command command = new(role, description) { config, listen, level, onlyCheck, json };
        if (hasOnion)
        {
            command.Add(onion);
        }
        if (servesTls)
        {
            command.Add(certificate);
            command.Add(key);
        }
        addFlags?.Invoke(command);
        command.SetAction(async (parsed, stop) =>
        {
            using LineLog log = new(terminal.OpenLog(), parsed.GetValue(level), TimeProvider.System);
            string data = flags.DataFolderOf(parsed);
            string? remembered = rememberedConfig is null ? null : Path.Combine(data, rememberedConfig);
            SettingsLoader Collect()
            {
                SettingsLoader settings = new SettingsLoader()
                    .AddFlag("DataDirectory", data, "--data")
                    .AddFile(parsed.GetValue(config) ?? (File.Exists(remembered) ? remembered : null))
                    .AddEnvironment(section)
                    .AddFlag("DataDirectory", parsed.GetValue(flags.Data) is null ? null : data, "--data")
                    .AddFlag("Listen", parsed.GetValue(listen), "--listen");
                settings = takeFlags?.Invoke(settings, parsed) ?? settings;
                if (hasOnion)
                {
                    settings.AddFlag("Onion:Enabled", parsed.GetValue(onion) ? "true" : null, "--onion");
                }
                return servesTls
                    ? settings.AddFlag("Tls:Certificate", parsed.GetValue(certificate), "--tls-certificate").AddFlag("Tls:Key", parsed.GetValue(key)?.ToString(), "--tls-key")
                    : settings;
            }
            RoleContext context = new(Collect(), Collect, parsed.GetValue(config) ?? remembered, TimeProvider.System, log, terminal.Progress, terminal.Note, !parsed.GetValue(onlyCheck));
            // What a check finds, a start finds first: nothing is begun with settings that are refused.
            check(context);
            if (!context.Starts)
            {
                terminal.Line($"The settings of the {role} are fine.");
                return ExitCode.Fine;
            }
            using ServiceManager manager = ServiceManager.FromEnvironment(TimeProvider.System);
            context = context with { Settings = Collect() };
            RunningRole running = await start(context, stop);
            terminal.EndProgress();
            Announce(terminal, running, parsed.GetValue(json));
            manager.Ready("listens on " + running.Address);
            Task stopped = WaitAsync(stop);
            bool isFailed = running.Failed is { } failed && await Task.WhenAny(stopped, failed) == failed;
            await (isFailed ? Task.CompletedTask : stopped);
            manager.Stopping();
            if (isFailed)
            {
                terminal.Fail(await running.Failed!);
            }
            terminal.Note($"The {role} finishes what it has begun. Again to stop at once.");
            await running.StopAsync();
            return isFailed ? ExitCode.Failed : ExitCode.Fine;
        });
        return command;
    }

    /// <summary>Returns when the token is cancelled.</summary>
    public static async Task WaitAsync(CancellationToken stop)
    {
        TaskCompletionSource stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
        using CancellationTokenRegistration registration = stop.Register(stopped.SetResult);
        await stopped.Task;
    }

    private static void Announce(Terminal terminal, RunningRole running, bool json)
    {
        if (json)
        {
            terminal.JsonLine(new RoleReady(running.Role, running.Address, running.Facts), CliJson.Default.RoleReady);
        }
        else
        {
            terminal.Line($"The {running.Role} listens on {running.Address}");
            foreach ((string name, string value) in running.Facts)
            {
                terminal.Line($"  {name}: {value}");
            }
        }
        terminal.Out.Flush();
    }
}
