using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Hosting;

namespace Tacit.App.Tests;

/// <summary>A running app with a filled wallet, before a real issuer and gateway.</summary>
public sealed class TestApp : IAsyncDisposable
{
    private readonly TestFolder _folder = new();

    private TestApp(TestOperator system) => System = system;

    public TestOperator System { get; }

    public TacitClient Client { get; private set; } = null!;

    public AppServer Server { get; private set; } = null!;

    public string DataDirectory => _folder.Path;

    /// <summary>How the app is set up beyond the data folder.</summary>
    public Func<AppOptions, AppOptions> ChangeApp { get; set; } = options => options;

    public HttpMessageInvoker Http { get; } = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, MaxResponseDrainSize = 0 });

    public Uri BaseUrl => new(Server.Address, "v1");

    public static async Task<TestApp> StartAsync(
        int tokens = 10, Func<ClientOptions, ClientOptions>? change = null, TimeProvider? time = null, TestOperator? system = null, ILoggerFactory? loggers = null,
        long credits = 100, Func<AppOptions, AppOptions>? changeApp = null)
    {
        var app = new TestApp(system ?? await TestOperator.StartAsync());
        app.ChangeApp = changeApp ?? app.ChangeApp;
        app.Client = await app.System.WalletAsync(app.DataDirectory, credits, tokens, change, time, loggers);
        await app.StartServerAsync(time, loggers);
        return app;
    }

    public async Task StartServerAsync(TimeProvider? time = null, ILoggerFactory? loggers = null) =>
        Server = await AppServer.StartAsync(
            ChangeApp(new AppOptions { DataDirectory = DataDirectory, Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero }),
            Client, time ?? TimeProvider.System, loggers ?? NullLoggerFactory.Instance);

    /// <summary>Stops app and wallet at once and opens both again.</summary>
    public async Task RestartAsync(TimeProvider? time = null)
    {
        await Server.DisposeAsync();
        await Client.DisposeAsync();
        Client = await TacitClient.OpenAsync(System.OptionsFor(DataDirectory), time ?? TimeProvider.System, NullLoggerFactory.Instance);
        await StartServerAsync(time);
    }

    public async Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, byte[]? body = null, Action<HttpRequestMessage>? change = null, CancellationToken? gone = null)
    {
        var request = new HttpRequestMessage(method, new Uri(Server.Address, path));
        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.TryAddWithoutValidation("Content-Type", "application/json");
        }
        change?.Invoke(request);
        return await Http.SendAsync(request, gone ?? TestContext.Current.CancellationToken);
    }

    public Task<HttpResponseMessage> AskAsync(string text, bool stream = false, Action<HttpRequestMessage>? change = null, CancellationToken? gone = null) =>
        SendAsync(HttpMethod.Post, "/v1/chat/completions", Prompts.Chat(text, stream), change, gone);

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        await Client.DisposeAsync();
        await System.DisposeAsync();
        Http.Dispose();
        _folder.Dispose();
    }
}
