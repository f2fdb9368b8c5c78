using System.Net;
using System.Net.Sockets;
using Tacit.Client.Tests.Support;
using Tacit.Client.Transports;

namespace Tacit.Client.Tests.Transports;

/// <summary>Where Tor is to be used there is no other way: what happens where it is not there, and which addresses it is used for.</summary>
public sealed class TorTransportTests : IAsyncLifetime
{
    private const string IssuerHost = "issueraaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion";
    private const string GatewayHost = "gatewayaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.onion";

    private readonly TestFolder _folder = new();
    private readonly SocksPeer _tor = new();
    private readonly Socket _closed = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private TestOperator _operator = null!;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _operator = await TestOperator.StartAsync();
        _tor.Know(IssuerHost, _operator.IssuerFront.Address);
        _tor.Know(GatewayHost, _operator.GatewayFront.Address);
    }

    public async ValueTask DisposeAsync()
    {
        await _tor.DisposeAsync();
        await _operator.DisposeAsync();
        _closed.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Prompt_without_Tor_fails_and_neither_leaves_nor_costs_anything()
    {
        await using (TacitClient client = await WalletAsync(_tor.Address, tokens: 5))
        {
            Assert.Equal(5, (await client.HoldingsAsync()).Held);
        }
        _operator.GatewayFront.Seen.Clear();

        await using (TacitClient client = await OpenAsync(Closed()))
        {
            ClientException failure = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("canary"), Ct));
            Assert.Equal((ClientError.TorUnavailable, "tor_unavailable"), (failure.Error, failure.Code));
            // The gateway is reachable all along, without Tor.
            Assert.Empty(_operator.GatewayFront.Seen);
            Assert.Empty(await client.Redemption.GetPendingAsync(Ct));
            PlanHoldings held = await client.SettledAsync();
            Assert.Equal((5, 0, 0, 0), (held.Held, held.Presented, held.Spent, held.Unknown));
            failure = await Assert.ThrowsAsync<ClientException>(() => client.Account.GetAsync(Ct));
            Assert.Equal(ClientError.TorUnavailable, failure.Error);
        }

        await using (TacitClient client = await OpenAsync(_tor.Address))
        {
            Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("canary"), Ct)).Status);
        }
    }

    [Theory]
    [InlineData((byte)0xF0)]
    [InlineData((byte)0xF2)]
    [InlineData((byte)0xF7)]
    [InlineData((byte)1)]
    public async Task Onion_service_that_cannot_be_reached_costs_nothing(byte reply)
    {
        await using TacitClient client = await WalletAsync(_tor.Address, tokens: 5);
        _tor.Reply = reply;
        ClientException failure = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Prompts.Ask("one"), Ct));
        Assert.Equal(ClientError.GatewayUnreachable, failure.Error);
        Assert.Equal(5, (await client.SettledAsync()).Held);
        ServerStatus gateway = (await client.GetServersAsync(Ct)).Single(server => server.Role == "gateway");
        Assert.Equal(("tor", $"http://{GatewayHost}"), (gateway.Carried, gateway.Address));
        Assert.NotNull(gateway.Problem);

        _tor.Reply = 0;
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("one"), Ct)).Status);
        gateway = (await client.GetServersAsync(Ct)).Single(server => server.Role == "gateway");
        Assert.Null(gateway.Problem);
        Assert.NotNull(gateway.LastAnswered);
    }

    [Theory]
    [InlineData((byte)0x01, 2, 3, null)]
    [InlineData((byte)0xF2, 1, 2, null)]
    [InlineData((byte)0xF7, 3, 3, ClientError.GatewayUnreachable)]
    // Neither the service's absence nor its refusal is the circuit's.
    [InlineData((byte)0xF0, 1, 1, ClientError.GatewayUnreachable)]
    [InlineData((byte)0x05, 1, 1, ClientError.GatewayUnreachable)]
    public async Task Circuit_that_cannot_be_made_is_followed_by_another(byte reply, int failing, int attempts, ClientError? error)
    {
        await using var pool = new TransportPool(Options(_tor.Address), TimeProvider.System);
        _tor.Before = _ =>
        {
            _tor.Reply = _tor.Seen.Count <= failing ? reply : (byte)0;
            return Task.CompletedTask;
        };

        async Task<int> AskAsync() => (await pool.GetAsync(new Uri($"http://{IssuerHost}/.well-known/private-token-issuer-directory"), 1 << 20, Ct)).Status;
        if (error is null)
        {
            Assert.Equal(200, await AskAsync());
        }
        else
        {
            Assert.Equal(error, (await Assert.ThrowsAsync<ClientException>(AskAsync)).Error);
        }

        Assert.Equal(attempts, _tor.Seen.Count);
        Assert.Equal(attempts, _tor.Seen.Select(request => (request.UserName, request.Password)).Distinct().Count());
    }

    [Theory]
    [InlineData(CarrierChoice.TorUnlessLocal)]
    [InlineData(CarrierChoice.Tor)]
    public async Task Address_that_is_no_onion_service_is_refused_without_exits(CarrierChoice carrier)
    {
        await using var pool = new TransportPool(Options(_tor.Address) with { Carrier = carrier }, TimeProvider.System);

        ClientException failure = await Assert.ThrowsAsync<ClientException>(() => pool.GetAsync(new Uri("http://issuer.invalid/"), 1024, Ct));
        Assert.Equal((ClientError.AddressRefused, "tor_exits_refused"), (failure.Error, failure.Code));
        Assert.Empty(_tor.Seen);
    }

    [Theory]
    [InlineData("http://issuer.invalid/", 80, 3)]
    [InlineData("http://issuer.invalid:8225/", 8225, 3)]
    [InlineData("http://192.0.2.7/", 80, 1)]
    [InlineData("http://[2001:db8::7]/", 80, 4)]
    public async Task With_exits_the_name_goes_to_Tor_as_it_is(string address, int port, byte addressType)
    {
        TransportOptions options = Options(_tor.Address);
        await using var pool = new TransportPool(options with { Tor = options.Tor with { Exits = true } }, TimeProvider.System);
        Uri uri = new(address);
        _tor.Know(uri.IdnHost, _operator.IssuerFront.Address);

        (int status, byte[] _) = await pool.GetAsync(new Uri(uri, "/.well-known/private-token-issuer-directory"), 1 << 20, Ct);

        Assert.Equal(200, status);
        SocksRequest seen = Assert.Single(_tor.Seen);
        Assert.Equal((IPAddress.TryParse(uri.IdnHost, out IPAddress? number) ? number.ToString() : uri.IdnHost, port, addressType), (seen.Host, seen.Port, seen.AddressType));
    }

    [Theory]
    [InlineData("http://127.0.0.1:{0}/")]
    [InlineData("http://localhost:{0}/")]
    public async Task This_machine_is_connected_to_directly_unless_Tor_was_asked_for(string address)
    {
        var local = new Uri(string.Format(System.Globalization.CultureInfo.InvariantCulture, address, _operator.IssuerFront.Address.Port) + ".well-known/private-token-issuer-directory");
        TransportOptions options = Options(Closed());
        await using (var pool = new TransportPool(options with { Carrier = CarrierChoice.TorUnlessLocal }, TimeProvider.System))
        {
            Assert.Equal(200, (await pool.GetAsync(local, 1 << 20, Ct)).Status);
            Assert.Equal(CarrierState.Idle, pool.Status.State);
        }
        await using (var pool = new TransportPool(options with { Tor = options.Tor with { Exits = true } }, TimeProvider.System))
        {
            Assert.Equal(ClientError.TorUnavailable, (await Assert.ThrowsAsync<ClientException>(() => pool.GetAsync(local, 1 << 20, Ct))).Error);
        }
    }

    [Fact]
    public async Task Onion_address_with_the_roots_dot_goes_to_Tor_without_it()
    {
        await using var pool = new TransportPool(Options(_tor.Address), TimeProvider.System);

        Assert.Equal(200, (await pool.GetAsync(new Uri($"http://{IssuerHost}./.well-known/private-token-issuer-directory"), 1 << 20, Ct)).Status);
        Assert.Equal(IssuerHost, Assert.Single(_tor.Seen).Host);
    }

    [Fact]
    public async Task User_name_and_password_of_an_address_are_in_no_message()
    {
        await using var pool = new TransportPool(Options(_tor.Address), TimeProvider.System);
        foreach (string host in (string[])["clear.invalid", "unknown.onion"])
        {
            var address = new Uri($"http://canary:canary@{host}:81/");
            ClientException failure = await Assert.ThrowsAsync<ClientException>(() => pool.GetAsync(address, 1024, Ct));
            Assert.DoesNotContain("canary", failure.ToString(), StringComparison.Ordinal);
            ServerStatus status = ServerStatus.Of(pool, Route.Direct(address), "gateway", null);
            Assert.Equal($"http://{host}:81", status.Address);
            Assert.DoesNotContain("canary", status.Problem, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    public async Task Onion_service_without_Tor_is_refused(string dot)
    {
        await using var pool = new TransportPool(new TransportOptions { Carrier = CarrierChoice.Direct }, TimeProvider.System);

        ClientException failure = await Assert.ThrowsAsync<ClientException>(() => pool.GetAsync(new Uri($"http://{GatewayHost}{dot}/"), 1024, Ct));
        Assert.Equal((ClientError.AddressRefused, "tor_needed"), (failure.Error, failure.Code));
        Assert.Equal(CarrierState.Unneeded, pool.Status.State);
    }

    [Theory]
    [InlineData(CarrierChoice.TorUnlessLocal, false, "http://g.onion", "https://gateway.example", "http://127.0.0.1:1", "http://g.onion")]
    [InlineData(CarrierChoice.Tor, false, "http://g.onion", "https://gateway.example", "http://g.onion")]
    [InlineData(CarrierChoice.Tor, true, "http://g.onion", "https://gateway.example", "http://g.onion")]
    [InlineData(CarrierChoice.Tor, true, "https://gateway.example", "https://gateway.example")]
    [InlineData(CarrierChoice.TorUnlessLocal, false, "http://127.0.0.1:1", "https://gateway.example", "http://127.0.0.1:1")]
    [InlineData(CarrierChoice.Direct, false, "https://gateway.example", "http://g.onion", "https://gateway.example")]
    [InlineData(CarrierChoice.Direct, false, null, "http://g.onion")]
    // None may be used: the first one's refusal says what to do.
    [InlineData(CarrierChoice.Tor, false, "https://gateway.example", "https://gateway.example", "http://127.0.0.1:1")]
    public void Onion_service_is_preferred_over_Tor_and_left_out_without(CarrierChoice carrier, bool exits, string? expected, params string[] addresses)
    {
        var rules = new CarrierRules(carrier, exits);

        Assert.Equal(expected is null ? null : new Uri(expected), rules.Choose([.. addresses.Select(address => new Uri(address))]));
    }

    [Theory]
    [InlineData("http://localhost.example/", false)]
    [InlineData("http://127.0.0.1.nip.io/", false)]
    [InlineData("http://0.0.0.0/", false)]
    [InlineData("http://localhost.evil.example/", false)]
    [InlineData("http://127.0.0.1@evil.example/", false)]
    [InlineData("http://[::ffff:192.0.2.1]/", false)]
    [InlineData("http://localhost./", false)]
    [InlineData("http://LOCALHOST:1/", true)]
    // .NET takes it for localhost.
    [InlineData("http://loopback/", true)]
    [InlineData("http://127.3.2.1/", true)]
    [InlineData("http://[::1]/", true)]
    public void Only_loopback_itself_is_this_machine(string address, bool expected) => Assert.Equal(expected, CarrierRules.IsThisMachine(new Uri(address)));

    [Theory]
    [InlineData("http://g.onion.example/", false)]
    [InlineData("http://onion/", false)]
    [InlineData("http://g.onion@example/", false)]
    [InlineData("http://g.onion./", true)]
    [InlineData("http://G.ONION/", true)]
    [InlineData("http://a.g.onion:8080/v1", true)]
    public void Onion_service_is_known_by_its_last_label(string address, bool expected) => Assert.Equal(expected, CarrierRules.IsOnion(new Uri(address)));

    [Fact]
    public async Task Slow_circuit_is_waited_for_and_given_up_in_the_end()
    {
        TransportOptions options = Options(_tor.Address);
        await using var pool = new TransportPool(options with { Tor = options.Tor with { ConnectTimeout = TimeSpan.FromMilliseconds(300) } }, TimeProvider.System);
        var never = new TaskCompletionSource();
        _tor.Before = _ => never.Task;

        ClientException failure = await Assert.ThrowsAsync<ClientException>(() => pool.GetAsync(new Uri($"http://{GatewayHost}/"), 1024, Ct));
        Assert.Equal(ClientError.GatewayUnreachable, failure.Error);
        Assert.True(Assert.IsType<TransportException>(failure.InnerException).NothingSent);
    }

    /// <summary>An address where nobody listens, and which nobody else gets while the test runs.</summary>
    private string Closed()
    {
        if (!_closed.IsBound)
        {
            _closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        }
        return _closed.LocalEndPoint!.ToString()!;
    }

    private TransportOptions Options(string socks) =>
        new() { Carrier = CarrierChoice.Tor, Tor = new TorSettings { Socks = socks, DataDirectory = _folder["tor"] } };

    private ClientOptions Through(ClientOptions options, string socks) => options with
    {
        Directory = options.Directory with { Issuer = new Uri($"http://{IssuerHost}") },
        Redemption = options.Redemption with { GatewayAddress = new Uri($"http://{GatewayHost}"), MaxReconnects = 1 },
        Transport = Options(socks),
    };

    private Task<TacitClient> WalletAsync(string socks, int tokens) => _operator.WalletAsync(_folder["wallet"], tokens: tokens, change: options => Through(options, socks));

    private Task<TacitClient> OpenAsync(string socks) => TacitClient.OpenAsync(
        Through(_operator.OptionsFor(_folder["wallet"]), socks), TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, Ct);
}
