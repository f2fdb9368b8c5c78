using System.Security.Cryptography;
using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>Makes the requests of one series: the same index always gives the same bytes.</summary>
internal sealed class TokenBlinder : IDisposable
{
    private readonly TokenSeries _series;
    private readonly WalletKeys _keys;
    private readonly TokenPublicKey _publicKey;

    /// <exception cref="ClientException"><see cref="ClientError.DirectoryRefused"/>: the key is none that tokens of this type can be verified with.</exception>
    public TokenBlinder(TokenSeries series, WalletKeys keys)
    {
        _series = series;
        _keys = keys;
        _publicKey = TokenPublicKey.TryImport(series.Type, series.PublicKey, series.Extensions, out TokenPublicKey? key)
            ? key
            : throw new ClientException(ClientError.DirectoryRefused, $"A key of plan {series.Plan} in the issuer's directory is not usable for tokens of its type.");
    }

    /// <summary>Blinding seed and nonce of one token of a wallet that is not to be recoverable.</summary>
    public static byte[] FreshRandomness() => RandomNumberGenerator.GetBytes(TokenSecrets.BlindingSeedSizeInBytes + Token.NonceSizeInBytes);

    /// <exception cref="ClientException"><see cref="ClientError.JournalCorrupt"/>: it is not what was requested under this index before.</exception>
    public BlindedToken Blind(ReservedToken token)
    {
        var blinded = new BlindedToken(token.Index, token.Randomness is byte[] fresh ? Begin(fresh) : Begin(token.Index));
        if (token.RequestHash is byte[] before && !CryptographicOperations.FixedTimeEquals(before, blinded.RequestHash))
        {
            blinded.Dispose();
            throw new ClientException(ClientError.JournalCorrupt, "An index of the wallet gives another request than before; it is not used again.");
        }
        return blinded;
    }

    public void Dispose() => _publicKey.Dispose();

    private TokenIssuance Begin(long index) =>
        TokenIssuance.Begin(_publicKey, _series.Issuer, _series.ChallengeDigest, _keys.Seed.Bytes, _series.Namespace, index);

    private TokenIssuance Begin(byte[] fresh)
    {
        using TokenSecrets secrets = TokenSecrets.Import(
            fresh.AsSpan(0, TokenSecrets.BlindingSeedSizeInBytes), fresh.AsSpan(TokenSecrets.BlindingSeedSizeInBytes));
        return TokenIssuance.Begin(_publicKey, _series.ChallengeDigest, secrets);
    }
}

/// <summary>A request on its way, and what finishes its token. Single use.</summary>
internal sealed class BlindedToken(long index, TokenIssuance issuance) : IDisposable
{
    public long Index { get; } = index;

    public TokenRequest Request => issuance.Request;

    /// <summary>SHA-256 of the blinded message: tells nothing of the nonce, and whether a repetition is the same.</summary>
    public byte[] RequestHash { get; } = SHA256.HashData(issuance.Request.BlindedMessage.Span);

    /// <summary>Unblinds and verifies. False: what the issuer sent is no signature of this request.</summary>
    /// <param name="blindSignature">The issuer's answer.</param>
    /// <param name="token">As the journal keeps it: see <see cref="HeldToken"/>.</param>
    public bool TryFinish(ReadOnlySpan<byte> blindSignature, out byte[] token)
    {
        if (!issuance.TryFinalize(blindSignature, out Token? finished))
        {
            token = [];
            return false;
        }
        using (finished)
        {
            token = HeldToken.Join(finished, issuance.Salt);
            return true;
        }
    }

    public void Dispose() => issuance.Dispose();
}
