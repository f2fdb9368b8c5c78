using Markdig.Extensions.Tables;

namespace Tacit.Cli.Rendering;

/// <summary>A table within a width: cells are broken where they must be; where not even that helps, rows are told one value a line.</summary>
/// <param name="cell">The text of a cell in a style.</param>
internal sealed class TableLayout(bool color, Func<TableCell, string, StyledText> cell)
{
    private const int NarrowestColumn = 4;

    public void Lay(Table table, List<ScreenLine> lines, int width)
    {
        List<(bool IsHeader, StyledText[] Cells)> rows = [];
        foreach (TableRow row in table.OfType<TableRow>())
        {
            rows.Add((row.IsHeader, [.. row.OfType<TableCell>().Select(text => cell(text, row.IsHeader ? "1" : ""))]));
        }
        int count = rows.Count == 0 ? 0 : rows.Max(row => row.Cells.Length);
        if (count == 0)
        {
            return;
        }
        int room = width - (3 * (count - 1));
        int[] widths = [.. Enumerable.Range(0, count).Select(i => Math.Max(1, rows.Max(row => i < row.Cells.Length ? row.Cells[i].Width : 0)))];
        if (widths.Sum() > room && room < NarrowestColumn * count)
        {
            LayTall(rows, lines, width);
            return;
        }
        while (widths.Sum() > room)
        {
            // The widest gives way first, so that narrow columns stay whole.
            int widest = Array.IndexOf(widths, widths.Max());
            widths[widest]--;
        }
        ScreenLine separator = new(color ? " \e[2m│\e[0m " : " | ", 3);
        foreach ((bool isHeader, StyledText[] cells) in rows)
        {
            List<ScreenLine>[] broken = [.. widths.Select((room, i) => i < cells.Length ? cells[i].Wrap(room) : [])];
            for (int line = 0; line < broken.Max(parts => parts.Count); line++)
            {
                ScreenLine whole = ScreenLine.Empty;
                for (int column = 0; column < count; column++)
                {
                    ScreenLine part = line < broken[column].Count ? broken[column][line] : ScreenLine.Empty;
                    string padding = column == count - 1 ? "" : new string(' ', widths[column] - Math.Min(part.Width, widths[column]));
                    ScreenLine padded = new(part.Drawn + padding, part.Width + padding.Length);
                    whole = column == 0 ? padded : padded.Behind(separator).Behind(whole);
                }
                lines.Add(whole);
            }
            if (isHeader)
            {
                string rule = string.Join(color ? "─┼─" : "-+-", widths.Select(columns => new string(color ? '─' : '-', columns)));
                lines.Add(new ScreenLine(color ? $"\e[2m{rule}\e[0m" : rule, rule.Length));
            }
        }
    }

    private static void LayTall(List<(bool IsHeader, StyledText[] Cells)> rows, List<ScreenLine> lines, int width)
    {
        StyledText[] names = rows[0].IsHeader ? rows[0].Cells : [];
        bool first = true;
        foreach ((bool isHeader, StyledText[] cells) in rows)
        {
            if (isHeader && rows.Count > 1)
            {
                continue;
            }
            if (!first)
            {
                lines.Add(ScreenLine.Empty);
            }
            first = false;
            for (int i = 0; i < cells.Length; i++)
            {
                if (i < names.Length && !isHeader)
                {
                    lines.AddRange(names[i].Wrap(width));
                    lines.AddRange(cells[i].Wrap(Math.Max(1, width - 2)).Select(line => line.Behind(new ScreenLine("  ", 2))));
                }
                else
                {
                    lines.AddRange(cells[i].Wrap(width));
                }
            }
        }
    }
}
