using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Tacit.Hosting.Onion;
using BadHttpRequestException = Microsoft.AspNetCore.Http.BadHttpRequestException;

namespace Tacit.Hosting;

/// <summary>
/// A Kestrel server with nothing in it but routing: no configuration files, no environment, no signal handlers, no request log, no <c>Server</c> header,
/// limits on everything a stranger can send. Routes are mapped with plain <see cref="RequestDelegate"/>s.
/// </summary>
public sealed partial class WebServer : IAsyncDisposable
{
    /// <summary>Read ahead of a handler, for each connection: the framework's megabyte would be filled by a crowd that sends without waiting for answers.</summary>
    private const int ReadAheadBytes = 64 * 1024;

    private readonly WebApplication _application;
    private readonly WebServerOptions _options;
    private readonly DrainSignal _drain;
    private readonly TimeProvider _time;
    private readonly UnixSocketFile? _socket;
    private readonly UnixSocketFile? _onionSocket;
    private readonly CertificateFiles? _certificate;
    private readonly RequestCount _requests;
    private int _stopped;

    private WebServer(
        WebApplication application, WebServerOptions options, DrainSignal drain, TimeProvider time, UnixSocketFile? socket, UnixSocketFile? onionSocket,
        CertificateFiles? certificate, RequestCount requests)
    {
        _application = application;
        _options = options;
        _drain = drain;
        _time = time;
        _socket = socket;
        _onionSocket = onionSocket;
        _certificate = certificate;
        _requests = requests;
        Address = AddressOf(application, options);
    }

    /// <summary>
    /// Where it listens, with the port it really got: <c>http://127.0.0.1:8225/</c>, or <c>http://localhost/</c> for a Unix socket.
    /// </summary>
    public Uri Address { get; }

    /// <summary>Cancelled when a stop began.</summary>
    public CancellationToken Draining => _drain.Token;

    /// <param name="options">Where and with which limits.</param>
    /// <param name="map">Maps the routes, once.</param>
    /// <param name="time">For the drain delay. Connection timeouts are Kestrel's own and run on real time.</param>
    /// <param name="loggers">The role's log. The framework writes to it through a filter that lets no request data through.</param>
    /// <exception cref="AddressInUseException">Something listens there already.</exception>
    /// <exception cref="ListenException">The address is not this machine's, or not allowed to this user.</exception>
    /// <exception cref="SettingsException">Certificate and key cannot be used.</exception>
    public static async Task<WebServer> StartAsync(
        WebServerOptions options, Action<IEndpointRouteBuilder> map, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(map);
        if (options.Listen.IsMissing)
        {
            throw new ListenException(
                options.ListenSetting, options.Listen.ToString(), $"{options.ListenSetting} takes a socket that systemd passes, and none came with this process",
                "Start it by its socket unit (systemctl start tacit-gateway.socket), or name an address.");
        }
        DrainSignal drain = options.Drain ?? new DrainSignal();
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "tacit" });
        ILogger log = loggers.CreateLogger("Tacit.Hosting.WebServer");
        CertificateFiles? certificate = options.Tls.IsOn && !options.Listen.IsUnixSocket ? new CertificateFiles(options.Tls, options.Role, time, log) : null;
        FrameworkLogFilter filter = new(loggers);
        builder.Services.AddSingleton<ILoggerFactory>(filter);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        // Incoming trace headers are neither read nor passed on (law 5).
        builder.Services.AddSingleton<DistributedContextPropagator>(new NoPropagation());
        builder.Services.AddSingleton<IMemoryPoolFactory<byte>, ClearingMemoryPool.Factory>();
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = options.DrainTimeout);
        builder.Services.AddRoutingCore();
        builder.WebHost.UseKestrelCore();
        if (certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }
        // A passed socket has its file already, and keeps it: it is the manager's.
        UnixSocketFile? socket = options.Listen is { IsUnixSocket: true, Descriptor: null } ? UnixSocketFile.Prepare(options.Listen.SocketPath, options.ListenSetting, options.Role) : null;
        UnixSocketFile? onionSocket = options.Onion is { IsEnabled: true } onion ? UnixSocketFile.Prepare(onion.SocketPath, "--data", options.Role) : null;
        builder.WebHost.ConfigureKestrel(kestrel => Configure(kestrel, options, socket, onionSocket, certificate));

        WebApplication application = builder.Build();
        RequestCount requests = new();
        try
        {
            application.Use(next => new Front(next, options, drain, requests, log).InvokeAsync);
            application.UseRouting();
            application.Use(next => context => Closed(context, drain) ? RefuseAsync(context, options) : next(context));
            map(application);
            await application.StartAsync(cancellationToken);
            socket?.Publish(options.SocketMode);
            onionSocket?.Publish(UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
        catch (Exception e)
        {
            await application.DisposeAsync();
            socket?.Dispose();
            onionSocket?.Dispose();
            certificate?.Dispose();
            if (Explain(e, options) is ListenException explained)
            {
                throw explained;
            }
            throw;
        }
        return new WebServer(application, options, drain, time, socket, onionSocket, certificate, requests);
    }

    /// <summary>
    /// Stops in order: readiness turns false; after <see cref="WebServerOptions.DrainDelay"/> new requests are refused with 503 and their connections closed,
    /// while those under way get <see cref="WebServerOptions.DrainTimeout"/> to end and health still answers; then nothing listens any more.
    /// </summary>
    /// <param name="cancellationToken">Cancelled: cut off at once what still runs.</param>
    public async Task StopAsync(CancellationToken cancellationToken = default)
    {
        if (Interlocked.Exchange(ref _stopped, 1) != 0)
        {
            return;
        }
        _drain.Begin();
        try
        {
            if (_options.DrainDelay > TimeSpan.Zero)
            {
                await Task.Delay(_options.DrainDelay, _time, cancellationToken);
            }
        }
        catch (OperationCanceledException)
        {
            // Told to hurry.
        }
        _drain.Close();
        using CancellationTokenSource late = new(_options.DrainTimeout, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        try
        {
            await _requests.WaitUntilIdleAsync().WaitAsync(either.Token);
            // Handlers are through; what they wrote may still be on its way to slow readers.
            await _application.StopAsync(either.Token);
        }
        catch (OperationCanceledException)
        {
            // The time for a graceful end is over: Kestrel cuts off what is left.
            using CancellationTokenSource now = new(TimeSpan.Zero, _time);
            await now.CancelAsync();
            await StopNowAsync(now.Token);
        }
        finally
        {
            _socket?.Dispose();
            _onionSocket?.Dispose();
            _certificate?.Dispose();
        }
    }

    private async Task StopNowAsync(CancellationToken now)
    {
        try
        {
            await _application.StopAsync(now);
        }
        catch (OperationCanceledException)
        {
            // As asked.
        }
    }

    public async ValueTask DisposeAsync()
    {
        using CancellationTokenSource now = new(TimeSpan.Zero, _time);
        await now.CancelAsync();
        await StopAsync(now.Token);
        await _application.DisposeAsync();
    }

    private static void Configure(KestrelServerOptions kestrel, WebServerOptions options, UnixSocketFile? socket, UnixSocketFile? onionSocket, CertificateFiles? certificate)
    {
        kestrel.AddServerHeader = false;
        kestrel.AllowSynchronousIO = false;
        KestrelServerLimits limits = kestrel.Limits;
        limits.MaxRequestBodySize = options.MaxRequestBodyBytes;
        limits.MaxRequestHeadersTotalSize = options.MaxRequestHeaderBytes;
        limits.MaxRequestHeaderCount = options.MaxRequestHeaderCount;
        limits.MaxConcurrentConnections = options.MaxConnections;
        limits.MaxConcurrentUpgradedConnections = 0;
        limits.MaxRequestBufferSize = Math.Max(ReadAheadBytes, options.MaxRequestHeaderBytes);
        limits.Http2.InitialConnectionWindowSize = 2 * ReadAheadBytes;
        limits.Http2.InitialStreamWindowSize = ReadAheadBytes;
        limits.RequestHeadersTimeout = options.RequestHeadersTimeout;
        limits.KeepAliveTimeout = options.KeepAliveTimeout;
        limits.MinRequestBodyDataRate = new MinDataRate(options.MinRequestBodyBytesPerSecond, options.RequestBodyGracePeriod);
        limits.MinResponseDataRate = new MinDataRate(options.MinResponseBytesPerSecond, options.ResponseGracePeriod);
        if (options.Listen.Descriptor is int descriptor)
        {
            kestrel.ListenHandle((ulong)descriptor, listen => ConfigureTls(listen, certificate));
        }
        else if (socket is not null)
        {
            kestrel.ListenUnixSocket(socket.BindPath);
        }
        else
        {
            kestrel.Listen(options.Listen.EndPoint!, listen => ConfigureTls(listen, certificate));
        }
        if (onionSocket is not null)
        {
            kestrel.ListenUnixSocket(onionSocket.BindPath, static listen => listen.Use(static next => connection =>
            {
                connection.Features.Set(OnionTraffic.Mark.Instance);
                return next(connection);
            }));
        }
    }

    private static void ConfigureTls(ListenOptions listen, CertificateFiles? certificate)
    {
        if (certificate is null)
        {
            return;
        }
        listen.Protocols = HttpProtocols.Http1AndHttp2;
        listen.UseHttps(new TlsHandshakeCallbackOptions
        {
            OnConnection = _ => ValueTask.FromResult(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = certificate.Current,
                EnabledSslProtocols = SslProtocols.Tls13,
                // A resumed session would link two connections (law 9).
                AllowTlsResume = false,
            }),
        });
    }

    /// <summary>Whether a request came after the server was closed, for a route that is not served until the end.</summary>
    private static bool Closed(HttpContext context, DrainSignal drain) =>
        drain.IsClosing && context.GetEndpoint()?.Metadata.GetMetadata<ServedToTheEnd>() is null;

    private static Task RefuseAsync(HttpContext context, WebServerOptions options)
    {
        context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        return options.WriteError?.Invoke(context, StatusCodes.Status503ServiceUnavailable) ?? Task.CompletedTask;
    }

    private static Uri AddressOf(WebApplication application, WebServerOptions options)
    {
        if (options.Listen.IsUnixSocket)
        {
            return new Uri("http://localhost/");
        }
        if (options.Listen.Descriptor is not null)
        {
            return new Uri($"{(options.Tls.IsOn ? "https" : "http")}://{options.Listen.EndPoint}/");
        }
        string bound = application.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
            .First(static address => !address.StartsWith("http://unix:", StringComparison.Ordinal));
        return new Uri(bound);
    }

    private static ListenException? Explain(Exception exception, WebServerOptions options)
    {
        string endpoint = options.Listen.ToString();
        for (Exception? e = exception; e is not null; e = e.InnerException)
        {
            SocketError? error = e is Microsoft.AspNetCore.Connections.AddressInUseException ? SocketError.AddressAlreadyInUse : (e as SocketException)?.SocketErrorCode;
            switch (error)
            {
                case SocketError.AddressAlreadyInUse:
                    return new AddressInUseException(
                        options.ListenSetting, endpoint, $"Stop what listens there (ss -ltnp shows it), or set {options.ListenSetting} to another port.", exception);
                case SocketError.AddressNotAvailable:
                    return new ListenException(
                        options.ListenSetting, endpoint, $"{endpoint} is not an address of this machine", "Use 127.0.0.1, or an address that `ip addr` shows.", exception);
                case SocketError.AccessDenied:
                    return new ListenException(
                        options.ListenSetting, endpoint, $"this user may not listen on {endpoint}", "Use a port above 1023, or give the process CAP_NET_BIND_SERVICE.", exception);
                default:
                    break;
            }
        }
        return null;
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "A request of the {Role} failed unexpectedly: {Exception}")]
    private static partial void LogUnhandled(ILogger logger, string role, string exception);

    /// <summary>The first handler: nothing that a route throws reaches the framework, which would log it with the request.</summary>
    private sealed class Front(RequestDelegate next, WebServerOptions options, DrainSignal drain, RequestCount requests, ILogger log)
    {
        public async Task InvokeAsync(HttpContext context)
        {
            requests.Enter();
            try
            {
                if (drain.IsClosing)
                {
                    // Over HTTP/2 this becomes GOAWAY.
                    context.Response.Headers.Connection = "close";
                }
                AnnounceOnion(context);
                await AnswerAsync(context);
            }
            finally
            {
                requests.Leave();
            }
        }

        /// <summary>
        /// Tor's proposal for Onion-Location: a browser heeds it where the page came over HTTPS and from no onion service. Whether HTTPS ended in front of this server is
        /// not to be seen here, so it is sent either way.
        /// </summary>
        private void AnnounceOnion(HttpContext context)
        {
            if (options.Onion?.Location is { } address && (HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsHead(context.Request.Method)) && !context.IsOnion())
            {
                HttpRequest request = context.Request;
                string location = $"http://{address}{request.Path.ToUriComponent()}{request.QueryString.ToUriComponent()}";
                // A query comes as it was sent: with bytes that no URI has, and that a header must not have, it is nothing to send a browser to.
                if (!location.AsSpan().ContainsAnyExceptInRange('!', '~'))
                {
                    context.Response.Headers["Onion-Location"] = location;
                }
            }
        }

        private async Task AnswerAsync(HttpContext context)
        {
            int? status = null;
            try
            {
                await next(context);
                if (context.Response is { HasStarted: false, StatusCode: StatusCodes.Status404NotFound or StatusCodes.Status405MethodNotAllowed, ContentType: null }
                    && context.Response.ContentLength is null)
                {
                    status = context.Response.StatusCode;
                }
            }
            catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
            {
                return;
            }
            catch (BadHttpRequestException e)
            {
                status = e.StatusCode;
            }
            catch (Exception e)
            {
                LogUnhandled(log, options.Role, ExceptionNames.Of(e));
                status = StatusCodes.Status500InternalServerError;
            }
            if (status is not int code)
            {
                return;
            }
            if (context.Response.HasStarted)
            {
                // Half a reply must not look like a whole one.
                context.Abort();
                return;
            }
            string? allow = context.Response.Headers.Allow;
            context.Response.Clear();
            AnnounceOnion(context);
            context.Response.StatusCode = code;
            if (drain.IsClosing)
            {
                context.Response.Headers.Connection = "close";
            }
            if (allow is not null)
            {
                context.Response.Headers.Allow = allow;
            }
            if (options.WriteError is not null)
            {
                try
                {
                    await options.WriteError(context, code);
                }
                catch (Exception e) when (e is IOException or OperationCanceledException)
                {
                    // The other side is gone.
                }
            }
        }
    }

    /// <summary>Signals belong to the process, not to one of its servers.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
