using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.EndToEnd.Support;
using Tacit.Gateway;
using Tacit.Gateway.Devices;
using Tacit.Gateway.Sealing;
using Tacit.Gateway.Work;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.EndToEnd;

/// <summary>The TypeScript client, under Node and in a browser.</summary>
public sealed class TypeScriptClientTests
{
    private static readonly string[] s_browsers = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

    [Fact]
    public Task Worked_example_replays_and_every_spoiled_reply_is_a_typed_error() => TypeScriptClient.TestAsync("test/wire.test.mjs");

    [Fact]
    public async Task Under_Node_it_asks_a_running_gateway_and_takes_no_reply_that_was_spoiled_on_the_way()
    {
        await using WholeSystem system = await WholeSystem.StartAsync(inference: Inference());
        JsonObject target = await StartGatewayAsync(system);
        string plain = target["url"]!.GetValue<string>();
        string certificate = system["tls.crt"];
        string key = system["tls.key"];
        string fingerprint = await WriteCertificateAsync(certificate, key);

        // The same gateway's certificate is shown by a proxy in front of it, as nginx would.
        target["certificate"] = certificate;
        target["key"] = key;
        target["fingerprint"] = fingerprint;
        target["url"] = plain;
        await TypeScriptClient.TestAsync("test/gateway.test.mjs", ("TACIT_GATEWAY", target.ToJsonString()));
    }

    [Fact]
    public async Task In_Chromium_it_asks_a_running_gateway_from_another_origin_with_and_without_WebCrypto_and_streams()
    {
        string browser = s_browsers.FirstOrDefault(File.Exists) ?? "";
        if (browser.Length == 0)
        {
            Assert.Skip("Chromium is not on this machine; `make setup` with `test` installs it.");
        }

        await using WholeSystem system = await WholeSystem.StartAsync(inference: Inference());
        JsonObject target = await StartGatewayAsync(system);

        JsonElement seen = await TypeScriptClient.RunAsync("test/browser.mjs", browser, target.ToJsonString());

        Assert.Equal(0, seen.GetProperty("errors").GetArrayLength());
        foreach (string way in (string[])["streamed", "bare"])
        {
            JsonElement one = seen.GetProperty(way);
            Assert.True(one.GetProperty("pieces").GetInt32() > 3, way);
            foreach (string fact in (string[])["sameAgain", "done", "plain"])
            {
                Assert.True(one.GetProperty(fact).GetBoolean(), $"{way} {fact}");
            }

            Assert.Equal(("aborted", "model_not_found"), (one.GetProperty("aborted").GetString(), one.GetProperty("unknownModel").GetProperty("code").GetString()));
        }
    }

    // Slow enough that a reply is still on its way when it is aborted.
    private static InferenceOptions Inference() => new() { DemoModel = true, DemoEventDelay = TimeSpan.FromMilliseconds(2) };

    /// <summary>A gateway of one's own, which lets devices register, asks for a little work and signs its own keys.</summary>
    private static async Task<JsonObject> StartGatewayAsync(WholeSystem system)
    {
        await system.StopGatewayAsync();
        GatewayOptions? configured = null;
        system.ConfigureGateway = options => configured = options with
        {
            Admission = AdmissionMode.Both,
            Devices = new DeviceOptions { Registration = DeviceRegistration.Open, PerMinute = 10_000, Concurrency = 100 },
            Work = new WorkOptions { For = [WorkKinds.Registration, WorkKinds.Sealed], MinBits = 4, RegistrationBits = 6 },
            Sealing = options.Sealing with
            {
                KeyFile = SecretReference.FromFile(system["key"]),
                SignedBy = SealingSignatory.Gateway,
                ReplyInterval = TimeSpan.Zero,
            },
            WebOrigins = ["*"],
        };
        await system.StartGatewayAsync();
        await system.StopGatewayAsync();
        byte[]? key = await GatewayServer.LoadKeyAsync(configured!, TimeProvider.System, TestContext.Current.CancellationToken);
        await system.StartGatewayAsync();
        return new JsonObject
        {
            ["url"] = system.Gateway.Address.ToString(),
            ["gateway"] = WholeSystem.GatewayName,
            ["directoryKey"] = Convert.ToHexStringLower(key!),
            ["model"] = WholeSystem.Model,
        };
    }

    private static async Task<string> WriteCertificateAsync(string certificate, string privateKey)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=gateway.test", key, HashAlgorithmName.SHA256);
        DateTimeOffset now = TimeProvider.System.GetUtcNow();
        using X509Certificate2 made = request.CreateSelfSigned(now.AddDays(-1), now.AddDays(1));
        await File.WriteAllTextAsync(certificate, made.ExportCertificatePem());
        await File.WriteAllTextAsync(privateKey, key.ExportPkcs8PrivateKeyPem());
        return Convert.ToHexString(made.GetCertHash(HashAlgorithmName.SHA256));
    }
}
