using System.Globalization;
using System.Text;

namespace Tacit.App;

/// <summary>Titles are made here from the first question: asking a model for one would cost a token and show the conversation once more.</summary>
internal static class ChatTitle
{
    public const string Empty = "New chat";
    public const int MaxLength = 200;

    private const int Length = 60;

    /// <summary>The beginning of the first line that says something, without Markdown's marks, cut between words.</summary>
    public static string From(string question)
    {
        foreach (ReadOnlySpan<char> line in question.AsSpan().EnumerateLines())
        {
            string plain = Plain(line);
            if (plain.Length > 0)
            {
                return Cut(plain);
            }
        }
        return Empty;
    }

    private static string Plain(ReadOnlySpan<char> line)
    {
        line = line.Trim().TrimStart("#>*-+`~ ");
        var plain = new StringBuilder(Math.Min(line.Length, 2 * Length));
        foreach (char c in line)
        {
            if (plain.Length >= 2 * Length)
            {
                break;
            }
            if (char.IsWhiteSpace(c) || char.IsControl(c))
            {
                if (plain.Length > 0 && plain[^1] != ' ')
                {
                    plain.Append(' ');
                }
            }
            else if (c is not ('*' or '`' or '_' or '\u202a' or '\u202b' or '\u202d' or '\u202e' or '\u2066' or '\u2067' or '\u2068'))
            {
                plain.Append(c);
            }
        }
        return plain.ToString().Trim();
    }

    private static string Cut(string text)
    {
        if (text.Length <= Length)
        {
            return text;
        }
        int space = text.LastIndexOf(' ', Length);
        int end = space > Length / 2 ? space : Length;
        // Between what a reader sees as characters.
        int[] starts = StringInfo.ParseCombiningCharacters(text);
        end = starts.Last(start => start <= end);
        return text[..end].TrimEnd(' ', ',', '.', ':', ';') + "…";
    }
}
