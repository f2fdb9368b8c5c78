using System.Globalization;
using System.Text.Json;
using Tacit.Crypto.Hpke;
using Tacit.Crypto.Interop;

namespace Tacit.Crypto.Tests;

public sealed class HpkeVectorTests
{
    [Fact]
    public void Rfc9180_appendix_a_replays_in_every_value()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("rfc9180-hpke/rfc9180_x25519_hkdf_sha256.json");
        Assert.Equal(5, vectors.Count);
        foreach (JsonElement vector in vectors)
        {
            HpkeReplay.Run(vector);
        }
    }

    /// <summary>RFC 9180 §A.2.1 (base mode, ChaCha20-Poly1305), where no vectors are at hand.</summary>
    [Fact]
    public void Published_example_replays()
    {
        HpkeSuite suite = HpkeSuite.X25519ChaCha20Poly1305;
        byte[] info = "Ode on a Grecian Urn"u8.ToArray();
        using HpkePrivateKey key = HpkePrivateKey.Derive(suite, TestKeys.Hex("1ac01f181fdf9f352797655161c58b75c656a6cc2716dcb66372da835542e1df"));
        Assert.Equal(TestKeys.Hex("4310ee97d88cc1f088a5576c77ab0cf5c3ac797f3d95139c6c84b5429c59662a"), key.PublicKey.Export());
        byte[] encapsulated = TestKeys.Hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        using HpkeRecipient? recipient = suite.SetupRecipient(key, encapsulated, info);
        Assert.NotNull(recipient);
        byte[] plaintext = new byte[29];
        Assert.True(recipient.TryOpen(
            "Count-0"u8, TestKeys.Hex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28"), plaintext));
        Assert.Equal("Beauty is truth, truth beauty"u8.ToArray(), plaintext);
        byte[] exported = new byte[32];
        recipient.Export([], exported);
        Assert.Equal(TestKeys.Hex("4bbd6243b8bb54cec311fac9df81841b6fd61f56538a775e7c80a9f40160606e"), exported);
    }

    [Fact]
    public void Rfc7748_section_5_2_and_6_1_replay()
    {
        JsonElement root = Vectors.ReadRoot("curve25519/rfc7748_x25519.json");
        Assert.Equal(6, root.GetProperty("function_vectors").GetArrayLength());
        foreach (JsonElement vector in root.GetProperty("function_vectors").EnumerateArray())
        {
            Assert.Equal(vector.Bytes("output"), Multiply(vector.Bytes("scalar"), vector.Bytes("input")));
        }

        byte[] k = [9, .. new byte[31]];
        byte[] u = [.. k];
        int done = 0;
        foreach (JsonElement vector in root.GetProperty("iterated").EnumerateArray())
        {
            int times = vector.GetProperty("times").GetInt32();
            if (times > 1000 && !Property.IsSoak)
            {
                break;
            }

            for (; done < times; done++)
            {
                (k, u) = (Multiply(k, u), k);
            }

            Assert.Equal(vector.Bytes("key"), k);
        }

        Assert.InRange(done, 1000, int.MaxValue);
    }

    /// <summary>RFC 7748 §5.2, the first function vector and one iteration.</summary>
    [Fact]
    public void Published_scalar_multiplications_replay()
    {
        Assert.Equal(
            "C3DA55379DE9C6908E94EA4DF28D084F32ECCF03491C71F754B4075577A28552",
            Convert.ToHexString(Multiply(
                TestKeys.Hex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4"),
                TestKeys.Hex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c"))));
        Assert.Equal(
            "422C8E7A6227D7BCA1350B3E2BB7279F7897B87BB6854B783C60E80311AE3079",
            Convert.ToHexString(Multiply([9, .. new byte[31]], [9, .. new byte[31]])));
    }

    private static byte[] Multiply(byte[] scalar, byte[] point)
    {
        byte[] result = new byte[32];
        // With any public key beside it, which saves computing the right one: only the other side's counts.
        using SafeEvpKeyHandle key = X25519.Import(scalar, point);
        Assert.True(X25519.TryAgree(key, point, result), string.Create(CultureInfo.InvariantCulture, $"{Convert.ToHexString(scalar)}"));
        return result;
    }
}
