using System.Net;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.App.Wallets;
using Tacit.Client.Tests.Support;
using Tacit.Hosting;

namespace Tacit.App.Tests;

/// <summary>An app on a folder of its own, as <c>tacit app</c> starts it, and its page's calls.</summary>
public sealed class PageClient : IAsyncDisposable
{
    private readonly TestFolder _folder = new();
    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false });

    private bool _isOpen;

    public ClientHost Host { get; private set; } = null!;

    public AppServer Server { get; private set; } = null!;

    public string DataDirectory => _folder.Path;

    public string SettingsPath => Path.Combine(DataDirectory, AppOptions.SettingsFileName);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<PageClient> StartAsync(Func<AppOptions, AppOptions>? change = null)
    {
        var page = new PageClient();
        await page.OpenAsync(change);
        return page;
    }

    /// <summary>What a person has done who was told of an issuer: a wallet with credits and tokens.</summary>
    public static async Task<PageClient> SetUpAsync(TestOperator system, long credits = 100, int tokens = 10, Func<AppOptions, AppOptions>? change = null)
    {
        PageClient page = await StartAsync(options => (change?.Invoke(options) ?? options) with { GatewayUrl = system.GatewayFront.Address, AutoFill = false, LowWater = 0, BatchSize = 10 });
        await page.PostAsync("/app/setup", $$"""{"issuer":"{{system.IssuerFront.Address}}","directoryKey":"{{Convert.ToHexString(system.Issuer.DirectoryKey.Span)}}"}""");
        if (credits > 0)
        {
            await page.PostAsync("/app/wallet/deposit", $$"""{"code":"{{await system.VoucherAsync(credits)}}"}""");
        }
        if (tokens > 0)
        {
            await page.PostAsync("/app/wallet/fill", $$"""{"size":{{tokens}}}""");
        }
        return page;
    }

    public async Task RestartAsync(Func<AppOptions, AppOptions>? change = null)
    {
        await CloseAsync();
        await OpenAsync(change);
    }

    public Task<JsonElement> GetAsync(string path) => ExpectAsync(HttpMethod.Get, path, null);

    public Task<JsonElement> PostAsync(string path, string body = "{}") => ExpectAsync(HttpMethod.Post, path, body);

    public Task<JsonElement> PutAsync(string path, string body) => ExpectAsync(HttpMethod.Put, path, body);

    /// <summary>Asks until the answer is as it is to be: what follows a reply comes a moment after it.</summary>
    public async Task<JsonElement> UntilAsync(string path, Func<JsonElement, bool> isThere)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(90));
        while (true)
        {
            JsonElement answer = await GetAsync(path);
            if (isThere(answer))
            {
                return answer;
            }
            await Task.Delay(20, patience.Token);
        }
    }

    /// <summary>The word of the problem that a call gets, with its status.</summary>
    public async Task<(int Status, string Word, JsonElement Problem)> FailAsync(HttpMethod method, string path, string? body = null)
    {
        using HttpResponseMessage answer = await SendAsync(method, path, body);
        JsonElement problem = JsonDocument.Parse(await answer.Content.ReadAsByteArrayAsync(Token)).RootElement;
        Assert.Equal("application/problem+json", answer.Content.Headers.ContentType?.MediaType);
        return ((int)answer.StatusCode, problem.GetProperty("type").GetString()!.Split(':')[^1], problem);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, string? body = null, Action<HttpRequestMessage>? change = null, CancellationToken? gone = null)
    {
        var request = new HttpRequestMessage(method, new Uri(Server.Address, path));
        if (path.StartsWith("/app", StringComparison.Ordinal))
        {
            request.Headers.Add("Tacit-Page", "1");
        }
        if (body is not null)
        {
            request.Content = new StringContent(body, System.Text.Encoding.UTF8, "application/json");
        }
        change?.Invoke(request);
        return await _http.SendAsync(request, gone ?? Token);
    }

    public Task<HttpResponseMessage> AskAsync(string text, bool stream = false, Action<HttpRequestMessage>? change = null, CancellationToken? gone = null) =>
        SendAsync(HttpMethod.Post, "/v1/chat/completions", System.Text.Encoding.UTF8.GetString(Prompts.Chat(text, stream)), change, gone);

    /// <summary>Ends the app, as a stop does.</summary>
    public async Task CloseAsync()
    {
        if (_isOpen)
        {
            _isOpen = false;
            await Server.DisposeAsync();
            await Host.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        _http.Dispose();
        await CloseAsync();
        _folder.Dispose();
    }

    private async Task OpenAsync(Func<AppOptions, AppOptions>? change)
    {
        var options = new AppOptions { DataDirectory = DataDirectory, Listen = ListenAddress.Loopback(0), DrainTimeout = TimeSpan.Zero };
        Host = await ClientHost.OpenAsync(change?.Invoke(options) ?? options, TimeProvider.System, NullLoggerFactory.Instance, cancellationToken: Token);
        Server = await AppServer.StartAsync(Host, TimeProvider.System, NullLoggerFactory.Instance, Token);
        _isOpen = true;
    }

    private async Task<JsonElement> ExpectAsync(HttpMethod method, string path, string? body)
    {
        using HttpResponseMessage answer = await SendAsync(method, path, body);
        byte[] content = await answer.Content.ReadAsByteArrayAsync(Token);
        Assert.True(answer.IsSuccessStatusCode, $"{method} {path}: {answer.StatusCode} {System.Text.Encoding.UTF8.GetString(content)}");
        return answer.StatusCode == HttpStatusCode.NoContent ? default : JsonDocument.Parse(content).RootElement;
    }
}
