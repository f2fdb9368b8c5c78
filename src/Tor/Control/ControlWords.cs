using System.Globalization;
using System.Text;

namespace Tacit.Tor.Control;

/// <summary>
/// The words of a line: first those that stand alone, by place, and <c>KEY=value</c> pairs, by key. Values may be quoted, with the escapes that tor writes
/// (control-spec, sections 2.1 and 2.1.1). Whatever a line holds, this finds words in it; unknown ones are for the caller to pass over.
/// </summary>
internal sealed class ControlWords
{
    private readonly List<string> _plain = [];
    private readonly Dictionary<string, string> _pairs = new(StringComparer.Ordinal);

    private ControlWords()
    {
    }

    /// <summary>The words without a key.</summary>
    public IReadOnlyList<string> Plain => _plain;

    /// <summary>The value of the first pair with that key; null if there is none.</summary>
    public string? this[string key] => _pairs.GetValueOrDefault(key);

    /// <summary>The word at that place, or empty.</summary>
    public string At(int index) => index < _plain.Count ? _plain[index] : "";

    /// <summary>The value as a number; null if there is none or it is no number.</summary>
    public long? Number(string key) =>
        long.TryParse(this[key], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long number) ? number : null;

    public static ControlWords Parse(string line)
    {
        var words = new ControlWords();
        int at = 0;
        while (at < line.Length)
        {
            if (line[at] == ' ')
            {
                at++;
                continue;
            }
            int keyEnd = at;
            while (keyEnd < line.Length && (char.IsAsciiLetterOrDigit(line[keyEnd]) || line[keyEnd] is '_' or '-' or '/'))
            {
                keyEnd++;
            }
            if (keyEnd > at && keyEnd < line.Length && line[keyEnd] == '=')
            {
                string key = line[at..keyEnd];
                at = keyEnd + 1;
                words._pairs.TryAdd(key, ReadValue(line, ref at));
            }
            else
            {
                words._plain.Add(ReadValue(line, ref at));
            }
        }
        return words;
    }

    /// <summary>A value as a quoted string for a command: tor reads a backslash as standing for the character after it.</summary>
    public static string Quote(string value) =>
        $"\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";

    private static string ReadValue(string line, ref int at)
    {
        if (at >= line.Length || line[at] != '"')
        {
            int end = line.IndexOf(' ', at);
            string word = end < 0 ? line[at..] : line[at..end];
            at += word.Length;
            return word;
        }
        var value = new StringBuilder();
        at++;
        while (at < line.Length && line[at] != '"')
        {
            if (line[at] != '\\' || at + 1 == line.Length)
            {
                value.Append(line[at++]);
                continue;
            }
            at++;
            value.Append(Unescape(line, ref at));
        }
        at = Math.Min(at + 1, line.Length);
        return value.ToString();
    }

    private static char Unescape(string line, ref int at)
    {
        char c = line[at++];
        switch (c)
        {
            case 'n':
                return '\n';
            case 't':
                return '\t';
            case 'r':
                return '\r';
            case >= '0' and <= '7':
                int code = c - '0';
                for (int digits = 1; digits < 3 && at < line.Length && line[at] is >= '0' and <= '7' && (code * 8) + line[at] - '0' <= 255; digits++)
                {
                    code = (code * 8) + line[at++] - '0';
                }
                return (char)code;
            default:
                return c;
        }
    }
}
