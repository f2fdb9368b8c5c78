using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>The values of <see cref="Routes.SuccessorHeader"/> and <see cref="Routes.RenewalTrailer"/>.</summary>
public static class ChainHeaders
{
    public static string FormatSuccessor(TokenRequest successor)
    {
        ArgumentNullException.ThrowIfNull(successor);
        return Base64UrlText.EncodePadded(successor.Encoded);
    }

    /// <summary>False if the value is not base64url of exactly one request.</summary>
    public static bool TryParseSuccessor(string? value, [NotNullWhen(true)] out TokenRequest? successor)
    {
        successor = null;
        return value is not null && Base64UrlText.TryDecode(value, TokenRequest.MaxSizeInBytes, out byte[]? encoded) && TokenRequest.TryParse(encoded, out successor);
    }

    /// <param name="blindSignature">256 bytes (<see cref="TokenResponse"/>).</param>
    public static string FormatRenewal(ReadOnlySpan<byte> blindSignature) => Base64UrlText.EncodePadded(TokenResponse.Encode(blindSignature));

    public static bool TryParseRenewal(string? value, [NotNullWhen(true)] out byte[]? blindSignature)
    {
        blindSignature = null;
        return value is not null && Base64UrlText.TryDecode(value, TokenResponse.SizeInBytes, out byte[]? encoded) && TokenResponse.TryParse(encoded, out blindSignature);
    }
}
