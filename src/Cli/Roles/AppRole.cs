using System.CommandLine;
using Tacit.App;
using Tacit.Cli.Settings;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Hosting;

namespace Tacit.Cli.Roles;

/// <summary>The user's role as a command.</summary>
internal static class AppRole
{
    public static Command Create(Terminal terminal, Flags flags) => Create(terminal, flags, new ClientFlags(flags));

    private static Command Create(Terminal terminal, Flags flags, ClientFlags client) => RoleHost.CreateCommand(
        terminal, flags, "App", "Run the local app: an OpenAI-compatible API on this machine that pays with your tokens.",
        context => context.Settings.Load(SettingsJson.Default.AppOptions),
        async (context, stop) =>
        {
            AppOptions options = context.Settings.Load(SettingsJson.Default.AppOptions);
            if (options.Device)
            {
                DeviceClient device = options.OpenDevice(context.Time, loggers: context.Loggers);
                AppServer signing;
                try
                {
                    signing = await AppServer.StartAsync(options, device, context.Time, context.Loggers, stop);
                }
                catch
                {
                    await device.DisposeAsync();
                    throw;
                }
                context.Warn(PromptNotices.OfDevices);
                return Running(signing, device);
            }
            if (!Wallet.Exists(options.DataDirectory))
            {
                throw new CommandException($"There is no wallet in {options.DataDirectory} yet. Make one with `tacit account create`, or name its folder with --data.");
            }
            TacitClient client = await TacitClient.OpenAsync(options.ToClientOptions(), context.Time, context.Loggers, stop);
            AppServer server;
            try
            {
                server = await AppServer.StartAsync(options, client, context.Time, context.Loggers, stop);
            }
            catch
            {
                await client.DisposeAsync();
                throw;
            }
            return Running(server, client);
        },
        rememberedConfig: ClientFlags.RememberedFile, servesTls: false, addFlags: client.AddTransportTo, takeFlags: client.AddTransport).WithExamples(
            "tacit app",
            "OPENAI_BASE_URL=http://127.0.0.1:8224/v1 OPENAI_API_KEY=any some-program");

    private static RunningRole Running(AppServer server, IAsyncDisposable client)
    {
        string address = server.Address.GetLeftPart(UriPartial.Authority);
        return new RunningRole("app", address, new Dictionary<string, string> { ["OPENAI_BASE_URL"] = address + "/v1" }, async () =>
        {
            await server.StopAsync();
            await server.DisposeAsync();
            await client.DisposeAsync();
        });
    }
}
