using System.Security.Cryptography;
using Microsoft.Extensions.Logging;
using Tacit.Cli.Roles;
using Tacit.Cli.Settings;
using Tacit.Gateway;
using Tacit.Gateway.Demonstration;
using Tacit.Gateway.Sealing;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Issuer;
using Tacit.Issuer.Gateways;
using Tacit.Issuer.Issuance;
using Tacit.Protocol;
using Tacit.Signer;

namespace Tacit.Cli.Demo;

/// <summary>The operator's side of the demo in one process: signer, issuer, gateway, provider. Everything else about them is as in a deployment.</summary>
internal sealed class DemoServers : IAsyncDisposable
{
    private readonly InferenceRouter _router;
    private readonly Task<GatewayServer> _gateway;

    private DemoServers(SignerService signer, IssuerServer issuer, InferenceRouter router, Task<GatewayServer> gateway)
    {
        Signer = signer;
        Issuer = issuer;
        _router = router;
        _gateway = gateway;
    }

    public SignerService Signer { get; }

    public IssuerServer Issuer { get; }

    /// <summary>Completes when the gateway listens: it starts while the user's side is already buying.</summary>
    public Task Ready => _gateway;

    /// <param name="progress">Told how the search for a safe-prime key goes; it runs on after the start.</param>
    /// <param name="eventDelay">Between the events of the demo model's streams.</param>
    public static async Task<DemoServers> StartAsync(
        DemoOptions options, Witness witness, StartTimes times, TimeProvider time, ILoggerFactory loggers, Action<string> progress, TimeSpan eventDelay,
        CancellationToken cancellationToken)
    {
        Stack<IAsyncDisposable> started = new();
        try
        {
            SecretReference keyFile = KeyFile(options.DataDirectory);
            InferenceRouter router = new(Inference(options, witness, eventDelay), time, loggers);
            started.Push(router);
            SignerService signer = await times.MeasureAsync("signer: open keys", () => SignerService.OpenAsync(
                new SignerOptions { DataDirectory = options.DataDirectory, Plans = options.Plans, KeyFile = keyFile }, time, loggers, cancellationToken, KeySearch.Report(progress)));
            started.Push(signer);
            ISigner watched = witness.Watch(signer);
            byte[]? gatewayKey = await GatewayServer.LoadKeyAsync(GatewayOptions(options, keyFile, null), time, cancellationToken);
            IssuerServer issuer = await times.MeasureAsync(
                "issuer: start", () => StartIssuerAsync(options, keyFile, gatewayKey!, watched, time, loggers, cancellationToken));
            Task<GatewayServer> gateway = Task.Run(
                () => times.MeasureAsync("gateway: start", () => StartGatewayAsync(options, keyFile, issuer, router, watched, time, loggers, cancellationToken)), cancellationToken);
            return new DemoServers(signer, issuer, router, gateway);
        }
        catch
        {
            while (started.TryPop(out IAsyncDisposable? part))
            {
                await part.DisposeAsync();
            }
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        try
        {
            GatewayServer gateway = await _gateway;
            await gateway.StopAsync();
            await gateway.DisposeAsync();
        }
        catch (Exception e) when (_gateway.IsFaulted || e is OperationCanceledException)
        {
            // It never ran; whoever waited for it has been told.
        }
        await Issuer.StopAsync(CancellationToken.None);
        await Issuer.DisposeAsync();
        await Signer.DisposeAsync();
        await _router.DisposeAsync();
    }

    private static Task<IssuerServer> StartIssuerAsync(
        DemoOptions options, SecretReference keyFile, byte[] gatewayKey, ISigner signer, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken) =>
        IssuerServer.StartAsync(
            new IssuerOptions
            {
                DataDirectory = options.DataDirectory,
                Listen = ListenAddress.Loopback(options.PortBase + 1),
                IssuerName = DemoOptions.IssuerName,
                Plans = options.Plans,
                KeyFile = keyFile,
                Gateways =
                [
                    new IssuerGateway
                    {
                        Name = DemoOptions.GatewayName, Urls = [options.GatewayUrl.ToString().TrimEnd('/')], Key = PublicKeyText.Format(gatewayKey),
                    },
                ],
                // The demonstration's page is the gateway's, by whatever name of this machine it is opened.
                OpenIssuance = new OpenIssuanceOptions { Origins = [.. options.GatewayOrigins] },
                // The gateway starts after the issuer, and what is sealed to it waits for both.
                SealingPollInterval = TimeSpan.FromSeconds(1),
                // The key of chat-large may be found at any moment.
                KeyPollInterval = TimeSpan.FromSeconds(5),
            },
            signer, time, loggers, cancellationToken);

    private static Task<GatewayServer> StartGatewayAsync(
        DemoOptions options, SecretReference keyFile, IssuerServer issuer, InferenceRouter router, ISigner signer, TimeProvider time, ILoggerFactory loggers,
        CancellationToken cancellationToken) =>
        GatewayServer.StartAsync(GatewayOptions(options, keyFile, issuer), null, router, signer, time, loggers, cancellationToken);

    /// <param name="issuer">Null while only the gateway's own key is wanted.</param>
    private static GatewayOptions GatewayOptions(DemoOptions options, SecretReference keyFile, IssuerServer? issuer) => new()
    {
        Name = DemoOptions.GatewayName,
        Profile = Profile.Development,
        DataDirectory = options.DataDirectory,
        Listen = ListenAddress.Loopback(options.PortBase + 2),
        IssuerUrl = issuer?.Address,
        DirectoryKey = issuer is null ? "" : PublicKeyText.Format(issuer.DirectoryKey.Span),
        DirectoryRefresh = TimeSpan.FromSeconds(30),
        Demo = issuer is null ? new DemonstrationOptions() : new DemonstrationOptions { Plan = DemoOptions.OpenPlan },
        Sealing = new SealingOptions { KeyFile = keyFile },
        ReplyMemoryBytes = 256 << 20,
        DrainTimeout = TimeSpan.FromSeconds(3),
    };

    private static InferenceOptions Inference(DemoOptions options, Witness witness, TimeSpan eventDelay)
    {
        if (options.Provider is null)
        {
            return new InferenceOptions { DemoModel = true, DemoEventDelay = eventDelay, Observer = witness.SeeBody };
        }
        BackendOptions backend = new()
        {
            Name = "provider",
            Health = options.LocalServer is { } local ? new HealthOptions { Kind = local.Health } : null,
            BaseUrl = options.Provider,
            Keys = options.ProviderKey is null ? [] : [BackendSettings.LoadKey(options.ProviderKey, "--key")],
            Models = new Dictionary<string, string> { [options.Model] = options.Model },
        };
        // Visitors of the demonstration get the built-in model, whatever answers the user.
        return new InferenceOptions { Backends = [backend], DemoModel = true, DemoEventDelay = eventDelay, Observer = witness.SeeBody };
    }

    /// <summary>A deployment keeps this apart from the data; a demo makes it beside them.</summary>
    private static SecretReference KeyFile(string folder)
    {
        string path = Path.Combine(folder, "demo.key");
        if (!File.Exists(path))
        {
            // Whole or not at all: half a key file would lock the keys that were sealed under it.
            string temporary = path + ".new";
            File.Delete(temporary);
            FileStreamOptions form = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                form.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }
            using (FileStream file = new(temporary, form))
            {
                file.Write(System.Text.Encoding.ASCII.GetBytes(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)) + "\n"));
                file.Flush(flushToDisk: true);
            }
            File.Move(temporary, path);
        }
        return SecretReference.FromFile(path);
    }
}
