namespace Tacit.Protocol;

/// <summary>
/// 128 bits as people write them down: 26 symbols of Crockford's base32, most significant first, and his check symbol (the number modulo 37),
/// in groups of four. Read without regard to case and hyphens, with O for 0 and I or L for 1. The modulus is taken symbol by symbol: these
/// numbers are secrets, so no big integer holds one.
/// </summary>
internal static class Base32Code
{
    public const int SizeInBytes = 16;

    private const int DigitCount = 26;
    private const int GroupSize = 4;

    // Long enough for any grouping a person might type; keeps the reader from scanning a megabyte.
    private const int MaxTextLength = 128;

    private const string Alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";

    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        Span<char> symbols = stackalloc char[DigitCount + 1];
        int check = 0;
        for (int i = 0; i < DigitCount; i++)
        {
            int digit = Digit(bytes, i);
            check = ((check * 32) + digit) % 37;
            symbols[i] = Alphabet[digit];
        }

        symbols[DigitCount] = Alphabet[check];
        Span<char> text = stackalloc char[DigitCount + 1 + (DigitCount / GroupSize)];
        int written = 0;
        for (int i = 0; i < symbols.Length; i++)
        {
            if (i > 0 && i % GroupSize == 0)
            {
                text[written++] = '-';
            }

            text[written++] = symbols[i];
        }

        string result = new(text[..written]);
        symbols.Clear();
        text.Clear();
        return result;
    }

    public static bool TryDecode(ReadOnlySpan<char> text, Span<byte> bytes)
    {
        bytes.Clear();
        if (text.Length > MaxTextLength)
        {
            return false;
        }

        int count = 0;
        int check = 0;
        foreach (char symbol in text.Trim())
        {
            if (symbol is '-' or ' ')
            {
                continue;
            }

            int digit = Value(symbol);
            if (digit < 0 || count > DigitCount)
            {
                return Refuse(bytes);
            }

            if (count == DigitCount)
            {
                if (digit != check)
                {
                    return Refuse(bytes);
                }
            }
            else if (digit > 31 || (count == 0 && digit > 7))
            {
                // 26 symbols hold 130 bits: the first two are zero, so that a code has one spelling.
                return Refuse(bytes);
            }
            else
            {
                check = ((check * 32) + digit) % 37;
                Put(bytes, count, digit);
            }

            count++;
        }

        return count == DigitCount + 1 || Refuse(bytes);
    }

    /// <summary>
    /// Whether the check symbol is a letter or digit. The other five are read but never made: a shell would take <c>$</c> or <c>*</c> for
    /// itself, and an Authorization header may not carry them (RFC 9110, section 11.2).
    /// </summary>
    public static bool IsPlain(ReadOnlySpan<byte> bytes)
    {
        int check = 0;
        for (int i = 0; i < DigitCount; i++)
        {
            check = ((check * 32) + Digit(bytes, i)) % 37;
        }

        return check is < 32 or 36;
    }

    private static bool Refuse(Span<byte> bytes)
    {
        bytes.Clear();
        return false;
    }

    // Digit i covers bits 5i-2 … 5i+2 of the 128, counted from the most significant.
    private static int Digit(ReadOnlySpan<byte> bytes, int index)
    {
        int digit = 0;
        for (int bit = (index * 5) - 2; bit < (index * 5) + 3; bit++)
        {
            digit <<= 1;
            if (bit >= 0)
            {
                digit |= (bytes[bit >> 3] >> (7 - (bit & 7))) & 1;
            }
        }

        return digit;
    }

    private static void Put(Span<byte> bytes, int index, int digit)
    {
        for (int i = 0; i < 5; i++)
        {
            int bit = (index * 5) - 2 + i;
            if (bit >= 0)
            {
                bytes[bit >> 3] |= (byte)(((digit >> (4 - i)) & 1) << (7 - (bit & 7)));
            }
        }
    }

    private static int Value(char symbol) => char.ToUpperInvariant(symbol) switch
    {
        'O' => 0,
        'I' or 'L' => 1,
        char c => Alphabet.IndexOf(c, StringComparison.Ordinal),
    };
}
