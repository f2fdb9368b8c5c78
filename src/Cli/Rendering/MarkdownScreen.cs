using System.Globalization;
using System.Text;
using Markdig.Extensions.Mathematics;
using Markdig.Syntax;

namespace Tacit.Cli.Rendering;

/// <summary>
/// Draws Markdown that comes in pieces. What can no longer change is written once and scrolls away; the block that is still growing is drawn again where it changed,
/// in one write, so that nothing flickers. Of a block that has more rows than the screen, the end is shown while it grows and the whole once it is there.
/// </summary>
/// <param name="size">Columns and rows of the screen; looked at anew for each block.</param>
internal sealed class MarkdownScreen(TextWriter output, Func<(int Columns, int Rows)> size, bool color)
{
    /// <summary>Longer lines are hard to read.</summary>
    private const int WidestText = 110;

    /// <summary>What one block may have before it is written as it stands: each piece has the block looked at again.</summary>
    private const int MaxOpenChars = 64 * 1024;

    // ECMA-48: cursor up, and erase to the end of the screen. Mode 2026 has a terminal that knows it show what is between at once; others ignore it.
    private const string EraseBelow = "\e[J";
    private const string BeginAtOnce = "\e[?2026h";
    private const string EndAtOnce = "\e[?2026l";

    /// <summary>The source of blocks that may still change: the last, and what stands before it where it has only begun.</summary>
    private readonly StringBuilder _open = new();

    /// <summary>The first lines of these, which were written for good.</summary>
    private List<ScreenLine> _written = [];

    /// <summary>Lines on the screen that may change. The cursor is behind the last, or at the beginning of a line if there are none.</summary>
    private List<ScreenLine> _shown = [];

    private bool _hasBefore;
    private bool _codeGoesOn;
    private int _columns;

    /// <summary>Takes a piece, of a model's making, and draws.</summary>
    public void Append(string piece)
    {
        ArgumentNullException.ThrowIfNull(piece);
        string clean = TerminalText.Clean(piece);
        if (clean.Length == 0)
        {
            return;
        }
        if (clean[0] == ':' && _open.Length > 0 && _open[^1] == ']')
        {
            _open.Append(MarkdownLayout.Joiner);
        }
        _open.Append(clean.Replace("]:", $"]{MarkdownLayout.Joiner}:", StringComparison.Ordinal));
        Draw(isEnd: _open.Length > MaxOpenChars);
    }

    /// <summary>Draws what is left. The cursor is then at the beginning of a line.</summary>
    public void Finish()
    {
        Draw(isEnd: true);
        output.Flush();
        (_hasBefore, _codeGoesOn) = (false, false);
    }

    private void Draw(bool isEnd)
    {
        string source = _open.ToString();
        (int columns, int rows) = size();
        if (_written.Count == 0 && _shown.Count == 0)
        {
            _columns = Math.Clamp(columns - 1, 1, WidestText);
        }
        Layout all = Lay(source, isEnd);
        int done = _written.Count;
        if (!all.Lines.Take(done).SequenceEqual(_written))
        {
            // What was taken for certain was not: better told twice than not at all.
            done = 0;
        }
        int stable = isEnd ? all.Lines.Count : Math.Max(all.Stable, done);
        Show(all.Lines[done..stable], all.Lines[stable..], columns, rows);
        _hasBefore |= all.LastStart > 0 || isEnd;
        _written = isEnd ? [] : all.Lines[Math.Min(all.LastStart, stable)..stable];
        string rest = isEnd ? "" : source[all.KeepFrom..];
        if (all.CodeLines > 0 && !isEnd)
        {
            // Code may be long: of what was written, only the fence is kept.
            rest = all.Fence + rest;
            _written = [];
            (_hasBefore, _codeGoesOn) = (true, true);
        }
        else
        {
            _codeGoesOn &= !isEnd && all.KeepFrom == 0;
        }
        _open.Clear().Append(rest);
    }

    /// <param name="Stable">How many of the lines will not change.</param>
    /// <param name="LastStart">Where those of the last block begin.</param>
    /// <param name="KeepFrom">Where in the source that block begins, or what of it is still needed.</param>
    /// <param name="CodeLines">If it is code in fences that have not closed: how many of its lines are stable.</param>
    /// <param name="Fence">And the line that opened it.</param>
    private sealed record Layout(List<ScreenLine> Lines, int Stable, int LastStart, int KeepFrom, int CodeLines, string Fence);

    private Layout Lay(string source, bool isEnd)
    {
        int certainTo = isEnd ? int.MaxValue : source.LastIndexOf('\n') + 1;
        MarkdownLayout layout = new(_columns, color, certainTo, isEnd || certainTo == source.Length);
        MarkdownDocument document;
        try
        {
            document = MarkdownLayout.Parse(source);
        }
        catch (ArgumentException)
        {
            // Nested deeper than the parser goes, which is deeper than anybody reads.
            return new Layout([.. MarkdownLayout.LayPlain(source)], 0, 0, 0, 0, "");
        }
        List<ScreenLine> lines = [];
        (int stable, int lastStart, int keepFrom, int codeLines, string fence) = (0, 0, 0, 0, "");
        for (int i = 0; i < document.Count; i++)
        {
            Block block = document[i];
            (List<ScreenLine> ofBlock, int stableOfBlock) = layout.Lay(block);
            int start = lines.Count;
            if (ofBlock.Count > 0 && (i > 0 ? lines.Count > 0 || _hasBefore : _hasBefore && !_codeGoesOn))
            {
                lines.Add(ScreenLine.Empty);
            }
            int begin = lines.Count;
            lines.AddRange(ofBlock);
            int from = source.LastIndexOf('\n', Math.Max(0, block.Span.Start - 1), Math.Max(0, block.Span.Start)) + 1;
            if (from >= certainTo)
            {
                continue;
            }
            // What stands before a block whose first line is whole is over.
            stable = stableOfBlock > 0 ? begin + stableOfBlock : start;
            (lastStart, keepFrom, codeLines) = (start, from, 0);
            if (!isEnd && block is FencedCodeBlock { ClosingFencedCharCount: 0 } fenced and not MathBlock && stableOfBlock > 0 && i == document.Count - 1)
            {
                int at = source.IndexOf('\n', from) + 1;
                // Not the language behind it, which was told.
                string opening = source[from..at].TrimEnd();
                int marks = opening.Length - opening.TrimStart(' ').Length + fenced.OpeningFencedCharCount;
                for (int line = 0; line < stableOfBlock - (fenced.Info is { Length: > 0 } ? 1 : 0); line++)
                {
                    at = source.IndexOf('\n', at) + 1;
                }
                (codeLines, fence, keepFrom) = (stableOfBlock, opening[..marks] + "\n", at);
            }
        }
        return new Layout(lines, stable, lastStart, keepFrom, codeLines, fence);
    }

    private void Show(List<ScreenLine> written, List<ScreenLine> open, int columns, int rows)
    {
        columns = Math.Max(columns, 1);
        int first = open.Count;
        for (int room = Math.Max(rows - 1, 1); first > 0 && (room -= open[first - 1].RowsAt(columns)) >= 0;)
        {
            first--;
        }
        List<ScreenLine> visible = first == open.Count && open.Count > 0 ? [new ScreenLine("…", 1)] : open[first..];
        List<ScreenLine> lines = [.. written, .. visible];
        int same = 0;
        while (same < lines.Count && same < _shown.Count && lines[same] == _shown[same])
        {
            same++;
        }
        StringBuilder drawn = new();
        if (same < _shown.Count)
        {
            if (same == lines.Count && same > 0)
            {
                // The cursor is to be behind it.
                same--;
            }
            string old = _shown[same].Drawn;
            if (same == _shown.Count - 1 && same < lines.Count && !old.Contains('\e', StringComparison.Ordinal) && lines[same].Drawn.StartsWith(old, StringComparison.Ordinal))
            {
                drawn.Append(lines[same].Drawn, old.Length, lines[same].Drawn.Length - old.Length);
                same++;
                drawn.Append(same < lines.Count ? "\n" : "");
            }
            else
            {
                int up = _shown.Skip(same).Sum(line => line.RowsAt(columns)) - 1;
                drawn.Append(CultureInfo.InvariantCulture, $"\r{(up > 0 ? $"\e[{up}A" : "")}{EraseBelow}");
            }
        }
        else if (_shown.Count > 0 && same < lines.Count)
        {
            drawn.Append('\n');
        }
        drawn.AppendJoin('\n', lines.Skip(same).Select(line => line.Drawn));
        if (visible.Count == 0 && lines.Count > 0)
        {
            drawn.Append('\n');
        }
        _shown = visible;
        if (drawn.Length > 0)
        {
            bool moves = drawn.ToString().Contains(EraseBelow, StringComparison.Ordinal);
            output.Write(moves ? $"{BeginAtOnce}{drawn}{EndAtOnce}" : drawn.ToString());
            output.Flush();
        }
    }
}
