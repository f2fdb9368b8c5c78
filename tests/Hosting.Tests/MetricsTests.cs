using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting.Metrics;

namespace Tacit.Hosting.Tests;

public sealed class MetricsTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Page_has_each_kind_of_instrument_in_the_text_format()
    {
        await using RoleMetrics metrics = new(new MetricsOptions { Listen = ListenAddress.Loopback(0) }, "test");
        Meter meter = metrics.Meters.Create("Tacit.Test");
        Counter<long> counter = meter.CreateCounter<long>("tacit.test.answers", null, "Back\\slash\nand line.");
        counter.Add(2, new KeyValuePair<string, object?>("status", "200"));
        counter.Add(1, new KeyValuePair<string, object?>("status", "4\"\\\n"));
        Histogram<double> histogram = meter.CreateHistogram("tacit.test.wait", "s", "Waits.", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1] });
        foreach (double value in (double[])[0.25, 0.5, 0.75, 3])
        {
            histogram.Record(value);
        }

        meter.CreateCounter<long>("tacit.test.nothing", null, "Never counted.");
        meter.CreateObservableGauge("tacit.test.queue", () => 7, null, "Now.");
        await metrics.OpenAsync(TimeProvider.System, NullLoggerFactory.Instance, Ct);

        (int status, string body, HttpResponseMessage response) = await Servers.GetAsync(new Uri(metrics.Address!, "/metrics"));

        Assert.Equal(200, status);
        Assert.Equal("text/plain; version=0.0.4; charset=utf-8", response.Content.Headers.ContentType!.ToString());
        string mine = string.Join('\n', body.Split('\n').Where(line => line.Contains("tacit_test", StringComparison.Ordinal))) + "\n";
        Assert.Equal(
            """
            # HELP tacit_test_answers_total Back\\slash\nand line.
            # TYPE tacit_test_answers_total counter
            tacit_test_answers_total{status="200"} 2
            tacit_test_answers_total{status="4\"\\\n"} 1
            # HELP tacit_test_nothing_total Never counted.
            # TYPE tacit_test_nothing_total counter
            tacit_test_nothing_total 0
            # HELP tacit_test_queue Now.
            # TYPE tacit_test_queue gauge
            tacit_test_queue 7
            # HELP tacit_test_wait_seconds Waits.
            # TYPE tacit_test_wait_seconds histogram
            tacit_test_wait_seconds_bucket{le="0.5"} 2
            tacit_test_wait_seconds_bucket{le="1"} 3
            tacit_test_wait_seconds_bucket{le="+Inf"} 4
            tacit_test_wait_seconds_sum 4.5
            tacit_test_wait_seconds_count 4

            """, mine);
    }

    [Fact]
    public async Task Page_leaves_out_what_has_two_tags_or_too_many_values()
    {
        await using RoleMetrics metrics = new(new MetricsOptions { Listen = ListenAddress.Loopback(0) }, "test");
        Counter<long> counter = metrics.Meters.Create("Tacit.Test").CreateCounter<long>("tacit.test.answers");
        counter.Add(1, new KeyValuePair<string, object?>("plan", "canary"), new KeyValuePair<string, object?>("status", "200"));
        for (int i = 0; i < 1000; i++)
        {
            counter.Add(1, new KeyValuePair<string, object?>("status", $"value{i}"));
        }

        await metrics.OpenAsync(TimeProvider.System, NullLoggerFactory.Instance, Ct);
        (_, string body, _) = await Servers.GetAsync(new Uri(metrics.Address!, "/metrics"));
        Assert.DoesNotContain("canary", body, StringComparison.Ordinal);
        Assert.Equal(256, body.Split('\n').Count(line => line.StartsWith("tacit_test_answers_total{", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Role_that_is_told_nothing_measures_nothing()
    {
        await using RoleMetrics metrics = new(new MetricsOptions(), "test");
        Counter<long> counter = metrics.Meters.Create("Tacit.Test").CreateCounter<long>("tacit.test.answers");
        await metrics.OpenAsync(TimeProvider.System, NullLoggerFactory.Instance, Ct);
        Assert.False(counter.Enabled);
        Assert.Null(metrics.Address);
    }

    [Fact]
    public async Task Two_roles_of_one_process_do_not_count_for_each_other()
    {
        await using RoleMetrics one = new(new MetricsOptions { Listen = ListenAddress.Loopback(0) }, "one");
        await using RoleMetrics other = new(new MetricsOptions { Listen = ListenAddress.Loopback(0) }, "other");
        one.Meters.Create("Tacit.Test").CreateCounter<long>("tacit.test.answers").Add(1);
        other.Meters.Create("Tacit.Test").CreateCounter<long>("tacit.test.answers").Add(5);
        await one.OpenAsync(TimeProvider.System, NullLoggerFactory.Instance, Ct);
        (_, string body, _) = await Servers.GetAsync(new Uri(one.Address!, "/metrics"));
        Assert.Contains("\ntacit_test_answers_total 1\n", body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Otlp_reaches_a_collector_with_the_figures_and_nothing_of_the_machine()
    {
        TaskCompletionSource<byte[]> got = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await using WebServer collector = await Servers.StartAsync(routes => Microsoft.AspNetCore.Builder.EndpointRouteBuilderExtensions.MapPost(
            routes, "/v1/metrics", (Microsoft.AspNetCore.Http.RequestDelegate)(async context =>
            {
                using MemoryStream body = new();
                await context.Request.Body.CopyToAsync(body);
                got.TrySetResult(body.ToArray());
            })));
        await using (RoleMetrics metrics = new(new MetricsOptions { Otlp = collector.Address }, "test"))
        {
            await metrics.OpenAsync(TimeProvider.System, NullLoggerFactory.Instance, Ct);
            metrics.Meters.Create("Tacit.Test").CreateCounter<long>("tacit.test.otlp").Add(1);
            // What is left is sent at the end.
        }

        string text = System.Text.Encoding.Latin1.GetString(await got.Task.WaitAsync(Ct));
        Assert.Contains("tacit.test.otlp", text, StringComparison.Ordinal);
        Assert.Contains("tacit-test", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Environment.MachineName, text, StringComparison.Ordinal);
        Assert.DoesNotContain("process.command", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("0.0.0.0:9464", null, "Metrics:Listen")]
    [InlineData("127.0.0.1:8226", null, "Metrics:Listen")]
    [InlineData(null, "http://collector.example:4318", "Metrics:Otlp")]
    [InlineData(null, "https://user@collector.example", "Metrics:Otlp")]
    public void Setting_that_would_tell_strangers_is_refused(string? listen, string? otlp, string key)
    {
        SettingsValidation validation = new();
        new MetricsOptions { Listen = listen is null ? null : ListenAddress.Parse(listen), Otlp = otlp is null ? null : new Uri(otlp) }
            .Validate(validation, ListenAddress.Loopback(8226));
        SettingsException refused = Assert.Throws<SettingsException>(validation.ThrowIfAny);
        Assert.Contains(key, refused.Message, StringComparison.Ordinal);
    }
}
