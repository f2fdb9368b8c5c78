using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Client;
using Tacit.Hosting;

namespace Tacit.App;

/// <summary>
/// The local app: an API on this machine that is OpenAI's and Anthropic's, whose every request is paid with a blind token. Does not own the client it is given, but runs the
/// wallet's schedule while it is up.
/// </summary>
public sealed class AppServer : IAsyncDisposable
{
    public const string Role = "app";

    private readonly WebServer _web;
    private readonly WebServer _management;
    private readonly AppPage _page;

    private AppServer(WebServer web, WebServer management, AppPage page)
    {
        _web = web;
        _management = management;
        _page = page;
    }

    /// <summary>Where it listens, with the port it really got. The base URL for SDKs is this and <c>v1</c>.</summary>
    public Uri Address => _web.Address;

    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="ListenException">The address cannot be listened on, or an app already runs on the data folder.</exception>
    public static async Task<AppServer> StartAsync(
        AppOptions options, TacitClient client, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        AppServer server = await StartAsync(
            options, client.Redemption, client.Wallet.DeriveLocalKey(AppDatabase.KeyPurpose), (routes, address) => new AppManagement(client, address, time).Map(routes), time, loggers, cancellationToken);
        await client.StartTransportAsync(cancellationToken);
        client.Refills.Start();
        return server;
    }

    /// <summary>An app without a wallet, whose requests this device signs. Does not own the client it is given.</summary>
    /// <inheritdoc cref="StartAsync(AppOptions, TacitClient, TimeProvider, ILoggerFactory, CancellationToken)"/>
    public static async Task<AppServer> StartAsync(
        AppOptions options, DeviceClient device, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        AppServer server = await StartAsync(
            options, device, device.DeriveLocalKey(AppDatabase.KeyPurpose), (routes, address) => AppManagement.MapDevice(routes, device, address), time, loggers, cancellationToken);
        device.StartTransport();
        return server;
    }

    private static async Task<AppServer> StartAsync(
        AppOptions options, IPromptSender prompts, LocalKey key, Action<IEndpointRouteBuilder, Uri> mapManagement, TimeProvider time, ILoggerFactory loggers,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var page = new AppPage(options, prompts, key, time, loggers);
        WebServer? web = null;
        try
        {
            var validation = new SettingsValidation();
            options.Validate(validation);
            validation.ThrowIfAny();

            var drain = new DrainSignal();
            int port = 0;
            var guard = new LocalGuard(() => port);
            web = await WebServer.StartAsync(
                new WebServerOptions
                {
                    Role = Role,
                    Listen = options.Listen,
                    MaxRequestBodyBytes = null,
                    DrainTimeout = options.DrainTimeout,
                    Drain = drain,
                    WriteError = ApiErrors.WriteFrameworkErrorAsync,
                },
                routes => Map(routes, guard, prompts, options, page),
                time,
                loggers,
                cancellationToken);
            port = web.Address.Port;
            Uri address = web.Address;
            WebServer socket = await ManagementSocket.StartAsync(
                options.DataDirectory, Role, routes => mapManagement(routes, address), new Health(drain), time, loggers, cancellationToken);
            return new AppServer(web, socket, page);
        }
        catch
        {
            if (web is not null)
            {
                await web.DisposeAsync();
            }
            await page.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets replies under way end, up to the drain timeout.</summary>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        await _page.StopAsync();
        await _web.StopAsync(cancellationToken);
        await _management.StopAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _page.StopAsync();
        await _web.DisposeAsync();
        await _management.DisposeAsync();
        await _page.DisposeAsync();
    }

    private static void Map(IEndpointRouteBuilder routes, LocalGuard guard, IPromptSender prompts, AppOptions options, AppPage page)
    {
        page.Map(routes, guard);
        var models = new ModelsEndpoint(prompts);
        Post("/v1/chat/completions", PromptOperation.ChatCompletions);
        Post("/v1/responses", PromptOperation.Responses);
        Post("/v1/embeddings", PromptOperation.Embeddings);
        Post("/v1/messages", PromptOperation.Messages);
        routes.MapGet("/v1/models", guard.Wrap(models.ListAsync));
        routes.MapGet("/v1/models/{**id}", guard.Wrap(models.GetAsync));
        new PageFiles(typeof(AppServer).Assembly, PageDocument.ContentSecurityPolicy).Map(routes, "/", guard.Wrap, PageDocument.SayWhatIsMissingAsync);
        routes.MapFallback("{**path}", guard.Wrap(context => ApiErrors.WriteFrameworkErrorAsync(context, StatusCodes.Status404NotFound)));

        void Post(string path, PromptOperation operation) => routes.MapPost(path, guard.Wrap(new PromptEndpoint(operation, prompts, options).HandleAsync));
    }
}
