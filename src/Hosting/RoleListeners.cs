using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;
using Tacit.Hosting.Metrics;

namespace Tacit.Hosting;

/// <summary>
/// Everything that a small role listens on, and what these share: the public address, the management socket, the page of metrics, one signal to drain, one
/// health. Stopped and disposed of in that order; the role disposes of its own parts after it, as nothing asks for them any more.
/// </summary>
public sealed class RoleListeners : IAsyncDisposable
{
    private readonly string _role;
    private WebServer? _server;
    private WebServer? _management;
    private int _disposed;

    public RoleListeners(string role, MetricsOptions metrics)
    {
        _role = role;
        Health = new Health(Drain);
        Metrics = new RoleMetrics(metrics, role);
    }

    public DrainSignal Drain { get; } = new();

    /// <summary>Served on the management socket; on the public address where the role maps it.</summary>
    public Health Health { get; }

    public RoleMetrics Metrics { get; }

    /// <summary>Where the role answers, with the port it really got.</summary>
    /// <exception cref="InvalidOperationException">Not opened.</exception>
    public Uri Address => _server?.Address ?? throw new InvalidOperationException($"The {_role} is not listening.");

    /// <summary>Opens the management socket first, so that nobody is served by a role whose data folder is in use by another.</summary>
    /// <param name="dataFolder">Must exist (<see cref="DataFolder.Create"/>).</param>
    /// <param name="manage">Maps the operator's routes.</param>
    /// <param name="options">The public address; gets <see cref="Drain"/> from here.</param>
    /// <param name="map">Maps the public routes.</param>
    /// <exception cref="ListenException">An address can't be listened on; what was opened before is closed by <see cref="DisposeAsync"/>.</exception>
    public async Task OpenAsync(
        string dataFolder, Action<IEndpointRouteBuilder> manage, WebServerOptions options, Action<IEndpointRouteBuilder> map, TimeProvider time,
        ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Onion?.Observe(Metrics, Health);
        _management = await ManagementSocket.StartAsync(
            dataFolder, _role,
            routes =>
            {
                manage(routes);
                options.Onion?.Map(routes);
            },
            Health, time, loggers, cancellationToken);
        _server = await WebServer.StartAsync(options with { Drain = Drain }, map, time, loggers, cancellationToken);
        await Metrics.OpenAsync(time, loggers, cancellationToken);
    }

    /// <summary>Lets what is under way end, and stops listening.</summary>
    /// <param name="cancellationToken">Cancelled: cut off at once what still runs.</param>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        Drain.Begin();
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

        await Metrics.DisposeAsync();
        Drain.Dispose();
    }
}
