using System.Net.Sockets;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;

namespace Tacit.Hosting.Tests;

public sealed class WebServerTests
{
    private const string Canary = "canary-7f3a91";

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Server_answers_its_routes_without_naming_its_software()
    {
        await using WebServer server = await Servers.StartAsync(routes => routes.MapGet("/x", (RequestDelegate)(c => c.Response.WriteAsync("here"))));
        (int status, string body, HttpResponseMessage response) = await Servers.GetAsync(new Uri(server.Address, "/x"));
        Assert.Equal((200, "here"), (status, body));
        Assert.False(response.Headers.Contains("Server"));
    }

    [Fact]
    public async Task Port_in_use_names_port_and_setting()
    {
        await using WebServer first = await Servers.StartAsync(_ => { });
        AddressInUseException e = await Assert.ThrowsAsync<AddressInUseException>(() => Servers.StartAsync(
            _ => { }, o => o with { Listen = ListenAddress.Loopback(first.Address.Port), ListenSetting = "TACIT__Gateway__Listen" }));
        Assert.Equal("TACIT__Gateway__Listen", e.Setting);
        Assert.Contains(first.Address.Port.ToString(System.Globalization.CultureInfo.InvariantCulture), e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Address_of_another_machine_is_a_listen_error()
    {
        ListenException e = await Assert.ThrowsAsync<ListenException>(() => Servers.StartAsync(_ => { }, o => o with { Listen = ListenAddress.Parse("192.0.2.1:0") }));
        Assert.Equal("Listen", e.Setting);
    }

    [Fact]
    public async Task Canary_in_path_query_header_body_and_exception_reaches_no_log()
    {
        using GreedyLog log = new();
        await using WebServer server = await Servers.StartAsync(
            routes =>
            {
                routes.MapPost("/fail/{what}", (RequestDelegate)(_ => throw new InvalidOperationException(Canary, new IOException(Canary))));
                routes.MapPost("/half/{what}", (RequestDelegate)(async c =>
                {
                    await c.Response.WriteAsync("begun");
                    await c.Response.Body.FlushAsync();
                    throw new InvalidOperationException(Canary);
                }));
                routes.MapPost("/body/{what}", (RequestDelegate)(async c => await c.Request.ReadFromJsonAsync<int>()));
            },
            loggers: log);
        string headers = $"Host: {Canary}\r\nAuthorization: PrivateToken token={Canary}\r\nCookie: {Canary}\r\ntraceparent: 00-{Canary}\r\n";
        foreach (string path in (string[])["/fail/", "/half/", "/body/", "/none/", "/../"])
        {
            await Servers.RawAsync(server.Address, Encoding.ASCII.GetBytes(
                $"POST {path}{Canary}?q={Canary} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{Canary}"));
        }
        // Malformed in every place, cut short, too long.
        foreach (string raw in (string[])[
            $"{Canary}\r\n\r\n", $"GET {Canary} HTTP/1.1\r\n\r\n", $"GET / HTTP/{Canary}\r\n\r\n", $"GET / HTTP/1.1\r\n{Canary}\r\n\r\n", $"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: {Canary}\r\n\r\n",
            $"POST /body/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{Canary}\r\n", $"GET /{new string('a', 70_000)}{Canary} HTTP/1.1\r\n\r\n"])
        {
            await Servers.RawAsync(server.Address, Encoding.ASCII.GetBytes(raw));
        }
        using (Socket gone = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await gone.ConnectAsync(server.Address.Host, server.Address.Port, Ct);
            await gone.SendAsync(Encoding.ASCII.GetBytes($"POST /body/{Canary} HTTP/1.1\r\n{headers}Content-Length: 100\r\n\r\n{Canary}"), Ct);
            gone.LingerState = new LingerOption(true, 0);
        }
        await server.StopAsync(Ct);
        Assert.Contains("InvalidOperationException", log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(Canary, log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("127.0.0.1", log.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("/fail", log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Errors_take_the_form_of_the_role()
    {
        await using WebServer server = await Servers.StartAsync(
            routes =>
            {
                routes.MapGet("/fail", (RequestDelegate)(_ => throw new InvalidOperationException()));
                routes.MapPost("/post", (RequestDelegate)(_ => Task.CompletedTask));
                routes.MapGet("/own", (RequestDelegate)(async c =>
                {
                    c.Response.StatusCode = 404;
                    c.Response.ContentType = "text/plain";
                    await c.Response.WriteAsync("own");
                }));
            },
            o => o with { WriteError = (c, status) => c.Response.WriteAsync($"role says {status}") });
        Assert.Equal((500, "role says 500"), await StatusAndBody("/fail"));
        Assert.Equal((404, "role says 404"), await StatusAndBody("/nothing"));
        Assert.Equal((405, "role says 405"), await StatusAndBody("/post"));
        Assert.Equal((404, "own"), await StatusAndBody("/own"));

        async Task<(int, string)> StatusAndBody(string path)
        {
            (int status, string body, _) = await Servers.GetAsync(new Uri(server.Address, path));
            return (status, body);
        }
    }

    [Fact]
    public async Task Exception_in_mid_reply_cuts_the_connection()
    {
        await using WebServer server = await Servers.StartAsync(routes => routes.MapGet("/x", (RequestDelegate)(async c =>
        {
            await c.Response.WriteAsync("half");
            await c.Response.Body.FlushAsync();
            throw new InvalidOperationException();
        })));
        await Assert.ThrowsAnyAsync<HttpRequestException>(() => Servers.GetAsync(new Uri(server.Address, "/x")));
    }

    [Theory]
    [InlineData(100, BodyReadResult.Complete)]
    [InlineData(101, BodyReadResult.TooLarge)]
    [InlineData(100_000, BodyReadResult.TooLarge)]
    public async Task Body_is_read_to_its_bound(int size, BodyReadResult expected)
    {
        foreach (bool chunked in (bool[])[false, true])
        {
            BodyReadResult? got = null;
            int written = 0;
            await using WebServer server = await Servers.StartAsync(routes => routes.MapPost("/", (RequestDelegate)(async c =>
            {
                System.Buffers.ArrayBufferWriter<byte> body = new();
                got = await RequestBody.ReadAsync(c, body, 100);
                written = body.WrittenCount;
            })));
            using HttpMessageInvoker client = Servers.Client();
            using HttpRequestMessage request = new(HttpMethod.Post, server.Address) { Content = new ByteArrayContent(new byte[size]) };
            request.Headers.TransferEncodingChunked = chunked;
            try
            {
                (await client.SendAsync(request, Ct)).Dispose();
            }
            catch (HttpRequestException)
            {
                // The server may close on us while we still send.
            }
            Assert.Equal(expected, got);
            Assert.True(written <= 100);
        }
    }

    [Fact]
    public async Task Body_that_is_cut_short_reads_as_aborted()
    {
        TaskCompletionSource<BodyReadResult> got = new();
        await using WebServer server = await Servers.StartAsync(routes => routes.MapPost("/", (RequestDelegate)(async c =>
            got.SetResult(await RequestBody.ReadAsync(c, new System.Buffers.ArrayBufferWriter<byte>(), 100)))));
        using (Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp))
        {
            await socket.ConnectAsync(server.Address.Host, server.Address.Port, Ct);
            await socket.SendAsync("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\nabc"u8.ToArray(), Ct);
        }
        Assert.Equal(BodyReadResult.Aborted, await got.Task.WaitAsync(TimeSpan.FromMinutes(2), Ct));
    }

    [Fact]
    public async Task Slow_headers_are_cut_off()
    {
        await using WebServer server = await Servers.StartAsync(_ => { }, o => o with { RequestHeadersTimeout = TimeSpan.FromSeconds(1) });
        string reply = await Servers.RawAsync(server.Address, "GET / HTTP/1.1\r\nHost: a\r\nX"u8.ToArray());
        Assert.StartsWith("HTTP/1.1 408", reply, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Slow_body_is_cut_off()
    {
        TaskCompletionSource<BodyReadResult> got = new();
        await using WebServer server = await Servers.StartAsync(
            routes => routes.MapPost("/", (RequestDelegate)(async c => got.SetResult(await RequestBody.ReadAsync(c, new System.Buffers.ArrayBufferWriter<byte>(), 1000)))),
            o => o with { RequestBodyGracePeriod = TimeSpan.FromSeconds(1.1) });
        await Servers.RawAsync(server.Address, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n\r\nabc"u8.ToArray());
        Assert.Equal(BodyReadResult.Aborted, await got.Task.WaitAsync(TimeSpan.FromMinutes(2), Ct));
    }

    [Fact]
    public async Task Reader_that_reads_nothing_is_let_go()
    {
        TaskCompletionSource ended = new();
        await using WebServer server = await Servers.StartAsync(
            routes => routes.MapGet("/", (RequestDelegate)(async c =>
            {
                byte[] block = new byte[64 * 1024];
                try
                {
                    while (!c.RequestAborted.IsCancellationRequested)
                    {
                        await c.Response.Body.WriteAsync(block, c.RequestAborted);
                    }
                }
                catch (Exception e) when (e is IOException or OperationCanceledException)
                {
                    // As is to be.
                }
                ended.SetResult();
            })),
            o => o with { MinResponseBytesPerSecond = 1 << 30, ResponseGracePeriod = TimeSpan.FromSeconds(1.1) });
        using Socket reader = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        reader.ReceiveBufferSize = 4096;
        await reader.ConnectAsync(server.Address.Host, server.Address.Port, Ct);
        await reader.SendAsync("GET / HTTP/1.1\r\nHost: a\r\n\r\n"u8.ToArray(), Ct);
        await ended.Task.WaitAsync(TimeSpan.FromMinutes(2), Ct);
    }

    [Fact]
    public async Task Too_many_header_bytes_are_refused()
    {
        await using WebServer server = await Servers.StartAsync(_ => { });
        string reply = await Servers.RawAsync(server.Address, Encoding.ASCII.GetBytes($"GET / HTTP/1.1\r\nHost: a\r\nX: {new string('x', 40_000)}\r\n\r\n"));
        Assert.StartsWith("HTTP/1.1 431", reply, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stop_lets_a_request_under_way_end_and_turns_readiness_false()
    {
        TaskCompletionSource entered = new();
        TaskCompletionSource release = new();
        using DrainSignal drain = new();
        Health health = new(drain);
        await using WebServer server = await Servers.StartAsync(
            routes =>
            {
                health.Map(routes);
                routes.MapGet("/slow", (RequestDelegate)(async c =>
                {
                    entered.SetResult();
                    await release.Task;
                    await c.Response.WriteAsync("whole");
                }));
            },
            o => o with { Drain = drain });
        Assert.Equal(200, (await Servers.GetAsync(new Uri(server.Address, "/health/ready"))).Status);
        Task<(int Status, string Body, HttpResponseMessage)> slow = Servers.GetAsync(new Uri(server.Address, "/slow"));
        await entered.Task;
        Task stop = server.StopAsync(Ct);
        Assert.True(drain.IsDraining);
        Assert.Equal(["draining"], health.Failing());
        Assert.False(stop.IsCompleted);
        release.SetResult();
        Assert.Equal("whole", (await slow).Body);
        await stop;
        await Assert.ThrowsAsync<HttpRequestException>(() => Servers.GetAsync(server.Address));
    }

    [Fact]
    public async Task Stop_goes_on_taking_requests_for_the_drain_delay_and_then_refuses_them_while_old_ones_end()
    {
        TaskCompletionSource entered = new();
        TaskCompletionSource release = new();
        FakeTime time = new(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));
        using DrainSignal drain = new();
        Health health = new(drain);
        await using WebServer server = await Servers.StartAsync(
            routes =>
            {
                health.Map(routes);
                routes.MapGet("/slow", (RequestDelegate)(async c =>
                {
                    entered.SetResult();
                    await release.Task;
                    await c.Response.WriteAsync("whole");
                }));
                routes.MapGet("/quick", (RequestDelegate)(c => c.Response.WriteAsync("here")));
            },
            o => o with { Drain = drain, DrainDelay = TimeSpan.FromSeconds(10), DrainTimeout = TimeSpan.FromSeconds(30) }, time: time);
        Task<(int Status, string Body, HttpResponseMessage)> slow = Servers.GetAsync(new Uri(server.Address, "/slow"));
        await entered.Task;

        Task stop = server.StopAsync(Ct);
        Assert.Equal(503, (await Servers.GetAsync(new Uri(server.Address, "/health/ready"))).Status);
        Assert.Equal(200, (await Servers.GetAsync(new Uri(server.Address, "/health/live"))).Status);
        (int status, string body, HttpResponseMessage response) = await Servers.GetAsync(new Uri(server.Address, "/quick"));
        Assert.Equal((200, "here", null), (status, body, response.Headers.ConnectionClose));

        time.Advance(TimeSpan.FromSeconds(10));
        await drain.WaitUntilClosingAsync(Ct);
        (status, _, response) = await Servers.GetAsync(new Uri(server.Address, "/quick"));
        Assert.Equal((503, true), (status, response.Headers.ConnectionClose));
        Assert.Equal(503, (await Servers.GetAsync(new Uri(server.Address, "/health/ready"))).Status);
        Assert.Equal(200, (await Servers.GetAsync(new Uri(server.Address, "/health/live"))).Status);
        Assert.False(stop.IsCompleted);

        release.SetResult();
        Assert.Equal("whole", (await slow).Body);
        await stop;
        await Assert.ThrowsAsync<HttpRequestException>(() => Servers.GetAsync(server.Address));
    }

    [Fact]
    public async Task Stop_cuts_off_what_outlasts_the_drain_time()
    {
        TaskCompletionSource entered = new();
        FakeTime time = new(new DateTimeOffset(2026, 3, 1, 0, 0, 0, TimeSpan.Zero));
        await using WebServer server = await Servers.StartAsync(
            routes => routes.MapGet("/", (RequestDelegate)(async c =>
            {
                entered.SetResult();
                await Task.Delay(Timeout.Infinite, c.RequestAborted);
            })),
            o => o with { DrainTimeout = TimeSpan.FromSeconds(30) }, time: time);
        Task<(int, string, HttpResponseMessage)> request = Servers.GetAsync(server.Address);
        await entered.Task;
        Task stop = server.StopAsync(Ct);
        time.Advance(TimeSpan.FromSeconds(29));
        Assert.False(request.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        await Assert.ThrowsAsync<HttpRequestException>(() => request);
        await stop;
    }

    [Fact]
    public async Task Stop_told_to_hurry_cuts_off_what_runs()
    {
        TaskCompletionSource entered = new();
        await using WebServer server = await Servers.StartAsync(routes => routes.MapGet("/", (RequestDelegate)(async c =>
        {
            entered.SetResult();
            await Task.Delay(Timeout.Infinite, c.RequestAborted);
        })));
        Task<(int, string, HttpResponseMessage)> request = Servers.GetAsync(server.Address);
        await entered.Task;
        await server.StopAsync(new CancellationToken(canceled: true));
        await Assert.ThrowsAsync<HttpRequestException>(() => request);
    }

    [Fact]
    public async Task Health_names_the_check_that_fails()
    {
        using DrainSignal drain = new();
        Health health = new(drain);
        bool well = true;
        health.AddCheck("database", () => well);
        await using WebServer server = await Servers.StartAsync(health.Map);
        Assert.Equal(200, (await Servers.GetAsync(new Uri(server.Address, "/health/ready"))).Status);
        well = false;
        (int status, string body, _) = await Servers.GetAsync(new Uri(server.Address, "/health/ready"));
        Assert.Equal(503, status);
        Assert.Contains("database", body, StringComparison.Ordinal);
        Assert.Equal(200, (await Servers.GetAsync(new Uri(server.Address, "/health/live"))).Status);
    }
}
