using System.Globalization;
using System.Text;
using Tacit.Cli.Rendering;

namespace Tacit.Cli.Tests;

/// <summary>A terminal as far as the chat uses one: breaks lines, scrolls, moves the cursor up and erases. Whatever else it is sent is a fault.</summary>
internal sealed class ScreenEmulator(int columns, int rows) : TextWriter
{
    private readonly List<List<string>> _lines = [[]];
    private int _row;
    private int _column;

    public override Encoding Encoding => Encoding.UTF8;

    /// <summary>Everything that was ever shown and not erased, what scrolled away included, row by row.</summary>
    public string[] Rows => [.. _lines.Select(line => string.Concat(line).TrimEnd())];

    public override void Write(char value) => Write(value.ToString());

    public override void Write(string? value)
    {
        string text = value ?? "";
        for (int at = 0; at < text.Length;)
        {
            if (text[at] == '\e')
            {
                Assert.Equal('[', text[at + 1]);
                int end = at + 2;
                while (text[end] is not (>= '@' and <= '~'))
                {
                    end++;
                }
                Obey(text[end], text[(at + 2)..end]);
                at = end + 1;
                continue;
            }
            if (text[at] == '\n')
            {
                (_row, _column) = (_row + 1, 0);
                at++;
            }
            else if (text[at] == '\r')
            {
                _column = 0;
                at++;
            }
            else
            {
                Assert.False(char.IsControl(text[at]), $"U+{(int)text[at]:X4} reached the terminal");
                int length = StringInfo.GetNextTextElementLength(text.AsSpan(at));
                Put(text.Substring(at, length));
                at += length;
            }
            while (_row >= _lines.Count)
            {
                _lines.Add([]);
            }
        }
    }

    private void Put(string element)
    {
        int width = TerminalText.ElementWidth(element);
        if (_column + width > columns)
        {
            (_row, _column) = (_row + 1, 0);
            while (_row >= _lines.Count)
            {
                _lines.Add([]);
            }
        }
        List<string> line = _lines[_row];
        while (line.Count < _column)
        {
            line.Add(" ");
        }
        if (_column < line.Count)
        {
            line.RemoveRange(_column, Math.Min(width, line.Count - _column));
        }
        line.Insert(_column, element);
        for (int i = 1; i < width; i++)
        {
            line.Insert(_column + i, "");
        }
        _column += width;
    }

    private void Obey(char command, string parameters)
    {
        switch (command, parameters)
        {
            case ('m', _) when parameters.All(c => char.IsAsciiDigit(c) || c == ';'):
            case ('h' or 'l', "?2026" or "?2004"):
                break;
            case ('C', _):
                _column += int.Parse(parameters, CultureInfo.InvariantCulture);
                break;
            case ('K', ""):
                _lines[_row].RemoveRange(Math.Min(_column, _lines[_row].Count), Math.Max(0, _lines[_row].Count - _column));
                break;
            case ('A', _):
                // What scrolled away is out of reach.
                _row = Math.Max(Math.Max(0, _lines.Count - rows), _row - int.Parse(parameters, CultureInfo.InvariantCulture));
                break;
            case ('J', ""):
                _lines[_row].RemoveRange(Math.Min(_column, _lines[_row].Count), Math.Max(0, _lines[_row].Count - _column));
                _lines.RemoveRange(_row + 1, _lines.Count - _row - 1);
                break;
            default:
                Assert.Fail($"CSI {parameters}{command} reached the terminal");
                break;
        }
    }
}
