using System.Globalization;
using System.Text;

namespace Tacit.Cli.Rendering;

/// <summary>Text in runs of one style each, which can be broken into lines of a width.</summary>
/// <param name="color">Whether styles are drawn.</param>
internal sealed class StyledText(bool color)
{
    private readonly List<(string Text, string Style)> _runs = [];

    /// <summary>The columns it takes on one line.</summary>
    public int Width => _runs.Sum(run => TerminalText.Width(run.Text));

    /// <summary>The longest word: what a column should be wide enough for.</summary>
    public int LongestWord => string.Concat(_runs.Select(run => run.Text)).Split(' ', '\n').Max(word => TerminalText.Width(word));

    /// <param name="text">A line feed in it ends the line. Nothing else in it may move a cursor.</param>
    /// <param name="style">Parameters of SGR (ECMA-48), with semicolons; empty for none.</param>
    public void Add(string text, string style)
    {
        if (text.Length > 0)
        {
            _runs.Add((text, style));
        }
    }

    /// <summary>Broken at spaces where there are any, between wide characters, else anywhere. Nothing but the space at a break is left out.</summary>
    public List<ScreenLine> Wrap(int width)
    {
        width = Math.Max(width, 1);
        List<ScreenLine> lines = [];
        List<Cell> line = [];
        int columns = 0;
        int breakAt = -1;
        foreach (Cell cell in Cells())
        {
            if (cell.Text == "\n")
            {
                lines.Add(Draw(line, 0, line.Count));
                (line, columns, breakAt) = ([], 0, -1);
                continue;
            }
            while (columns + cell.Columns > width && line.Count > 0)
            {
                if (cell.Text == " ")
                {
                    // It stands where the line ends: below it becomes the end of one.
                    breakAt = line.Count;
                }
                int at = breakAt > 0 ? breakAt : line.Count;
                lines.Add(Draw(line, 0, at));
                line = line[at..];
                columns = line.Sum(kept => kept.Columns);
                breakAt = -1;
            }
            if (cell.Text == " " && line.Count == 0 && lines.Count > 0)
            {
                continue;
            }
            line.Add(cell);
            columns += cell.Columns;
            if (cell.Text == " " || cell.Columns == 2)
            {
                breakAt = line.Count;
            }
        }
        if (line.Count > 0 || lines.Count == 0)
        {
            lines.Add(Draw(line, 0, line.Count));
        }
        return lines;
    }

    private IEnumerable<Cell> Cells()
    {
        foreach ((string text, string style) in _runs)
        {
            for (int at = 0; at < text.Length;)
            {
                int length = StringInfo.GetNextTextElementLength(text.AsSpan(at));
                string element = text.Substring(at, length);
                yield return new Cell(element, style, TerminalText.ElementWidth(element));
                at += length;
            }
        }
    }

    private ScreenLine Draw(List<Cell> cells, int from, int to)
    {
        while (to > from && cells[to - 1].Text == " ")
        {
            to--;
        }
        StringBuilder drawn = new();
        string style = "";
        int width = 0;
        for (int i = from; i < to; i++)
        {
            Cell cell = cells[i];
            if (color && cell.Style != style)
            {
                drawn.Append(style.Length > 0 ? "\e[0m" : "");
                drawn.Append(cell.Style.Length > 0 ? $"\e[{cell.Style}m" : "");
                style = cell.Style;
            }
            drawn.Append(cell.Text);
            width += cell.Columns;
        }
        return new ScreenLine(drawn.Append(style.Length > 0 ? "\e[0m" : "").ToString(), width);
    }

    private readonly record struct Cell(string Text, string Style, int Columns);
}

/// <summary>One line as it is written, styles and all.</summary>
/// <param name="Width">The columns it takes; more than the screen has where it is left to the terminal to break it, as with code, which is then copied whole.</param>
internal readonly record struct ScreenLine(string Drawn, int Width)
{
    public static ScreenLine Empty { get; } = new("", 0);

    /// <summary>How many rows of a screen it takes.</summary>
    public int RowsAt(int width) => Math.Max(1, (Width + width - 1) / width);

    /// <summary>The same behind something.</summary>
    public ScreenLine Behind(ScreenLine prefix) => new(prefix.Drawn + Drawn, prefix.Width + Width);
}
