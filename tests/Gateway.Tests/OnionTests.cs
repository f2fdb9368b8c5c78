using System.Net;
using System.Text;
using System.Text.Json;
using Tacit.Crypto;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Hosting.KeyProtection;
using Tacit.Hosting.Onion;
using Tacit.Protocol;
using Tacit.Tests;
using Tacit.Tor;

namespace Tacit.Gateway.Tests;

/// <summary>The gateway's onion service. The tor is a real one, which reaches nobody; the tests come to the socket as tor would.</summary>
public sealed class OnionTests : IDisposable
{
    private readonly OfflineTor _tor = new();
    private readonly string _secret = Path.GetTempFileName();

    public OnionTests() => File.WriteAllText(_secret, "0123456789abcdef0123456789abcdef0123456789abcdef");

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _tor.Dispose();
        File.Delete(_secret);
    }

    [Fact]
    public async Task Offer_tells_of_the_onion_service_and_of_the_same_one_after_a_crash()
    {
        await using TestGateway gateway = await StartAsync();
        string? address = (await OfferAsync(gateway)).Onion;
        Assert.NotNull(address);
        Assert.Equal(gateway.Server.Onion.Address, address);

        await gateway.RestartFromCrashAsync();
        Assert.Equal(address, (await OfferAsync(gateway)).Onion);

        // Turned off it is told of no more, and its key stays.
        await gateway.StopAsync();
        gateway.Configure = options => Options(options) with { Onion = new OnionOptions() };
        await gateway.StartAsync();
        Assert.Null((await OfferAsync(gateway)).Onion);
        Assert.Equal(address, OnionDoor.FindAddress(gateway.Folder, GatewayServer.Role));
    }

    [Fact]
    public async Task Challenge_names_the_gateway_the_same_on_both_ways()
    {
        await using TestGateway gateway = await StartAsync();
        using HttpResponseMessage clear = await gateway.SendAsync(HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body());
        using HttpResponseMessage onion = await SendAsync(gateway, HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body());

        Assert.Equal(HttpStatusCode.Unauthorized, onion.StatusCode);
        Assert.Equal(Assert.Single(clear.Headers.GetValues("WWW-Authenticate")), Assert.Single(onion.Headers.GetValues("WWW-Authenticate")));
    }

    [Fact]
    public async Task Token_buys_one_answer_whichever_way_it_comes()
    {
        await using TestGateway gateway = await StartAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");

        using HttpResponseMessage first = await SendAsync(gateway, HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body(), token.Header);
        Assert.Equal(HttpStatusCode.OK, first.StatusCode);
        string reply = await first.TextAsync();

        // The same request is the same reply over the clear address; another body is a second one.
        using HttpResponseMessage again = await gateway.AskAsync(token);
        Assert.Equal(reply, await again.TextAsync());
        using HttpResponseMessage other = await SendAsync(gateway, HttpMethod.Post, Routes.ChatCompletions, TestGateway.Body("3+3?"), token.Header);
        await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Clear_address_serves_while_tor_gets_nowhere_and_the_operator_sees_it()
    {
        await using TestGateway gateway = await StartAsync();
        using HttpResponseMessage ready = await gateway.SendAsync(HttpMethod.Get, "/health/ready");
        Assert.Equal(HttpStatusCode.OK, ready.StatusCode);
        Assert.False(ready.Headers.Contains("Onion-Location"));

        using ManagementClient management = new(gateway.Folder, GatewayServer.Role);
        OnionReport report = await management.GetAsync("/onion", OnionJson.Default.OnionReport, Ct);
        Assert.Equal((true, gateway.Server.Onion.Address), (report.Enabled, report.Address));
        Assert.False(report.State!.IsPublished);
        Assert.True(report.State.HasProofOfWork || report.State.TorVersion is not null);
    }

    [Fact]
    public async Task Key_under_another_secret_is_refused_at_the_start_and_stays()
    {
        await using TestGateway gateway = await StartAsync();
        string address = gateway.Server.Onion.Address!;
        await gateway.StopAsync();
        string other = Path.Combine(gateway.Folder, "other.key");
        await File.WriteAllTextAsync(other, "fedcba9876543210fedcba9876543210fedcba9876543210", Ct);
        gateway.Configure = options => Options(options) with { Onion = new OnionOptions { Enabled = true, KeyFile = SecretReference.FromFile(other) } };

        KeyProtectionException refused = await Assert.ThrowsAsync<KeyProtectionException>(gateway.StartAsync);

        Assert.Equal(KeyProtectionError.WrongSecret, refused.Error);
        gateway.Configure = Options;
        await gateway.StartAsync();
        Assert.Equal(address, gateway.Server.Onion.Address);
    }

    [Fact]
    public async Task Without_a_tor_the_start_is_refused()
    {
        TestGateway gateway = await TestGateway.PrepareAsync();
        await using (gateway)
        {
            gateway.Configure = options => Options(options) with { Tor = new TorOptions { Executable = "/nowhere/tor" } };
            Assert.Equal(TorError.NotFound, (await Assert.ThrowsAsync<TorException>(gateway.StartAsync)).Error);
        }
    }

    private static async Task<HttpResponseMessage> SendAsync(TestGateway gateway, HttpMethod method, string path, string? body = null, string? authorization = null)
    {
        using HttpMessageInvoker onion = OfflineTor.ClientOf(gateway.Server.Onion.SocketPath);
        using var request = new HttpRequestMessage(method, $"http://{gateway.Server.Onion.Address}{path}");
        request.Content = body is null ? null : new StringContent(body, Encoding.UTF8, "application/json");
        if (authorization is not null)
        {
            request.Headers.TryAddWithoutValidation("Authorization", authorization);
        }

        HttpResponseMessage response = await onion.SendAsync(request, Ct);
        await response.Content.LoadIntoBufferAsync(Ct);
        return response;
    }

    private static async Task<SealingOffer> OfferAsync(TestGateway gateway)
    {
        using ManagementClient management = new(gateway.Folder, GatewayServer.Role);
        SealingKeyReport report = await management.GetAsync("/keys", GatewayManagementJson.Default.SealingKeyReport, Ct);
        Assert.True(PublicKeyText.TryParse(report.Key, out byte[]? bytes));
        using Ed25519PublicKey own = Ed25519PublicKey.Import(bytes);
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, Routes.SealingOffer);
        Assert.True(
            SealingOffer.TryOpen(
                await response.Content.ReadAsByteArrayAsync(Ct), TestIssuer.GatewayName, (message, signature) => own.Verify(message.Span, signature.Span),
                gateway.Time.GetUtcNow(), out SealingOffer? offer, out string? error),
            error);
        return offer;
    }

    private GatewayOptions Options(GatewayOptions options) => options with
    {
        Onion = new OnionOptions { Enabled = true },
        Sealing = new SealingOptions { KeyFile = SecretReference.FromFile(_secret) },
        Tor = _tor.Options,
    };

    private Task<TestGateway> StartAsync() => TestGateway.CreateAsync(gateway => gateway.Configure = Options);
}
