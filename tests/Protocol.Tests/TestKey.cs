using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Crypto;
using Tacit.Fuzz;

namespace Tacit.Protocol.Tests;

/// <summary>An issuer's key of either type. Safe primes take seconds to find, so the one of 0xDA7A is the published test key.</summary>
internal sealed class TestKey : IDisposable
{
    private readonly BlindRsaPrivateKey _signer;

    private TestKey(BlindRsaPrivateKey signer, TokenPublicKey key, byte[] subjectPublicKeyInfo)
    {
        _signer = signer;
        Key = key;
        SubjectPublicKeyInfo = subjectPublicKeyInfo;
    }

    public TokenPublicKey Key { get; }

    public byte[] SubjectPublicKeyInfo { get; }

    public static TestKey Create(TokenType type)
    {
        if (type is TokenType.BlindRsa)
        {
            BlindRsaPrivateKey plain = BlindRsaPrivateKey.Generate(2048);
            return Create(type, plain, plain.PublicKey.ExportSubjectPublicKeyInfo(), []);
        }

        JsonElement vector = Vectors.Read("da7a_partially_blind_rsa.json")[0];
        string pem = Encoding.ASCII.GetString(vector.Hex("skS"));
        using PartiallyBlindRsaPrivateKey family =
            PartiallyBlindRsaPrivateKey.ImportPkcs8(Convert.FromBase64String(pem[PemEncoding.Find(pem).Base64Data]));
        return Create(type, family.DeriveKey(Samples.Metadata), family.PublicKey.ExportSubjectPublicKeyInfo(), Samples.Metadata);
    }

    public byte[] Sign(TokenRequest request)
    {
        byte[] signature = new byte[TokenResponse.SizeInBytes];
        Assert.Equal(BlindSignStatus.Success, _signer.BlindSign(request.BlindedMessage.Span, signature));
        return signature;
    }

    public void Dispose()
    {
        _signer.Dispose();
        Key.Dispose();
    }

    private static TestKey Create(TokenType type, BlindRsaPrivateKey signer, byte[] subjectPublicKeyInfo, byte[] extensions)
    {
        Assert.True(TokenPublicKey.TryImport(type, subjectPublicKeyInfo, extensions, out TokenPublicKey? key));
        return new TestKey(signer, key, subjectPublicKeyInfo);
    }
}
