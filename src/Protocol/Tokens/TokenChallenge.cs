using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;

namespace Tacit.Protocol;

/// <summary>What a token is asked for (RFC 9577, section 2.1). A token is bound to it by its SHA-256.</summary>
public sealed class TokenChallenge
{
    /// <summary>A redemption context is empty or has 32 bytes.</summary>
    public const int RedemptionContextSizeInBytes = 32;

    public const int MaxNameLength = ushort.MaxValue;

    private readonly byte[] _redemptionContext;

    /// <param name="type">The token type asked for.</param>
    /// <param name="issuerName">Host name of the issuer, printable ASCII, not empty.</param>
    /// <param name="redemptionContext">Empty or 32 bytes.</param>
    /// <param name="originInfo">Host names of the origins, joined by commas; empty for any.</param>
    public TokenChallenge(TokenType type, string issuerName, ReadOnlySpan<byte> redemptionContext, string originInfo)
    {
        if (!TokenTypes.IsKnown(type))
        {
            throw new ArgumentOutOfRangeException(nameof(type));
        }

        if (!IsName(issuerName) || issuerName.Length == 0)
        {
            throw new ArgumentException("An issuer name is printable ASCII and not empty.", nameof(issuerName));
        }

        if (!IsName(originInfo))
        {
            throw new ArgumentException("Origin names are printable ASCII.", nameof(originInfo));
        }

        if (redemptionContext.Length is not (0 or RedemptionContextSizeInBytes))
        {
            throw new ArgumentException("A redemption context is empty or has 32 bytes.", nameof(redemptionContext));
        }

        Type = type;
        IssuerName = issuerName;
        _redemptionContext = redemptionContext.ToArray();
        OriginInfo = originInfo;
    }

    public TokenType Type { get; }

    public string IssuerName { get; }

    public ReadOnlySpan<byte> RedemptionContext => _redemptionContext;

    public string OriginInfo { get; }

    /// <summary>The challenge that Tacit's gateways make: no redemption context, one origin name; constant per gateway and token type.</summary>
    public static TokenChallenge ForGateway(TokenType type, string issuerName, string gatewayName)
    {
        ArgumentException.ThrowIfNullOrEmpty(gatewayName);
        return new TokenChallenge(type, issuerName, [], gatewayName);
    }

    public static bool TryParse(ReadOnlySpan<byte> encoded, [NotNullWhen(true)] out TokenChallenge? challenge)
    {
        challenge = null;
        WireReader reader = new(encoded);
        if (!reader.TryReadUInt16(out ushort type) || !TokenTypes.IsKnown((TokenType)type)
            || !reader.TryReadVector16(out ReadOnlySpan<byte> issuerName) || issuerName.IsEmpty || !IsName(issuerName)
            || !reader.TryReadVector8(out ReadOnlySpan<byte> context) || context.Length is not (0 or RedemptionContextSizeInBytes)
            || !reader.TryReadVector16(out ReadOnlySpan<byte> originInfo) || !IsName(originInfo)
            || !reader.AtEnd)
        {
            return false;
        }

        challenge = new TokenChallenge((TokenType)type, Encoding.ASCII.GetString(issuerName), context, Encoding.ASCII.GetString(originInfo));
        return true;
    }

    public byte[] Encode()
    {
        byte[] encoded = new byte[2 + 2 + IssuerName.Length + 1 + _redemptionContext.Length + 2 + OriginInfo.Length];
        WireWriter writer = new(encoded);
        writer.WriteUInt16((ushort)Type);
        writer.WriteVector16(Encoding.ASCII.GetBytes(IssuerName));
        writer.WriteVector8(_redemptionContext);
        writer.WriteVector16(Encoding.ASCII.GetBytes(OriginInfo));
        return encoded;
    }

    /// <summary>SHA-256 of the encoding, 32 bytes: the challenge_digest of a token.</summary>
    public byte[] Digest() => SHA256.HashData(Encode());

    private static bool IsName([NotNullWhen(true)] string? name) =>
        name is not null && name.Length <= MaxNameLength && !name.AsSpan().ContainsAnyExceptInRange('!', '~');

    private static bool IsName(ReadOnlySpan<byte> name) => !name.ContainsAnyExceptInRange((byte)'!', (byte)'~');
}
