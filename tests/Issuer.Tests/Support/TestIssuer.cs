using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Hosting;
using Tacit.Issuer.Gateways;
using Tacit.Protocol;
using Tacit.Signer;
using Tacit.Tests;

namespace Tacit.Issuer.Tests.Support;

/// <summary>An answer of the issuer.</summary>
internal sealed record Answer(int Status, string? ContentType, byte[] Body, HttpResponseHeaders Headers)
{
    public string ProblemType => JsonDocument.Parse(Body).RootElement.GetProperty("type").GetString()!;
}

/// <summary>An issuer and a signer, real, on loopback and in a folder of their own, with a clock that a test moves.</summary>
internal sealed class TestIssuer : IAsyncDisposable
{
    public static readonly DateTimeOffset Start = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    private readonly HttpMessageInvoker _http = new(new SocketsHttpHandler { UseProxy = false, UseCookies = false, AllowAutoRedirect = false });
    private readonly ILoggerFactory _loggers;
    private readonly Func<ISigner, ISigner> _wrap;
    private readonly Func<IssuerOptions, IssuerOptions> _change;
    private RoleDatabase? _signerDatabase;
    private SignerService? _signer;
    private IssuerServer? _server;

    private TestIssuer(
        IReadOnlyList<Plan> plans, Func<ISigner, ISigner>? wrap, Func<IssuerOptions, IssuerOptions>? change, ILoggerFactory? loggers)
    {
        Plans = plans;
        _wrap = wrap ?? (signer => signer);
        _change = change ?? (options => options);
        _loggers = loggers ?? NullLoggerFactory.Instance;
    }

    public IReadOnlyList<Plan> Plans { get; }

    /// <summary>What the gateway asks for; for signer and issuer, from their next start.</summary>
    public IReadOnlyList<PseudonymOffer> Pseudonyms { get; set; } = [];

    public RoleDatabase Database { get; private set; } = null!;

    public FakeTime Time { get; private init; } = new(Start);

    public TestFolder Folder { get; } = new();

    public SignerService Signer => _signer!;

    public IssuerServer Server => _server!;

    public static CancellationToken Token => TestContext.Current.CancellationToken;

    public static async Task<TestIssuer> StartAsync(
        IReadOnlyList<Plan>? plans = null, Func<ISigner, ISigner>? wrap = null, Func<IssuerOptions, IssuerOptions>? change = null, ILoggerFactory? loggers = null,
        IReadOnlyList<PseudonymOffer>? pseudonyms = null)
    {
        var issuer = new TestIssuer(plans ?? [TestPlans.Chat], wrap, change, loggers) { Pseudonyms = pseudonyms ?? [] };
        await issuer.StartAsync();
        return issuer;
    }

    /// <summary>Issuer and signer like others, not started, in a folder of their own but on the others' databases.</summary>
    public static TestIssuer Beside(TestIssuer other, Func<IssuerOptions, IssuerOptions>? change = null) =>
        new(other.Plans, null, change, null) { Time = other.Time, Database = other.Database, _signerDatabase = other._signerDatabase };

    /// <summary>Not started, but with its databases.</summary>
    public static async Task<TestIssuer> PrepareAsync()
    {
        var issuer = new TestIssuer([TestPlans.Chat], null, null, null);
        issuer._signerDatabase = await RoleDatabase.CreateAsync(issuer.Folder.Beside("signer-database"));
        issuer.Database = await RoleDatabase.CreateAsync(issuer.Folder.Beside("issuer-database"));
        return issuer;
    }

    public async Task StartAsync()
    {
        _signerDatabase ??= await RoleDatabase.CreateAsync(Folder.Beside("signer-database"));
        Database ??= await RoleDatabase.CreateAsync(Folder.Beside("issuer-database"));
        _signer = await SignerService.OpenAsync(
            new SignerOptions { DataDirectory = Folder.Data, Plans = Plans, KeyFile = Folder.KeyFile, Database = _signerDatabase.Options, Pseudonyms = Pseudonyms }, Time, _loggers, Token);
        await _signer.AllKeysReady.WaitAsync(Token);
        _server = await IssuerServer.StartAsync(
            _change(new IssuerOptions
            {
                DataDirectory = Folder.Data,
                Listen = ListenAddress.Loopback(0),
                IssuerName = "issuer.test",
                Plans = Plans,
                KeyFile = Folder.KeyFile,
                Database = Database.Options,
                Pseudonyms = Pseudonyms,
                Gateways = [new IssuerGateway { Name = "gateway.test", Urls = ["http://127.0.0.1:8226"] }],
            }),
            _wrap(_signer), Time, _loggers, Token);
    }

    /// <summary>Stops both and starts them again on the same folder.</summary>
    public async Task RestartAsync()
    {
        await StopAsync();
        await StartAsync();
    }

    public async Task<Answer> SendAsync(HttpMethod method, string path, string? account, string? contentType = null, byte[]? body = null)
    {
        using var request = new HttpRequestMessage(method, new Uri(Server.Address, path));
        if (account is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", "Bearer " + account);
        }

        if (body is not null)
        {
            request.Content = new ByteArrayContent(body);
            request.Content.Headers.TryAddWithoutValidation("Content-Type", contentType);
        }

        using HttpResponseMessage response = await _http.SendAsync(request, Token);
        return new Answer(
            (int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsByteArrayAsync(Token), response.Headers);
    }

    /// <summary>Sends the same call twice, as a client does that lost the first answer, and expects the same answer.</summary>
    public async Task<Answer> SendTwiceAsync(HttpMethod method, string path, string? account, string? contentType = null, byte[]? body = null)
    {
        Answer first = await SendAsync(method, path, account, contentType, body);
        Answer second = await SendAsync(method, path, account, contentType, body);
        Assert.Equal(first.Status, second.Status);
        Assert.Equal(first.ContentType, second.ContentType);
        Assert.Equal(first.Body, second.Body);
        return first;
    }

    /// <summary>Sends a call with these Authorization headers, as they are.</summary>
    public async Task<Answer> SendRawAsync(HttpMethod method, string path, IEnumerable<string> authorization)
    {
        using var request = new HttpRequestMessage(method, new Uri(Server.Address, path));
        foreach (string value in authorization)
        {
            request.Headers.TryAddWithoutValidation("Authorization", value);
        }

        using HttpResponseMessage response = await _http.SendAsync(request, Token);
        return new Answer(
            (int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsByteArrayAsync(Token), response.Headers);
    }

    /// <summary>Asks for the directory unless it is the one with this tag.</summary>
    public async Task<Answer> SendConditionalAsync(string tags)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(Server.Address, Routes.IssuerDirectory));
        request.Headers.TryAddWithoutValidation("If-None-Match", tags);
        using HttpResponseMessage response = await _http.SendAsync(request, Token);
        return new Answer(
            (int)response.StatusCode, response.Content.Headers.ContentType?.MediaType, await response.Content.ReadAsByteArrayAsync(Token), response.Headers);
    }

    /// <summary>Everything in the data folder and the database, once the issuer has stopped.</summary>
    public Task<byte[]> ReadDiskAsync() => Database.ReadAllAsync(Folder.Data);

    /// <summary>How many elements the issuer remembers.</summary>
    public async Task<long> CountIssuedAsync() => (await Server.AuditAsync(Token)).Elements;

    /// <summary>Waits for something that happens in the background, for a minute at most.</summary>
    public static async Task WaitForAsync(Func<Task<bool>> condition)
    {
        for (int i = 0; !await condition(); i++)
        {
            Assert.True(i < 3000, "What was waited for did not happen.");
            await Task.Delay(20, Token);
        }
    }

    public async Task<string> CreateAccountAsync(long credits = 0)
    {
        Answer created = await SendAsync(HttpMethod.Post, "/account", null);
        Assert.Equal(201, created.Status);
        string account = JsonSerializer.Deserialize(created.Body, AccountJson.Default.AccountCreated)!.AccountKey;
        if (credits > 0)
        {
            Answer redeemed = await RedeemAsync(account, await CreateVoucherAsync(credits));
            Assert.Equal(200, redeemed.Status);
        }

        return account;
    }

    public async Task<string> CreateVoucherAsync(long credits) =>
        (await Server.CreateVouchersAsync(credits, 1, new DateOnly(2027, 12, 31), Token)).Codes[0];

    public Task<Answer> RedeemAsync(string account, string code) => SendAsync(
        HttpMethod.Post, "/account/vouchers", account, "application/json", Encoding.UTF8.GetBytes($$"""{"code":"{{code}}"}"""));

    public async Task<long> CreditsAsync(string account) => (await StatementAsync(account)).Credits;

    public async Task<AccountStatement> StatementAsync(string account)
    {
        Answer answer = await SendTwiceAsync(HttpMethod.Get, "/account", account);
        Assert.Equal(200, answer.Status);
        return JsonSerializer.Deserialize(answer.Body, AccountJson.Default.AccountStatement)!;
    }

    public async Task<IssuerDirectory> DirectoryAsync()
    {
        Answer first = await SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null);
        Answer second = await SendAsync(HttpMethod.Get, Routes.IssuerDirectory, null);
        IssuerDirectory directory = Read(second);
        if (Read(first).Sequence == directory.Sequence)
        {
            // Another may have been published in between; the same number is the same bytes.
            Assert.Equal(first.Body, second.Body);
        }

        return directory;

        static IssuerDirectory Read(Answer answer)
        {
            Assert.Equal(200, answer.Status);
            Assert.True(IssuerDirectory.TryParse(answer.Body, out IssuerDirectory? directory, out string? error), error);
            return directory;
        }
    }

    /// <summary>Blinds tokens for the plan's first live key, as the directory tells it.</summary>
    public async Task<List<BlindedToken>> BlindAsync(int count, Plan? plan = null)
    {
        IssuerDirectory directory = await DirectoryAsync();
        PlanKey key = directory.FindPlan((plan ?? TestPlans.Chat).Id)!.LiveKeysAt(Time.GetUtcNow())[0];
        DirectoryTokenKey tokenKey = directory.FindTokenKey(key.TokenKeyId)!;
        return BlindedToken.CreateMany(count, tokenKey.Type, tokenKey.SubjectPublicKeyInfo, key.Extensions);
    }

    public Task<Answer> RequestAsync(string? account, IEnumerable<BlindedToken> tokens, string path = Routes.TokenRequest) =>
        SendAsync(HttpMethod.Post, path, account, MediaTypes.GenericBatchRequest, Batch(tokens));

    public static byte[] Batch(IEnumerable<BlindedToken> tokens) => GenericBatchRequest.Create([.. tokens.Select(token => token.Request)]).Encode();

    public static IReadOnlyList<BatchTokenResponse?> ReadBatch(Answer answer)
    {
        Assert.Equal(200, answer.Status);
        Assert.Equal(MediaTypes.GenericBatchResponse, answer.ContentType);
        Assert.True(GenericBatchResponse.TryParse(answer.Body, out GenericBatchResponse? batch));
        return batch.Responses;
    }

    /// <summary>Expects a problem of this type, and nothing else.</summary>
    public static void AssertProblem(string type, Answer answer)
    {
        Assert.Equal(MediaTypes.ProblemJson, answer.ContentType);
        Assert.Equal(type, answer.ProblemType);
        Assert.Equal(ProblemTypes.Create(type).Status, answer.Status);
    }

    /// <summary>The books are sound, whatever happened.</summary>
    public async Task AssertSoundBooksAsync()
    {
        Ledger.LedgerReport report = await Server.AuditAsync(Token);
        Assert.True(report.IsSound, report.ToString());
    }

    public async Task StopAsync()
    {
        if (_server is not null)
        {
            await _server.DisposeAsync();
        }

        if (_signer is not null)
        {
            await _signer.DisposeAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _http.Dispose();
        Folder.Dispose();
    }
}
