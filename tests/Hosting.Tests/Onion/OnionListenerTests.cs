using System.Net.Sockets;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting.Metrics;
using Tacit.Hosting.Onion;

namespace Tacit.Hosting.Tests.Onion;

/// <summary>The socket for tor beside the server's own address, and the header that tells of it. No tor runs here: what it would report is reported by the test.</summary>
public sealed class OnionListenerTests : IDisposable
{
    private const string Address = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd.onion";

    private readonly TemporaryFolder _folder = new();
    private readonly GreedyLog _log = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _folder.Dispose();
        _log.Dispose();
    }

    [Fact]
    public async Task Requests_over_the_onion_socket_are_marked_and_have_no_address()
    {
        using OnionDoor door = Open();
        await using WebServer server = await StartAsync(door);

        Assert.Equal("onion=True address=", (await OverOnionAsync(door, "/who")).Body);
        Assert.Equal("onion=False address=127.0.0.1", (await Servers.GetAsync(new Uri(server.Address, "/who"))).Body);
        Assert.Equal(Uri.UriSchemeHttp, server.Address.Scheme);
        Assert.Equal("127.0.0.1", server.Address.Host);
    }

    [Fact]
    public async Task Target_of_odd_bytes_gets_no_header_that_breaks_the_reply()
    {
        using OnionDoor door = Open();
        await using WebServer server = await StartAsync(door);
        door.Report(new OnionState { IsPublished = true });
        foreach (string target in (string[])["/who?a=\u0001b", "/who?a=\u007Fb", "/who?a=\u00E4", "/%0D%0AX-Bad:%201?%0d%0a", "//evil.example/who", "/who?\t"])
        {
            using TcpClient client = new();
            await client.ConnectAsync("127.0.0.1", server.Address.Port, Ct);
            await client.GetStream().WriteAsync(System.Text.Encoding.Latin1.GetBytes($"GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"), Ct);
            using StreamReader reader = new(client.GetStream(), System.Text.Encoding.Latin1);
            string reply = await reader.ReadToEndAsync(Ct);
            Assert.Matches("^HTTP/1.1 (200|400|404) ", reply);
            Assert.DoesNotContain("\nX-Bad", reply, StringComparison.Ordinal);
            Assert.All(reply.Split("\r\n").Where(line => line.StartsWith("Onion-Location", StringComparison.Ordinal)),
                line => Assert.StartsWith($"Onion-Location: http://{Address}/", line, StringComparison.Ordinal));
        }
        Assert.DoesNotContain("unexpectedly", _log.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Nobody_else_can_open_the_socket_and_it_goes_with_the_server()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has no such modes.");
        using OnionDoor door = Open();
        WebServer server = await StartAsync(door);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(door.SocketPath));
        }

        await server.DisposeAsync();
        Assert.False(File.Exists(door.SocketPath));
    }

    [Fact]
    public async Task Second_server_on_the_folder_is_refused_and_leaves_the_first_ones_socket_alone()
    {
        using OnionDoor door = Open();
        await using WebServer server = await StartAsync(door);
        await Assert.ThrowsAsync<AddressInUseException>(() => StartAsync(door));
        Assert.Equal(200, (await OverOnionAsync(door, "/who")).Status);
    }

    [Fact]
    public async Task Onion_location_is_on_GET_and_HEAD_at_the_clear_address_while_the_service_is_published()
    {
        using OnionDoor door = Open();
        await using WebServer server = await StartAsync(door);
        Assert.Null(await LocationAsync(server, HttpMethod.Get, "/who"));

        door.Report(new OnionState { IsPublished = true });
        Assert.Equal($"http://{Address}/who", await LocationAsync(server, HttpMethod.Get, "/who"));
        Assert.Equal($"http://{Address}/a%20b/%C3%A4?q=1&r=%0A", await LocationAsync(server, HttpMethod.Get, "/a%20b/%C3%A4?q=1&r=%0A"));
        Assert.Equal($"http://{Address}/missing", await LocationAsync(server, HttpMethod.Get, "/missing"));
        Assert.Equal($"http://{Address}/fails", await LocationAsync(server, HttpMethod.Get, "/fails"));
        Assert.Equal($"http://{Address}/who", await LocationAsync(server, HttpMethod.Head, "/who"));
        Assert.Null(await LocationAsync(server, HttpMethod.Post, "/who"));

        // A page of an onion service is not to send one on.
        Assert.False((await OverOnionAsync(door, "/who")).Response.Headers.Contains("Onion-Location"));

        door.Report(new OnionState { IsPublished = false });
        Assert.Null(await LocationAsync(server, HttpMethod.Get, "/who"));
    }

    [Fact]
    public async Task Service_for_certain_clients_is_told_to_nobody()
    {
        using OnionDoor door = Open(options => options with { AuthorizedClients = [new string('B', 51) + "A"] });
        await using WebServer server = await StartAsync(door);
        door.Report(new OnionState { IsPublished = true });

        Assert.Null(await LocationAsync(server, HttpMethod.Get, "/who"));
        Assert.Null(door.Announced);
        Assert.True(door.IsPublished);
    }

    [Fact]
    public async Task Without_an_onion_service_there_is_neither_socket_nor_header()
    {
        using OnionDoor door = Open(options => options with { Enabled = false });
        await using WebServer server = await StartAsync(door);

        Assert.False(File.Exists(door.SocketPath));
        Assert.Null(await LocationAsync(server, HttpMethod.Get, "/who"));
    }

    [Fact]
    public async Task Operator_sees_how_it_stands_and_readiness_only_where_asked()
    {
        using OnionDoor door = Open(options => options with { Required = true });
        using DrainSignal drain = new();
        Health health = new(drain);
        await using RoleMetrics metrics = new(new MetricsOptions { Listen = ListenAddress.Loopback(0) }, "test");
        door.Observe(metrics, health);
        await metrics.OpenAsync(TimeProvider.System, NullLoggerFactory.Instance, Ct);
        await using WebServer management = await Servers.StartAsync(door.Map);
        Assert.Equal(["onion service"], health.Failing());
        Assert.Contains("tacit_onion_up 0", (await Servers.GetAsync(new Uri(metrics.Address!, "/metrics"))).Body, StringComparison.Ordinal);

        door.Report(new OnionState { IsPublished = true, Percent = 100, Tor = "ready", TorVersion = "0.4.9.11", HasProofOfWork = true });

        Assert.Empty(health.Failing());
        Assert.Contains("tacit_onion_up 1", (await Servers.GetAsync(new Uri(metrics.Address!, "/metrics"))).Body, StringComparison.Ordinal);
        OnionReport? report = JsonSerializer.Deserialize((await Servers.GetAsync(new Uri(management.Address, "/onion"))).Body, OnionJson.Default.OnionReport);
        Assert.Equal(new OnionReport(true, Address, 0, new OnionState { IsPublished = true, Percent = 100, Tor = "ready", TorVersion = "0.4.9.11", HasProofOfWork = true }), report);
    }

    [Fact]
    public void Each_change_is_logged_once()
    {
        using OnionDoor door = Open();
        for (int i = 0; i < 3; i++)
        {
            door.Report(new OnionState { Fault = "Tor: stuck." });
        }

        for (int i = 0; i < 3; i++)
        {
            door.Report(new OnionState { IsPublished = true });
        }

        door.Report(new OnionState { Tor = "restarting" });
        string[] lines = [.. _log.Text.Split('\n').Where(line => line.Contains("Tacit.Hosting.Onion", StringComparison.Ordinal) && !line.Contains("new onion", StringComparison.Ordinal))];
        Assert.Equal(3, lines.Length);
        Assert.Contains("Tor: stuck.", lines[0], StringComparison.Ordinal);
        Assert.Contains("is published: http://" + Address, lines[1], StringComparison.Ordinal);
        Assert.Contains("cannot be found any more", lines[2], StringComparison.Ordinal);
    }

    private static Task<WebServer> StartAsync(OnionDoor door) => Servers.StartAsync(
        routes =>
        {
            routes.MapMethods("/who", ["GET", "HEAD", "POST"], (RequestDelegate)(c => c.Response.WriteAsync($"onion={c.IsOnion()} address={c.Connection.RemoteIpAddress}")));
            routes.MapGet("/fails", (RequestDelegate)(_ => throw new InvalidOperationException()));
        },
        options => options with { Onion = door });

    private static async Task<string?> LocationAsync(WebServer server, HttpMethod method, string target)
    {
        using HttpMessageInvoker client = Servers.Client();
        using HttpRequestMessage request = new(method, server.Address.GetLeftPart(UriPartial.Authority) + target);
        using HttpResponseMessage response = await client.SendAsync(request, Ct);
        return response.Headers.TryGetValues("Onion-Location", out IEnumerable<string>? values) ? Assert.Single(values) : null;
    }

    private static async Task<(int Status, string Body, HttpResponseMessage Response)> OverOnionAsync(OnionDoor door, string path)
    {
        using HttpMessageInvoker client = new(new SocketsHttpHandler
        {
            ConnectCallback = async (_, cancellationToken) =>
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                await socket.ConnectAsync(new UnixDomainSocketEndPoint(door.SocketPath), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            },
        });
        HttpResponseMessage response = await client.SendAsync(new HttpRequestMessage(HttpMethod.Get, $"http://{Address}{path}"), Ct);
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync(Ct), response);
    }

    private OnionDoor Open(Func<OnionOptions, OnionOptions>? change = null)
    {
        string secret = _folder["secret"];
        if (!File.Exists(secret))
        {
            File.WriteAllBytes(secret, new byte[32]);
        }

        OnionOptions options = new() { Enabled = true, KeyFile = SecretReference.FromFile(secret) };
        OnionDoor door = OnionDoor.Open(change?.Invoke(options) ?? options, "test", _folder[""], null, _log);
        if (door.IsEnabled)
        {
            door.Keep(Address, new byte[64]);
        }

        return door;
    }
}
