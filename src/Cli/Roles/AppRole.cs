using System.CommandLine;
using Tacit.App;
using Tacit.App.Wallets;
using Tacit.Cli.Settings;
using Tacit.Cli.Wallets;
using Tacit.Hosting;

namespace Tacit.Cli.Roles;

/// <summary>The user's role as a command.</summary>
internal static class AppRole
{
    public static Command Create(Terminal terminal, Flags flags) => Create(terminal, flags, new ClientFlags(flags));

    private static Command Create(Terminal terminal, Flags flags, ClientFlags client) => RoleHost.CreateCommand(
        terminal, flags, "App", "Run the local app: an OpenAI-compatible API on this machine that pays with your tokens.",
        context => context.Settings.Load(SettingsJson.Default.AppOptions),
        StartAsync,
        rememberedConfig: ClientFlags.RememberedFile, servesTls: false, addFlags: client.AddTransportTo, takeFlags: client.AddTransport).WithExamples(
            "tacit app",
            "OPENAI_BASE_URL=http://127.0.0.1:8224/v1 OPENAI_API_KEY=any some-program");

    /// <summary>The app, with what its data folder has: a wallet, a device's key, or nothing yet.</summary>
    public static async Task<RunningRole> StartAsync(RoleContext context, CancellationToken stop)
    {
        AppOptions options = context.Settings.Load(SettingsJson.Default.AppOptions);
        DataFolder.Create(options.DataDirectory);
        ClientHost host = await ClientHost.OpenAsync(
            options, context.Time, context.Loggers, context.SettingsFile, () => context.Again().Load(SettingsJson.Default.AppOptions), stop);
        AppServer server;
        try
        {
            server = await AppServer.StartAsync(host, context.Time, context.Loggers, stop);
        }
        catch
        {
            await host.DisposeAsync();
            throw;
        }
        switch (host.Mode)
        {
            case AppMode.Device:
                context.Warn(PromptNotices.OfDevices);
                break;
            case AppMode.Setup:
                context.Warn($"There is no wallet in {options.DataDirectory} yet. Open {server.Address} in a browser to make one, or run `tacit account create`.");
                break;
        }
        return Running(server, host);
    }

    private static RunningRole Running(AppServer server, ClientHost host)
    {
        string address = server.Address.GetLeftPart(UriPartial.Authority);
        return new RunningRole("app", address, new Dictionary<string, string> { ["OPENAI_BASE_URL"] = address + "/v1" }, async () =>
        {
            await server.StopAsync();
            await server.DisposeAsync();
            await host.DisposeAsync();
        });
    }
}
