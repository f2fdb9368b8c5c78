using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.Protocol;

/// <summary>Where a wallet's index counts. Each has its own indexes, so that restoring one never touches another.</summary>
public enum TokenNamespace
{
    /// <summary>Tokens that an account paid for; the only ones that <c>/token-restore</c> brings back.</summary>
    AccountIssued = 0,

    /// <summary>Tokens of a subscription's chain.</summary>
    Chain = 1,

    /// <summary>Successors from <c>/v1/exchange</c>.</summary>
    Exchange = 2,

    /// <summary>Pseudonyms: index 0 of a pseudonym key.</summary>
    Pseudonym = 3,
}

/// <summary>All that a token's randomness depends on besides the wallet's seed.</summary>
public sealed record TokenContext
{
    /// <summary>The issuer's name, ASCII, at most 255 characters.</summary>
    public required string IssuerName { get; init; }

    public required TokenType Type { get; init; }

    /// <summary>32 bytes.</summary>
    public required byte[] TokenKeyId { get; init; }

    /// <summary>The encoded Extensions; empty for 0x0002.</summary>
    public byte[] Extensions { get; init; } = [];

    /// <summary>SHA-256 of the TokenChallenge, 32 bytes.</summary>
    public required byte[] ChallengeDigest { get; init; }

    public required TokenNamespace Namespace { get; init; }

    /// <summary>
    /// Counts up within the namespace, key and extensions, never used again; in <see cref="TokenNamespace.Exchange"/>
    /// <see cref="WalletDerivation.SuccessorIndex"/>.
    /// </summary>
    public required long Index { get; init; }
}

/// <summary>
/// The wallet's recoverable randomness: HKDF-SHA256 (RFC 5869) from the 128-bit seed and the token's context. The same seed and context give the
/// same request bytes, which is what makes a repeated request free and a lost wallet restorable; two contexts never have one encoding.
/// </summary>
public static class WalletDerivation
{
    private const int MaxNameLength = 255;

    private static ReadOnlySpan<byte> Salt => "tacit wallet 1"u8;

    private static ReadOnlySpan<byte> Label => "tacit token 1"u8;

    /// <summary>Derives the seed of salt and blinding factor, and the nonce.</summary>
    /// <param name="walletSeed">16 bytes.</param>
    /// <param name="context">The token.</param>
    /// <param name="blindingSeed">Receives 32 bytes.</param>
    /// <param name="nonce">Receives 32 bytes.</param>
    public static void Derive(ReadOnlySpan<byte> walletSeed, TokenContext context, Span<byte> blindingSeed, Span<byte> nonce)
    {
        ArgumentNullException.ThrowIfNull(context);
        if (walletSeed.Length != SecretCode.SizeInBytes || blindingSeed.Length != TokenSecrets.BlindingSeedSizeInBytes
            || nonce.Length != Token.NonceSizeInBytes)
        {
            throw new ArgumentException("A wallet seed has 16 bytes; blinding seed and nonce have 32.");
        }

        Span<byte> key = stackalloc byte[SHA256.HashSizeInBytes];
        Span<byte> output = stackalloc byte[TokenSecrets.BlindingSeedSizeInBytes + Token.NonceSizeInBytes];
        try
        {
            HKDF.Extract(HashAlgorithmName.SHA256, walletSeed, Salt, key);
            HKDF.Expand(HashAlgorithmName.SHA256, key, output, EncodeContext(context));
            output[..TokenSecrets.BlindingSeedSizeInBytes].CopyTo(blindingSeed);
            output[TokenSecrets.BlindingSeedSizeInBytes..].CopyTo(nonce);
        }
        finally
        {
            CryptographicOperations.ZeroMemory(key);
            CryptographicOperations.ZeroMemory(output);
        }
    }

    /// <summary>
    /// The index in <see cref="TokenNamespace.Exchange"/> of what a token is exchanged for: the first 63 bits of its spend id. A wallet that lost its journal
    /// so asks for the same successor again, and never for one successor with two tokens.
    /// </summary>
    /// <param name="predecessor">The token to be exchanged.</param>
    /// <param name="extensions">Its encoded Extensions; empty for 0x0002.</param>
    public static long SuccessorIndex(Token predecessor, ReadOnlySpan<byte> extensions)
    {
        ArgumentNullException.ThrowIfNull(predecessor);
        Span<byte> spendId = stackalloc byte[Token.SpendIdSizeInBytes];
        predecessor.SpendId(extensions, spendId);
        return (long)(BinaryPrimitives.ReadUInt64BigEndian(spendId) >> 1);
    }

    /// <summary>
    /// The HKDF info: label, issuer name (2-byte length), type (2), key id (32), extensions (2-byte length), challenge digest (32),
    /// namespace (1), index (8).
    /// </summary>
    internal static byte[] EncodeContext(TokenContext context)
    {
        if (context.IssuerName.Length is 0 or > MaxNameLength || !Ascii.IsValid(context.IssuerName)
            || context.TokenKeyId.Length != Token.KeyIdSizeInBytes || context.ChallengeDigest.Length != Token.DigestSizeInBytes
            || context.Extensions.Length > TokenExtensions.MaxSizeInBytes || !TokenTypes.IsKnown(context.Type)
            || TokenTypes.HasExtensions(context.Type) != context.Extensions.Length > 0
            || !Enum.IsDefined(context.Namespace) || context.Index < 0)
        {
            throw new ArgumentException("This token context is not valid.", nameof(context));
        }

        byte[] info = new byte[Label.Length + 2 + context.IssuerName.Length + 2 + 32 + 2 + context.Extensions.Length + 32 + 1 + 8];
        WireWriter writer = new(info);
        writer.WriteBytes(Label);
        writer.WriteVector16(Encoding.ASCII.GetBytes(context.IssuerName));
        writer.WriteUInt16((ushort)context.Type);
        writer.WriteBytes(context.TokenKeyId);
        writer.WriteVector16(context.Extensions);
        writer.WriteBytes(context.ChallengeDigest);
        writer.WriteByte((byte)context.Namespace);
        writer.WriteInt64(context.Index);
        return info;
    }
}

/// <summary>The two secrets that a token begins with. Wiped on dispose.</summary>
public sealed class TokenSecrets : IDisposable
{
    public const int BlindingSeedSizeInBytes = 32;

    private readonly byte[] _blindingSeed = new byte[BlindingSeedSizeInBytes];
    private readonly byte[] _nonce = new byte[Token.NonceSizeInBytes];

    private TokenSecrets()
    {
    }

    /// <summary>From this, salt and blinding factor come.</summary>
    public ReadOnlySpan<byte> BlindingSeed => _blindingSeed;

    public ReadOnlySpan<byte> Nonce => _nonce;

    /// <summary>Recoverable from the wallet's seed.</summary>
    public static TokenSecrets Derive(ReadOnlySpan<byte> walletSeed, TokenContext context)
    {
        TokenSecrets secrets = new();
        WalletDerivation.Derive(walletSeed, context, secrets._blindingSeed, secrets._nonce);
        return secrets;
    }

    /// <summary>Fresh, for a wallet that is not to be recoverable.</summary>
    public static TokenSecrets CreateRandom()
    {
        TokenSecrets secrets = new();
        RandomNumberGenerator.Fill(secrets._blindingSeed);
        RandomNumberGenerator.Fill(secrets._nonce);
        return secrets;
    }

    /// <summary>Takes copies of secrets that a wallet which is not recoverable has journaled.</summary>
    public static TokenSecrets Import(ReadOnlySpan<byte> blindingSeed, ReadOnlySpan<byte> nonce)
    {
        if (blindingSeed.Length != BlindingSeedSizeInBytes || nonce.Length != Token.NonceSizeInBytes)
        {
            throw new ArgumentException("Blinding seed and nonce have 32 bytes each.");
        }

        TokenSecrets secrets = new();
        blindingSeed.CopyTo(secrets._blindingSeed);
        nonce.CopyTo(secrets._nonce);
        return secrets;
    }

    public void Dispose()
    {
        CryptographicOperations.ZeroMemory(_blindingSeed);
        CryptographicOperations.ZeroMemory(_nonce);
    }
}
