using System.Buffers;
using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>
/// base64url (RFC 4648, section 5). RFC 9577 asks for padding and clients in the field leave it out, so both are read; whitespace, the other
/// alphabet, wrong padding and unused bits that are not zero are refused, so that a value has these two spellings and no more.
/// </summary>
internal static class Base64UrlText
{
    private static readonly SearchValues<char> Alphabet =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private static readonly SearchValues<byte> AlphabetBytes =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"u8);

    public static string EncodePadded(ReadOnlySpan<byte> bytes)
    {
        string text = Base64Url.EncodeToString(bytes);
        return (text.Length % 4) switch
        {
            2 => text + "==",
            3 => text + "=",
            _ => text,
        };
    }

    public static bool TryDecode(ReadOnlySpan<char> text, int maxBytes, [NotNullWhen(true)] out byte[]? bytes)
    {
        bytes = null;
        ReadOnlySpan<char> digits = text.TrimEnd('=');
        int padding = text.Length - digits.Length;
        int unpaddedTail = digits.Length % 4;
        if (unpaddedTail == 1 || (padding != 0 && padding != (4 - unpaddedTail) % 4) || digits.Length > (maxBytes + 2L) / 3 * 4)
        {
            return false;
        }

        if (digits.ContainsAnyExcept(Alphabet) || (unpaddedTail != 0 && !HasZeroTail(digits[^1], unpaddedTail)))
        {
            return false;
        }

        byte[] decoded = new byte[(int)(digits.Length * 3L / 4)];

        // Not TryDecodeFromChars, which throws where it could say no.
        if (Base64Url.DecodeFromChars(digits, decoded, out _, out int written) is not OperationStatus.Done
            || written != decoded.Length || written > maxBytes)
        {
            return false;
        }

        bytes = decoded;
        return true;
    }

    /// <summary>
    /// One spelling only: no padding. For formats of Tacit's own, whose values are compared and bounded as text.
    /// </summary>
    /// <param name="text">ASCII.</param>
    /// <param name="destination">Exactly <see cref="DecodedSize"/> bytes.</param>
    public static bool TryDecodeUnpadded(ReadOnlySpan<byte> text, Span<byte> destination) =>
        text.Length % 4 != 1 && destination.Length == DecodedSize(text.Length) && !text.ContainsAnyExcept(AlphabetBytes)
        && (text.Length % 4 == 0 || HasZeroTail((char)text[^1], text.Length % 4))
        && Base64Url.DecodeFromUtf8(text, destination, out _, out int written) is OperationStatus.Done && written == destination.Length;

    /// <summary>How many bytes a text without padding stands for.</summary>
    public static int DecodedSize(int digits) => (int)(digits * 3L / 4);

    private static bool HasZeroTail(char last, int tail)
    {
        int value = last switch
        {
            >= 'A' and <= 'Z' => last - 'A',
            >= 'a' and <= 'z' => last - 'a' + 26,
            >= '0' and <= '9' => last - '0' + 52,
            '-' => 62,
            _ => 63,
        };
        return (value & (tail == 2 ? 0x0f : 0x03)) == 0;
    }
}
