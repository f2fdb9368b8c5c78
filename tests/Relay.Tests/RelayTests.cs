using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Hosting.Onion;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Relay.Tests;

/// <summary>A relay between a client and a scripted gateway, on real sockets.</summary>
public sealed class RelayTests : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly FakeTime _time = new(new DateTimeOffset(2026, 11, 21, 0, 0, 0, TimeSpan.Zero));
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });
    private readonly ConcurrentQueue<Dictionary<string, string>> _seen = new();
    private readonly TaskCompletionSource _arrived = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private RequestDelegate _answer = EchoAsync;
    private WebServer? _gateway;
    private RelayServer? _relay;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask DisposeAsync()
    {
        if (_relay is not null)
        {
            await _relay.DisposeAsync();
        }

        if (_gateway is not null)
        {
            await _gateway.DisposeAsync();
        }

        _http.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(MediaTypes.ObliviousRequest, MediaTypes.ObliviousResponse)]
    [InlineData(MediaTypes.ObliviousChunkedRequest, MediaTypes.ObliviousChunkedResponse)]
    public async Task Gateway_sees_the_bytes_and_their_media_type_and_the_client_as_much_of_the_answer(string request, string response)
    {
        await StartAsync();
        using var message = Sealed("sealed bytes", request);
        message.Headers.TryAddWithoutValidation("Authorization", "Bearer canary");
        message.Headers.TryAddWithoutValidation("Cookie", "a=canary");
        message.Headers.TryAddWithoutValidation("User-Agent", "canary");
        message.Headers.TryAddWithoutValidation("X-Forwarded-For", "192.0.2.1");
        message.Headers.TryAddWithoutValidation("Forwarded", "for=192.0.2.1");
        message.Headers.TryAddWithoutValidation("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        message.Headers.TryAddWithoutValidation("X-Canary", "canary");
        message.Headers.TryAddWithoutValidation("Accept-Language", "canary");
        using HttpResponseMessage answer = await _http.SendAsync(message, Ct);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal(response, answer.Content.Headers.ContentType?.MediaType);
        Assert.Equal("sealed bytes", await answer.Content.ReadAsStringAsync(Ct));
        Assert.Subset(
            new HashSet<string>(["Content-Type", "Content-Length", "Cache-Control", "Date", "Incremental", "Transfer-Encoding"], StringComparer.OrdinalIgnoreCase),
            answer.Headers.Concat(answer.Content.Headers).Select(header => header.Key).ToHashSet(StringComparer.OrdinalIgnoreCase));
        Dictionary<string, string> seen = Assert.Single(_seen);
        Assert.Equal(["Content-Length", "Content-Type", "Host"], seen.Keys.Order());
        Assert.Equal(request, seen["Content-Type"]);
    }

    [Fact]
    public async Task Stamp_of_work_goes_on_and_nothing_else_in_its_place()
    {
        await StartAsync();
        string stamp = new WorkStamp(new byte[16], 7).ToString();
        foreach (string sent in new[] { stamp, "canary", stamp + "canary" })
        {
            using var message = Sealed("sealed bytes", MediaTypes.ObliviousRequest);
            message.Headers.TryAddWithoutValidation(Routes.WorkHeader, sent);
            using HttpResponseMessage answer = await _http.SendAsync(message, Ct);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }

        Assert.Equal([stamp, null, null], _seen.Select(headers => headers.GetValueOrDefault(Routes.WorkHeader)));
    }

    [Fact]
    public async Task Pieces_pass_both_ways_as_they_come()
    {
        var first = new TaskCompletionSource();
        var second = new TaskCompletionSource();
        _answer = async context =>
        {
            // The request's end has not come when the answer begins.
            byte[] block = new byte[64];
            int read = await context.Request.Body.ReadAsync(block, context.RequestAborted);
            Assert.Equal("one", Encoding.ASCII.GetString(block, 0, read));
            first.SetResult();
            Assert.Equal(3, await context.Request.Body.ReadAtLeastAsync(block, 3, throwOnEndOfStream: false, context.RequestAborted));
            context.Response.ContentType = MediaTypes.ObliviousChunkedResponse;
            await context.Response.WriteAsync("uno", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await second.Task;
            await context.Response.WriteAsync("due", context.RequestAborted);
        };
        await StartAsync();
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_relay!.Address, "/gateway.test"))
        {
            Content = new Pieces(async stream =>
            {
                await stream.WriteAsync("one"u8.ToArray(), Ct);
                await stream.FlushAsync(Ct);
                await first.Task;
                await stream.WriteAsync("two"u8.ToArray(), Ct);
            }),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.ObliviousChunkedRequest);
        using HttpResponseMessage answer = await _http.SendAsync(message, Ct);
        await using Stream stream = await answer.Content.ReadAsStreamAsync(Ct);
        byte[] got = new byte[6];
        await stream.ReadExactlyAsync(got.AsMemory(0, 3), Ct);
        second.SetResult();
        await stream.ReadExactlyAsync(got.AsMemory(3), Ct);
        Assert.Equal("unodue", Encoding.ASCII.GetString(got));
        Assert.Equal("?1", answer.Headers.GetValues("Incremental").Single());
    }

    [Theory]
    [InlineData("POST", "/gateway.test", "application/json", 415, ProblemTypes.UnsupportedMediaType)]
    [InlineData("POST", "/gateway.test", "message/ohttp-res", 415, ProblemTypes.UnsupportedMediaType)]
    [InlineData("POST", "/elsewhere.test", MediaTypes.ObliviousRequest, 404, ProblemTypes.NotFound)]
    [InlineData("POST", "/http://127.0.0.1/", MediaTypes.ObliviousRequest, 404, ProblemTypes.NotFound)]
    [InlineData("POST", "/gateway.test/ohttp", MediaTypes.ObliviousRequest, 404, ProblemTypes.NotFound)]
    [InlineData("PUT", "/gateway.test", MediaTypes.ObliviousRequest, 405, ProblemTypes.MethodNotAllowed)]
    public async Task What_is_not_sealed_or_not_for_a_known_gateway_goes_nowhere(string method, string path, string type, int status, string problem)
    {
        await StartAsync();
        using var message = new HttpRequestMessage(new HttpMethod(method), new Uri(_relay!.Address, path)) { Content = new StringContent("sealed") };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        using HttpResponseMessage answer = await _http.SendAsync(message, Ct);
        await AssertProblemAsync(answer, status, problem);
        Assert.Empty(_seen);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Request_beyond_the_bound_is_refused_whether_it_says_so_or_not(bool saysLength)
    {
        await StartAsync(options => options with { MaxRequestBytes = 4096 });
        byte[] large = new byte[256 * 1024];
        using var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_relay!.Address, "/gateway.test"))
        {
            Content = saysLength ? new ByteArrayContent(large) : new Pieces(stream => stream.WriteAsync(large, Ct).AsTask()),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue(MediaTypes.ObliviousChunkedRequest);
        message.Headers.ExpectContinue = true;
        using HttpResponseMessage answer = await _http.SendAsync(message, Ct);
        await AssertProblemAsync(answer, 413, ProblemTypes.RequestTooLarge);
    }

    [Fact]
    public async Task Problem_of_the_gateway_is_passed_on_and_anything_else_in_the_clear_is_not()
    {
        _answer = context =>
        {
            context.Response.StatusCode = 422;
            context.Response.ContentType = MediaTypes.ProblemJson;
            context.Response.Headers.SetCookie = "a=b";
            return context.Response.WriteAsync("""{"type":"https://iana.org/assignments/http-problem-types#ohttp-key"}""", context.RequestAborted);
        };
        await StartAsync();
        using (HttpResponseMessage answer = await PostAsync())
        {
            await AssertProblemAsync(answer, 422, "https://iana.org/assignments/http-problem-types#ohttp-key");
            Assert.False(answer.Headers.Contains("Set-Cookie"));
        }

        foreach ((int status, string type) in ((int, string)[])[(200, "text/html"), (200, MediaTypes.Json), (302, "text/html"), (500, "text/html"), (500, MediaTypes.ObliviousResponse)])
        {
            _answer = context =>
            {
                (context.Response.StatusCode, context.Response.ContentType, context.Response.Headers.Location) = (status, type, "http://127.0.0.1:1/");
                return context.Response.WriteAsync("canary", context.RequestAborted);
            };
            using HttpResponseMessage answer = await PostAsync();
            await AssertProblemAsync(answer, 502, ProblemTypes.GatewayUnreachable);
        }
    }

    [Fact]
    public async Task Gateway_that_is_away_or_does_not_answer_is_told_as_such()
    {
        await StartAsync();
        _answer = async context =>
        {
            _arrived.TrySetResult();
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        Task<HttpResponseMessage> waiting = PostAsync();
        await _arrived.Task.WaitAsync(Ct);
        _time.Advance(TimeSpan.FromMinutes(5));
        using (HttpResponseMessage late = await waiting)
        {
            await AssertProblemAsync(late, 504, ProblemTypes.GatewayTimeout);
        }

        await _gateway!.DisposeAsync();
        using HttpResponseMessage away = await PostAsync();
        await AssertProblemAsync(away, 502, ProblemTypes.GatewayUnreachable);
    }

    [Fact]
    public async Task Answer_that_grows_too_large_or_stops_coming_is_cut_off()
    {
        await StartAsync(options => options with { MaxReplyBytes = 4096 });
        _answer = context =>
        {
            context.Response.ContentType = MediaTypes.ObliviousChunkedResponse;
            return context.Response.Body.WriteAsync(new byte[64 * 1024], context.RequestAborted).AsTask();
        };
        // Even before its head has left the relay, if the gateway is quick.
        await Assert.ThrowsAnyAsync<Exception>(async () =>
        {
            using HttpResponseMessage large = await PostAsync();
            await large.Content.ReadAsByteArrayAsync(Ct);
        });

        _answer = async context =>
        {
            context.Response.ContentType = MediaTypes.ObliviousChunkedResponse;
            await context.Response.WriteAsync("some", context.RequestAborted);
            await context.Response.Body.FlushAsync(context.RequestAborted);
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        using HttpResponseMessage stuck = await PostAsync();
        await using Stream stream = await stuck.Content.ReadAsStreamAsync(Ct);
        await stream.ReadExactlyAsync(new byte[4], Ct);
        ValueTask<int> rest = stream.ReadAsync(new byte[1], Ct);
        while (!rest.IsCompleted)
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            await Task.Delay(5, Ct);
        }

        await Assert.ThrowsAnyAsync<Exception>(async () => await rest);
    }

    [Fact]
    public async Task Relay_that_is_full_says_so_and_has_room_again_when_one_ends()
    {
        var go = new TaskCompletionSource();
        _answer = async context =>
        {
            _arrived.TrySetResult();
            await go.Task;
            await EchoAsync(context);
        };
        await StartAsync(options => options with { MaxRequests = 1 });
        Task<HttpResponseMessage> first = PostAsync();
        await _arrived.Task.WaitAsync(Ct);
        using (HttpResponseMessage refused = await PostAsync())
        {
            await AssertProblemAsync(refused, 503, ProblemTypes.Busy);
            Assert.NotNull(refused.Headers.RetryAfter);
        }

        go.SetResult();
        (await first).Dispose();
        using ManagementClient management = new(_folder.Data, RelayServer.Role);
        while ((await management.GetAsync("/status", RelayJson.Default.RelayStatus, Ct)).UnderWay > 0)
        {
            await Task.Delay(5, Ct);
        }

        using HttpResponseMessage again = await PostAsync();
        Assert.Equal(HttpStatusCode.OK, again.StatusCode);
    }

    [Fact]
    public async Task Nothing_is_kept_but_the_management_socket()
    {
        await StartAsync();
        using HttpResponseMessage answer = await PostAsync();
        Assert.Equal(["relay.sock"], Directory.GetFileSystemEntries(_folder.Data, "*", SearchOption.AllDirectories).Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("", "https://gateway.test/")]
    [InlineData("a/b", "https://gateway.test/")]
    [InlineData("health", "https://gateway.test/")]
    [InlineData("gateway.test", null)]
    [InlineData("gateway.test", "http://gateway.test/")]
    [InlineData("gateway.test", "https://user@gateway.test/")]
    [InlineData("gateway.test", "https://gateway.test/?to=elsewhere")]
    public void Target_that_cannot_be_one_is_refused_at_the_start(string name, string? address)
    {
        var validation = new SettingsValidation();
        new RelayOptions { DataDirectory = "/x", Targets = [new RelayTarget { Name = name, Address = address is null ? null : new Uri(address) }] }.Validate(validation);
        Assert.Equal("Targets", Assert.Single(validation.Problems).Key);
    }

    [Fact]
    public void Room_counts_networks_apart_and_lets_go_of_their_addresses()
    {
        var room = new RelayRoom(4, 1, 2);
        Assert.True(room.TryEnter(IPAddress.Parse("2001:db8::1")));
        Assert.False(room.TryEnter(IPAddress.Parse("2001:db8::2")));
        Assert.True(room.TryEnter(IPAddress.Parse("2001:db8:0:1::2")));
        Assert.True(room.TryEnter(IPAddress.Parse("192.0.2.1")));
        Assert.False(room.TryEnter(IPAddress.Parse("::ffff:192.0.2.1")));
        Assert.True(room.TryEnter(IPAddress.Parse("192.0.2.2")));
        Assert.False(room.TryEnter(IPAddress.Parse("192.0.2.3")));
        room.Leave(IPAddress.Parse("2001:db8::1"));
        Assert.True(room.TryEnter(IPAddress.Parse("2001:db8::2")));
        Assert.Equal(4, room.Count);
    }

    [Fact]
    public void Clients_of_the_onion_service_have_a_room_of_their_own_within_the_whole()
    {
        var room = new RelayRoom(5, 1, 3);
        for (int i = 0; i < 3; i++)
        {
            Assert.True(room.TryEnter(RelayRoom.Onion));
        }

        Assert.False(room.TryEnter(RelayRoom.Onion));
        Assert.True(room.TryEnter(IPAddress.Parse("192.0.2.1")));
        Assert.True(room.TryEnter(IPAddress.Parse("192.0.2.2")));
        Assert.False(room.TryEnter(IPAddress.Parse("192.0.2.3")));
        room.Leave(RelayRoom.Onion);
        Assert.True(room.TryEnter(RelayRoom.Onion));
    }

    [Fact]
    public async Task Sealed_requests_pass_over_the_onion_service_as_over_the_address()
    {
        using var tor = new OfflineTor();
        await StartAsync(options => options with { Onion = new OnionOptions { Enabled = true, KeyFile = _folder.KeyFile }, Tor = tor.Options });
        using HttpMessageInvoker onion = OfflineTor.ClientOf(_relay!.Onion.SocketPath);
        using var message = new HttpRequestMessage(HttpMethod.Post, $"http://{_relay.Onion.Address}/gateway.test")
        {
            Content = new ByteArrayContent("sealed bytes"u8.ToArray()) { Headers = { ContentType = new MediaTypeHeaderValue(MediaTypes.ObliviousRequest) } },
        };
        using HttpResponseMessage answer = await onion.SendAsync(message, Ct);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("sealed bytes", await answer.Content.ReadAsStringAsync(Ct));
        Assert.Equal(["Content-Length", "Content-Type", "Host"], Assert.Single(_seen).Keys.Order());
        Assert.True(File.Exists(OnionDoor.KeyPathFor(_folder.Data, RelayServer.Role)));
    }

    private static async Task EchoAsync(HttpContext context)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body, context.RequestAborted);
        context.Response.ContentType = context.Request.ContentType == MediaTypes.ObliviousRequest ? MediaTypes.ObliviousResponse : MediaTypes.ObliviousChunkedResponse;
        context.Response.Headers.SetCookie = "a=canary";
        context.Response.Headers["X-Canary"] = "canary";
        await context.Response.Body.WriteAsync(body.ToArray(), context.RequestAborted);
    }

    private static async Task AssertProblemAsync(HttpResponseMessage answer, int status, string type)
    {
        Assert.Equal(status, (int)answer.StatusCode);
        Assert.Equal(MediaTypes.ProblemJson, answer.Content.Headers.ContentType?.MediaType);
        using JsonDocument json = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(Ct));
        Assert.Equal(type, json.RootElement.GetProperty("type").GetString());
    }

    [Fact]
    public async Task Metrics_tell_how_many_requests_are_under_way_and_nothing_else()
    {
        string socket = _folder.Beside("metrics.sock");
        await StartAsync(options => options with { Metrics = new Hosting.Metrics.MetricsOptions { Listen = ListenAddress.UnixSocket(socket) } });
        using HttpResponseMessage reply = await PostAsync();
        Assert.Equal(["tacit_relay_requests"], MetricsPage.Series(await MetricsPage.ReadAsync(socket)).Select(line => line.Split(' ')[0]));
    }

    private async Task StartAsync(Func<RelayOptions, RelayOptions>? change = null)
    {
        _gateway = await WebServer.StartAsync(
            new WebServerOptions { Role = "gateway", Listen = ListenAddress.Loopback(0) },
            routes => routes.MapPost("/ohttp", (RequestDelegate)(context =>
            {
                _seen.Enqueue(context.Request.Headers.ToDictionary(header => header.Key, header => header.Value.ToString()));
                return _answer(context);
            })),
            TimeProvider.System, NullLoggerFactory.Instance, Ct);
        var options = new RelayOptions
        {
            DataDirectory = _folder.Data, Listen = ListenAddress.Loopback(0), Targets = [new RelayTarget { Name = "gateway.test", Address = _gateway.Address }],
        };
        _relay = await RelayServer.StartAsync(change?.Invoke(options) ?? options, _time, NullLoggerFactory.Instance, Ct);
    }

    private async Task<HttpResponseMessage> PostAsync()
    {
        using HttpRequestMessage message = Sealed("sealed", MediaTypes.ObliviousRequest);
        return await _http.SendAsync(message, Ct);
    }

    private HttpRequestMessage Sealed(string body, string type)
    {
        var message = new HttpRequestMessage(HttpMethod.Post, new Uri(_relay!.Address, "/gateway.test")) { Content = new StringContent(body) };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue(type);
        return message;
    }

    /// <summary>A body whose length nobody knows, written by the test.</summary>
    private sealed class Pieces(Func<Stream, Task> write) : HttpContent
    {
        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) => write(stream);

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
