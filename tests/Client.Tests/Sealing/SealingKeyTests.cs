using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Evidence;
using Tacit.Client.Tests.Evidence;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;
using Tacit.Crypto;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests.Sealing;

/// <summary>What a client seals with: never a key that was made for it alone, whoever tries.</summary>
public sealed class SealingKeyTests : IAsyncLifetime
{
    private const string GatewayName = "gateway.test";

    private static readonly DateTimeOffset s_day = new(2026, 11, 21, 0, 0, 0, TimeSpan.Zero);

    private readonly TestFolder _folder = new();
    private readonly Ed25519PrivateKey _key = Ed25519PrivateKey.Generate();
    private readonly Ed25519PrivateKey _stranger = Ed25519PrivateKey.Generate();
    private readonly FakeTime _time = new(s_day.AddHours(12));
    private Interposer _issuer = null!;
    private Interposer _gateway = null!;
    private byte[]? _issuerShows;
    private byte[]? _gatewayShows;
    private byte[]? _keysShown;
    private byte[]? _previous;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _issuer = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        _issuer.Impersonate = (context, _) => ShowAsync(context, _issuerShows);
        _gateway = await Interposer.StartAsync(new Uri("http://127.0.0.1:1"));
        _gateway.Impersonate = (context, _) => ShowAsync(context, context.Request.Path == Routes.SealingKeys ? _keysShown : _gatewayShows);
    }

    public async ValueTask DisposeAsync()
    {
        await _issuer.DisposeAsync();
        await _gateway.DisposeAsync();
        _key.Dispose();
        _stranger.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Key_is_the_one_whose_time_it_is_and_the_next_needs_no_network()
    {
        Publish(1, Key(7, 0), Key(8, 1));
        await using TacitClient client = await CreateAsync();
        Assert.Equal(7, (await FindAsync(client)).Key!.KeyId);

        _issuerShows = null;
        _time.Jump(s_day.AddDays(1) - _time.GetUtcNow());
        Assert.Equal(8, (await FindAsync(client)).Key!.KeyId);
        _time.Jump(TimeSpan.FromDays(1));
        SealingKeyChoice late = await FindAsync(client);
        Assert.Equal((null, SealingKeyProblem.NotCurrent), (late.Key, late.Problem));
        Assert.Equal(ClientError.SealingKeyUnavailable, Assert.Throws<ClientException>(late.KeyOrThrow).Error);
    }

    [Fact]
    public async Task Newer_directory_is_fetched_when_the_stored_one_has_no_key_for_now()
    {
        Publish(1, Key(7, 0));
        await using TacitClient client = await CreateAsync();
        Assert.Equal(7, (await FindAsync(client)).Key!.KeyId);

        _time.Jump(TimeSpan.FromDays(5));
        Publish(2, Key(12, 5), Key(13, 6));
        Assert.Equal(12, (await FindAsync(client)).Key!.KeyId);
    }

    [Fact]
    public async Task Reason_is_given_where_there_is_no_key()
    {
        Publish(1);
        await using TacitClient client = await CreateAsync();

        Assert.Equal(SealingKeyProblem.NoKeys, (await FindAsync(client)).Problem);
        Assert.Equal(SealingKeyProblem.GatewayUnknown, (await FindAsync(client, "other.test")).Problem);
        Assert.Equal(SealingKeyProblem.NoKeys, (await FindAsync(client, "GATEWAY.test")).Problem);
    }

    [Fact]
    public async Task Issuer_that_shows_somebody_a_key_of_their_own_is_found_by_the_gateways_copy()
    {
        // The issuer signs both; number 3 is for one person. The gateway shows what it goes by, two numbers on.
        Publish(5, Key(7, 0), Key(8, 1));
        _gatewayShows = _issuerShows;
        Publish(3, Key(9, 0), Key(8, 1));
        await using TacitClient client = await CreateAsync();

        ClientException held = await Assert.ThrowsAsync<ClientException>(() => FindAsync(client));
        Assert.Equal(ClientError.DirectoryRefused, held.Error);
        Assert.Contains("two sealing keys", held.Message, StringComparison.Ordinal);

        // Agreement later does not lift it.
        _issuerShows = _gatewayShows;
        Assert.Equal(ClientError.DirectoryRefused, (await Assert.ThrowsAsync<ClientException>(() => FindAsync(client))).Error);
    }

    [Fact]
    public async Task Issuer_that_changes_a_key_in_its_time_is_found_by_what_was_stored()
    {
        Publish(1, Key(7, 0));
        await using TacitClient client = await CreateAsync();
        await FindAsync(client);

        Publish(4, Key(9, 0));
        Assert.Equal(ClientError.DirectoryRefused, (await Assert.ThrowsAsync<ClientException>(() => client.Directory.RefreshAsync(Token))).Error);
    }

    [Fact]
    public async Task Key_that_the_directory_key_did_not_sign_itself_makes_the_directory_unbelievable()
    {
        Publish(1, [Key(7, 0).Sign(message => _stranger.Sign(message.Span))]);
        await using TacitClient client = await CreateAsync();

        Assert.Equal(ClientError.DirectoryRefused, (await Assert.ThrowsAsync<ClientException>(() => FindAsync(client))).Error);
    }

    [Fact]
    public async Task Policy_holds_for_the_keys_of_the_directory()
    {
        Publish(1, Key(7, 0));
        await using TacitClient client = await CreateAsync(new EvidenceOptions { Policy = EvidencePolicy.Require });

        Assert.Equal(SealingKeyProblem.EvidenceMissing, (await FindAsync(client)).Problem);
        SealingKeySummary shown = Assert.Single(Assert.Single((await client.Directory.GetAsync(Token)).Gateways).SealingKeys!);
        Assert.Equal((7, s_day), (shown.KeyId, shown.NotBefore));
        Assert.NotNull(shown.Shows);
    }

    [Fact]
    public async Task Gateway_of_ones_own_is_believed_by_its_pinned_key_alone()
    {
        using TransportPool transports = new(new TransportOptions(), TimeProvider.System);
        using PinnedGateway own = Own(transports);
        ShowKeys(_key, Key(7, 0), Key(8, 1));
        Assert.Equal(7, (await own.FindSealingKeyAsync(GatewayName, Token)).Key!.KeyId);
        Assert.Equal(SealingKeyProblem.GatewayUnknown, (await own.FindSealingKeyAsync("other.test", Token)).Problem);

        // It is asked again only when its keys run out.
        _keysShown = null;
        _time.Jump(TimeSpan.FromDays(1));
        Assert.Equal(8, (await own.FindSealingKeyAsync(GatewayName, Token)).Key!.KeyId);
        _time.Jump(TimeSpan.FromDays(1));
        Assert.Equal(ClientError.GatewayUnreachable, (await FailureAsync(own)).Error);
        ShowKeys(_stranger, Key(9, 2));
        Assert.Equal(ClientError.DirectoryRefused, (await FailureAsync(own)).Error);
        _keysShown = "{}"u8.ToArray();
        Assert.Equal(ClientError.DirectoryRefused, (await FailureAsync(own)).Error);

        // An old answer, replayed: nothing in it is for now.
        ShowKeys(_key, Key(7, 0), Key(8, 1));
        Assert.Equal(SealingKeyProblem.NotCurrent, (await own.FindSealingKeyAsync(GatewayName, Token)).Problem);
        ShowKeys(_key, Key(50, 1), Key(51, 2));
        Assert.Equal(ClientError.DirectoryRefused, (await FailureAsync(own)).Error);
        ShowKeys(_key, Key(9, 2));
        Assert.Equal(9, (await own.FindSealingKeyAsync(GatewayName, Token)).Key!.KeyId);
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

    private static Task<SealingKeyChoice> FindAsync(TacitClient client, string gateway = GatewayName) =>
        ((ISealingKeySource)client.Directory).FindSealingKeyAsync(gateway, Token);

    private static Task<ClientException> FailureAsync(PinnedGateway source) => Assert.ThrowsAsync<ClientException>(() => source.FindSealingKeyAsync(GatewayName, Token));

    private static SealingKey Key(byte id, int day) => new()
    {
        Gateway = GatewayName,
        Config = SealingKey.EncodeConfig(id, System.Security.Cryptography.SHA256.HashData([id])),
        NotBefore = s_day.AddDays(day),
        NotAfter = s_day.AddDays(day + 1),
    };

    private PinnedGateway Own(TransportPool transports) =>
        new(transports, new PinnedGatewayOptions { Address = _gateway.Address, Key = _key.PublicKey.Export() }, _time);

    private void ShowKeys(Ed25519PrivateKey signer, params SealingKey[] keys) => _keysShown = new SealingKeyDocument
    {
        Gateway = GatewayName, ServerTime = _time.GetUtcNow(), Keys = [.. keys.Select(key => key.Sign(message => signer.Sign(message.Span)))],
    }.Encode();

    private Task<TacitClient> CreateAsync(EvidenceOptions? evidence = null) => TacitClient.CreateAsync(
        new ClientOptions
        {
            Wallet = new WalletOptions { DataDirectory = _folder["wallet"] },
            Directory = new DirectoryOptions { Issuer = _issuer.Address, DirectoryKey = _key.PublicKey.Export(), Evidence = evidence ?? new EvidenceOptions() },
        },
        null, _time, NullLoggerFactory.Instance, Token);

    private void Publish(long sequence, params SealingKey[] keys) => Publish(sequence, [.. keys.Select(key => key.Sign(message => _key.Sign(message.Span)))]);

    private void Publish(long sequence, SignedSealingKey[] keys)
    {
        _issuerShows = new IssuerDirectory
        {
            IssuerName = "issuer.test",
            IssuerRequestUri = "/token-request",
            TokenKeys = [],
            Plans = [],
            Gateways = [new DirectoryGateway(GatewayName, [_gateway.Address.GetLeftPart(UriPartial.Authority)])],
            SealingKeys = keys.Length == 0 ? [] : [new DirectorySealingKeys(GatewayName, keys)],
            Sequence = sequence,
            Previous = sequence == 1 ? null : _previous ?? new byte[32],
        }.SignAndEncode(message => _key.Sign(message.Span));
        Assert.True(IssuerDirectory.TryParse(_issuerShows, out IssuerDirectory? read, out string? error), error);
        _previous = read.Hash();
    }
}
