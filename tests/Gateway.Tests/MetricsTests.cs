using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Hosting.Metrics;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>What the operator's figures tell, and that a real Prometheus can read them.</summary>
public sealed partial class MetricsTests
{
    private const string Canary = "canary-metric-5f02";

    /// <summary>Every tag there is with every value it may have. A new one is a decision: see docs/threat-model.md before it is added here.</summary>
    private static readonly Dictionary<string, string[]> s_tags = new()
    {
        ["status"] = ["200", "400", "401", "403", "404", "405", "408", "409", "413", "415", "422", "428", "429", "500", "502", "503", "504", "other", "vanished"],
        ["backend"] = ["stub"],
    };

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Page_tells_sums_and_nothing_of_any_request()
    {
        await using TestGateway gateway = await StartAsync();
        await SendAllAsync(gateway);

        string page = await ReadAsync(gateway);

        Assert.DoesNotContain("canary", page, StringComparison.OrdinalIgnoreCase);
        foreach (string line in page.Split('\n', StringSplitOptions.RemoveEmptyEntries).Where(line => line[0] != '#'))
        {
            Match labels = LabelPattern().Match(line);
            Assert.True(labels.Success, line);
            string[] tags = [.. labels.Groups["tag"].Captures.Select(tag => tag.Value).Where(tag => !tag.StartsWith("le=", StringComparison.Ordinal))];
            Assert.True(tags.Length <= 1, line);
            Assert.All(tags, tag => Assert.Contains(tag[(tag.IndexOf('=') + 1)..].Trim('"'), s_tags[tag[..tag.IndexOf('=')]]));
        }

        Assert.Contains("\ntacit_gateway_responses_total{status=\"200\"} 3\n", page, StringComparison.Ordinal);
        Assert.Contains("\ntacit_gateway_responses_total{status=\"401\"} 1\n", page, StringComparison.Ordinal);
        Assert.Contains("\ntacit_gateway_request_duration_seconds_count 4\n", page, StringComparison.Ordinal);
        Assert.Contains("\ntacit_gateway_first_token_seconds_count 3\n", page, StringComparison.Ordinal);
        Assert.Contains("\ntacit_gateway_spend_duration_seconds_count 3\n", page, StringComparison.Ordinal);
        Assert.Contains("\ntacit_backend_replies_total{backend=\"stub\"} 3\n", page, StringComparison.Ordinal);
        Assert.Contains("\ntacit_backend_breaker{backend=\"stub\"} 0\n", page, StringComparison.Ordinal);
        Assert.DoesNotContain("\ntacit_gateway_output_tokens_total 0\n", page, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Page_has_the_instruments_that_the_operators_page_lists_and_no_others()
    {
        await using TestGateway gateway = await StartAsync();
        string page = await ReadAsync(gateway);
        string[] told = [.. TypePattern().Matches(page).Select(type => type.Groups[1].Value).Order(StringComparer.Ordinal)];
        Assert.Equal(
            [
                "tacit_backend_breaker", "tacit_backend_broken_off_total", "tacit_backend_calls_total", "tacit_backend_failed_total", "tacit_backend_first_byte_seconds_total",
                "tacit_backend_opened_total", "tacit_backend_outstanding", "tacit_backend_queue_full_total", "tacit_backend_queue_timeouts_total", "tacit_backend_queued",
                "tacit_backend_refused_total", "tacit_backend_replies_total", "tacit_backend_timed_out_total", "tacit_backend_unreachable_total", "tacit_backend_up",
                "tacit_gateway_backend_reply_seconds", "tacit_gateway_database_commits_total", "tacit_gateway_database_works_total", "tacit_gateway_first_token_seconds",
                "tacit_gateway_openings_refused_total", "tacit_gateway_openings_total",
                "tacit_gateway_openings_waiting", "tacit_gateway_output_tokens_total", "tacit_gateway_ready", "tacit_gateway_replies_held", "tacit_gateway_replies_live",
                "tacit_gateway_request_duration_seconds", "tacit_gateway_responses_total", "tacit_gateway_signatures_waiting", "tacit_gateway_spend_duration_seconds",
                "tacit_gateway_spend_group", "tacit_gateway_work_bits", "tacit_process_cpu_time_seconds_total", "tacit_process_memory_bytes",
            ],
            told);
    }

    [Fact]
    public async Task Public_address_tells_no_figures()
    {
        await using TestGateway gateway = await StartAsync();
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, "/metrics");
        Assert.Equal(404, (int)response.StatusCode);
    }

    [Fact]
    public async Task Prometheus_scrapes_a_gateway_and_evaluates_the_shipped_rules()
    {
        const string program = "/usr/bin/prometheus";
        Assert.SkipUnless(File.Exists(program), "prometheus is not installed (apt-get install prometheus)");
        await using TestGateway gateway = await StartAsync();
        await SendAllAsync(gateway);
        string folder = Directory.CreateTempSubdirectory("tacit-prometheus-").FullName;
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"), $$"""
            global: { scrape_interval: 200ms, evaluation_interval: 200ms }
            rule_files: ["{{Path.Combine(Root(), "deploy/observability/alerts.yml")}}"]
            scrape_configs: [ { job_name: tacit-gateway, static_configs: [ { targets: ["{{gateway.Server.MetricsAddress!.Authority}}"] } ] } ]
            """, Token);
        using Process prometheus = Process.Start(new ProcessStartInfo(
            program, [$"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/data", "--web.listen-address=127.0.0.1:0"])
        { RedirectStandardError = true })!;
        try
        {
            Uri? api = null;
            while (api is null && await prometheus.StandardError.ReadLineAsync(Token) is { } line)
            {
                Match listening = ListeningPattern().Match(line);
                api = listening.Success ? new Uri($"http://{listening.Groups[1].Value}/") : null;
            }

            Assert.NotNull(api);
            Task rest = prometheus.StandardError.ReadToEndAsync(Token);
            using var client = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
            Assert.Equal("3", await AskAsync(client, api, "tacit_gateway_responses_total{status=\"200\"}"));
            Assert.Equal("4", await AskAsync(client, api, "tacit_gateway_request_duration_seconds_count"));
            Assert.Equal("3", await AskAsync(client, api, "tacit_gateway_first_token_seconds_bucket{le=\"+Inf\"}"));
            Assert.Equal("0", await AskAsync(client, api, "tacit_backend_breaker{backend=\"stub\"}"));
            Assert.Equal("1", await AskAsync(client, api, "up{job=\"tacit-gateway\"}"));
            string rules = await GetAsync(client, new Uri(api, "api/v1/rules"));
            Assert.Contains("TacitBreakerOpen", rules, StringComparison.Ordinal);
            string names = await GetAsync(client, new Uri(api, "api/v1/label/__name__/values"));
            Assert.DoesNotContain("canary", names, StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            prometheus.Kill();
            await prometheus.WaitForExitAsync(CancellationToken.None);
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Task<TestGateway> StartAsync() => TestGateway.CreateAsync(prepare => prepare.Configure = options => options with
    {
        Metrics = new MetricsOptions { Listen = ListenAddress.Loopback(0) },
    });

    /// <summary>Three answers and one refusal, with something to be found in everything a client can send.</summary>
    private static async Task SendAllAsync(TestGateway gateway)
    {
        for (int i = 0; i < 3; i++)
        {
            using HttpResponseMessage reply = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(Canary, stream: i == 1));
            Assert.Equal(200, (int)reply.StatusCode);
            await reply.TextAsync();
        }

        using HttpResponseMessage refused = await gateway.AskAsync(gateway.Issuer.CreateToken("chat").With(bytes => bytes[150] ^= 1), TestGateway.Body(Canary));
        Assert.Equal(401, (int)refused.StatusCode);
        // An answer's time is taken when its handler is through, which is behind its last byte.
        string page = "";
        while (!page.Contains("\ntacit_gateway_request_duration_seconds_count 4\n", StringComparison.Ordinal) || page.Contains("\ntacit_gateway_output_tokens_total 0\n", StringComparison.Ordinal))
        {
            await Task.Delay(20, Token);
            page = await ReadAsync(gateway);
        }
    }

    private static async Task<string> ReadAsync(TestGateway gateway)
    {
        using var client = new HttpMessageInvoker(new SocketsHttpHandler { UseProxy = false });
        return await GetAsync(client, new Uri(gateway.Server.MetricsAddress!, "/metrics"));
    }

    private static async Task<string> GetAsync(HttpMessageInvoker client, Uri address)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, address);
        using HttpResponseMessage response = await client.SendAsync(request, Token);
        return await response.TextAsync();
    }

    /// <summary>The value of the one series that answers, once there is one.</summary>
    private static async Task<string> AskAsync(HttpMessageInvoker client, Uri api, string query)
    {
        while (true)
        {
            string text = await GetAsync(client, new Uri(api, "api/v1/query?query=" + Uri.EscapeDataString(query)));
            // It listens before it is ready, and says so in words.
            using JsonDocument answer = JsonDocument.Parse(text.StartsWith('{') ? text : "{}");
            if (answer.RootElement.TryGetProperty("data", out JsonElement data) && data.GetProperty("result") is { } result && result.GetArrayLength() == 1)
            {
                return result[0].GetProperty("value")[1].GetString()!;
            }

            await Task.Delay(100, Token);
        }
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Tacit.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("No Tacit.slnx above the test.");
    }

    [GeneratedRegex("""^[a-z_]+(?:\{(?:(?<tag>[a-z_]+="[^"]*"),?)*\})? [0-9.E+-]+$""")]
    private static partial Regex LabelPattern();

    [GeneratedRegex("^# TYPE ([a-z_]+) ", RegexOptions.Multiline)]
    private static partial Regex TypePattern();

    [GeneratedRegex("msg=\"Listening on\" address=([0-9.:]+)")]
    private static partial Regex ListeningPattern();
}
