using System.Diagnostics.Metrics;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Tacit.Hosting.Metrics;

/// <summary>
/// A role's figures for its operator: made before the parts that are measured, opened once they run. Where the settings turn nothing on nobody listens, and
/// instruments cost their <c>Enabled</c> check.
/// </summary>
public sealed class RoleMetrics : IAsyncDisposable
{
    private readonly MetricsOptions _options;
    private readonly string _role;
    private readonly MeterFactory _meters = new();
    private readonly PrometheusPage? _page;
    private WebServer? _server;
    private OtlpSender? _sender;

    public RoleMetrics(MetricsOptions options, string role)
    {
        ArgumentNullException.ThrowIfNull(options);
        _options = options;
        _role = role;
        _page = options.Listen is null ? null : new PrometheusPage(_meters);
        Meter process = _meters.Create("Tacit.Process");
        process.CreateObservableCounter("tacit.process.cpu.time", () => Environment.CpuUsage.TotalTime.TotalSeconds, "s", "Processor time of the process.");
        process.CreateObservableGauge("tacit.process.memory", () => Environment.WorkingSet, "By", "Memory of the process that is resident.");
    }

    public bool IsOn => _options.IsOn;

    public IMeterFactory Meters => _meters;

    /// <summary>Where <c>/metrics</c> answers, with the port it really got; null where it does not.</summary>
    public Uri? Address => _server?.Address;

    /// <exception cref="ListenException">The address cannot be listened on.</exception>
    public async Task OpenAsync(TimeProvider time, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (_options.Otlp is { } collector)
        {
            _sender = new OtlpSender(collector, _role);
        }

        if (_page is null)
        {
            return;
        }

        _server = await WebServer.StartAsync(
            new WebServerOptions
            {
                Role = _role,
                Listen = _options.Listen!,
                ListenSetting = "Metrics:Listen",
                MaxRequestBodyBytes = 0,
                MaxConnections = 64,
                DrainTimeout = TimeSpan.FromSeconds(2),
            },
            routes => routes.MapGet("/metrics", (RequestDelegate)WriteAsync).ServeToTheEnd(),
            time, loggers, cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        _sender?.Dispose();
        _page?.Dispose();
        _meters.Dispose();
    }

    private Task WriteAsync(HttpContext context)
    {
        byte[] text = Encoding.UTF8.GetBytes(_page!.Write());
        context.Response.ContentType = PrometheusPage.ContentType;
        context.Response.Headers.CacheControl = "no-store";
        context.Response.ContentLength = text.Length;
        return context.Response.Body.WriteAsync(text, context.RequestAborted).AsTask();
    }
}
