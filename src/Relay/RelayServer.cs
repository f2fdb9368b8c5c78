using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Hosting.Onion;
using Tacit.Protocol;
using Tacit.Tor;

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

    private readonly RoleListeners _listeners;
    private readonly Forwarder _forwarder;
    private OnionHost? _onionHost;

    private RelayServer(RelayOptions options, OnionDoor onion, TimeProvider time)
    {
        Onion = onion;
        _listeners = new RoleListeners(Role, options.Metrics);
        _forwarder = new Forwarder(options, time);
        _listeners.Metrics.Meters.Create("Tacit.Relay").CreateObservableGauge(
            "tacit.relay.requests", () => _forwarder.UnderWay, null, "Requests under way. Nothing else is counted.");
    }

    /// <summary>Where it answers.</summary>
    public Uri Address => _listeners.Address;

    /// <summary>The relay's onion service: whether there is one, its address, and whether it is published.</summary>
    public OnionDoor Onion { get; }

    /// <exception cref="SettingsException">A setting is wrong.</exception>
    /// <exception cref="KeyProtectionException">The onion service's key can't be opened.</exception>
    /// <exception cref="ListenException">The address can't be listened on.</exception>
    /// <exception cref="TorException">There is to be an onion service, and no usable tor.</exception>
    public static async Task<RelayServer> StartAsync(RelayOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        var validation = new SettingsValidation();
        options.Validate(validation);
        validation.ThrowIfAny();
        DataFolder.Create(options.DataDirectory);
        var server = new RelayServer(options, OnionDoor.Open(options.Onion, Role, options.DataDirectory, null, loggers), time);
        try
        {
            await server.ListenAsync(options, time, loggers, cancellationToken);
            await server.PublishOnionAsync(options, time, loggers, cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Lets what is under way end, and stops listening.</summary>
    public Task StopAsync(CancellationToken cancellationToken) => _listeners.StopAsync(cancellationToken);

    public async ValueTask DisposeAsync()
    {
        await _listeners.DisposeAsync();
        if (_onionHost is not null)
        {
            await _onionHost.DisposeAsync();
        }

        Onion.Dispose();
        _forwarder.Dispose();
    }

    /// <summary>Last of all, as it may take a while: the relay serves its own address already.</summary>
    private async Task PublishOnionAsync(RelayOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (options.Onion.Enabled)
        {
            _onionHost = await OnionHost.StartAsync(
                options.Tor with { DataDirectory = OnionDoor.TorFolderFor(options.DataDirectory, Role) },
                new OnionServiceOptions
                {
                    PrivateKey = Onion.PrivateKey, Target = Onion.Target, AuthorizedClients = options.Onion.AuthorizedClients, ProofOfWork = options.Onion.ProofOfWork,
                },
                service => Onion.Keep(service.Address, service.PrivateKey.Span),
                status => Onion.Report(new OnionState(
                    status.IsPublished, status.Tor?.ToString() ?? "not running", status.Tor?.Percent ?? 0, status.Tor?.Version, status.HasProofOfWork, status.Fault)),
                time, loggers, cancellationToken);
        }
    }

    private Task ListenAsync(RelayOptions options, TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var status = new RelayStatus([.. options.Targets.Select(target => target.Name)], 0);
        return _listeners.OpenAsync(
            options.DataDirectory,
            routes => routes.MapGet("/status", (RequestDelegate)(context =>
            {
                context.Response.ContentType = MediaTypes.Json;
                return JsonSerializer.SerializeAsync(context.Response.Body, status with { UnderWay = _forwarder.UnderWay }, RelayJson.Default.RelayStatus, context.RequestAborted);
            })),
            new WebServerOptions
            {
                Role = Role,
                Listen = options.Listen,
                Onion = Onion,
                MaxRequestBodyBytes = options.MaxRequestBytes,
                Tls = options.Tls,
                DrainTimeout = options.DrainTimeout,
                WriteError = Problems.WriteStatusAsync,
            },
            routes =>
            {
                _listeners.Health.Map(routes);
                foreach (RelayTarget target in options.Targets)
                {
                    routes.MapPost("/" + target.Name, (RequestDelegate)(context => _forwarder.HandleAsync(context, target)));
                }
            },
            time, loggers, cancellationToken);
    }
}
