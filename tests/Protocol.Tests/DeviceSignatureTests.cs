using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Crypto;

namespace Tacit.Protocol.Tests;

public sealed class DeviceSignatureTests
{
    private static readonly DateTimeOffset s_now = new(2026, 11, 21, 6, 0, 0, TimeSpan.Zero);
    private static readonly byte[] s_nonce = [.. Enumerable.Range(0, 16).Select(i => (byte)i)];

    private static Gen<DeviceSignature> Signatures { get; } =
        from seed in Property.BytesOf(32)
        from nonce in Property.BytesOf(16)
        from body in Property.BytesUpTo(200)
        from created in Gen.Choose(0, int.MaxValue)
        select Sign(seed, body, nonce, DateTimeOffset.FromUnixTimeSeconds(created));

    /// <summary>RFC 9421, appendix B.2.6: the published example of Ed25519, through the same code that makes our signature bases.</summary>
    [Fact]
    public void Published_signature_base_verifies_and_is_what_the_published_key_signs()
    {
        byte[] published = Convert.FromBase64String("wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==");
        byte[] message = SignatureBase.Create(
            [
                ("date", "Tue, 20 Apr 2021 02:07:55 GMT"), ("@method", "POST"), ("@path", "/foo"), ("@authority", "example.com"),
                ("content-type", "application/json"), ("content-length", "18"),
            ],
            ";created=1618884473;keyid=\"test-key-ed25519\"");

        Assert.Equal(
            """
            "date": Tue, 20 Apr 2021 02:07:55 GMT
            "@method": POST
            "@path": /foo
            "@authority": example.com
            "content-type": application/json
            "content-length": 18
            "@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length");created=1618884473;keyid="test-key-ed25519"
            """.ReplaceLineEndings("\n"),
            Encoding.ASCII.GetString(message));
        using Ed25519PublicKey key = Ed25519PublicKey.Import(Convert.FromBase64String("JrQLj5P/89iXES9+vFgrIy29clF9CC/oPPsw3c5D0bs="));
        Assert.True(key.Verify(message, published));
        using Ed25519PrivateKey secret = Ed25519PrivateKey.Import(
            Convert.FromBase64String("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF").AsSpan(16));
        Assert.Equal(published, secret.Sign(message));
    }

    [Fact]
    public void Shape_is_the_one_that_the_page_gives()
    {
        DeviceSignature signature = Sign(new byte[32], "{}"u8.ToArray(), s_nonce, s_now);

        Assert.Equal("sha-256=:RBNvo1WzZ4oRRq0W9+hknpT7T8If536DEMBg9hyq/4o=:", signature.DigestValue);
        Assert.Equal(
            $"tacit=(\"@method\" \"@path\" \"content-digest\");created=1795240800;keyid=\"{signature.KeyId}\";nonce=\"AAECAwQFBgcICQoLDA0ODw\";alg=\"ed25519\"",
            signature.InputValue);
        Assert.Equal(43, signature.KeyId.Length);
    }

    [Fact]
    public void Signature_holds_for_its_method_path_and_body_only()
    {
        byte[] body = "{\"model\":\"m\"}"u8.ToArray();
        DeviceSignature signature = Sign(new byte[32], body, s_nonce, s_now);

        Assert.True(signature.Verify("POST", "/v1/chat/completions"));
        Assert.True(signature.IsOf(body));
        Assert.False(signature.Verify("GET", "/v1/chat/completions"));
        Assert.False(signature.Verify("POST", "/v1/responses"));
        Assert.False(signature.IsOf("{\"model\":\"n\"}"u8));
    }

    [Fact]
    public void Everything_that_is_signed_is_covered()
    {
        DeviceSignature signature = Sign(new byte[32], [], s_nonce, s_now);
        string input = signature.InputValue;
        using Ed25519PrivateKey other = Ed25519PrivateKey.Generate();
        string[] changed =
        [
            input.Replace("created=1795240800", "created=1795240801", StringComparison.Ordinal),
            input.Replace("nonce=\"AAEC", "nonce=\"AAED", StringComparison.Ordinal),
            input.Replace(signature.KeyId, DeviceKeyId.Format(other.PublicKey.Export()), StringComparison.Ordinal),
        ];

        Assert.All(changed, text =>
        {
            Assert.NotEqual(input, text);
            Assert.True(DeviceSignature.TryParse(text, signature.SignatureValue, signature.DigestValue, out DeviceSignature? parsed));
            Assert.False(parsed.Verify("POST", "/v1/chat/completions"));
        });
        Assert.True(DeviceSignature.TryParse(input, signature.SignatureValue, Sign(new byte[32], [1], s_nonce, s_now).DigestValue, out DeviceSignature? moved));
        Assert.False(moved.Verify("POST", "/v1/chat/completions"));
    }

    [Fact]
    public void Request_id_is_of_key_and_nonce_alone()
    {
        Assert.Equal(Id(Sign(new byte[32], [1], s_nonce, s_now)), Id(Sign(new byte[32], [2], s_nonce, s_now.AddSeconds(9))));
        Assert.NotEqual(Id(Sign(new byte[32], [1], s_nonce, s_now)), Id(Sign(new byte[32], [1], new byte[16], s_now)));
        Assert.NotEqual(Id(Sign(new byte[32], [1], s_nonce, s_now)), Id(Sign([.. Enumerable.Repeat((byte)1, 32)], [1], s_nonce, s_now)));
    }

    [Fact]
    public void Parser_reads_what_is_written_and_refuses_every_other_spelling() => Property.Holds(
        from signature in Signatures
        from header in Gen.Choose(0, 2)
        from at in Gen.Choose(0, int.MaxValue)
        from edit in Gen.Choose(0, 2)
        from character in Gen.Choose(32, 126)
        select (signature, header, at, edit, (char)character),
        sample =>
        {
            (DeviceSignature signature, int header, int at, int edit, char character) = sample;
            string[] values = [signature.InputValue, signature.SignatureValue, signature.DigestValue];
            Assert.True(DeviceSignature.TryParse(values[0], values[1], values[2], out DeviceSignature? same));
            Assert.Equal<string[]>(values, [same.InputValue, same.SignatureValue, same.DigestValue]);
            Assert.True(same.Verify("POST", "/v1/chat/completions"));

            string text = values[header];
            int place = at % text.Length;
            values[header] = edit switch
            {
                0 => text.Remove(place, 1),
                1 => text.Insert(place, character.ToString()),
                _ => string.Concat(text.AsSpan(0, place), character.ToString(), text.AsSpan(place + 1)),
            };
            // What is taken nevertheless is another value in the one spelling.
            if (DeviceSignature.TryParse(values[0], values[1], values[2], out DeviceSignature? other))
            {
                Assert.Equal<string[]>(values, [other.InputValue, other.SignatureValue, other.DigestValue]);
            }
        });

    [Fact]
    public void Parsers_never_throw() => Property.Holds(ArbMap.Default.ArbFor<string>().Generator, text =>
    {
        DeviceSignature valid = Sign(new byte[32], [], s_nonce, s_now);
        Assert.False(DeviceSignature.TryParse(text, text, text, out _));
        Assert.False(DeviceSignature.TryParse(valid.InputValue + text + " ", valid.SignatureValue, valid.DigestValue, out _));
        Assert.False(DeviceKeyId.TryParse(text, out _));
        Assert.False(WorkStamp.TryParse(text, out _));
    });

    private static byte[] Id(DeviceSignature signature)
    {
        byte[] id = new byte[32];
        signature.RequestId(id);
        return id;
    }

    private static DeviceSignature Sign(byte[] seed, byte[] body, byte[] nonce, DateTimeOffset created)
    {
        using Ed25519PrivateKey key = Ed25519PrivateKey.Import(seed);
        return DeviceSignature.Sign(key, "POST", "/v1/chat/completions", body, nonce, created);
    }
}
