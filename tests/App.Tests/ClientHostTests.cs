using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App.Wallets;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Hosting;

namespace Tacit.App.Tests;

/// <summary>The app before, while and after there is something to ask with.</summary>
public sealed class ClientHostTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private ClientHost _host = null!;
    private AppServer _server = null!;
    private HttpMessageInvoker _http = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        var options = new AppOptions { DataDirectory = _folder.Path, Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero };
        _host = await ClientHost.OpenAsync(options, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken: Token);
        _server = await AppServer.StartAsync(_host, TimeProvider.System, NullLoggerFactory.Instance, Token);
        _http = new HttpMessageInvoker(new SocketsHttpHandler());
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await _server.DisposeAsync();
        await _host.DisposeAsync();
        _folder.Dispose();
    }

    [Theory]
    [InlineData("GET", "/v1/models")]
    [InlineData("POST", "/v1/chat/completions")]
    [InlineData("POST", "/v1/messages")]
    public async Task Request_before_the_set_up_is_told_to_open_the_page(string method, string path)
    {
        var request = new HttpRequestMessage(new HttpMethod(method), new Uri(_server.Address, path))
        {
            Content = method == "POST" ? new ByteArrayContent(Prompts.Chat("Anyone there?", false)) { Headers = { ContentType = new("application/json") } } : null,
        };
        using HttpResponseMessage answer = await _http.SendAsync(request, Token);
        string text = await answer.Content.ReadAsStringAsync(Token);

        Assert.Equal((HttpStatusCode.PaymentRequired, "false"), (answer.StatusCode, answer.Headers.GetValues("x-should-retry").Single()));
        Assert.Contains("\"setup_needed\"", text, StringComparison.Ordinal);
        Assert.Contains(_server.Address.GetLeftPart(UriPartial.Authority), text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Command_finds_an_app_without_a_wallet()
    {
        using var socket = new ManagementClient(_folder.Path, AppServer.Role);
        AppStatus status = await socket.GetAsync("/status", AppJson.Default.AppStatus, Token);
        ManagementException error = await Assert.ThrowsAsync<ManagementException>(() => socket.PostAsync("/account/create", AppJson.Default.AccountKeyShown, Token));

        Assert.Null(status.Wallet);
        Assert.Null(status.Device);
        Assert.Equal(409, error.Status);
    }

    [Fact]
    public async Task Wallet_that_a_command_makes_meanwhile_is_taken_up()
    {
        Assert.Equal(AppMode.Setup, _host.Mode);
        await (await TacitClient.CreateAsync(_host.Options.ToClientOptions(), null, TimeProvider.System, NullLoggerFactory.Instance, Token)).DisposeAsync();
        using var socket = new ManagementClient(_folder.Path, AppServer.Role);

        Assert.NotNull((await socket.GetAsync("/status", AppJson.Default.AppStatus, Token)).Wallet);
        Assert.Equal(AppMode.Wallet, _host.Mode);
    }
}
