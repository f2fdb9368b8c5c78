using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Hosting;

namespace Tacit.App;

/// <summary>
/// The local app: an API on this machine that is OpenAI's and Anthropic's, whose every request is paid with a blind token. Runs the wallet's schedule while it is up, and starts
/// without a wallet, too.
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

    /// <summary>Around a wallet that the caller has opened, and disposes of.</summary>
    /// <inheritdoc cref="StartAsync(ClientHost, TimeProvider, ILoggerFactory, CancellationToken)"/>
    public static Task<AppServer> StartAsync(
        AppOptions options, TacitClient client, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        return StartAsync(ClientHost.Around(options, client, time, loggers), time, loggers, cancellationToken);
    }

    /// <summary>An app without a wallet, whose requests this device signs. Does not own the client it is given.</summary>
    /// <inheritdoc cref="StartAsync(ClientHost, TimeProvider, ILoggerFactory, CancellationToken)"/>
    public static Task<AppServer> StartAsync(
        AppOptions options, DeviceClient device, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        return StartAsync(ClientHost.Around(options, device, time, loggers), time, loggers, cancellationToken);
    }

    /// <param name="host">What answers prompts, if anything does yet; the caller disposes of it, after the server.</param>
    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="ListenException">The address cannot be listened on, or an app already runs on the data folder.</exception>
    public static async Task<AppServer> StartAsync(ClientHost host, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(host);
        AppOptions options = host.Options;
        var page = new AppPage(host, time, loggers);
        WebServer? web = null;
        WebServer? socket = null;
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
                routes => Map(routes, guard, host, page),
                time,
                loggers,
                cancellationToken);
            port = web.Address.Port;
            Uri address = web.Address;
            socket = await ManagementSocket.StartAsync(
                options.DataDirectory, Role, routes => new AppManagement(host, address, page.Keys.OwnKey).Map(routes), new Health(drain), time, loggers, cancellationToken);
            await host.ServeAsync(address, cancellationToken);
            page.Start(address);
            return new AppServer(web, socket, page);
        }
        catch
        {
            if (socket is not null)
            {
                await socket.DisposeAsync();
            }
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

    private static void Map(IEndpointRouteBuilder routes, LocalGuard guard, ClientHost host, AppPage page)
    {
        page.Map(routes, guard);
        var models = new ModelsEndpoint(host);
        Post("/v1/chat/completions", PromptOperation.ChatCompletions);
        Post("/v1/responses", PromptOperation.Responses);
        Post("/v1/embeddings", PromptOperation.Embeddings);
        Post("/v1/messages", PromptOperation.Messages);
        routes.MapGet("/v1/models", guard.Wrap(page.Keys.Wrap(models.ListAsync)));
        routes.MapGet("/v1/models/{**id}", guard.Wrap(page.Keys.Wrap(models.GetAsync)));
        new PageFiles(typeof(AppServer).Assembly, PageDocument.ContentSecurityPolicy).Map(routes, "/", guard.WrapPage, PageDocument.SayWhatIsMissingAsync);
        routes.MapFallback("{**path}", guard.Wrap(context => ApiErrors.WriteFrameworkErrorAsync(context, StatusCodes.Status404NotFound)));

        void Post(string path, PromptOperation operation) => routes.MapPost(path, guard.Wrap(page.Keys.Wrap(new PromptEndpoint(operation, page.Keys, host.Options).HandleAsync)));
    }
}
