using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Tacit.EndToEnd.Support;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Storage.Testing;

namespace Tacit.Gateway.Tests;

/// <summary>Two gateways on one PostgreSQL database behind a real nginx, with the configuration that is shipped, restarted one after the other.</summary>
public sealed class RollingRestartTests : IAsyncLifetime
{
    private static readonly string[] s_places = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-rolling-").FullName;
    private readonly LogCapture _log = new();
    private readonly TestIssuer _issuer = new();
    private readonly Period _period = Period.Containing(PeriodKind.Month, TimeProvider.System.GetUtcNow());
    private readonly SocketsHttpHandler _handler = new() { UseProxy = false };
    private StubProvider _provider = null!;
    private InferenceRouter _router = null!;
    private Process? _nginx;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _provider = await StubProvider.StartAsync();
        _router = new InferenceRouter(
            new InferenceOptions { Backends = [new BackendOptions { Name = "stub", BaseUrl = _provider.BaseUrl, Models = new Dictionary<string, string> { [TestGateway.Model] = "m" } }] },
            TimeProvider.System, _log);
        _issuer.AddPlan(TestGateway.ChatPlan, _period);
    }

    public async ValueTask DisposeAsync()
    {
        if (_nginx is not null)
        {
            _nginx.Kill();
            await _nginx.WaitForExitAsync(CancellationToken.None);
            _nginx.Dispose();
        }
        await _router.DisposeAsync();
        await _provider.DisposeAsync();
        _handler.Dispose();
        _issuer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task Gateways_restarted_in_turn_behind_nginx_fail_no_request()
    {
        string program = s_places.FirstOrDefault(File.Exists) ?? "";
        Assert.SkipUnless(program.Length > 0, "nginx is not installed (apt-get install nginx-light)");
        string connection = await TestPostgres.CreateDatabaseAsync();
        byte[] directory = _issuer.Publish();
        int first = FreePorts.Take(3);
        int[] ports = [first, first + 1, first + 2];
        GatewayServer[] gateways = [await StartAsync(0), await StartAsync(1)];
        Uri front = await StartNginxAsync(program, ports);

        // A stream that outlasts the restart of the gateway which serves it.
        var go = new TaskCompletionSource();
        _provider.Answer = async context =>
        {
            using StreamReader body = new(context.Request.Body);
            if (!(await body.ReadToEndAsync(Token)).Contains("slowly", StringComparison.Ordinal))
            {
                await StubProvider.AnswerJsonAsync(context);
                return;
            }
            await StubProvider.AnswerInTwo(go.Task)(context);
        };
        using var client = new HttpMessageInvoker(_handler, disposeHandler: false);
        HttpResponseMessage[] streams = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => AskAsync(client, front, TestGateway.Body("slowly", stream: true))));
        Assert.All(streams, stream => Assert.Equal(HttpStatusCode.OK, stream.StatusCode));

        ConcurrentBag<string> failures = [];
        int answered = 0;
        using var stop = new CancellationTokenSource();
        Task[] load = [.. Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                try
                {
                    using HttpResponseMessage response = await AskAsync(client, front, TestGateway.Body());
                    if (response.StatusCode != HttpStatusCode.OK)
                    {
                        failures.Add($"{(int)response.StatusCode} {await response.TextAsync()}");
                    }
                }
                catch (HttpRequestException e)
                {
                    failures.Add(e.Message);
                }
                Interlocked.Increment(ref answered);
            }
        }))];
        for (int turn = 0; turn < 4; turn++)
        {
            await MoreAsync(10);
            Task stopping = gateways[turn % 2].StopAsync(Token);
            // The other one takes all there is; with a stream in hand this one cannot have ended.
            await MoreAsync(20);
            if (turn == 0)
            {
                Assert.False(stopping.IsCompleted);
                go.SetResult();
            }
            await stopping;
            gateways[turn % 2] = await StartAsync(turn % 2);
        }
        await MoreAsync(10);
        await stop.CancelAsync();
        await Task.WhenAll(load);

        Assert.Empty(failures);
        foreach (HttpResponseMessage stream in streams)
        {
            Assert.EndsWith("data: [DONE]\n\n", await stream.TextAsync(), StringComparison.Ordinal);
            stream.Dispose();
        }
        // Each request was one provider call: none was lost, none asked twice.
        Assert.Equal(answered + streams.Length, _provider.Calls);
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories), file => file.Contains("temp-", StringComparison.Ordinal));
        foreach (GatewayServer gateway in gateways)
        {
            await gateway.DisposeAsync();
        }

        async Task MoreAsync(int count)
        {
            int until = Volatile.Read(ref answered) + count;
            await TestGateway.UntilAsync(() => Volatile.Read(ref answered) >= until);
        }

        Task<GatewayServer> StartAsync(int number)
        {
            string secret = Path.Combine(_folder, "postgres");
            if (!File.Exists(secret))
            {
                File.WriteAllText(secret, connection);
                File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }
            return GatewayServer.StartAsync(
                new GatewayOptions
                {
                    Name = TestIssuer.GatewayName,
                    Listen = ListenAddress.Loopback(ports[number]),
                    DirectoryKey = _issuer.DirectoryKey,
                    DataDirectory = Path.Combine(_folder, number.ToString(CultureInfo.InvariantCulture)),
                    Database = new DatabaseOptions { Postgres = SecretReference.FromFile(secret), Readers = 1 },
                    ReplyMemoryBytes = 64 << 20,
                    DrainDelay = TimeSpan.FromSeconds(0.2),
                    DrainTimeout = TimeSpan.FromSeconds(20),
                },
                _ => ValueTask.FromResult<ReadOnlyMemory<byte>>(directory),
                _router, _issuer, null, TimeProvider.System, _log, Token);
        }
    }

    private Task<HttpResponseMessage> AskAsync(HttpMessageInvoker client, Uri front, string body)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(front, Routes.ChatCompletions)) { Content = new StringContent(body, Encoding.UTF8, "application/json") };
        request.Headers.TryAddWithoutValidation("Authorization", _issuer.CreateToken("chat").Header);
        return client.SendAsync(request, Token);
    }

    private async Task<Uri> StartNginxAsync(string program, int[] ports)
    {
        string shipped = await File.ReadAllTextAsync(Path.Combine(Root(), "deploy/nginx/gateways.conf"), Token);
        string adapted = shipped
            .Replace("127.0.0.1:8226", $"127.0.0.1:{ports[0]}", StringComparison.Ordinal)
            .Replace("127.0.0.1:8236", $"127.0.0.1:{ports[1]}", StringComparison.Ordinal)
            .Replace("127.0.0.1:8080", $"127.0.0.1:{ports[2]}", StringComparison.Ordinal);
        string temporary = string.Join(' ', ((string[])["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]).Select(kind => $"{kind}_temp_path {_folder}/temp-{kind};"));
        await File.WriteAllTextAsync(
            Path.Combine(_folder, "nginx.conf"),
            $"daemon off; master_process off; worker_processes 1; pid {_folder}/nginx.pid; error_log {_folder}/nginx.log warn;\nevents {{ }}\nhttp {{ {temporary}\n{adapted}\n}}\n", Token);
        _nginx = Process.Start(new ProcessStartInfo(program, ["-p", _folder, "-c", Path.Combine(_folder, "nginx.conf")]) { RedirectStandardError = true, RedirectStandardOutput = true })!;
        await TestGateway.UntilAsync(() =>
        {
            Assert.False(_nginx.HasExited, "nginx did not start");
            using Socket probe = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Connect(IPAddress.Loopback, ports[2]);
                return true;
            }
            catch (SocketException)
            {
                return false;
            }
        });
        return new Uri($"http://127.0.0.1:{ports[2]}/");
    }

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Tacit.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }
        return folder ?? throw new InvalidOperationException("The tests do not run in the tree.");
    }
}
