using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;
using Tacit.Hosting.Metrics;
using Tacit.Protocol;

namespace Tacit.Relay;

/// <summary>What the operator sees of a relay.</summary>
/// <param name="Targets">The gateways it forwards to.</param>
/// <param name="UnderWay">Requests at this moment. The relay counts nothing else.</param>
public sealed record RelayStatus(IReadOnlyList<string> Targets, int UnderWay);

/// <summary>JSON of the relay's management socket.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(RelayStatus))]
public sealed partial class RelayJson : JsonSerializerContext;

/// <summary>
/// An Oblivious HTTP relay (RFC 9458): it sees who asks and not what, so that the gateway, which sees what, need not see who. Keeps no log of requests and no
/// state. Its operator's route, on <c>relay.sock</c> in the data folder: <c>GET /status</c> (<see cref="RelayStatus"/>).
/// </summary>
public sealed class RelayServer : IAsyncDisposable
{
    /// <summary>The name of the role and of its management socket.</summary>
    public const string Role = "relay";

    private readonly DrainSignal _drain = new();
    private readonly Forwarder _forwarder;
    private readonly RoleMetrics _metrics;
    private WebServer? _server;
    private WebServer? _management;
    private int _disposed;

    private RelayServer(Forwarder forwarder, RoleMetrics metrics)
    {
        _forwarder = forwarder;
        _metrics = metrics;
        metrics.Meters.Create("Tacit.Relay").CreateObservableGauge(
            "tacit.relay.requests", () => _forwarder.UnderWay, null, "Requests under way. Nothing else is counted.");
    }

    /// <summary>Where it answers.</summary>
    public Uri Address => _server!.Address;

    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="ListenException">The address can't be listened on.</exception>
    public static async Task<RelayServer> StartAsync(RelayOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var validation = new SettingsValidation();
        options.Validate(validation);
        validation.ThrowIfAny();
        DataFolder.Create(options.DataDirectory);
        var server = new RelayServer(new Forwarder(options, time), new RoleMetrics(options.Metrics, Role));
        try
        {
            await server.ListenAsync(options, time, loggers, cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets what is under way end, and stops listening.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        _drain.Begin();
        if (_server is not null)
        {
            await _server.StopAsync(cancellationToken);
        }

        if (_management is not null)
        {
            await _management.StopAsync(cancellationToken);
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
        {
            return;
        }

        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        if (_management is not null)
        {
            await _management.DisposeAsync();
        }

        await _metrics.DisposeAsync();
        _forwarder.Dispose();
        _drain.Dispose();
    }

    private async Task ListenAsync(RelayOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var health = new Health(_drain);
        var status = new RelayStatus([.. options.Targets.Select(target => target.Name)], 0);
        _management = await ManagementSocket.StartAsync(
            options.DataDirectory, Role,
            routes => routes.MapGet("/status", (RequestDelegate)(context =>
            {
                context.Response.ContentType = MediaTypes.Json;
                return JsonSerializer.SerializeAsync(context.Response.Body, status with { UnderWay = _forwarder.UnderWay }, RelayJson.Default.RelayStatus, context.RequestAborted);
            })),
            health, time, loggers, cancellationToken);
        _server = await WebServer.StartAsync(
            new WebServerOptions
            {
                Role = Role,
                Listen = options.Listen,
                MaxRequestBodyBytes = options.MaxRequestBytes,
                Tls = options.Tls,
                Drain = _drain,
                DrainTimeout = options.DrainTimeout,
                WriteError = Problems.WriteStatusAsync,
            },
            routes =>
            {
                health.Map(routes);
                foreach (RelayTarget target in options.Targets)
                {
                    routes.MapPost("/" + target.Name, (RequestDelegate)(context => _forwarder.HandleAsync(context, target)));
                }
            },
            time, loggers, cancellationToken);
        await _metrics.OpenAsync(time, loggers, cancellationToken);
    }
}
