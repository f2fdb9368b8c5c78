using System.Diagnostics.CodeAnalysis;
using System.Text.Json.Serialization;

namespace Tacit.Protocol;

/// <summary>Body of <c>POST /v1/pseudonym/rotate</c>: from then on the new pseudonym stands for the old one, which is taken no more.</summary>
/// <param name="Old">The transient pseudonym that was stolen, 354 bytes, base64url.</param>
/// <param name="New">The one under the rotated key of the same epoch, 354 bytes, base64url.</param>
/// <param name="Opening">What <see cref="PseudonymNonce"/> ties the two by, 32 bytes, base64url.</param>
[JsonUnmappedMemberHandling(JsonUnmappedMemberHandling.Disallow)]
public sealed record PseudonymRotation(string Old, string New, string Opening)
{
    public static PseudonymRotation Create(ReadOnlySpan<byte> old, ReadOnlySpan<byte> rotated, ReadOnlySpan<byte> opening) =>
        new(Base64UrlText.EncodePadded(old), Base64UrlText.EncodePadded(rotated), Base64UrlText.EncodePadded(opening));

    public bool TryDecode([NotNullWhen(true)] out byte[]? old, [NotNullWhen(true)] out byte[]? rotated, [NotNullWhen(true)] out byte[]? opening)
    {
        (rotated, opening) = (null, null);
        return Base64UrlText.TryDecode(Old, Token.SizeInBytes, out old)
            && Base64UrlText.TryDecode(New, Token.SizeInBytes, out rotated)
            && Base64UrlText.TryDecode(Opening, PseudonymNonce.OpeningSizeInBytes, out opening);
    }

    public override string ToString() => "[scrubbed]";
}

/// <summary>Answer to <c>POST /v1/pseudonym/rotate</c>.</summary>
public sealed record PseudonymRotated(bool Replaced);
