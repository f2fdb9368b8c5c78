using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>An Ed25519 public key as people pass it on: 64 hexadecimal digits, or base64url.</summary>
public static class PublicKeyText
{
    public const int KeySizeInBytes = 32;

    public static bool TryParse(string? text, [NotNullWhen(true)] out byte[]? key)
    {
        key = null;
        string trimmed = text?.Trim() ?? "";
        try
        {
            byte[] bytes = trimmed.Length == 2 * KeySizeInBytes ? Convert.FromHexString(trimmed) : Base64Url.DecodeFromChars(trimmed.AsSpan().TrimEnd('='));
            key = bytes.Length == KeySizeInBytes ? bytes : null;
        }
        catch (FormatException)
        {
            // It is none.
        }

        return key is not null;
    }

    public static string Format(ReadOnlySpan<byte> key) => Base64Url.EncodeToString(key);
}
