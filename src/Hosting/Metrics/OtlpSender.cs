using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Tacit.Hosting.Metrics;

/// <summary>Sends a role's figures to an OpenTelemetry collector once a minute and once at the end. The collector learns the role's name and nothing of the machine.</summary>
internal sealed class OtlpSender : IDisposable
{
    private readonly MeterProvider _provider;

    public OtlpSender(Uri collector, string role) => _provider = Sdk.CreateMeterProviderBuilder()
        // In place of the default resource, which has the process' command and whatever OTEL_RESOURCE_ATTRIBUTES says.
        .SetResourceBuilder(ResourceBuilder.CreateEmpty().AddService("tacit-" + role, autoGenerateServiceInstanceId: false))
        .AddMeter("Tacit.*")
        .AddOtlpExporter((exporter, reader) =>
        {
            exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
            exporter.Endpoint = new Uri(collector, "/v1/metrics");
            exporter.HttpClientFactory = static () => CreateClient();
            reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds = 60_000;
            reader.TemporalityPreference = MetricReaderTemporalityPreference.Cumulative;
        })
        .Build();

    public void Dispose() => _provider.Dispose();

#pragma warning disable RS0030 // The exporter takes an HttpClient and no handler. This one is of our making: no proxy, no cookies, no trace headers.
    private static HttpClient CreateClient() => new(
        new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, ActivityHeadersPropagator = null }, disposeHandler: true)
    { Timeout = TimeSpan.FromSeconds(10) };
#pragma warning restore RS0030
}
