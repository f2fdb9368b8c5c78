using System.Text.Json;
using Tacit.Crypto;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Tests.Support;
using Tacit.Hosting;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>What a gateway shows of its sealing keys, and when.</summary>
public sealed class SealingEndpointTests
{
    // Current and next, of each KEM that there is here.
    private static readonly int s_count = HpkeSuite.MLKem768X25519ChaCha20Poly1305.IsSupported ? 4 : 2;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Keys_are_shown_as_soon_as_the_directory_lists_them_in_all_three_forms()
    {
        await using TestGateway gateway = await StartAsync(SealingSignatory.Issuer);
        Assert.Empty((await DocumentAsync(gateway)).Keys);

        gateway.Issuer.SealingKeys = (await OfferAsync(gateway)).Keys;
        await gateway.PublishAsync();

        SealingKeyDocument shown = await DocumentAsync(gateway);
        Assert.Equal((TestIssuer.GatewayName, gateway.Time.GetUtcNow()), (shown.Gateway, shown.ServerTime));
        Assert.Equal(s_count, shown.Keys.Count);
        using Ed25519PublicKey directoryKey = ImportKey(gateway.Issuer.DirectoryKey);
        Assert.All(shown.Keys, key => Assert.True(key.Verify((message, signature) => directoryKey.Verify(message.Span, signature.Span))));

        using HttpResponseMessage oblivious = await gateway.SendAsync(HttpMethod.Get, Routes.ObliviousKeys);
        Assert.Equal("application/ohttp-keys", oblivious.Content.Headers.ContentType?.MediaType);
        Assert.True(ObliviousKeyConfiguration.TryParseList(await oblivious.Content.ReadAsByteArrayAsync(Ct), out IReadOnlyList<ObliviousKeyConfiguration> configurations));
        Assert.Equal(shown.Keys.Select(key => key.Key.KeyId), configurations.Select(configuration => configuration.KeyId));
        Assert.Equal(HpkeSuite.X25519ChaCha20Poly1305, configurations[0].FindSuite());

        using HttpResponseMessage keySet = await gateway.SendAsync(HttpMethod.Get, Routes.JsonWebKeys);
        Assert.Equal("application/jwk-set+json", keySet.Content.Headers.ContentType?.MediaType);
        Assert.Equal(2, JsonDocument.Parse(await keySet.TextAsync()).RootElement.GetProperty("keys").GetArrayLength());
    }

    [Fact]
    public async Task Keys_that_the_issuer_made_up_are_not_shown()
    {
        await using TestGateway gateway = await StartAsync(SealingSignatory.Issuer);
        SealingKey own = (await OfferAsync(gateway)).Keys[0];
        gateway.Issuer.SealingKeys = [own with { Config = SealingKey.EncodeConfig(own.KeyId, new byte[32]) }];
        await gateway.PublishAsync();

        Assert.Empty((await DocumentAsync(gateway)).Keys);
    }

    [Fact]
    public async Task Gateway_that_signs_for_itself_shows_its_keys_at_once()
    {
        await using TestGateway gateway = await StartAsync(SealingSignatory.Gateway);
        using Ed25519PublicKey own = ImportKey((await ReportAsync(gateway)).Key);

        SealingKeyDocument shown = await DocumentAsync(gateway);

        Assert.Equal(s_count, shown.Keys.Count);
        Assert.All(shown.Keys, key => Assert.True(key.Verify((message, signature) => own.Verify(message.Span, signature.Span))));
    }

    [Fact]
    public async Task Gateway_without_a_secret_for_them_has_no_sealing_keys()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();

        foreach (string path in (string[])[Routes.SealingKeys, Routes.JsonWebKeys, Routes.ObliviousKeys, Routes.SealingOffer])
        {
            using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, path);
            Assert.Equal(404, (int)response.StatusCode);
        }
    }

    [Fact]
    public async Task Key_can_be_read_before_the_first_start_and_is_the_one_that_the_gateway_has_then()
    {
        TestGateway gateway = await TestGateway.PrepareAsync();
        await using (gateway)
        {
            GatewayOptions options = Options(gateway, SealingSignatory.Issuer, new GatewayOptions
            {
                Name = TestIssuer.GatewayName, DirectoryKey = "", DataDirectory = gateway.Folder,
            });
            byte[]? key = await GatewayServer.LoadKeyAsync(options, gateway.Time, Ct);
            gateway.Configure = started => Options(gateway, SealingSignatory.Issuer, started);
            await gateway.StartAsync();

            Assert.Equal(PublicKeyText.Format(key), (await ReportAsync(gateway)).Key);
        }
    }

    private static Task<TestGateway> StartAsync(SealingSignatory signatory) =>
        TestGateway.CreateAsync(gateway => gateway.Configure = options => Options(gateway, signatory, options));

    private static GatewayOptions Options(TestGateway gateway, SealingSignatory signatory, GatewayOptions options)
    {
        string path = Path.Combine(gateway.Folder, "sealing.key");
        if (!File.Exists(path))
        {
            File.WriteAllText(path, "0123456789abcdef0123456789abcdef0123456789abcdef");
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }

        return options with { Sealing = new SealingOptions { KeyFile = SecretReference.FromFile(path), SignedBy = signatory } };
    }

    private static Ed25519PublicKey ImportKey(string text)
    {
        Assert.True(PublicKeyText.TryParse(text, out byte[]? key));
        return Ed25519PublicKey.Import(key);
    }

    private static async Task<SealingKeyReport> ReportAsync(TestGateway gateway)
    {
        using ManagementClient management = new(gateway.Folder, GatewayServer.Role);
        return await management.GetAsync("/keys", GatewayManagementJson.Default.SealingKeyReport, Ct);
    }

    private static async Task<SealingOffer> OfferAsync(TestGateway gateway)
    {
        using Ed25519PublicKey own = ImportKey((await ReportAsync(gateway)).Key);
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, Routes.SealingOffer);
        Assert.True(
            SealingOffer.TryOpen(
                await response.Content.ReadAsByteArrayAsync(Ct), TestIssuer.GatewayName, (message, signature) => own.Verify(message.Span, signature.Span),
                gateway.Time.GetUtcNow(), out SealingOffer? offer, out string? error),
            error);
        return offer;
    }

    private static async Task<SealingKeyDocument> DocumentAsync(TestGateway gateway)
    {
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Get, Routes.SealingKeys);
        Assert.Equal(200, (int)response.StatusCode);
        Assert.True(SealingKeyDocument.TryParse(await response.Content.ReadAsByteArrayAsync(Ct), out SealingKeyDocument? document, out string? error), error);
        return document;
    }
}
