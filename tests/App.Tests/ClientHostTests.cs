using System.Net;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App.Tests.Chats;
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

    [Fact]
    public async Task Client_that_cannot_be_closed_in_order_is_followed_by_another_and_held_up_by_no_listener()
    {
        using var folder = new TestFolder();
        DeviceKey.Create(folder.Path).Dispose();
        var time = new BrittleTime();
        var options = new AppOptions { DataDirectory = folder.Path, Device = true, GatewayUrl = new Uri("http://127.0.0.1:1") };
        await using ClientHost host = await ClientHost.OpenAsync(options, time, NullLoggerFactory.Instance, cancellationToken: Token);
        DeviceClient before = host.Device!;
        bool told = false;
        host.Changed += () => throw new InvalidOperationException("Not now.");
        host.Changed += () => told = true;

        time.TimersFail = true;
        bool done = await host.ReopenAsync(options with { MinCrowd = 7 });
        time.TimersFail = false;

        Assert.True(done && told);
        Assert.False(host.IsChanging);
        Assert.NotSame(before, host.Device);
        // Nobody waits for ever: neither who asks, nor the next change.
        await host.ForgetEndedAsync();
        Assert.True(await host.ReopenAsync(options));
    }

    [Fact]
    public async Task Look_at_the_wallet_that_fails_unexpectedly_is_not_the_last()
    {
        var time = new BrittleTime();
        using var log = new ListLog();
        await using TestApp app = await TestApp.StartAsync(tokens: 1, time: time, loggers: log);
        await using TestTab tab = await TestTab.OpenAsync(app);

        time.ClockFails = true;
        using (var patience = CancellationTokenSource.CreateLinkedTokenSource(Token))
        {
            patience.CancelAfter(TimeSpan.FromMinutes(2));
            while (!log.Lines.Any(line => line.Contains("look at the wallet", StringComparison.Ordinal)))
            {
                await Task.Delay(20, patience.Token);
            }
        }
        time.ClockFails = false;
        await app.Client.Filler.FillAsync("chat", 2, cancellationToken: Token);

        await tab.WaitAsync("wallet", wallet => wallet["plans"]![0]!["held"]!.GetValue<long>() == 3);
    }
}
