using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>
/// The client's half of one issuance (RFC 9578, sections 6.1 to 6.3, and its 0xDA7A extension): makes the request, then the token from the
/// answer. The same secrets make the same request and token again. Good for one answer; wiped on dispose.
/// </summary>
public sealed class TokenIssuance : IDisposable
{
    private readonly BlindingState _state;
    private readonly byte[] _tokenInput;
    private readonly byte[] _salt;

    private TokenIssuance(TokenRequest request, byte[] tokenInput, byte[] salt, BlindingState state)
    {
        Request = request;
        _tokenInput = tokenInput;
        _salt = salt;
        _state = state;
    }

    /// <summary>What goes to the issuer.</summary>
    public TokenRequest Request { get; }

    /// <summary>The nonce, input and spend id of the token are known before it is signed; a wallet may keep them.</summary>
    public ReadOnlySpan<byte> TokenInput => _tokenInput;

    /// <summary>The 48 bytes of PSS salt in the authenticator: sent beside a 0xDA7A token, they make it cheap to check together with others.</summary>
    public ReadOnlySpan<byte> Salt => _salt;

    /// <param name="key">Key and extensions, taken from the directory.</param>
    /// <param name="challengeDigest">SHA-256 of the TokenChallenge, 32 bytes.</param>
    /// <param name="secrets">Belong to this token alone: used with another key or challenge they would link the two.</param>
    public static TokenIssuance Begin(TokenPublicKey key, ReadOnlySpan<byte> challengeDigest, TokenSecrets secrets)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(secrets);
        byte[] tokenInput = new byte[Token.InputSizeInBytes];
        Token.WriteInput(key.Type, secrets.Nonce, challengeDigest, key.TokenKeyId, tokenInput);
        Span<byte> blinded = stackalloc byte[TokenRequest.BlindedMessageSizeInBytes];
        BlindingState state = key.Key.Blind(BlindRsaVariant.DeterministicPss, tokenInput, secrets.BlindingSeed, blinded);
        byte[] salt = new byte[TokenTypes.SaltSizeInBytes];
        BlindRsaPublicKey.DeriveSalt(secrets.BlindingSeed, salt);
        return new TokenIssuance(
            TokenRequest.Create(key.Type, key.TruncatedKeyId, blinded, key.Extensions.Span), tokenInput, salt, state);
    }

    /// <summary>As <see cref="Begin(TokenPublicKey, ReadOnlySpan{byte}, TokenSecrets)"/>, with the secrets of one wallet index.</summary>
    /// <param name="key">Key and extensions, taken from the directory.</param>
    /// <param name="issuerName">The issuer's name.</param>
    /// <param name="challengeDigest">SHA-256 of the TokenChallenge, 32 bytes.</param>
    /// <param name="walletSeed">16 bytes.</param>
    /// <param name="space">Which kind of token.</param>
    /// <param name="index">Never used before in this namespace with another request.</param>
    public static TokenIssuance Begin(
        TokenPublicKey key, string issuerName, ReadOnlySpan<byte> challengeDigest, ReadOnlySpan<byte> walletSeed, TokenNamespace space, long index)
    {
        ArgumentNullException.ThrowIfNull(key);
        TokenContext context = new()
        {
            IssuerName = issuerName,
            Type = key.Type,
            TokenKeyId = key.TokenKeyId.ToArray(),
            Extensions = key.Extensions.ToArray(),
            ChallengeDigest = challengeDigest.ToArray(),
            Namespace = space,
            Index = index,
        };
        using TokenSecrets secrets = TokenSecrets.Derive(walletSeed, context);
        return Begin(key, challengeDigest, secrets);
    }

    /// <summary>Unblinds and verifies the issuer's answer. Whatever the outcome, this object is used up.</summary>
    /// <param name="blindSignature">256 bytes, or it is refused.</param>
    /// <param name="token">The token. To be disposed.</param>
    public bool TryFinalize(ReadOnlySpan<byte> blindSignature, [NotNullWhen(true)] out Token? token)
    {
        Span<byte> authenticator = stackalloc byte[Token.AuthenticatorSizeInBytes];
        token = _state.TryFinalize(blindSignature, authenticator) ? Token.Create(_tokenInput, authenticator) : null;
        CryptographicOperations.ZeroMemory(authenticator);
        return token is not null;
    }

    public void Dispose()
    {
        _state.Dispose();
        CryptographicOperations.ZeroMemory(_tokenInput);
        CryptographicOperations.ZeroMemory(_salt);
    }
}
