using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Relay;

namespace Tacit.Client.Tests.Transports;

/// <summary>Which requests may share a circuit, as the SOCKS port sees it: real issuer and gateway, reached by onion addresses through a scripted Tor.</summary>
public sealed class TorIsolationTests : IAsyncLifetime
{
    private const string IssuerHost = "issueraaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion";
    private const string RelayHost = "relayaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion";
    private const string GatewayHost = "gatewayaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion";

    private readonly TestFolder _folder = new();
    private readonly SocksPeer _tor = new();
    private TestOperator _operator = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _operator = await TestOperator.StartAsync(isSealed: true);
        _tor.Know(IssuerHost, _operator.IssuerFront.Address);
        _tor.Know(GatewayHost, _operator.GatewayFront.Address);
    }

    public async ValueTask DisposeAsync()
    {
        await _tor.DisposeAsync();
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Account_calls_share_no_circuit_with_each_other_nor_with_anything_anonymous()
    {
        await using TacitClient client = await WalletAsync(tokens: 10);
        await client.Account.GetAsync(Ct);
        await client.Redemption.GetModelsAsync(Ct);
        (int status, string _, PromptReply _) = await client.Redemption.AnswerAsync(Prompts.Ask("one", conversation: "a"), Ct);
        Assert.Equal(200, status);

        SocksRequest[] identity = At(IssuerHost);
        SocksRequest[] anonymous = At(GatewayHost);
        // Account, deposit, directory, credits, issuance and the look at the account: each by itself.
        Assert.True(identity.Length >= 5);
        AssertAllDiffer(identity);
        Assert.Empty(identity.Select(request => request.UserName).Intersect(anonymous.Select(request => request.UserName)));
        // A copy of the directory, models and the prompt.
        Assert.True(anonymous.Length >= 3);
        AssertAllDiffer(anonymous);
    }

    [Fact]
    public async Task Conversations_share_no_circuit_and_each_keeps_its_own()
    {
        await using TacitClient client = await WalletAsync(tokens: 10);
        _tor.Seen.Clear();
        foreach (string conversation in (string[])["a", "b", "a", "b"])
        {
            await AskAsync(client, conversation);
        }

        AssertAllDiffer(At(GatewayHost));
        Assert.Equal(2, At(GatewayHost).Length);

        // A request that belongs to none is a unit of its own, and so is its like.
        await AskAsync(client, null, "first");
        await AskAsync(client, null, "second");
        AssertAllDiffer(At(GatewayHost));
        Assert.Equal(4, At(GatewayHost).Length);
    }

    [Fact]
    public async Task New_identity_puts_every_conversation_on_another_circuit()
    {
        await using TacitClient client = await WalletAsync(tokens: 10);
        _tor.Seen.Clear();
        await AskAsync(client, "a");

        // The scripted Tor cannot be told; the conversation's requests go elsewhere all the same.
        Assert.False(await client.Transports.TakeNewIdentityAsync(Ct));
        await AskAsync(client, "a");

        AssertAllDiffer(At(GatewayHost));
        Assert.Equal(2, At(GatewayHost).Length);
    }

    [Fact]
    public async Task Sealed_requests_are_kept_apart_like_others()
    {
        await using TacitClient client = await WalletAsync(tokens: 5, sealing: GatewayTransport.Sealed);
        while ((await ((ISealingKeySource)client.Directory).FindSealingKeyAsync(TestOperator.GatewayName, Ct)).Key is null)
        {
            // The issuer asks the gateway once a second.
            await Task.Delay(100, Ct);
            await client.Directory.RefreshAsync(Ct);
        }
        _tor.Seen.Clear();
        _operator.GatewayFront.Seen.Clear();
        await AskAsync(client, "a");
        await AskAsync(client, "b");
        await AskAsync(client, "a");

        AssertAllDiffer(At(GatewayHost));
        Assert.Equal(2, At(GatewayHost).Length);
        Assert.All(_operator.GatewayFront.Seen, seen => Assert.Equal("/ohttp", seen.Path));
        Assert.Equal("tor+sealed", (await client.GetServersAsync(Ct)).Single(server => server.Role == "gateway").Carried);
    }

    [Fact]
    public async Task With_a_relay_Tor_is_asked_for_issuer_and_relay_and_never_for_the_gateway()
    {
        await using RelayServer relay = await RelayServer.StartAsync(
            new RelayOptions
            {
                DataDirectory = _folder["relay"], Listen = ListenAddress.Loopback(0),
                Targets = [new RelayTarget { Name = TestOperator.GatewayName, Address = _operator.GatewayFront.Address }],
            },
            TimeProvider.System, NullLoggerFactory.Instance, Ct);
        _tor.Know(RelayHost, relay.Address);
        await using TacitClient client = await WalletAsync(tokens: 5, sealing: GatewayTransport.Ohttp, relay: new Uri($"http://{RelayHost}"));
        while ((await ((ISealingKeySource)client.Directory).FindSealingKeyAsync(TestOperator.GatewayName, Ct)).Key is null)
        {
            // The issuer asks the gateway once a second.
            await Task.Delay(100, Ct);
            await client.Directory.RefreshAsync(Ct);
        }
        await AskAsync(client, "a");
        await client.Redemption.GetModelsAsync(Ct);
        int before = At(RelayHost).Length;
        await AskAsync(client, "b");
        await AskAsync(client, "a", "again");

        Assert.Equal([IssuerHost, RelayHost], _tor.Seen.Select(request => request.Host).Distinct().Order());
        // Of the last two only the new conversation needed a circuit.
        Assert.Equal(before + 1, At(RelayHost).Length);
        AssertAllDiffer(At(RelayHost));
        Assert.Empty(At(IssuerHost).Select(request => request.UserName).Intersect(At(RelayHost).Select(request => request.UserName)));
        ServerStatus carrying = (await client.GetServersAsync(Ct)).Single(server => server.Role == "relay");
        Assert.Equal(("tor+ohttp", $"http://{RelayHost}"), (carrying.Carried, carrying.Address));
    }

    [Fact]
    public async Task Circuit_outlives_the_connection_and_ends_with_the_conversation()
    {
        var time = new FakeTime(new DateTimeOffset(2026, 3, 10, 12, 0, 0, TimeSpan.Zero));
        await using var pool = new TransportPool(Options(), time);
        Route route = Route.Direct(new Uri($"http://{GatewayHost}"));

        await SendAsync(pool, route);
        time.Advance(TimeSpan.FromMinutes(5));
        Assert.Equal(0, pool.Count);
        await SendAsync(pool, route);
        Assert.Equal(2, At(GatewayHost).Length);
        Assert.Single(At(GatewayHost).Select(request => request.UserName).Distinct());

        time.Advance(TimeSpan.FromMinutes(45));
        await SendAsync(pool, route);
        Assert.Equal(2, At(GatewayHost).Select(request => request.UserName).Distinct().Count());

        static async Task SendAsync(TransportPool pool, Route route)
        {
            using TransportLease lease = pool.Lease(route, AnonymousUnit.ForConversation([1]), keep: true);
            using var request = new HttpRequestMessage(HttpMethod.Get, route.Resolve("/v1/models"));
            using HttpResponseMessage response = await lease.Invoker.SendAsync(request, Ct);
        }
    }

    [Fact]
    public async Task Circuit_that_broke_is_not_taken_again()
    {
        await using TacitClient client = await WalletAsync(tokens: 5);
        await AskAsync(client, "a");
        _tor.Seen.Clear();
        _operator.GatewayFront.Next(Mishap.LoseReply);

        await AskAsync(client, "a", "again");

        // The connection was still there, so only what followed the break had to be made.
        SocksRequest after = Assert.Single(At(GatewayHost));
        await AskAsync(client, "a", "more");
        Assert.Equal(after, Assert.Single(At(GatewayHost)));
    }

    [Fact]
    public void Units_of_both_sides_never_meet_by_their_types()
    {
        Type[] identity = [typeof(IssuerConnection), typeof(AccountClient), typeof(WalletFiller)];
        Type[] anonymous = [typeof(GatewayConnection), typeof(RedemptionClient), typeof(ExchangeCall), typeof(ModelList), typeof(PinnedGateway), typeof(PseudonymKeeper), typeof(DeviceClient), typeof(TokenExchanger)];

        Assert.All(identity, type => Assert.DoesNotContain(Held(type), held => held == typeof(AnonymousUnit) || held == typeof(AnonymousCaller)));
        Assert.All(anonymous, type => Assert.DoesNotContain(Held(type), held => held == typeof(IdentityUnit) || held == typeof(IdentityCaller)));
        Assert.True(typeof(IdentityUnit).IsSealed && typeof(AnonymousUnit).IsSealed && typeof(IsolationKey).IsAbstract);
        Assert.Empty(typeof(IsolationKey).GetConstructors());

        static IEnumerable<Type> Held(Type type) =>
            type.GetFields(BindingFlags.Instance | BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public).Select(field => field.FieldType)
                .Concat(type.GetMethods(BindingFlags.Instance | BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public | BindingFlags.DeclaredOnly)
                    .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType)));
    }

    private SocksRequest[] At(string host) => [.. _tor.Seen.Where(request => request.Host == host)];

    private static void AssertAllDiffer(SocksRequest[] requests)
    {
        Assert.Equal(requests.Length, requests.Select(request => request.UserName).Distinct().Count());
        Assert.Equal(requests.Length, requests.Select(request => request.Password).Distinct().Count());
        Assert.All(requests, request => Assert.Equal(3, request.AddressType));
    }

    private static async Task AskAsync(TacitClient client, string? conversation, string text = "What is the time?")
    {
        (int status, string _, PromptReply _) = await client.Redemption.AnswerAsync(Prompts.Ask(text, conversation: conversation), Ct);
        Assert.Equal(200, status);
    }

    private TransportOptions Options() => new() { Carrier = CarrierChoice.Tor, Tor = new TorSettings { Socks = _tor.Address, DataDirectory = _folder["tor"] } };

    private Task<TacitClient> WalletAsync(int tokens, GatewayTransport sealing = GatewayTransport.Direct, Uri? relay = null) => _operator.WalletAsync(
        _folder["wallet"], tokens: tokens,
        change: options => options with
        {
            Directory = options.Directory with { Issuer = new Uri($"http://{IssuerHost}") },
            Redemption = options.Redemption with { GatewayAddress = new Uri($"http://{GatewayHost}"), Transport = sealing, Relay = relay },
            Transport = Options(),
        });
}
