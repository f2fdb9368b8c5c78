using Tacit.Crypto;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>
/// Post-quantum keys beside the others, in both sealed protocols, on real sockets: where libcrypto has ML-KEM. Elsewhere the soak run has them run on a system whose
/// libcrypto does (build/debian13.sh, by the name).
/// </summary>
public sealed class HybridSealingTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Prompt_to_ohttp_under_the_hybrid_key_is_answered(bool isChunked)
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        SealingKey key = await HybridKeyAsync(gateway);
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, Routes.ObliviousKeys);
        byte[] list = await response.Content.ReadAsByteArrayAsync(TestContext.Current.CancellationToken);
        Assert.True(ObliviousKeyConfiguration.TryParseList(list, out IReadOnlyList<ObliviousKeyConfiguration> configurations));
        Assert.Equal(4, configurations.Count);
        Assert.Equal(SealingKey.X25519, configurations[0].KemId); // for clients that read no further
        client.Configuration = configurations.Single(configuration => configuration.KeyId == key.KeyId);
        Assert.Equal(SealingKey.MLKem768X25519, client.Configuration.KemId);

        (await client.AskAsync(gateway.Issuer.CreateToken("chat"), isChunked: isChunked)).IsReply();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Request_that_names_the_other_keys_id_is_refused_by_the_hybrid_gateway()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        SealingKey key = await HybridKeyAsync(gateway);
        byte other = client.Configuration.KeyId;
        Assert.True(ObliviousKeyConfiguration.TryParse(key.Config, out ObliviousKeyConfiguration? hybrid));
        client.Configuration = hybrid;
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(hybrid, isChunked: false)!;
        byte[] request = ObliviousClient.SealRequest(exchange, "GET", Routes.Models, null, []);
        request[0] = other;
        using HttpResponseMessage response = await client.PostAsync(request, isChunked: false, TestContext.Current.CancellationToken);
        Assert.Equal(ObliviousProblems.Key.Status, (int)response.StatusCode);
    }

    [Fact]
    public async Task Sealed_chat_under_the_hybrid_key_is_answered()
    {
        await using TestGateway gateway = await StartAsync();
        using SealedClient client = await SealedClient.ConnectAsync(gateway);
        client.Key = await HybridKeyAsync(gateway);

        (await client.AskAsync(gateway.Issuer.CreateToken("chat"))).IsReply();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Gateway_that_is_told_so_has_no_hybrid_keys()
    {
        await using TestGateway gateway = await StartAsync(isOn: false);
        SealingKeyDocument document = await SealedClient.KeysAsync(gateway.Address);
        Assert.All(document.Keys, entry => Assert.Equal(SealingKey.X25519, entry.Key.KemId));
        Assert.Equal(2, document.Keys.Count);
        Assert.Equal(SealingKey.X25519, SealingKeyList.FindBest(document.Keys, gateway.Time.GetUtcNow())!.Key.KemId);
    }

    private static async Task<SealingKey> HybridKeyAsync(TestGateway gateway)
    {
        SealingKeyDocument document = await SealedClient.KeysAsync(gateway.Address);
        Assert.Equal(4, document.Keys.Count);
        SealingKey best = SealingKeyList.FindBest(document.Keys, gateway.Time.GetUtcNow())!.Key;
        Assert.Equal(SealingKey.MLKem768X25519, best.KemId);
        return best;
    }

    private static Task<TestGateway> StartAsync(bool isOn = true)
    {
        Assert.SkipUnless(HpkeSuite.MLKem768X25519ChaCha20Poly1305.IsSupported, "This libcrypto has no ML-KEM (OpenSSL 3.5).");
        return TestGateway.CreateAsync(gateway => gateway.Configure = options =>
        {
            GatewayOptions made = ObliviousClient.Sealed(options);
            return made with { Sealing = made.Sealing with { PostQuantum = isOn } };
        });
    }
}
