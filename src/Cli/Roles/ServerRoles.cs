using System.Buffers.Text;
using System.CommandLine;
using Tacit.Cli.Settings;
using Tacit.Crypto;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Protocol;
using Tacit.Relay;
using Tacit.Signer;

namespace Tacit.Cli.Roles;

/// <summary>The operator's roles as commands.</summary>
internal static class ServerRoles
{
    public static Command Signer(Terminal terminal, Flags flags) => RoleHost.CreateCommand(
        terminal, flags, "Signer", "Run a signer: keeps the private keys and signs blinded elements for issuer and gateway.",
        context =>
        {
            SignerOptions options = context.Settings.Load(SettingsJson.Default.SignerOptions);
            context.Try(
                options.InternalKey ?? throw new SettingsException(new SettingsProblem(nameof(options.InternalKey), "this setting is missing", "Point it to the key as env:NAME or file:PATH.")),
                nameof(options.InternalKey), options.Profile);
            context.Try(options.Passphrase, nameof(options.Passphrase), options.Profile);
            context.Try(options.KeyFile, nameof(options.KeyFile), options.Profile);
            CheckTls(options.Tls, options.Profile, context);
            CheckDatabase(options.Database, options.Profile, context);
            CheckProcess(options.Profile, context);
        },
        async (context, stop) =>
        {
            SignerOptions options = context.Settings.Load(SettingsJson.Default.SignerOptions);
            SignerServer server = await SignerServer.StartAsync(options, context.Time, context.Loggers, stop, KeySearch.Report(context.Progress));
            string address = options.Listen is { IsUnixSocket: false } ? Authority(server.Address)
                : (options.Listen ?? ListenAddress.UnixSocket(Path.Combine(options.DataDirectory, SignerOptions.DefaultSocketName))).ToString();
            return new RunningRole("signer", address, new Dictionary<string, string>(), async () =>
            {
                await server.StopAsync(CancellationToken.None);
                await server.DisposeAsync();
            });
        }).WithExamples(
            "tacit signer --config signer.json",
            "TACIT__Signer__Passphrase=file:/etc/tacit/passphrase tacit signer --config signer.json --check");

    public static Command Issuer(Terminal terminal, Flags flags) => RoleHost.CreateCommand(
        terminal, flags, "Issuer", "Run an issuer: accounts, vouchers, the ledger, blind issuance and the signed directory.",
        context =>
        {
            SettingsLoader signer = context.Settings.TakeSection("Signer");
            IssuerOptions options = context.Settings.Load(SettingsJson.Default.IssuerOptions);
            context.Try(options.Passphrase, nameof(options.Passphrase), options.Profile);
            context.Try(options.KeyFile, nameof(options.KeyFile), options.Profile);
            CheckTls(options.Tls, options.Profile, context);
            CheckDatabase(options.Database, options.Profile, context);
            CheckProcess(options.Profile, context);
            CheckOnion(options.Onion, options.Profile, context);
            context.Try(options.Payments.Stripe.ApiKey, "Payments:Stripe:ApiKey", options.Profile);
            context.Try(options.Payments.Stripe.WebhookSecret, "Payments:Stripe:WebhookSecret", options.Profile);
            context.Try(options.Payments.Paddle.ApiKey, "Payments:Paddle:ApiKey", options.Profile);
            context.Try(options.Payments.Paddle.WebhookSecret, "Payments:Paddle:WebhookSecret", options.Profile);
            CheckLink(signer, options.DataDirectory, options.Profile, context);
        },
        async (context, stop) =>
        {
            SettingsLoader link = context.Settings.TakeSection("Signer");
            IssuerOptions options = context.Settings.Load(SettingsJson.Default.IssuerOptions);
            InternalChannelClient channel = Connect(link, options.DataDirectory, context);
            IssuerServer server = await IssuerServer.StartAsync(options, new RemoteSigner(channel.SendAsync), context.Time, context.Loggers, stop);
            return new RunningRole(
                "issuer", Authority(server.Address), WithOnion(server.Onion, new Dictionary<string, string> { ["directoryKey"] = Base64Url.EncodeToString(server.DirectoryKey.Span) }), async () =>
                {
                    await server.StopAsync(CancellationToken.None);
                    await server.DisposeAsync();
                    channel.Dispose();
                });
        }, hasOnion: true).WithExamples("tacit issuer --config issuer.json", "tacit issuer --config issuer.json --listen 127.0.0.1:9000 --json");

    public static Command Gateway(Terminal terminal, Flags flags) => RoleHost.CreateCommand(
        terminal, flags, "Gateway", "Run a gateway: takes prompts paid with blind tokens and streams the provider's replies back.",
        context =>
        {
            SettingsLoader signer = context.Settings.TakeSection("Signer");
            SettingsLoader inference = context.Settings.TakeSection("Inference");
            GatewayOptions options = context.Settings.Load(SettingsJson.Default.GatewayOptions);
            InferenceSettings models = inference.Load(SettingsJson.Default.InferenceSettings);
            models.Load();
            foreach (SecretReference key in models.Backends.SelectMany(backend => backend.Keys.Append(backend.Tls?.ClientKey).OfType<SecretReference>()).Concat(models.Moderation.Policies.Select(policy => policy.Service?.Key).OfType<SecretReference>()))
            {
                context.Try(key, "Inference", options.Profile);
            }
            if (options.DirectoryKey is not null)
            {
                CheckLink(signer, options.DataDirectory, options.Profile, context);
            }
            CheckTls(options.Tls, options.Profile, context);
            CheckDatabase(options.Database, options.Profile, context);
            CheckProcess(options.Profile, context);
            context.Try(options.Sealing.Passphrase, "Sealing:Passphrase", options.Profile);
            context.Try(options.Sealing.KeyFile, "Sealing:KeyFile", options.Profile);
            CheckOnion(options.Onion, options.Profile, context);
            context.Try(options.Devices.InvitationCode, "Devices:InvitationCode", options.Profile);
        },
        async (context, stop) =>
        {
            SettingsLoader link = context.Settings.TakeSection("Signer");
            SettingsLoader inference = context.Settings.TakeSection("Inference");
            GatewayOptions options = context.Settings.Load(SettingsJson.Default.GatewayOptions);
            InferenceOptions models = inference.Load(SettingsJson.Default.InferenceSettings).Load() with { UsagePath = Path.Combine(options.DataDirectory, "provider-usage.json") };
            DataFolder.Create(options.DataDirectory);
            InferenceRouter router = new(models, context.Time, context.Loggers);
            // A gateway without an issuer takes no tokens, so there is nothing to sign.
            InternalChannelClient? channel = options.DirectoryKey is null ? null : Connect(link, options.DataDirectory, context);
            GatewayServer server = await GatewayServer.StartAsync(options, null, router, channel is null ? null : new RemoteSigner(channel.SendAsync), context.Time, context.Loggers, stop);
            SocketEvents? sockets = options.SocketsInTurn ? SocketEvents.TakeInTurn(() => server.IsFlooded, context.Time) : null;
            return new RunningRole("gateway", Authority(server.Address), WithOnion(server.Onion, new Dictionary<string, string> { ["models"] = string.Join(", ", router.Models) }), async () =>
            {
                sockets?.Dispose();
                await server.StopAsync(CancellationToken.None);
                await server.DisposeAsync();
                await router.DisposeAsync();
                channel?.Dispose();
            }, server.Failed);
        }, hasOnion: true).WithExamples(
            "tacit gateway --config gateway.json",
            "TACIT__Gateway__Inference__Backends__0__Keys=env:OPENAI_KEY tacit gateway --config gateway.json");

    public static Command Relay(Terminal terminal, Flags flags) => RoleHost.CreateCommand(
        terminal, flags, "Relay", "Run an Oblivious HTTP relay: passes sealed requests on to the gateways it is told of, so that these need not see who asks.",
        context =>
        {
            RelayOptions options = context.Settings.Load(SettingsJson.Default.RelayOptions);
            CheckOnion(options.Onion, options.Profile, context);
            CheckTls(options.Tls, options.Profile, context);
            CheckProcess(options.Profile, context);
        },
        async (context, stop) =>
        {
            RelayOptions options = context.Settings.Load(SettingsJson.Default.RelayOptions);
            RelayServer server = await RelayServer.StartAsync(options, context.Time, context.Loggers, stop);
            return new RunningRole("relay", Authority(server.Address), WithOnion(server.Onion, options.Targets.ToDictionary(target => "/" + target.Name, target => target.Address!.ToString())), async () =>
            {
                await server.StopAsync(CancellationToken.None);
                await server.DisposeAsync();
            });
        }, hasOnion: true).WithExamples(
            "tacit relay --config relay.json",
            "TACIT__Relay__Targets__0__Name=gateway.example TACIT__Relay__Targets__0__Address=https://gateway.example/ tacit relay");

    private static InternalChannelClient Connect(SettingsLoader link, string dataFolder, RoleContext context) =>
        link.Load(SettingsJson.Default.SignerLink).Connect(dataFolder, context.Time);

    /// <summary>The address is known before the service is published, at the latest when tor could be started; the log says when it can be reached.</summary>
    private static Dictionary<string, string> WithOnion(OnionDoor onion, Dictionary<string, string> facts)
    {
        if (onion is { IsEnabled: true, Address: string address })
        {
            facts.Add("onion", "http://" + address);
        }
        return facts;
    }

    private static void CheckOnion(OnionOptions onion, Profile profile, RoleContext context)
    {
        if (onion.Enabled)
        {
            context.Try(onion.Passphrase, "Onion:Passphrase", profile);
            context.Try(onion.KeyFile, "Onion:KeyFile", profile);
        }
    }

    private static string Authority(Uri address) => address.GetLeftPart(UriPartial.Authority);

    private static void CheckTls(TlsOptions tls, Profile profile, RoleContext context)
    {
        tls.Try();
        context.Try(tls.Key, "Tls:Key", profile);
    }

    private static void CheckDatabase(DatabaseOptions database, Profile profile, RoleContext context) => context.Try(database.Postgres, DatabaseOptions.PostgresKey, profile);

    /// <summary>What the settings can't see to, the unit does; who starts a role by hand is told.</summary>
    private static void CheckProcess(Profile profile, RoleContext context)
    {
        if (context.Starts && profile == Profile.Production && ProductionRules.MayDumpCore() == true)
        {
            context.Warn("A crash of this process could leave a core file with keys or prompts in it. Run `ulimit -c 0` first, or use the systemd unit.");
        }
    }

    private static void CheckLink(SettingsLoader loader, string dataFolder, Profile profile, RoleContext context)
    {
        SignerLink link = loader.Load(SettingsJson.Default.SignerLink);
        link.Connect(dataFolder, context.Time).Dispose();
        context.Try(link.Key, "Signer:Key", profile);
    }
}
