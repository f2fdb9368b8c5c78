using System.Security.Cryptography;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Crypto;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>Whoever holds the directory key can still show one person keys of their own: copies from elsewhere give that away, and nothing is spent.</summary>
public sealed class DirectoryComparisonTests : IAsyncLifetime
{
    private static readonly DateTimeOffset s_start = new(2026, 11, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly byte[] s_key = CreateKey();
    private static readonly byte[] s_oddKey = CreateKey(s_key);

    private readonly TestFolder _folder = new();
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly Dictionary<string, byte[]> _issuerShows = [];
    private Interposer _issuer = null!;
    private Interposer _gateway = null!;
    private readonly FakeTime _time = new(s_start.AddDays(9));
    private readonly Dictionary<string, byte[]> _gatewayShowsAt = [];
    private byte[]? _gatewayShows;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _issuer = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        _issuer.Impersonate = (context, _) => ShowAsync(context, _issuerShows.GetValueOrDefault(context.Request.Path.Value![Routes.IssuerDirectory.Length..]));
        _gateway = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        _gateway.Impersonate = (context, _) => ShowAsync(context, _gatewayShowsAt.GetValueOrDefault(context.Request.Path.Value![..^Routes.IssuerDirectory.Length], _gatewayShows!));
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
        await using TacitClient again = await TacitClient.OpenAsync(Options(), _time, NullLoggerFactory.Instance, Token);
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
            null, _time, NullLoggerFactory.Instance, Token);
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

    [Fact]
    public async Task Issuer_that_contradicts_what_it_showed_before_is_held_until_the_user_begins_anew()
    {
        // The first one was for this wallet alone; it has bought by it.
        byte[] first = Publish(1, null);
        byte[] second = Publish(2, first);
        Show(Publish(7, first, key: s_oddKey));
        await using (TacitClient client = await CreateAsync())
        {
            Assert.Equal(7, (await client.Directory.RefreshAsync(Token)).Sequence);
            Show(first, second);
            Assert.Equal(ClientError.DirectoryRefused, (await Assert.ThrowsAsync<ClientException>(() => client.Directory.RefreshAsync(Token))).Error);
            await AssertHeldAsync(client);
        }

        await using TacitClient again = await TacitClient.OpenAsync(Options(), _time, NullLoggerFactory.Instance, Token);
        await AssertHeldAsync(again);
        DirectoryAudit audit = await again.Directory.AuditAsync(resume: false, Token);
        Assert.False(audit.Agrees);
        Assert.Contains("stored", Assert.Single(audit.Copies, copy => copy.IsContradiction).Problem, StringComparison.Ordinal);
        await AssertHeldAsync(again);

        // What all sources agree on may take its place, if the user says so.
        _gatewayShows = Publish(2, first, key: s_oddKey);
        Assert.False((await again.Directory.AuditAsync(resume: true, Token)).Resumed);
        _gatewayShows = second;
        Assert.True(await again.Directory.AuditAsync(resume: true, Token) is { Resumed: true, Agrees: true });
        Assert.Equal(2, (await again.Directory.GetAsync(Token)).Sequence);
    }

    [Fact]
    public async Task Copies_that_contradict_each_other_and_not_the_issuer_are_a_contradiction()
    {
        byte[] first = Publish(1, null);
        string gateway = Gateway();
        Show(Publish(9, first, urls: [gateway + "/a", gateway + "/b"]));
        _gatewayShowsAt["/a"] = Publish(5, first, crowd: 8);
        _gatewayShowsAt["/b"] = Publish(5, first, crowd: 16);
        await using TacitClient client = await CreateAsync();
        ClientException refused = await Assert.ThrowsAsync<ClientException>(() => client.Directory.RefreshAsync(Token));
        Assert.Contains("number 5 stands for two different documents", refused.Message, StringComparison.Ordinal);
        await AssertHeldAsync(client);
    }

    [Fact]
    public async Task Gateways_that_were_known_before_are_asked_whatever_a_directory_lists()
    {
        byte[] first = Publish(1, null);
        Show(first);
        _gatewayShows = first;
        await using TacitClient client = await CreateAsync();
        await client.Directory.RefreshAsync(Token);

        // For one person: a key of their own, and gateways that show the same, as many as are asked at all.
        byte[] odd = Publish(7, first, key: s_oddKey, urls: [.. Enumerable.Range(0, 16).Select(i => $"{Gateway()}/{i}")]);
        Show(odd);
        for (int i = 0; i < 16; i++)
        {
            _gatewayShowsAt[$"/{i}"] = odd;
        }

        _gatewayShows = Publish(3, first);
        await Assert.ThrowsAsync<ClientException>(() => client.Directory.RefreshAsync(Token));
        await AssertHeldAsync(client);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Plan_of_ones_own_is_not_taken_until_another_copy_shows_it(bool isFirst)
    {
        byte[] first = Publish(1, null);
        byte[] second = Publish(2, first);
        byte[] odd = Publish(6, second, ownPlan: "chat-7");
        Show(isFirst ? odd : first);
        _gatewayShows = first;
        await using TacitClient client = await CreateAsync();
        await client.Directory.RefreshAsync(Token);
        Show(odd);
        _gatewayShows = second;
        DirectorySummary believed = await client.Directory.RefreshAsync(Token);
        Assert.Equal((2, "chat"), (believed.Sequence, Assert.Single(believed.Plans).Id));

        // As it is with a new plan: the gateways have it a few minutes later.
        _gatewayShows = odd;
        believed = await client.Directory.RefreshAsync(Token);
        Assert.Equal((6, 2), (believed.Sequence, believed.Plans.Count));
    }

    [Fact]
    public async Task Gateway_address_of_ones_own_is_not_taken_until_another_copy_shows_it()
    {
        byte[] first = Publish(1, null);
        Show(first);
        _gatewayShows = first;
        await using TacitClient client = await CreateAsync();
        await client.Directory.RefreshAsync(Token);

        byte[] odd = Publish(6, first, urls: [Gateway() + "/own"]);
        Show(odd);
        _gatewayShowsAt["/own"] = odd;
        Assert.Equal(Gateway(), Assert.Single(Assert.Single((await client.Directory.RefreshAsync(Token)).Gateways).Urls));
        _gatewayShows = odd;
        Assert.Equal(Gateway() + "/own", Assert.Single(Assert.Single((await client.Directory.RefreshAsync(Token)).Gateways).Urls));
    }

    [Fact]
    public async Task Copy_that_sells_nothing_any_more_holds_nobody_up()
    {
        byte[] first = Publish(1, null);
        Show(first);
        _gatewayShows = first;
        await using TacitClient client = await CreateAsync();
        await client.Directory.RefreshAsync(Token);

        _time.Jump(TimeSpan.FromDays(60));
        Show(Publish(6, first, ownPlan: "chat-7"));
        Assert.Equal(6, (await client.Directory.RefreshAsync(Token)).Sequence);
    }

    [Fact]
    public async Task Copies_of_known_gateways_are_fetched_before_the_issuer_is_asked()
    {
        Show(Publish(1, null));
        _gatewayShows = _issuerShows[""];
        await using TacitClient client = await CreateAsync();
        await client.Directory.RefreshAsync(Token);
        int asked = 0;
        Func<HttpContext, Passing, Task<bool>> show = _issuer.Impersonate!;
        _issuer.Impersonate = (context, passing) =>
        {
            asked = _gateway.Seen.Count;
            return show(context, passing);
        };
        await client.Directory.RefreshAsync(Token);
        Assert.Equal((2, 2), (asked, _gateway.Seen.Count));
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

    /// <summary>Directories have no two keys with one truncated id.</summary>
    private static byte[] CreateKey(byte[]? other = null)
    {
        while (true)
        {
            using BlindRsaPrivateKey key = BlindRsaPrivateKey.Generate(2048);
            byte[] created = key.PublicKey.ExportSubjectPublicKeyInfo();
            if (other is null || SHA256.HashData(created)[^1] != SHA256.HashData(other)[^1])
            {
                return created;
            }
        }
    }

    private ClientOptions Options(string wallet = "wallet") => new()
    {
        Wallet = new WalletOptions { DataDirectory = _folder[wallet] },
        Directory = new DirectoryOptions { Issuer = _issuer.Address, DirectoryKey = _key.PublicKey.Export() },
    };

    private Task<TacitClient> CreateAsync(string wallet = "wallet") => TacitClient.CreateAsync(Options(wallet), null, _time, NullLoggerFactory.Instance, Token);

    private string Gateway() => _gateway.Address.GetLeftPart(UriPartial.Authority);

    private byte[] Publish(long sequence, byte[]? previous, byte[]? key = null, long? crowd = null, string[]? urls = null, string? ownPlan = null)
    {
        byte[]? hash = null;
        if (previous is not null)
        {
            Assert.True(IssuerDirectory.TryParse(previous, out IssuerDirectory? before, out _));
            hash = before.Hash();
        }

        var tokenKey = new DirectoryTokenKey(TokenType.BlindRsa, key ?? s_key, null);
        var ownKey = new DirectoryTokenKey(TokenType.BlindRsa, s_oddKey, null);
        Period period = Period.Containing(PeriodKind.Month, s_start);
        return new IssuerDirectory
        {
            IssuerName = "issuer.test",
            IssuerRequestUri = "/token-request",
            TokenKeys = ownPlan is null ? [tokenKey] : [tokenKey, ownKey],
            Plans = ownPlan is null ? [PlanOf("chat", tokenKey, period, crowd)] : [PlanOf("chat", tokenKey, period, crowd), PlanOf(ownPlan, ownKey, period, null)],
            Gateways = [new DirectoryGateway("gateway.test", urls ?? [_gateway.Address.GetLeftPart(UriPartial.Authority)])],
            Sequence = sequence,
            Previous = hash,
        }.SignAndEncode(message => _key.Sign(message.Span));
    }

    private static DirectoryPlan PlanOf(string id, DirectoryTokenKey key, Period period, long? crowd) => new(
        new Plan { Id = id, Models = ["m"], MaxInputBytes = 4096, MaxOutputTokens = 100, Price = new Credits(1), Period = PeriodKind.Month },
        [new PlanKey { PlanId = id, TokenKeyId = key.TokenKeyId, Period = period, NotBefore = period.IssueFrom, Accounts = crowd }]);
}
