using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>Whoever holds the directory key can still show one person keys of their own: copies from elsewhere give that away, and nothing is spent.</summary>
public sealed class DirectoryComparisonTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly byte[] s_key = CreateKey();
    private static readonly byte[] s_oddKey = CreateKey();

    private readonly TestFolder _folder = new();
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly Dictionary<string, byte[]> _issuerShows = [];
    private Interposer _issuer = null!;
    private Interposer _gateway = null!;
    private byte[]? _gatewayShows;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _issuer = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        _issuer.Impersonate = (context, _) => ShowAsync(context, _issuerShows.GetValueOrDefault(context.Request.Path.Value![Routes.IssuerDirectory.Length..]));
        _gateway = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        _gateway.Impersonate = (context, _) => ShowAsync(context, _gatewayShows);
    }

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        await _gateway.DisposeAsync();
        _key.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Copies_that_agree_or_are_missing_or_lag_behind_are_no_contradiction()
    {
        byte[] first = Publish(1, null);
        byte[] second = Publish(2, first, crowd: 64);
        byte[] fifth = Publish(5, second, crowd: 128);
        Show(first, second);
        foreach (byte[]? copy in new[] { second, first, fifth, null, "nonsense"u8.ToArray() })
        {
            _gatewayShows = copy;
            await using TacitClient client = await CreateAsync(Guid.NewGuid().ToString());
            Assert.Equal(2, (await client.Directory.RefreshAsync(Token)).Sequence);
            DirectoryAudit audit = await client.Directory.AuditAsync(resume: false, Token);
            Assert.True(audit.Agrees, audit.ToString());
            Assert.Equal((1, null, null), (audit.ChainFrom, audit.ChainProblem, audit.Held));
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public async Task One_odd_key_is_refused_whatever_number_it_comes_under(long number)
    {
        byte[] first = Publish(1, null);
        byte[] second = Publish(2, first);
        Show(first, second);
        _gatewayShows = Publish(number, number == 2 ? first : second, key: s_oddKey);
        await using (TacitClient client = await CreateAsync())
        {
            ClientException refused = await Assert.ThrowsAsync<ClientException>(() => client.Directory.RefreshAsync(Token));
            Assert.Equal(ClientError.DirectoryRefused, refused.Error);
            Assert.Contains("tacit keys audit", refused.Message, StringComparison.Ordinal);
            await AssertHeldAsync(client);
        }

        // Neither a restart nor copies that agree from now on make it forgotten: that is for the user.
        _gatewayShows = second;
        await using TacitClient again = await TacitClient.OpenAsync(Options(), TimeProvider.System, NullLoggerFactory.Instance, Token);
        await AssertHeldAsync(again);
        DirectoryAudit audit = await again.Directory.AuditAsync(resume: false, Token);
        Assert.True(audit is { Agrees: true, Held: not null, Resumed: false }, audit.ToString());
        await AssertHeldAsync(again);
        Assert.True((await again.Directory.AuditAsync(resume: true, Token)).Resumed);
        Assert.Equal(2, (await again.Directory.GetAsync(Token)).Sequence);
    }

    [Fact]
    public async Task Audit_by_hand_finds_the_odd_copy_and_does_not_resume_while_it_is_there()
    {
        byte[] first = Publish(1, null);
        Show(first);
        _gatewayShows = first;
        await using TacitClient client = await CreateAsync();
        await client.Directory.GetAsync(Token);

        _gatewayShows = Publish(1, null, key: s_oddKey);
        DirectoryAudit audit = await client.Directory.AuditAsync(resume: true, Token);
        Assert.False(audit.Agrees);
        DirectoryCopy odd = Assert.Single(audit.Copies, copy => copy.IsContradiction);
        Assert.Equal(_gateway.Address.GetLeftPart(UriPartial.Authority), odd.Source);
        await AssertHeldAsync(client);
        Assert.False((await client.Directory.AuditAsync(resume: true, Token)).Resumed);
        await AssertHeldAsync(client);
    }

    [Fact]
    public async Task Chain_with_a_link_that_does_not_hold_is_found()
    {
        byte[] first = Publish(1, null);
        byte[] other = Publish(1, null, crowd: 8);
        byte[] second = Publish(2, other);
        Show(first, second);
        _gatewayShows = second;
        await using TacitClient client = await CreateAsync();
        DirectoryAudit audit = await client.Directory.AuditAsync(resume: false, Token);
        Assert.Equal("number 2 does not follow number 1", audit.ChainProblem);
        Assert.False(audit.Agrees);
    }

    [Fact]
    public async Task Directory_of_many_addresses_sends_nobody_to_all_of_them()
    {
        string gateway = _gateway.Address.GetLeftPart(UriPartial.Authority);
        Show(Publish(1, null, urls: [.. Enumerable.Range(0, 16).Select(i => $"{gateway}/{i}")]));
        await using TacitClient client = await TacitClient.CreateAsync(
            Options() with { Directory = Options().Directory with { Mirrors = [.. Enumerable.Range(0, 5).Select(i => new Uri($"{gateway}/mirror{i}"))] } },
            null, TimeProvider.System, NullLoggerFactory.Instance, Token);
        await client.Directory.RefreshAsync(Token);
        Assert.Equal(16, _gateway.Seen.Count);
        Assert.Equal(5, _gateway.Seen.Count(passing => passing.Path.StartsWith("/mirror", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Copies_are_fetched_each_on_its_own_connection_without_an_account()
    {
        Show(Publish(1, null));
        _gatewayShows = _issuerShows[""];
        await using TacitClient client = await CreateAsync();
        await client.Directory.RefreshAsync(Token);
        await client.Directory.RefreshAsync(Token);
        Assert.All(_issuer.Seen.Concat(_gateway.Seen), passing => Assert.DoesNotContain("Authorization", passing.Headers.Keys));
        Assert.Equal(2, _gateway.Seen.Select(passing => passing.Connection).Distinct().Count());
    }

    private static async Task AssertHeldAsync(TacitClient client)
    {
        foreach (Func<Task> use in new Func<Task>[]
        {
            () => client.Directory.GetAsync(Token),
            () => client.Directory.RefreshAsync(Token),
            () => client.Redemption.SendAsync(new PromptRequest(PromptOperation.ChatCompletions, """{"model":"m","messages":[]}"""u8.ToArray()), Token),
            () => client.Filler.FillAsync("chat", 1, cancellationToken: Token),
        })
        {
            Assert.Equal(ClientError.DirectoryRefused, (await Assert.ThrowsAsync<ClientException>(use)).Error);
        }
    }

    private static async Task<bool> ShowAsync(HttpContext context, byte[]? document)
    {
        if (document is null)
        {
            context.Response.StatusCode = 404;
            return true;
        }

        await context.Response.Body.WriteAsync(document);
        return true;
    }

    private void Show(params byte[][] documents)
    {
        for (int i = 0; i < documents.Length; i++)
        {
            _issuerShows["/" + (i + 1)] = documents[i];
        }

        _issuerShows[""] = documents[^1];
    }

    private static byte[] CreateKey()
    {
        using BlindRsaPrivateKey key = BlindRsaPrivateKey.Generate(2048);
        return key.PublicKey.ExportSubjectPublicKeyInfo();
    }

    private ClientOptions Options(string wallet = "wallet") => new()
    {
        Wallet = new WalletOptions { DataDirectory = _folder[wallet] },
        Directory = new DirectoryOptions { Issuer = _issuer.Address, DirectoryKey = _key.PublicKey.Export() },
    };

    private Task<TacitClient> CreateAsync(string wallet = "wallet") => TacitClient.CreateAsync(Options(wallet), null, TimeProvider.System, NullLoggerFactory.Instance, Token);

    private byte[] Publish(long sequence, byte[]? previous, byte[]? key = null, long? crowd = null, string[]? urls = null)
    {
        byte[]? hash = null;
        if (previous is not null)
        {
            Assert.True(IssuerDirectory.TryParse(previous, out IssuerDirectory? before, out _));
            hash = before.Hash();
        }

        var tokenKey = new DirectoryTokenKey(TokenType.BlindRsa, key ?? s_key, null);
        Period period = Period.Containing(PeriodKind.Month, s_start);
        return new IssuerDirectory
        {
            IssuerName = "issuer.test",
            IssuerRequestUri = "/token-request",
            TokenKeys = [tokenKey],
            Plans =
            [
                new DirectoryPlan(
                    new Plan { Id = "chat", Models = ["m"], MaxInputBytes = 4096, MaxOutputTokens = 100, Price = new Credits(1), Period = PeriodKind.Month },
                    [new PlanKey { PlanId = "chat", TokenKeyId = tokenKey.TokenKeyId, Period = period, NotBefore = period.IssueFrom, Accounts = crowd }]),
            ],
            Gateways = [new DirectoryGateway("gateway.test", urls ?? [_gateway.Address.GetLeftPart(UriPartial.Authority)])],
            Sequence = sequence,
            Previous = hash,
        }.SignAndEncode(message => _key.Sign(message.Span));
    }
}
