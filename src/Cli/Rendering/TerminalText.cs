using System.Buffers;
using System.Globalization;
using System.Text;

namespace Tacit.Cli.Rendering;

/// <summary>
/// Text that a model or a server made up, on its way to a terminal. A terminal obeys what it is shown: an escape sequence rewrites what stands above, puts a link
/// behind a word, fills the clipboard or has the terminal answer as if its user had typed. So no control character passes, nor what reorders or hides text.
/// </summary>
internal static class TerminalText
{
    private const char Mark = '\uFFFD';

    // What may have to go: controls (C0, DEL, C1), line and paragraph separators, embeddings, overrides and isolates of Unicode's bidirectional algorithm (UAX #9),
    // and surrogates, which may be alone or stand for tag characters.
    private static readonly SearchValues<char> s_suspects = SearchValues.Create([
        .. Range('\0', '\x08'), .. Range('\x0B', '\x1F'), .. Range('\x7F', '\x9F'), .. Range('\u2028', '\u202E'), .. Range('\u2066', '\u206F'), .. Range('\uD800', '\uDFFF'),
        .. Range('\uFFF9', '\uFFFB'), '\uFEFF']);

    /// <summary>The text without anything that a terminal would obey. It may break lines and indent, and no more.</summary>
    public static string Clean(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int first = text.AsSpan().IndexOfAny(s_suspects);
        if (first < 0)
        {
            return text;
        }
        StringBuilder clean = new(text.Length);
        clean.Append(text, 0, first);
        for (int i = first; i < text.Length; i++)
        {
            char c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                // Tag characters show nothing and say something.
                if (char.ConvertToUtf32(c, text[i + 1]) is >= 0xE0000 and <= 0xE0FFF)
                {
                    clean.Append(Mark);
                }
                else
                {
                    clean.Append(c).Append(text[i + 1]);
                }
                i++;
            }
            else if (c == '\r' && i + 1 < text.Length && text[i + 1] == '\n')
            {
                // The line feed that follows says it all.
            }
            else if (c is '\u2028' or '\u2029')
            {
                clean.Append('\n');
            }
            else
            {
                clean.Append(s_suspects.Contains(c) ? Mark : c);
            }
        }
        return clean.ToString();
    }

    /// <summary>How many columns a text without control characters takes, by the rules that terminals share (UAX #11; emoji and East Asian wide characters take two).</summary>
    public static int Width(ReadOnlySpan<char> text)
    {
        int width = 0;
        while (!text.IsEmpty)
        {
            int length = StringInfo.GetNextTextElementLength(text);
            width += ElementWidth(text[..length]);
            text = text[length..];
        }
        return width;
    }

    /// <summary>The columns of what is drawn as one character.</summary>
    public static int ElementWidth(ReadOnlySpan<char> element)
    {
        if (element is [>= ' ' and < '\x7F'])
        {
            return 1;
        }
        int width = 0;
        foreach (Rune rune in element.EnumerateRunes())
        {
            width = Math.Max(width, rune.Value == 0xFE0F ? 2 : RuneWidth(rune));
        }
        return width;
    }

    private static int RuneWidth(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark or UnicodeCategory.Format or UnicodeCategory.Control => 0,
        _ => IsWide(rune.Value) ? 2 : 1,
    };

    private static bool IsWide(int value) => value is (>= 0x1100 and <= 0x115F) or 0x231A or 0x231B or 0x2329 or 0x232A or (>= 0x23E9 and <= 0x23EC) or 0x23F0 or 0x23F3
        or 0x25FD or 0x25FE or 0x2614 or 0x2615 or (>= 0x2648 and <= 0x2653) or 0x267F or 0x2693 or 0x26A1 or 0x26AA or 0x26AB or 0x26BD or 0x26BE or 0x26C4 or 0x26C5 or 0x26CE
        or 0x26D4 or 0x26EA or 0x26F2 or 0x26F3 or 0x26F5 or 0x26FA or 0x26FD or 0x2705 or 0x270A or 0x270B or 0x2728 or 0x274C or 0x274E or (>= 0x2753 and <= 0x2755) or 0x2757
        or (>= 0x2795 and <= 0x2797) or 0x27B0 or 0x27BF or 0x2B1B or 0x2B1C or 0x2B50 or 0x2B55 or (>= 0x2E80 and <= 0x303E) or (>= 0x3041 and <= 0xA4CF)
        or (>= 0xA960 and <= 0xA97F) or (>= 0xAC00 and <= 0xD7A3) or (>= 0xF900 and <= 0xFAFF) or (>= 0xFE10 and <= 0xFE19) or (>= 0xFE30 and <= 0xFE6F) or (>= 0xFF00 and <= 0xFF60)
        or (>= 0xFFE0 and <= 0xFFE6) or (>= 0x16FE0 and <= 0x18AFF) or (>= 0x1B000 and <= 0x1B2FF) or 0x1F004 or 0x1F0CF or 0x1F18E or (>= 0x1F191 and <= 0x1F19A)
        or (>= 0x1F1E6 and <= 0x1F202) or (>= 0x1F210 and <= 0x1F320) or (>= 0x1F32D and <= 0x1F335) or (>= 0x1F337 and <= 0x1F37C) or (>= 0x1F37E and <= 0x1F393)
        or (>= 0x1F3A0 and <= 0x1F3CA) or (>= 0x1F3CF and <= 0x1F3D3) or (>= 0x1F3E0 and <= 0x1F3F0) or 0x1F3F4 or (>= 0x1F3F8 and <= 0x1F43E) or 0x1F440
        or (>= 0x1F442 and <= 0x1F4FC) or (>= 0x1F4FF and <= 0x1F53D) or (>= 0x1F54B and <= 0x1F54E) or (>= 0x1F550 and <= 0x1F567) or 0x1F57A or 0x1F595 or 0x1F596 or 0x1F5A4
        or (>= 0x1F5FB and <= 0x1F64F) or (>= 0x1F680 and <= 0x1F6C5) or 0x1F6CC or (>= 0x1F6D0 and <= 0x1F6D2) or (>= 0x1F6D5 and <= 0x1F6D7) or (>= 0x1F6DC and <= 0x1F6DF)
        or 0x1F6EB or 0x1F6EC or (>= 0x1F6F4 and <= 0x1F6FC) or (>= 0x1F7E0 and <= 0x1F7F0) or (>= 0x1F90C and <= 0x1FAFF) or (>= 0x20000 and <= 0x3FFFD);

    private static IEnumerable<char> Range(char first, char last) => Enumerable.Range(first, last - first + 1).Select(value => (char)value);
}
