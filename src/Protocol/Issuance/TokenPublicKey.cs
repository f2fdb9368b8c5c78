using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using Tacit.Crypto;

namespace Tacit.Protocol;

/// <summary>
/// A public key of either token type, ready for one plan: 0x0002 as published, 0xDA7A derived for its extensions. Wallets begin issuance with
/// it, gateways verify with it. Safe for several threads; keep it, for the derivation costs more than a verification under 0x0002.
/// </summary>
public sealed class TokenPublicKey : IDisposable
{
    private readonly byte[] _tokenKeyId;
    private readonly byte[] _extensions;

    private TokenPublicKey(TokenType type, byte[] tokenKeyId, byte[] extensions, BlindRsaPublicKey key)
    {
        Type = type;
        _tokenKeyId = tokenKeyId;
        _extensions = extensions;
        Key = key;
    }

    public TokenType Type { get; }

    /// <summary>SHA-256 of the SubjectPublicKeyInfo, 32 bytes; for 0xDA7A that of the key before derivation.</summary>
    public ReadOnlySpan<byte> TokenKeyId => _tokenKeyId;

    /// <summary>The last byte of the key id.</summary>
    public byte TruncatedKeyId => _tokenKeyId[^1];

    /// <summary>The encoded Extensions; empty for 0x0002.</summary>
    public ReadOnlyMemory<byte> Extensions => _extensions;

    internal BlindRsaPublicKey Key { get; }

    /// <summary>
    /// The key, or false: not an RSASSA-PSS key of 2048 bits (RFC 9578, section 6.5), or extensions that are missing, superfluous or malformed.
    /// </summary>
    /// <param name="type">The token type.</param>
    /// <param name="subjectPublicKeyInfo">As published; only exact DER is taken.</param>
    /// <param name="extensions">The encoded Extensions for 0xDA7A; empty for 0x0002.</param>
    /// <param name="key">To be disposed.</param>
    public static bool TryImport(
        TokenType type, ReadOnlySpan<byte> subjectPublicKeyInfo, ReadOnlySpan<byte> extensions, [NotNullWhen(true)] out TokenPublicKey? key)
    {
        key = null;
        if (!TokenTypes.IsKnown(type) || TokenTypes.HasExtensions(type) == extensions.IsEmpty
            || (!extensions.IsEmpty && !TokenExtensions.IsWellFormed(extensions)))
        {
            return false;
        }

        BlindRsaPublicKey? imported;
        if (type is TokenType.BlindRsa)
        {
            _ = BlindRsaPublicKey.TryImportSubjectPublicKeyInfo(subjectPublicKeyInfo, out imported);
        }
        else
        {
            imported = Derive(subjectPublicKeyInfo, extensions);
        }

        if (imported is null)
        {
            return false;
        }

        if (imported.ModulusSizeInBytes != TokenTypes.ModulusSizeInBytes)
        {
            imported.Dispose();
            return false;
        }

        key = new TokenPublicKey(type, SHA256.HashData(subjectPublicKeyInfo), extensions.ToArray(), imported);
        return true;
    }

    /// <summary>
    /// Whether the token is this key's and its authenticator verifies (RFC 9578, section 6.4); for 0xDA7A up to its sign, as in a batch (docs/adr/0008).
    /// Says nothing of challenge, deadline or spending.
    /// </summary>
    public bool Verify(Token token) =>
        IsFor(token)
        && (Type is TokenType.PartiallyBlindRsa
            ? Key.VerifyUpToSign(BlindRsaVariant.DeterministicPss, token.TokenInput, token.Authenticator)
            : Key.Verify(BlindRsaVariant.DeterministicPss, token.TokenInput, token.Authenticator));

    /// <summary>Whether type and key id of the token are this key's.</summary>
    public bool IsFor(Token token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return token.Type == Type && token.TokenKeyId.SequenceEqual(_tokenKeyId);
    }

    /// <summary>Whether a request's blinded message lies between zero and this key's modulus. By comparison only.</summary>
    public bool IsInRange(TokenRequest request)
    {
        ArgumentNullException.ThrowIfNull(request);
        return Key.IsInRange(request.BlindedMessage.Span);
    }

    public void Dispose() => Key.Dispose();

    private static BlindRsaPublicKey? Derive(ReadOnlySpan<byte> subjectPublicKeyInfo, ReadOnlySpan<byte> extensions)
    {
        if (!PartiallyBlindRsaPublicKey.TryImportSubjectPublicKeyInfo(subjectPublicKeyInfo, out PartiallyBlindRsaPublicKey? family))
        {
            return null;
        }

        using (family)
        {
            return family.DeriveKey(extensions);
        }
    }
}
