using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Crypto.Interop;
using Tacit.Crypto.Rsa;

namespace Tacit.Crypto.Tests;

public sealed class PublishedVectorTests
{
    [Fact]
    public void Rfc9474_appendix_a_replays_in_every_value()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("rfc9474-blind-rsa/rfc9474_appendix_a.json");
        Assert.Equal(4, vectors.Count);
        foreach (JsonElement vector in vectors)
        {
            BlindRsaVariant variant = Variant(vector.GetProperty("name").GetString()!);
            Assert.Equal(variant.SaltSizeInBytes, int.Parse(vector.GetProperty("sLen").ToString(), null));
            Assert.Equal(variant.IsRandomized, vector.GetProperty("is_randomized").GetBoolean());
            using BlindRsaPrivateKey key = TestKeys.FromPrimes(vector.GetProperty("p").GetString()!, vector.GetProperty("q").GetString()!);
            byte[] n = vector.Bytes("n");
            Assert.Equal(n, key.PublicKey.Numbers.ExportModulus());

            byte[] encoded = new byte[n.Length];
            EmsaPss.Encode(SHA384.HashData(vector.Bytes("input_msg")), vector.Bytes("salt"), encoded);
            Assert.Equal(vector.Bytes("encoded_msg"), encoded);

            Replay(
                key, variant, vector.Bytes("input_msg"), vector.Bytes("salt"), Invert(vector.Bytes("inv"), n),
                vector.Bytes("blinded_msg"), vector.Bytes("blind_sig"), vector.Bytes("sig"));
        }
    }

    [Fact]
    public void Partially_blind_rsa_draft_replays_in_every_value()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("partially-blind-rsa/draft_irtf_cfrg_partially_blind_rsa.json");
        Assert.Equal(4, vectors.Count);
        using PartiallyBlindRsaPrivateKey key = TestKeys.SafePrimeKey();
        foreach (JsonElement vector in vectors)
        {
            using BlindRsaPrivateKey derived = key.DeriveKey(vector.Bytes("info"));
            using BlindRsaPublicKey derivedByClient = key.PublicKey.DeriveKey(vector.Bytes("info"));
            Assert.Equal(vector.Bytes("eprime"), derived.PublicKey.Numbers.ExportExponent());
            Assert.Equal(vector.Bytes("eprime"), derivedByClient.Numbers.ExportExponent());
            Replay(
                derived, BlindRsaVariant.DeterministicPss, vector.Bytes("msg"), vector.Bytes("salt"), vector.Bytes("r"),
                vector.Bytes("blind_msg"), vector.Bytes("blind_sig"), vector.Bytes("sig"));
        }
    }

    [Fact]
    public void Rfc9578_type_0002_replays()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("privacypass/rfc9578_type_0002_blind_rsa.json");
        Assert.NotEmpty(vectors);
        foreach (JsonElement vector in vectors)
        {
            using BlindRsaPrivateKey key = BlindRsaPrivateKey.ImportPkcs8(Pem(vector.Bytes("skS")));
            Assert.Equal(vector.Bytes("pkS"), key.PublicKey.ExportSubjectPublicKeyInfo());
            ReplayToken(key, vector, requestOverhead: 3, extensions: 0);
        }
    }

    [Fact]
    public void Type_da7a_replays()
    {
        JsonElement vector = Assert.Single(Vectors.Read("privacypass/da7a_partially_blind_rsa.json"));
        using PartiallyBlindRsaPrivateKey key = PartiallyBlindRsaPrivateKey.ImportPkcs8(Pem(vector.Bytes("skS")));
        Assert.Equal(vector.Bytes("pkS"), key.PublicKey.ExportSubjectPublicKeyInfo());
        byte[] extensions = vector.Bytes("extensions");
        using BlindRsaPrivateKey derived = key.DeriveKey(extensions);
        ReplayToken(derived, vector, requestOverhead: 3, extensions.Length);
    }

    [Fact]
    public void Rfc8032_section_7_1_replays()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("curve25519/rfc8032_ed25519.json");
        Assert.Equal(5, vectors.Count);
        foreach (JsonElement vector in vectors)
        {
            using Ed25519PrivateKey key = Ed25519PrivateKey.Import(vector.Bytes("secret_key"));
            Assert.Equal(vector.Bytes("public_key"), key.PublicKey.Export());
            Assert.Equal(vector.Bytes("signature"), key.Sign(vector.Bytes("message")));
            Assert.True(key.PublicKey.Verify(vector.Bytes("message"), vector.Bytes("signature")));
        }
    }

    /// <summary>The token's challenge digest is in the token; everything else is fixed by the vector.</summary>
    private static void ReplayToken(BlindRsaPrivateKey key, JsonElement vector, int requestOverhead, int extensions)
    {
        byte[] token = vector.Bytes("token");
        byte[] input = token[..98];
        Assert.Equal(vector.Bytes("nonce"), input[2..34]);
        Assert.Equal(SHA256.HashData(vector.Bytes("token_challenge")), input[34..66]);
        Assert.Equal(SHA256.HashData(vector.Bytes("pkS")), input[66..]);
        byte[] request = vector.Bytes("token_request");
        Assert.Equal(requestOverhead + 256 + extensions, request.Length);
        Assert.Equal(BinaryPrimitives.ReadUInt16BigEndian(request), BinaryPrimitives.ReadUInt16BigEndian(token));
        Replay(
            key, BlindRsaVariant.DeterministicPss, input, vector.Bytes("salt"), vector.Bytes("blind"),
            request[requestOverhead..(requestOverhead + 256)], vector.Bytes("token_response"), token[98..]);
    }

    private static void Replay(
        BlindRsaPrivateKey key, BlindRsaVariant variant, byte[] preparedMessage, byte[] salt, byte[] factor,
        byte[] blindedMessage, byte[] blindSignature, byte[] signature)
    {
        byte[] buffer = new byte[key.ModulusSizeInBytes];
        using BlindingState? state = key.PublicKey.TryBlind(preparedMessage, salt, Pad(factor, buffer.Length), buffer);
        Assert.NotNull(state);
        Assert.Equal(blindedMessage, buffer);

        Assert.Equal(BlindSignStatus.Success, key.BlindSign(blindedMessage, buffer));
        Assert.Equal(blindSignature, buffer);

        Assert.True(state.TryFinalize(blindSignature, buffer));
        Assert.Equal(signature, buffer);
        Assert.True(key.PublicKey.Verify(variant, preparedMessage, signature));
    }

    private static byte[] Pem(byte[] text)
    {
        ReadOnlySpan<char> pem = Encoding.ASCII.GetString(text);
        PemFields fields = PemEncoding.Find(pem);
        return Convert.FromBase64String(pem[fields.Base64Data].ToString());
    }

    private static BlindRsaVariant Variant(string name) => Assert.Single(
        new[]
        {
            BlindRsaVariant.RandomizedPss, BlindRsaVariant.RandomizedPssZero, BlindRsaVariant.DeterministicPss,
            BlindRsaVariant.DeterministicPssZero,
        },
        variant => variant.Name == name);

    private static byte[] Pad(byte[] number, int length) => [.. new byte[length - number.Length], .. number];

    private static byte[] Invert(byte[] number, byte[] modulus)
    {
        using RsaPrivateNumbers.Numbers numbers = new();
        BigNum result = numbers.NewNumber();
        Assert.True(result.TryInvert(numbers.Read(number), numbers.Read(modulus), ThreadScratch.Current.Context));
        byte[] bytes = new byte[modulus.Length];
        result.Write(bytes);
        return bytes;
    }
}
