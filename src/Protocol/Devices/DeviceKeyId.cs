using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>How a device key is called, on the wire and by operators: base64url of its Ed25519 public key, unpadded, 43 characters.</summary>
public static class DeviceKeyId
{
    public const int KeySizeInBytes = 32;
    public const int LengthInCharacters = 43;

    public static string Format(ReadOnlySpan<byte> publicKey)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(publicKey.Length, KeySizeInBytes);
        return Base64Url.EncodeToString(publicKey);
    }

    /// <summary>Reads the one spelling. Whether the bytes are a point of the curve is for the verification to say.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, [NotNullWhen(true)] out byte[]? publicKey)
    {
        publicKey = null;
        return text.Length == LengthInCharacters && Base64UrlText.TryDecode(text, KeySizeInBytes, out publicKey) && publicKey.Length == KeySizeInBytes;
    }
}
