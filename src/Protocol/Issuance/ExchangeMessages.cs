using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Tacit.Protocol;

/// <summary>
/// Body of <c>POST /v1/exchange</c>: a token and the blinded message of its successor, of the same plan. The same pair gets the same answer for ever;
/// another successor for the same token is refused.
/// </summary>
/// <param name="Token">The token's 354 bytes, base64url. Secret.</param>
/// <param name="Successor">A <see cref="TokenRequest"/> under a live key of the token's plan, base64url.</param>
/// <param name="Extensions">The token's encoded Extensions, base64url; absent for 0x0002.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record ExchangeRequest(string Token, string Successor, string? Extensions = null)
{
    public static ExchangeRequest Create(Token token, ReadOnlySpan<byte> extensions, TokenRequest successor) => new(
        Base64UrlText.EncodePadded(token.Encoded.Span),
        Base64UrlText.EncodePadded(successor.Encode()),
        extensions.IsEmpty ? null : Base64UrlText.EncodePadded(extensions));

    /// <summary>Decodes all three; false if one is not base64url or too long. The token and the successor are still to be parsed.</summary>
    public bool TryDecode([NotNullWhen(true)] out byte[]? token, out byte[] extensions, [NotNullWhen(true)] out byte[]? successor)
    {
        extensions = [];
        successor = null;
        return Base64UrlText.TryDecode(Token, Protocol.Token.SizeInBytes, out token)
            && (Extensions is null || Base64UrlText.TryDecode(Extensions, TokenExtensions.MaxSizeInBytes, out extensions!))
            && Base64UrlText.TryDecode(Successor, TokenRequest.MaxSizeInBytes, out successor);
    }

    public override string ToString() => "[scrubbed]";
}

/// <summary>Answer to <c>POST /v1/exchange</c>.</summary>
/// <param name="Signature">The blind signature (<see cref="TokenResponse"/>), 256 bytes, base64url.</param>
public sealed record ExchangeResponse(string Signature)
{
    public static ExchangeResponse Create(ReadOnlySpan<byte> blindSignature) => new(Base64UrlText.EncodePadded(TokenResponse.Encode(blindSignature)));

    public bool TryDecode([NotNullWhen(true)] out byte[]? blindSignature)
    {
        blindSignature = null;
        return Base64UrlText.TryDecode(Signature, TokenResponse.SizeInBytes, out byte[]? encoded) && TokenResponse.TryParse(encoded, out blindSignature);
    }

    public override string ToString() => "[scrubbed]";
}

/// <summary>Answer to <c>POST /v1/cancel</c>.</summary>
/// <param name="Cancelled">True if a live reply was ended by this call; false if there was none to end.</param>
public sealed record CancelResponse(bool Cancelled);

/// <summary>The JSON form of the gateway's own calls. A missing or repeated member is an error, and in a request an unknown one; answers may grow.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    RespectNullableAnnotations = true,
    RespectRequiredConstructorParameters = true,
    AllowDuplicateProperties = false)]
[JsonSerializable(typeof(ExchangeRequest))]
[JsonSerializable(typeof(ExchangeResponse))]
[JsonSerializable(typeof(CancelResponse))]
[JsonSerializable(typeof(PseudonymRotation))]
[JsonSerializable(typeof(PseudonymRotated))]
[JsonSerializable(typeof(DeviceRegistrationRequest))]
[JsonSerializable(typeof(RegisteredDevice))]
public sealed partial class GatewayJson : JsonSerializerContext;
