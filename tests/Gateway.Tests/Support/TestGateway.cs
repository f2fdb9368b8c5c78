using System.Collections.Concurrent;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Tacit.Gateway.Replies;
using Tacit.Hosting;
using Tacit.Inference;
using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Gateway.Tests.Support;

/// <summary>A gateway on a real socket and a real SQLite file, with a stub provider behind it.</summary>
public sealed class TestGateway : IAsyncDisposable
{
    public const string Model = "tiny";
    public static readonly DateTimeOffset Start = new(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);
    public static readonly Period March = Period.Containing(PeriodKind.Month, Start);

    private string _folder = Directory.CreateTempSubdirectory("tacit-gateway-").FullName;
    private readonly HttpMessageInvoker _client = new(new SocketsHttpHandler { UseCookies = false, AllowAutoRedirect = false, MaxConnectionsPerServer = 1000 });
    private RoleDatabase? _database;
    private InferenceRouter? _router;

    private TestGateway(StubProvider provider) => Provider = provider;

    public TestIssuer Issuer { get; } = new();

    public StubProvider Provider { get; }

    public FakeTime Time { get; } = new(Start);

    public LogCapture Log { get; } = new();

    public GatewayServer Server { get; private set; } = null!;

    public string Folder => _folder;

    /// <summary>Another provider than the stub.</summary>
    public Uri? ProviderUrl { get; set; }

    public Uri Address => Server.Address;

    public Func<GatewayOptions, GatewayOptions> Configure { get; set; } = options => options;

    public ProviderBudgets Budgets { get; set; } = new();

    public DirectoryFetch Fetch { get; set; } = _ => throw new HttpRequestException("no issuer");

    public static Plan ChatPlan { get; } = new()
    {
        Id = "chat", Models = [Model], MaxInputBytes = 4096, MaxOutputTokens = 100, Price = new Credits(1), Period = PeriodKind.Month,
    };

    /// <summary>A subscription on 0x0002; on 0xDA7A everything else is the same.</summary>
    public static Plan MonthlyPlan { get; } = ChatPlan with { Id = "monthly", Kind = PlanKind.Subscription, Price = new Credits(100) };

    /// <summary>Judges prompts before the provider sees them.</summary>
    internal PromptCheck? Check { get; set; }

    public ModerationOptions Moderation { get; set; } = new();

    public static async Task<TestGateway> CreateAsync(Action<TestGateway>? prepare = null)
    {
        TestGateway gateway = await PrepareAsync(prepare);
        await gateway.StartAsync();
        return gateway;
    }

    /// <summary>Everything but the start.</summary>
    public static async Task<TestGateway> PrepareAsync(Action<TestGateway>? prepare = null)
    {
        var gateway = new TestGateway(await StubProvider.StartAsync());
        gateway.Issuer.AddPlan(ChatPlan, March);
        prepare?.Invoke(gateway);
        byte[] directory = gateway.Issuer.Publish();
        gateway.Fetch = _ => ValueTask.FromResult<ReadOnlyMemory<byte>>(directory);
        return gateway;
    }

    /// <summary>Starts a server on the same data folder, as after a restart.</summary>
    public async Task StartAsync()
    {
        _router = new InferenceRouter(
            new InferenceOptions
            {
                Backends = [new BackendOptions { Name = "stub", BaseUrl = ProviderUrl ?? Provider.BaseUrl, Models = new Dictionary<string, string> { [Model] = "m" } }],
                Budgets = Budgets,
                Moderation = Moderation,
                MaxAttempts = 1,
            },
            TimeProvider.System,
            Log);
        _database ??= await RoleDatabase.CreateAsync(Path.Combine(_folder, "database"));
        Server = await GatewayServer.StartAsync(
            Configure(new GatewayOptions
            {
                Name = TestIssuer.GatewayName,
                Listen = ListenAddress.Loopback(0),
                DirectoryKey = Issuer.DirectoryKey,
                DataDirectory = _folder,
                Database = _database.Options,
                ReplyMemoryBytes = 64 << 20,
            }),
            cancellationToken => Fetch(cancellationToken),
            _router,
            Issuer,
            Check ?? GatewayServer.CheckBy(_router),
            Time,
            Log,
            TestContext.Current.CancellationToken);
    }

    public async Task StopAsync()
    {
        if (Server is not null)
        {
            await Server.DisposeAsync();
        }

        if (_router is not null)
        {
            await _router.DisposeAsync();
        }
    }

    /// <summary>
    /// Kills the process, as far as its files can tell: the next server starts from what they held at this moment. The one that runs goes away with
    /// whatever it still writes to its own copy.
    /// </summary>
    /// <param name="prepare">Gets the folder that the next server starts from.</param>
    public async Task RestartFromCrashAsync(Action<string>? prepare = null)
    {
        string dead = _folder;
        _folder = Directory.CreateTempSubdirectory("tacit-gateway-").FullName;
        foreach (string file in Directory.GetFiles(dead).Where(file => !file.EndsWith(".lock", StringComparison.Ordinal) && !file.EndsWith("-shm", StringComparison.Ordinal)
            && !file.EndsWith(".sock", StringComparison.Ordinal)))
        {
            File.Copy(file, Path.Combine(_folder, Path.GetFileName(file)));
        }

        prepare?.Invoke(_folder);
        _database = await _database!.CopyAsync(Path.Combine(_folder, "database"));
        await StopAsync();
        Directory.Delete(dead, recursive: true);
        await StartAsync();
    }

    /// <summary>The issuer publishes anew and the gateway takes it up.</summary>
    public async Task PublishAsync()
    {
        byte[] directory = Issuer.Publish();
        Fetch = _ => ValueTask.FromResult<ReadOnlyMemory<byte>>(directory);
        Time.Advance(TimeSpan.FromMinutes(5));
        string adopted = $"Using issuer directory {Issuer.Sequence}.";
        await UntilAsync(() => Log.Lines.Any(line => line.Contains(adopted, StringComparison.Ordinal)));
    }

    public static async Task UntilAsync(Func<bool> condition)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(5));
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        timeout.CancelAfter(TimeSpan.FromMinutes(3));
        while (!condition())
        {
            await timer.WaitForNextTickAsync(timeout.Token);
        }
    }

    /// <summary>A request whose gateway was killed under it. That may still get a word out; nobody hears it.</summary>
    public static async Task LoseAsync(Task<HttpResponseMessage> lost)
    {
        try
        {
            (await lost).Dispose();
        }
        catch (HttpRequestException)
        {
            // Cut off.
        }
    }

    public static string Body(string prompt = "2+2?", bool stream = false, string? more = null) =>
        $$"""{"model":"{{Model}}","messages":[{"role":"user","content":"{{prompt}}"}]{{(stream ? ",\"stream\":true" : "")}}{{more}}}""";

    public Task<HttpResponseMessage> AskAsync(TestToken token, string? body = null, string path = Routes.ChatCompletions) =>
        SendAsync(HttpMethod.Post, path, body ?? Body(), token.Header);

    /// <summary>Asks and goes away when told.</summary>
    public Task<HttpResponseMessage> AskUntilAsync(TestToken token, string body, CancellationToken gone) =>
        SendUntilAsync(HttpMethod.Post, Routes.ChatCompletions, body, token.Header, null, gone);

    public Task<HttpResponseMessage> SendAsync(
        HttpMethod method, string path, string? body = null, string? authorization = null, Action<HttpRequestHeaders>? headers = null) =>
        SendUntilAsync(method, path, body, authorization, headers, TestContext.Current.CancellationToken);

    private async Task<HttpResponseMessage> SendUntilAsync(
        HttpMethod method, string path, string? body, string? authorization, Action<HttpRequestHeaders>? headers, CancellationToken gone)
    {
        using var request = new HttpRequestMessage(method, new Uri(Address, path));
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        headers?.Invoke(request.Headers);
        return await _client.SendAsync(request, gone);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await Provider.DisposeAsync();
        _client.Dispose();
        Issuer.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>What a test reads of a response.</summary>
public static class Responses
{
    /// <summary>What became of the token: a success has been bought, and need not say so.</summary>
    public static string? TokenState(this HttpResponseMessage response) =>
        response.Headers.TryGetValues(Routes.TokenStateHeader, out IEnumerable<string>? values) ? values.Single()
        : response.IsSuccessStatusCode ? Routes.TokenSpent
        : null;

    public static Task<string> TextAsync(this HttpResponseMessage response) => response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);

    public static async Task<string?> CodeAsync(this HttpResponseMessage response)
    {
        using JsonDocument document = JsonDocument.Parse(await response.TextAsync());
        return document.RootElement.GetProperty("error").GetProperty("code").GetString();
    }

    public static async Task IsErrorAsync(this HttpResponseMessage response, int status, string code, string? tokenState)
    {
        string text = await response.TextAsync();
        Assert.True((int)response.StatusCode == status, $"{(int)response.StatusCode} {text}");
        Assert.Equal(code, await response.CodeAsync());
        Assert.Equal(tokenState, response.TokenState());
    }

    public static async Task IsReplyAsync(this HttpResponseMessage response, string expected = StubProvider.Reply)
    {
        string text = await response.TextAsync();
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode} {text}");
        Assert.Equal(expected, text);
        Assert.Equal(Routes.TokenSpent, response.TokenState());
    }
}

/// <summary>Everything that was logged, at every level.</summary>
public sealed class LogCapture : ILoggerFactory
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IEnumerable<string> Lines => _lines;

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void Dispose()
    {
    }

    private sealed class Logger(LogCapture capture, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull
        {
            capture._lines.Enqueue($"{category} scope {state}");
            return null;
        }

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            capture._lines.Enqueue($"{category} {logLevel} {formatter(state, exception)} {exception}");
    }
}
