using System.Security.Cryptography;
using Tacit.Crypto;
using Tacit.Protocol;

namespace Tacit.Tests;

/// <summary>The client's side of one token: blinded for a plan's key, finished with the signature.</summary>
internal sealed class BlindedToken : IDisposable
{
    private readonly BlindRsaPublicKey _key;
    private readonly BlindingState _state;
    private readonly byte[] _input;
    private byte[]? _accepted;

    private BlindedToken(BlindRsaPublicKey key, BlindingState state, byte[] input, TokenRequest request)
    {
        _key = key;
        _state = state;
        _input = input;
        Request = request;
    }

    public TokenRequest Request { get; }

    public static BlindedToken Create(TokenType type, byte[] spki, byte[]? extensions)
    {
        BlindRsaPublicKey key = KeyOf(type, spki, extensions);
        byte[] keyId = SHA256.HashData(spki);
        byte[] input = new byte[98];
        RandomNumberGenerator.Fill(input);
        (input[0], input[1]) = ((byte)((ushort)type >> 8), (byte)((ushort)type & 0xff));
        keyId.CopyTo(input, 66);
        byte[] blinded = new byte[256];
        BlindingState state = key.Blind(BlindRsaVariant.DeterministicPss, input, blinded);
        return new BlindedToken(key, state, input, TokenRequest.Create(type, keyId[^1], blinded, extensions));
    }

    public static List<BlindedToken> CreateMany(int count, TokenType type, byte[] spki, byte[]? extensions) =>
        [.. Enumerable.Range(0, count).Select(_ => Create(type, spki, extensions))];

    /// <summary>Whether the blind signature makes a token that verifies. There is one only, so a later answer has to be the same.</summary>
    public bool Accepts(ReadOnlySpan<byte> blindSignature)
    {
        if (_accepted is not null)
        {
            return blindSignature.SequenceEqual(_accepted);
        }

        byte[] signature = new byte[256];
        if (!_state.TryFinalize(blindSignature, signature) || !_key.Verify(BlindRsaVariant.DeterministicPss, _input, signature))
        {
            return false;
        }

        _accepted = blindSignature.ToArray();
        return true;
    }

    public void Dispose()
    {
        _state.Dispose();
        _key.Dispose();
    }

    private static BlindRsaPublicKey KeyOf(TokenType type, byte[] spki, byte[]? extensions)
    {
        if (type == TokenType.BlindRsa)
        {
            return BlindRsaPublicKey.ImportSubjectPublicKeyInfo(spki);
        }

        using PartiallyBlindRsaPublicKey whole = PartiallyBlindRsaPublicKey.ImportSubjectPublicKeyInfo(spki);
        return whole.DeriveKey(extensions);
    }
}
