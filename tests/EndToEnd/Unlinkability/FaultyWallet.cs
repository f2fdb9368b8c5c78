using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Crypto.Rsa;
using Tacit.Protocol;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>A wallet as ours is, but for what a test makes wrong with it, at an issuer that is a key.</summary>
internal sealed class FaultyWallet : IDisposable
{
    private const string Crowd = "0002 of the faulty wallet";

    private readonly BlindRsaPrivateKey _issuer = BlindRsaPrivateKey.Generate(2048);
    private readonly TokenPublicKey _key;
    private readonly byte[] _digest = RandomNumberGenerator.GetBytes(32);

    public FaultyWallet()
    {
        _key = TokenPublicKey.TryImport(TokenType.BlindRsa, _issuer.PublicKey.ExportSubjectPublicKeyInfo(), [], out TokenPublicKey? key)
            ? key
            : throw new InvalidOperationException();
    }

    /// <summary>Buys and spends tokens whose blinding seeds come from <paramref name="seed"/>.</summary>
    /// <param name="choose">In which order they are spent; at random if null.</param>
    public Transcript Run(int count, Func<byte[]> seed, Func<int[], int[]>? choose = null) => Run(
        count, choose,
        () =>
        {
            byte[] blindingSeed = seed();
            using TokenSecrets secrets = TokenSecrets.Import(blindingSeed, RandomNumberGenerator.GetBytes(Token.NonceSizeInBytes));
            using TokenIssuance issuance = TokenIssuance.Begin(_key, _digest, secrets);
            byte[] signature = Sign(issuance.Request.BlindedMessage.Span);
            Assert.True(issuance.TryFinalize(signature, out Token? token));
            return (issuance.Request.BlindedMessage.ToArray(), signature, token, blindingSeed);
        });

    /// <summary>The same with blinding factors that are made without a seed.</summary>
    public Transcript RunWithFactors(int count, Func<byte[]> factor) => Run(
        count, null,
        () =>
        {
            byte[] input = new byte[Token.InputSizeInBytes];
            Token.WriteInput(TokenType.BlindRsa, RandomNumberGenerator.GetBytes(Token.NonceSizeInBytes), _digest, _key.TokenKeyId, input);
            byte[] blindingSeed = RandomNumberGenerator.GetBytes(32);
            byte[] salt = new byte[48];
            SeededBlinding.DeriveSalt(blindingSeed, salt);
            byte[] blinded = new byte[KeyArithmetic.Size];
            BlindingState? state;
            while ((state = _issuer.PublicKey.TryBlind(input, salt, factor(), blinded)) is null)
            {
                // At or above n.
            }

            using (state)
            {
                byte[] signature = Sign(blinded);
                byte[] authenticator = new byte[KeyArithmetic.Size];
                Assert.True(state.TryFinalize(signature, authenticator));
                return (blinded, signature, Token.Create(input, authenticator), blindingSeed);
            }
        });

    public void Dispose()
    {
        _key.Dispose();
        _issuer.Dispose();
    }

    private byte[] Sign(ReadOnlySpan<byte> blinded)
    {
        byte[] signature = new byte[KeyArithmetic.Size];
        Assert.Equal(BlindSignStatus.Success, _issuer.BlindSign(blinded, signature));
        return signature;
    }

    private Transcript Run(int count, Func<int[], int[]>? choose, Func<(byte[] Blinded, byte[] Signature, Token Token, byte[] Seed)> make)
    {
        var transcript = new Transcript();
        transcript.Keys.Add(Crowd, new KeyArithmetic(BlindRsaPublicKey.ImportSubjectPublicKeyInfo(_issuer.PublicKey.ExportSubjectPublicKeyInfo())));
        int[] order = [.. Enumerable.Range(0, count)];
        if (choose is null)
        {
            RandomNumberGenerator.Shuffle<int>(order);
        }
        else
        {
            order = choose(order);
        }

        for (int i = 0; i < count; i++)
        {
            (byte[] blinded, byte[] signature, Token token, byte[] seed) = make();
            byte[] spendId = new byte[Token.SpendIdSizeInBytes];
            token.SpendId([], spendId);
            transcript.Pairs.Add(new TruePair(
                new Issuance
                {
                    Crowd = Crowd, Blinded = blinded, BlindSignature = signature, Account = "Bearer",
                    Seen = new Dictionary<string, Feature> { ["order"] = i, ["batch"] = i / 50, ["place in batch"] = i % 50 },
                },
                new Redemption
                {
                    Crowd = Crowd, Token = token, SpendId = spendId,
                    Seen = new Dictionary<string, Feature> { ["order"] = order[i], ["path"] = 0, ["nonce"] = Feature.Of(token.Nonce) },
                },
                "faulty", seed));
        }

        return transcript;
    }
}
