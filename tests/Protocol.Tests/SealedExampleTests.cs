using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Tacit.Crypto;

namespace Tacit.Protocol.Tests;

/// <summary>
/// docs/sealed-chat-example.json: one request and its reply with every value between, made by our code from fixed keys and held to be the same for ever. A client that was
/// written from docs/protocol.md alone compares its own with it.
/// </summary>
public sealed class SealedExampleTests
{
    private const string Inner = """{"path":"/v1/chat/completions","headers":{"authorization":"PrivateToken token=\"AAIC\""},"body":{"model":"tacit-demo","messages":[{"role":"user","content":"Hi"}]}}""";
    private const string Body = """{"id":"chatcmpl-1","object":"chat.completion"}""";
    private const long Timestamp = 1_795_000_000_000;

    private static readonly JsonSerializerOptions s_form = new() { WriteIndented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private static string ExamplePath => Path.Combine(Root(), "docs", "sealed-chat-example.json");

    [Fact]
    public void Documented_example_is_what_the_code_makes()
    {
        string made = Make().ToJsonString(s_form) + "\n";
        if (Environment.GetEnvironmentVariable("TACIT_WRITE_EXAMPLE") == "1")
        {
            File.WriteAllText(ExamplePath, made);
        }

        Assert.Equal(File.ReadAllText(ExamplePath), made);
    }

    [Fact]
    public void Documented_example_opens_at_both_ends()
    {
        JsonNode example = JsonNode.Parse(File.ReadAllText(ExamplePath))!;
        using HpkePrivateKey key = HpkePrivateKey.Import(HpkeSuite.X25519ChaCha20Poly1305, Bytes(example["private_key"]!));
        Assert.Equal(SealedRequestError.None, SealedEnvelope.Parse(Encoding.UTF8.GetBytes(example["request"]!.ToJsonString()), out SealedEnvelope? parsed));
        using SealedEnvelope envelope = parsed!;
        using var plaintext = new SensitiveBuffer();
        Assert.Equal(
            SealedRequestError.None,
            SealedRequest.Open(HpkeSuite.X25519ChaCha20Poly1305, key, Bytes(example["config"]!), envelope, plaintext, out SealedInnerRequest? request, out SealedReplySecret? secret));
        using SealedReplySecret owned = secret!;
        Assert.Equal("""{"model":"tacit-demo","messages":[{"role":"user","content":"Hi"}]}""", Encoding.UTF8.GetString(request!.Body.Span));
        Assert.Equal(Bytes(example["reply_secret"]!), owned.Encode()[..32]);

        using var reader = new SealedReplyReader(owned);
        Assert.Equal(SealedReplyError.None, reader.Push(Encoding.UTF8.GetBytes(example["reply"]!.GetValue<string>())));
        Assert.Equal(SealedReplyError.None, reader.Complete());
        Assert.Equal(
            (200, "spent", Body, "AAAA"), (reader.Status, reader.Headers["tacit-token"], Encoding.UTF8.GetString(reader.Body.WrittenSpan), reader.Trailers!["tacit-renewal"]));
    }

    /// <summary>The steps as the page writes them, and not by the classes that the servers use.</summary>
    private static JsonObject Make()
    {
        HpkeSuite suite = HpkeSuite.X25519ChaCha20Poly1305;
        byte[] privateKey = Filled(0x11), ephemeralKey = Filled(0x22), requestId = Filled(0x33)[..16], responseNonce = Filled(0x44)[..16];
        using HpkePrivateKey key = HpkePrivateKey.Import(suite, privateKey);
        byte[] config = new ObliviousKeyConfiguration
        {
            KeyId = 7, KemId = suite.KemId, PublicKey = key.PublicKey.Export(), Algorithms = [new(1, 3), new(1, 1), new(1, 2)],
        }.Encode();
        byte[] info = [.. "tacit sealed chat v1 request\0"u8, .. config];
        byte[] path = "/api/chat"u8.ToArray();
        byte[] aad = [.. "tacit sealed chat v1\0"u8, 7, 0, (byte)path.Length, .. path, .. BitConverter.GetBytes(Timestamp).Reverse(), .. requestId];
        byte[] inner = Encoding.UTF8.GetBytes(Inner);
        byte[] plaintext = [0, 0, 0, (byte)inner.Length, .. inner, .. new byte[1024 - 4 - inner.Length]];
        byte[] encapsulatedKey = new byte[32], ciphertext = new byte[1024 + 16], secret = new byte[32];
        using HpkeSender sender = suite.SetupSender(key.PublicKey, info, null, null, ephemeralKey, encapsulatedKey);
        sender.Seal(aad, plaintext, ciphertext);
        sender.Export("tacit sealed chat v1 reply"u8, secret);

        byte[] prk = HKDF.Extract(HashAlgorithmName.SHA256, secret, [.. encapsulatedKey, .. responseNonce]);
        byte[] replyKey = HKDF.Expand(HashAlgorithmName.SHA256, prk, 32, "key"u8.ToArray());
        byte[] nonce = HKDF.Expand(HashAlgorithmName.SHA256, prk, 12, "nonce"u8.ToArray());
        byte[] first = [.. Frame(1, """{"status":200,"headers":{"content-type":"application/json","tacit-token":"spent"}}"""), .. Frame(2, Body[..20])];
        byte[] last = [.. Frame(2, Body[20..]), .. Frame(3, """{"tacit-renewal":"AAAA"}""")];
        using var aead = new AeadKey(3, replyKey);
        string reply = $"event: head\ndata: {{\"request_id\":\"{Text(requestId)}\",\"response_nonce\":\"{Text(responseNonce)}\"}}\n\n"
            + $"event: chunk\ndata: {Text(Chunk(first, 0, "chunk"))}\n\nevent: final\ndata: {Text(Chunk(last, 1, "final"))}\n\n";

        return new JsonObject
        {
            ["private_key"] = Text(privateKey),
            ["ephemeral_private_key"] = Text(ephemeralKey),
            ["config"] = Text(config),
            ["info"] = Text(info),
            ["aad"] = Text(aad),
            ["inner"] = Inner,
            ["plaintext_sha256"] = Text(SHA256.HashData(plaintext)),
            ["reply_secret"] = Text(secret),
            ["request"] = new JsonObject
            {
                ["encapsulated_key"] = Text(encapsulatedKey), ["ciphertext"] = Text(ciphertext), ["aad"] = Text(aad), ["timestamp"] = Timestamp, ["request_id"] = Text(requestId),
            },
            ["response_nonce"] = Text(responseNonce),
            ["prk"] = Text(prk),
            ["key"] = Text(replyKey),
            ["nonce"] = Text(nonce),
            ["chunk_plaintexts"] = new JsonArray(Text(first), Text(last)),
            ["reply"] = reply,
        };

        byte[] Chunk(byte[] frames, byte number, string word)
        {
            byte[] padded = [.. frames, .. new byte[256 - frames.Length]];
            byte[] chunkNonce = [.. nonce[..11], (byte)(nonce[11] ^ number)];
            byte[] chunk = new byte[256 + 16];
            aead.Seal(chunkNonce, [.. requestId, .. Encoding.ASCII.GetBytes(word)], padded, chunk);
            return chunk;
        }
    }

    private static byte[] Frame(byte type, string payload) => [type, 0, 0, 0, (byte)payload.Length, .. Encoding.UTF8.GetBytes(payload)];

    private static byte[] Filled(byte value) => [.. Enumerable.Repeat(value, 32)];

    private static string Text(byte[] bytes) => Base64Url.EncodeToString(bytes);

    private static byte[] Bytes(JsonNode node) => Base64Url.DecodeFromChars(node.GetValue<string>());

    private static string Root()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Tacit.slnx")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        return folder ?? throw new InvalidOperationException("No Tacit.slnx above the test.");
    }
}
