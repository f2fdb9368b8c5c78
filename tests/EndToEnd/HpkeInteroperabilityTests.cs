using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.Crypto;
using Tacit.EndToEnd.Support;

namespace Tacit.EndToEnd;

/// <summary>npm's <c>@hpke/core</c> seals to us and opens ours, in every mode and under every AEAD that both have.</summary>
public sealed class HpkeInteroperabilityTests
{
    private static readonly HpkeSuite[] s_suites = [HpkeSuite.X25519Aes128Gcm, HpkeSuite.X25519Aes256Gcm, HpkeSuite.X25519ChaCha20Poly1305];
    private static readonly byte[] s_info = "what both sides know"u8.ToArray();
    private static readonly byte[] s_aad = "what goes beside it"u8.ToArray();
    private static readonly byte[] s_exporterContext = "another use"u8.ToArray();
    private static readonly byte[] s_pskId = "the secret we had"u8.ToArray();

    [Fact]
    public async Task Npm_hpke_seals_to_us_and_opens_ours_in_every_mode()
    {
        List<Case> cases = [.. from suite in s_suites from mode in Enumerable.Range(0, 4) select new Case(suite, mode)];
        try
        {
            JsonElement results = await Node.RunAsync("hpke.mjs", new JsonArray([.. cases.Select(one => one.Given)]).ToJsonString());
            Assert.Equal(cases.Count, results.GetArrayLength());
            foreach ((Case one, JsonElement result) in cases.Zip(results.EnumerateArray()))
            {
                one.Check(result);
            }
        }
        finally
        {
            cases.ForEach(one => one.Dispose());
        }
    }

    private sealed class Case : IDisposable
    {
        private readonly HpkeSuite _suite;
        private readonly HpkePrivateKey _recipient;
        private readonly HpkePrivateKey? _sender;
        private readonly HpkePsk? _psk;
        private readonly byte[][] _plaintexts = [[], RandomNumberGenerator.GetBytes(1), RandomNumberGenerator.GetBytes(700)];
        private readonly string _exported;

        internal Case(HpkeSuite suite, int mode)
        {
            _suite = suite;
            _recipient = HpkePrivateKey.Generate(suite);
            byte[] secret = RandomNumberGenerator.GetBytes(32);
            _psk = mode % 2 == 1 ? new HpkePsk(s_pskId, secret) : null;
            _sender = mode >= 2 ? HpkePrivateKey.Generate(suite) : null;

            byte[] encapsulated = new byte[suite.EncapsulatedKeySizeInBytes];
            using HpkeSender sender = suite.SetupSender(_recipient.PublicKey, s_info, _psk, _sender, encapsulated);
            JsonNode[] ciphertexts = [.. _plaintexts.Select(plaintext =>
            {
                byte[] ciphertext = new byte[plaintext.Length + suite.TagSizeInBytes];
                sender.Seal(s_aad, plaintext, ciphertext);
                return (JsonNode)Hex(ciphertext);
            })];
            byte[] exported = new byte[48];
            sender.Export(s_exporterContext, exported);
            _exported = Hex(exported);
            Given = new JsonObject
            {
                ["aead"] = suite.AeadId,
                ["info"] = Hex(s_info),
                ["aad"] = Hex(s_aad),
                ["exporterContext"] = Hex(s_exporterContext),
                ["psk"] = _psk is null ? null : new JsonObject { ["id"] = Hex(s_pskId), ["key"] = Hex(secret) },
                ["recipient"] = Pair(_recipient),
                ["sender"] = _sender is null ? null : Pair(_sender),
                ["encapsulated"] = Hex(encapsulated),
                ["ciphertexts"] = new JsonArray(ciphertexts),
                ["plaintexts"] = new JsonArray([.. _plaintexts.Select(plaintext => (JsonNode)Hex(plaintext))]),
            };
        }

        internal JsonObject Given { get; }

        internal void Check(JsonElement result)
        {
            Assert.Equal(_plaintexts.Select(Hex), result.GetProperty("opened").EnumerateArray().Select(value => value.GetString()));
            Assert.Equal("OpenError", result.GetProperty("repeated").GetString());
            Assert.Equal(_exported, result.GetProperty("ourExport").GetString());

            using HpkeRecipient? recipient = _suite.SetupRecipient(_recipient, Bytes(result.GetProperty("encapsulated")), s_info, _psk, _sender?.PublicKey);
            Assert.NotNull(recipient);
            foreach ((byte[] plaintext, JsonElement ciphertext) in _plaintexts.Zip(result.GetProperty("sealed").EnumerateArray()))
            {
                byte[] opened = new byte[plaintext.Length];
                Assert.True(recipient.TryOpen(s_aad, Bytes(ciphertext), opened));
                Assert.Equal(plaintext, opened);
            }

            byte[] exported = new byte[48];
            recipient.Export(s_exporterContext, exported);
            Assert.Equal(result.GetProperty("theirExport").GetString(), Hex(exported));
        }

        public void Dispose()
        {
            _recipient.Dispose();
            _sender?.Dispose();
            _psk?.Dispose();
        }

        private static JsonObject Pair(HpkePrivateKey key)
        {
            byte[] privateKey = new byte[32];
            key.Export(privateKey);
            return new JsonObject { ["privateKey"] = Hex(privateKey), ["publicKey"] = Hex(key.PublicKey.Export()) };
        }
    }

    private static string Hex(byte[] bytes) => Convert.ToHexStringLower(bytes);

    private static byte[] Bytes(JsonElement hex) => Convert.FromHexString(hex.GetString()!);
}
