using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Crypto;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

public sealed class IssuanceTests
{
    [Fact]
    public void Blind_RSA_vectors_replay_from_request_to_token()
    {
        IReadOnlyList<JsonElement> vectors = Vectors.Read("rfc9578_type_0002_blind_rsa.json");
        using BlindRsaPrivateKey signer = BlindRsaPrivateKey.ImportPkcs8(Pkcs8(vectors[0]));
        foreach (JsonElement vector in vectors)
        {
            Assert.True(TokenPublicKey.TryImport(TokenType.BlindRsa, vector.Hex("pkS"), [], out TokenPublicKey? key));
            using (key)
            {
                CheckVector(vector, key, signer);
            }
        }

        Assert.Equal(5, vectors.Count);
    }

    [Fact]
    public void Partially_blind_RSA_vector_replays_from_request_to_token()
    {
        JsonElement vector = Assert.Single(Vectors.Read("da7a_partially_blind_rsa.json"));
        using PartiallyBlindRsaPrivateKey family = PartiallyBlindRsaPrivateKey.ImportPkcs8(Pkcs8(vector));
        using BlindRsaPrivateKey signer = family.DeriveKey(vector.Hex("extensions"));
        Assert.True(TokenPublicKey.TryImport(TokenType.PartiallyBlindRsa, vector.Hex("pkS"), vector.Hex("extensions"), out TokenPublicKey? key));
        using (key)
        {
            CheckVector(vector, key, signer);
        }
    }

    [Theory]
    [InlineData(TokenType.BlindRsa)]
    [InlineData(TokenType.PartiallyBlindRsa)]
    public void Token_of_a_wallet_index_verifies_and_comes_again_from_the_same_seed(TokenType type)
    {
        using TestKey issuer = TestKey.Create(type);
        using WalletSeed seed = WalletSeed.Create();
        byte[] digest = TokenChallenge.ForGateway(type, "issuer.example", "gateway.example").Digest();

        using TokenIssuance issuance = TokenIssuance.Begin(issuer.Key, "issuer.example", digest, seed.Bytes, TokenNamespace.AccountIssued, 7);
        using TokenIssuance again = TokenIssuance.Begin(issuer.Key, "issuer.example", digest, seed.Bytes, TokenNamespace.AccountIssued, 7);
        using TokenIssuance next = TokenIssuance.Begin(issuer.Key, "issuer.example", digest, seed.Bytes, TokenNamespace.AccountIssued, 8);

        Assert.Equal(issuance.Request.Encode(), again.Request.Encode());
        Assert.NotEqual(issuance.Request.Encode(), next.Request.Encode());
        Assert.Equal(issuer.Key.TruncatedKeyId, issuance.Request.TruncatedKeyId);
        Assert.True(issuance.TryFinalize(issuer.Sign(issuance.Request), out Token? token));
        Assert.Equal(issuance.TokenInput, token.TokenInput);
        Assert.Equal(digest, token.ChallengeDigest);
        Assert.True(issuer.Key.Verify(token));
        Assert.True(again.TryFinalize(issuer.Sign(again.Request), out Token? same));
        Assert.Equal(token.Encode(), same.Encode());
    }

    // Computed apart from this code from the description in docs/protocol.md: what an independent client has to arrive at.
    [Fact]
    public void Request_of_a_wallet_index_has_the_documented_bytes()
    {
        JsonElement vector = Vectors.Read("rfc9578_type_0002_blind_rsa.json")[0];
        Assert.True(TokenPublicKey.TryImport(TokenType.BlindRsa, vector.Hex("pkS"), [], out TokenPublicKey? key));
        byte[] seed = Convert.FromHexString("000102030405060708090a0b0c0d0e0f");
        byte[] digest = TokenChallenge.ForGateway(TokenType.BlindRsa, "issuer.example", "gateway.example").Digest();

        using (key)
        using (TokenIssuance issuance = TokenIssuance.Begin(key, "issuer.example", digest, seed, TokenNamespace.AccountIssued, 7))
        {
            Assert.Equal("4b8e38d34270da3e38f6a3a5c55d29f643283063f70b9f805bf97c29fbd07a4b", Convert.ToHexStringLower(digest));
            Assert.Equal("5e1d1f1735c5d1a9c2e2044ba226f1596e04a9180c8a1ba88753b493febe4e3d", Convert.ToHexStringLower(issuance.TokenInput[2..34]));
            Assert.Equal(
                "76008b47a9ddbc6d173e5940e854bc17d5731c62bc63e19a18c5611b83848fae",
                Convert.ToHexStringLower(SHA256.HashData(issuance.Request.Encode())));
        }
    }

    [Fact]
    public void Answer_to_another_request_gives_no_token()
    {
        using TestKey issuer = TestKey.Create(TokenType.BlindRsa);
        byte[] digest = Samples.Filled(32, 1);
        using TokenSecrets secrets = TokenSecrets.CreateRandom();
        using TokenSecrets others = TokenSecrets.CreateRandom();
        using TokenIssuance issuance = TokenIssuance.Begin(issuer.Key, digest, secrets);
        using TokenIssuance other = TokenIssuance.Begin(issuer.Key, digest, others);

        Assert.False(issuance.TryFinalize(issuer.Sign(other.Request), out Token? token));

        Assert.Null(token);
    }

    [Theory]
    [InlineData(TokenType.BlindRsa)]
    [InlineData(TokenType.PartiallyBlindRsa)]
    public void Token_changed_in_any_field_does_not_verify(TokenType type)
    {
        using TestKey issuer = TestKey.Create(type);
        using TokenSecrets secrets = TokenSecrets.CreateRandom();
        using TokenIssuance issuance = TokenIssuance.Begin(issuer.Key, Samples.Filled(32, 1), secrets);
        Assert.True(issuance.TryFinalize(issuer.Sign(issuance.Request), out Token? token));

        foreach (int position in new[] { 2, 40, 70, 98, 353 })
        {
            byte[] changed = token.Encode();
            changed[position] ^= 1;
            Assert.True(Token.TryParse(changed, out Token? parsed));
            Assert.False(issuer.Key.Verify(parsed), $"byte {position}");
        }

        byte[] otherType = token.Encode();
        (type is TokenType.BlindRsa ? new byte[] { 0xda, 0x7a } : [0, 2]).CopyTo(otherType, 0);
        Assert.True(Token.TryParse(otherType, out Token? retyped));
        Assert.False(issuer.Key.Verify(retyped));
    }

    [Fact]
    public void Token_of_one_plan_does_not_verify_under_another_plans_extensions()
    {
        using TestKey issuer = TestKey.Create(TokenType.PartiallyBlindRsa);
        using TokenSecrets secrets = TokenSecrets.CreateRandom();
        using TokenIssuance issuance = TokenIssuance.Begin(issuer.Key, Samples.Filled(32, 1), secrets);
        Assert.True(issuance.TryFinalize(issuer.Sign(issuance.Request), out Token? token));
        byte[] dearer = new PlanMetadata("chat-xl", Period.Containing(PeriodKind.Month, Samples.Now).Deadline).EncodeExtensions();

        Assert.True(TokenPublicKey.TryImport(TokenType.PartiallyBlindRsa, issuer.SubjectPublicKeyInfo, dearer, out TokenPublicKey? other));

        using (other)
        {
            Assert.False(other.Verify(token));
        }
    }

    [Fact]
    public void Key_with_wrong_size_or_extensions_is_refused()
    {
        using TestKey plain = TestKey.Create(TokenType.BlindRsa);
        using BlindRsaPrivateKey longer = BlindRsaPrivateKey.Generate(3072);

        Assert.False(TokenPublicKey.TryImport(TokenType.BlindRsa, longer.PublicKey.ExportSubjectPublicKeyInfo(), [], out _));
        Assert.False(TokenPublicKey.TryImport(TokenType.BlindRsa, plain.SubjectPublicKeyInfo, Samples.Metadata, out _));
        Assert.False(TokenPublicKey.TryImport(TokenType.PartiallyBlindRsa, plain.SubjectPublicKeyInfo, [], out _));
        Assert.False(TokenPublicKey.TryImport(TokenType.PartiallyBlindRsa, plain.SubjectPublicKeyInfo, [0, 1], out _));
        Assert.False(TokenPublicKey.TryImport(TokenType.BlindRsa, [.. plain.SubjectPublicKeyInfo, 0], [], out _));
        Assert.False(TokenPublicKey.TryImport((TokenType)1, plain.SubjectPublicKeyInfo, [], out _));
        Assert.False(TokenPublicKey.TryImport(TokenType.BlindRsa, [], [], out _));
    }

    private static void CheckVector(JsonElement vector, TokenPublicKey key, BlindRsaPrivateKey signer)
    {
        Assert.True(TokenRequest.TryParse(vector.Hex("token_request"), out TokenRequest? request));
        Assert.Equal(key.Type, request.Type);
        Assert.Equal(key.TruncatedKeyId, request.TruncatedKeyId);
        Assert.Equal(key.Extensions.ToArray(), request.Extensions.ToArray());
        byte[] blindSignature = new byte[TokenResponse.SizeInBytes];
        Assert.Equal(BlindSignStatus.Success, signer.BlindSign(request.BlindedMessage.Span, blindSignature));
        Assert.Equal(vector.Hex("token_response"), TokenResponse.Encode(blindSignature));
        Assert.True(Token.TryParse(vector.Hex("token"), out Token? token));
        Assert.True(key.Verify(token));
    }

    private static byte[] Pkcs8(JsonElement vector)
    {
        string pem = Encoding.ASCII.GetString(vector.Hex("skS"));
        PemFields fields = PemEncoding.Find(pem);
        return Convert.FromBase64String(pem[fields.Base64Data]);
    }
}
