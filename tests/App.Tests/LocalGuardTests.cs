using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Tacit.App.Tests;

/// <summary>The app answers this machine's programs and its own pages, and nobody's web page.</summary>
public sealed class LocalGuardTests : IAsyncLifetime
{
    private TestApp _app = null!;

    public async ValueTask InitializeAsync() => _app = await TestApp.StartAsync(tokens: 0, credits: 0);

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private int Port => _app.Server.Address.Port;

    [Theory]
    [InlineData("127.0.0.1:{port}", 200)]
    [InlineData("localhost:{port}", 307)]
    [InlineData("LOCALHOST:{port}", 307)]
    [InlineData("[::1]:{port}", 200)]
    [InlineData("127.0.0.1", 403)]
    [InlineData("localhost:1", 403)]
    [InlineData("rebound.example:{port}", 403)]
    [InlineData("127.0.0.1.rebound.example:{port}", 403)]
    [InlineData("localhost.:{port}", 403)]
    [InlineData("127.1:{port}", 403)]
    [InlineData("0.0.0.0:{port}", 403)]
    [InlineData("user@localhost:{port}", 400)]
    public async Task Request_with_host_is_judged(string host, int status) =>
        Assert.Equal(status, await RawAsync($"GET / HTTP/1.1\r\nHost: {host.Replace("{port}", $"{Port}", StringComparison.Ordinal)}\r\nConnection: close\r\n\r\n"));

    /// <summary>Of two addresses of that name another user may have one, and a page from there is of one origin with what it then asks at the other.</summary>
    [Theory]
    [InlineData("GET /app/prompts", "localhost", 403)]
    [InlineData("GET /app/prompts", "LocalHost", 403)]
    [InlineData("GET /app/prompts", "127.0.0.1", 200)]
    [InlineData("GET /v1/models", "localhost", 200)]
    public async Task Page_s_calls_are_answered_at_the_number_only(string call, string name, int status) => Assert.Equal(
        status, await RawAsync($"{call} HTTP/1.1\r\nHost: {name}:{Port}\r\nOrigin: http://{name}:{Port}\r\nSec-Fetch-Site: same-origin\r\nTacit-Page: 1\r\nConnection: close\r\n\r\n"));

    [Fact]
    public async Task Who_follows_the_name_to_the_page_is_sent_to_the_number()
    {
        using HttpResponseMessage response = await _app.SendAsync(HttpMethod.Get, "/", change: request => request.Headers.Host = $"localhost:{Port}");

        Assert.Equal($"http://127.0.0.1:{Port}/", response.Headers.Location?.ToString());
    }

    [Fact]
    public async Task Request_without_host_is_refused() => Assert.Equal(403, await RawAsync("GET / HTTP/1.0\r\n\r\n"));

    [Theory]
    [InlineData("http://127.0.0.1:{port}", 200)]
    [InlineData("http://localhost:{port}", 403)]
    [InlineData("http://[::1]:{port}", 403)]
    [InlineData("https://127.0.0.1:{port}", 403)]
    [InlineData("http://127.0.0.1", 403)]
    [InlineData("http://localhost:3000", 403)]
    [InlineData("https://evil.example", 403)]
    [InlineData("null", 403)]
    [InlineData("", 403)]
    [InlineData("http://localhost:{port}.evil.example", 403)]
    public async Task Request_with_origin_is_judged(string origin, int status) =>
        Assert.Equal(status, await GetAsync("/v1/models", ("Origin", origin.Replace("{port}", $"{Port}", StringComparison.Ordinal))));

    [Theory]
    [InlineData("/v1/models", "cross-site", "no-cors", 403)]
    [InlineData("/v1/models", "same-site", "cors", 403)]
    [InlineData("/v1/models", "cross-site", "navigate", 403)]
    [InlineData("/v1/models", "same-origin", "cors", 200)]
    [InlineData("/", "cross-site", "navigate", 200)]
    [InlineData("/", "none", "navigate", 200)]
    [InlineData("/", "cross-site", "no-cors", 403)]
    [InlineData("/anything", "cross-site", "no-cors", 403)]
    public async Task Request_of_a_browser_is_judged_by_where_it_comes_from(string path, string site, string mode, int status) =>
        Assert.Equal(status, await GetAsync(path, ("Sec-Fetch-Site", site), ("Sec-Fetch-Mode", mode)));

    [Fact]
    public async Task Preflight_of_a_foreign_page_gets_no_permission()
    {
        using HttpResponseMessage response = await _app.SendAsync(HttpMethod.Options, "/v1/chat/completions", change: request =>
        {
            request.Headers.TryAddWithoutValidation("Origin", "https://evil.example");
            request.Headers.TryAddWithoutValidation("Access-Control-Request-Method", "POST");
            request.Headers.TryAddWithoutValidation("Access-Control-Request-Headers", "content-type");
        });

        Assert.Equal(HttpStatusCode.Forbidden, response.StatusCode);
        Assert.DoesNotContain(response.Headers, header => header.Key.StartsWith("Access-Control", StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public async Task Form_post_is_no_prompt()
    {
        using HttpResponseMessage response = await _app.SendAsync(
            HttpMethod.Post, "/v1/chat/completions", "{}"u8.ToArray(), request => request.Content!.Headers.ContentType = new("text/plain"));

        Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
    }

    [Fact]
    public async Task Root_says_what_this_is()
    {
        using HttpResponseMessage response = await _app.SendAsync(HttpMethod.Get, "/");

        Assert.Contains("/v1", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_path_is_told_in_openai_form()
    {
        using HttpResponseMessage response = await _app.SendAsync(HttpMethod.Post, "/v1/images/generations", "{}"u8.ToArray());

        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);
        Assert.Contains("\"code\":\"not_found\"", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        Assert.Equal("false", response.Headers.GetValues("x-should-retry").Single());
    }

    private async Task<int> GetAsync(string path, params (string Name, string Value)[] headers)
    {
        using HttpResponseMessage response = await _app.SendAsync(HttpMethod.Get, path, change: request =>
        {
            foreach ((string name, string value) in headers)
            {
                request.Headers.TryAddWithoutValidation(name, value);
            }
        });
        return (int)response.StatusCode == 404 ? 200 : (int)response.StatusCode;
    }

    private async Task<int> RawAsync(string request)
    {
        using var tcp = new TcpClient();
        await tcp.ConnectAsync(IPAddress.Loopback, Port, TestContext.Current.CancellationToken);
        await using NetworkStream stream = tcp.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes(request), TestContext.Current.CancellationToken);
        byte[] answer = new byte[4096];
        int read = await stream.ReadAtLeastAsync(answer, 12, throwOnEndOfStream: false, TestContext.Current.CancellationToken);
        return int.Parse(Encoding.ASCII.GetString(answer, 9, Math.Min(3, read)), System.Globalization.CultureInfo.InvariantCulture);
    }
}
