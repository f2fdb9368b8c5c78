using System.Globalization;
using Markdig;
using Markdig.Extensions.EmphasisExtras;
using Markdig.Extensions.Mathematics;
using Markdig.Extensions.Tables;
using Markdig.Helpers;
using Markdig.Parsers.Inlines;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace Tacit.Cli.Rendering;

/// <summary>
/// Lays Markdown out for a terminal. Links and images are told and never followed, mathematics is left as it was written, HTML is text.
/// </summary>
/// <param name="width">How many columns there are.</param>
/// <param name="color">Whether styles are drawn; if not, the marks that ask for them stay.</param>
/// <param name="certainTo">The end of the source's last whole line: what begins after it may still become something else.</param>
/// <param name="endsWhole">Whether that is the end of the source.</param>
internal sealed class MarkdownLayout(int width, bool color, int certainTo, bool endsWhole)
{
    /// <summary>Keeps what looks like the definition of a link from being one: it would vanish. Shows nothing, and is never written.</summary>
    public const char Joiner = '\u2060';

    private const string Bold = "1";
    private const string Faint = "2";
    private const string Italic = "3";
    private const string Underlined = "4";
    private const string Struck = "9";
    private const string CodeStyle = "36";

    private static readonly MarkdownPipeline s_pipeline = Pipeline();

    /// <summary>The document, to be laid out block by block.</summary>
    /// <exception cref="ArgumentException">It is nested deeper than anything that is meant to be read.</exception>
    public static MarkdownDocument Parse(string markdown) => Markdown.Parse(markdown, s_pipeline);

    /// <returns>The block's lines, and how many of them will stay as they are whatever follows.</returns>
    public (List<ScreenLine> Lines, int Stable) Lay(Block block)
    {
        List<ScreenLine> lines = [];
        int stable = Lay(block, lines, Math.Max(width, 8));
        return (lines, stable);
    }

    /// <summary>What text in source form looks like where Markdown is not to be made of it.</summary>
    public static IEnumerable<ScreenLine> LayPlain(string source) => Written(source).Split('\n').Select(line => new ScreenLine(line, TerminalText.Width(line)));

    private int Lay(Block block, List<ScreenLine> lines, int columns)
    {
        switch (block)
        {
            case HeadingBlock heading:
                StyledText title = new(color);
                title.Add(color ? "" : new string('#', heading.Level) + " ", "");
                Add(title, heading.Inline, heading.Level == 1 ? $"{Bold};{Underlined}" : Bold);
                lines.AddRange(title.Wrap(columns));
                return 0;
            case MathBlock math:
                AddLines(lines, ["$$", .. TextOf(math), .. math.ClosingFencedCharCount > 0 ? ["$$"] : Array.Empty<string>()], "");
                return 0;
            case CodeBlock code:
                return LayCode(code, lines);
            case LeafBlock { Inline: not null } leaf:
                StyledText text = new(color);
                Add(text, leaf.Inline, "");
                lines.AddRange(text.Wrap(columns));
                return 0;
            case ThematicBreakBlock:
                AddLines(lines, [color ? new string('─', Math.Min(columns, 40)) : "---"], Faint);
                return 0;
            case Table table:
                new TableLayout(color, Cell).Lay(table, lines, columns);
                return 0;
            case ListBlock list:
                return LayChildren(list, lines, columns, LayItem);
            case QuoteBlock quote:
                List<ScreenLine> quoted = [];
                int stable = LayChildren(quote, quoted, columns - 2, Lay, apart: true);
                ScreenLine bar = new(color ? $"\e[{Faint}m│\e[0m " : "> ", 2);
                lines.AddRange(quoted.Select(line => line.Behind(bar)));
                return stable;
            case ContainerBlock container:
                return LayChildren(container, lines, columns, Lay, apart: true);
            case LeafBlock leaf:
                AddLines(lines, TextOf(leaf), "");
                return 0;
            default:
                return 0;
        }
    }

    /// <summary>Children below each other. Those before the last that is certainly there will not change.</summary>
    private int LayChildren(ContainerBlock container, List<ScreenLine> lines, int columns, Func<Block, List<ScreenLine>, int, int> lay, bool apart = false)
    {
        int stable = 0;
        int start = lines.Count;
        for (int i = 0; i < container.Count; i++)
        {
            if (i > 0 && apart && container[i] is not ListBlock)
            {
                lines.Add(ScreenLine.Empty);
            }
            int before = lines.Count;
            int ofChild = lay(container[i], lines, Math.Max(columns, 8));
            // The child before is over once this one's first line is whole.
            if (container[i].Span.Start < certainTo)
            {
                stable = before - start + ofChild;
            }
        }
        return stable;
    }

    private int LayItem(Block block, List<ScreenLine> lines, int columns)
    {
        ListItemBlock item = (ListItemBlock)block;
        ListBlock list = (ListBlock)item.Parent!;
        string marker = list.IsOrdered
            ? item.Order.ToString(CultureInfo.InvariantCulture) + list.OrderedDelimiter + " "
            : color ? "• " : list.BulletType + " ";
        List<ScreenLine> inner = [];
        int stable = LayChildren(item, inner, columns - marker.Length, Lay, apart: true);
        ScreenLine first = new(marker, marker.Length);
        ScreenLine rest = new(new string(' ', marker.Length), marker.Length);
        if (inner.Count == 0)
        {
            inner.Add(ScreenLine.Empty);
        }
        lines.AddRange(inner.Select((line, i) => line.Behind(i == 0 ? first : rest)));
        return stable;
    }

    private int LayCode(CodeBlock code, List<ScreenLine> lines)
    {
        string[] text = TextOf(code);
        int before = lines.Count;
        if (code is FencedCodeBlock { Info.Length: > 0 } named)
        {
            AddLines(lines, [Flowing($"    {named.Info} {named.Arguments}").TrimEnd()], Faint);
        }
        AddLines(lines, [.. text.Select(line => "    " + line)], CodeStyle);
        // A last line that is not whole may become the fence that ends it. Of code without fences nobody knows where it ends.
        int count = lines.Count - before;
        return code is not FencedCodeBlock fenced ? 0 : fenced.ClosingFencedCharCount > 0 || endsWhole ? count : text.Length > 0 ? count - 1 : 0;
    }

    private StyledText Cell(TableCell cell, string style)
    {
        StyledText text = new(color);
        foreach (Block block in cell)
        {
            if (block is LeafBlock leaf)
            {
                Add(text, leaf.Inline, style);
            }
        }
        return text;
    }

    private void AddLines(List<ScreenLine> lines, string[] texts, string style)
    {
        foreach (string text in texts)
        {
            lines.Add(new ScreenLine(color && style.Length > 0 && text.Length > 0 ? $"\e[{style}m{text}\e[0m" : text, TerminalText.Width(text)));
        }
    }

    private static string[] TextOf(LeafBlock block)
    {
        List<string> lines = [];
        for (int i = 0; i < block.Lines.Count; i++)
        {
            lines.Add(Written(block.Lines.Lines[i].Slice.ToString()).TrimEnd('\n'));
        }
        return [.. lines];
    }

    private void Add(StyledText text, ContainerInline? container, string style)
    {
        foreach (Inline inline in container ?? Enumerable.Empty<Inline>())
        {
            switch (inline)
            {
                case LiteralInline literal:
                    text.Add(Flowing(literal.Content.ToString()), style);
                    break;
                case CodeInline code:
                    text.Add(color ? Flowing(code.Content) : $"`{Flowing(code.Content)}`", With(style, CodeStyle));
                    break;
                case EmphasisInline emphasis:
                    string mark = color ? "" : new string(emphasis.DelimiterChar, emphasis.DelimiterCount);
                    string look = emphasis.DelimiterChar == '~' ? Struck : emphasis.DelimiterCount == 2 ? Bold : Italic;
                    text.Add(mark, style);
                    Add(text, emphasis, With(style, look));
                    text.Add(mark, style);
                    break;
                case LinkInline link:
                    AddLink(text, link, style);
                    break;
                case AutolinkInline link:
                    text.Add(Flowing(link.Url), With(style, Underlined));
                    break;
                case MathInline math:
                    string delimiter = new('$', math.DelimiterCount);
                    text.Add(delimiter + Flowing(math.Content.ToString()) + delimiter, style);
                    break;
                case LineBreakInline line:
                    text.Add(line.IsHard ? "\n" : " ", style);
                    break;
                case HtmlEntityInline entity:
                    text.Add(Flowing(entity.Transcoded.ToString()), style);
                    break;
                case HtmlInline html:
                    text.Add(Flowing(html.Tag), style);
                    break;
                case DelimiterInline delimited:
                    text.Add(Flowing(delimited.ToLiteral()), style);
                    Add(text, delimited, style);
                    break;
                case ContainerInline inner:
                    Add(text, inner, style);
                    break;
                default:
                    text.Add(Flowing(inline.ToString() ?? ""), style);
                    break;
            }
        }
    }

    /// <summary>The address stands there to be read: what a link is called says nothing about where it leads.</summary>
    private void AddLink(StyledText text, LinkInline link, string style)
    {
        StyledText label = new(color: false);
        Add(label, link, "");
        string address = Flowing(link.Url ?? "");
        string name = string.Concat(label.Wrap(int.MaxValue).Select(line => line.Drawn));
        text.Add(link.IsImage ? "[image: " : "", style);
        if (name != address)
        {
            Add(text, link, With(style, Underlined));
            text.Add(link.IsImage ? "] " : " ", style);
        }
        text.Add(name != address ? $"({address})" : address, With(style, Faint));
        if (link.Title is { Length: > 0 } title)
        {
            text.Add($" “{Flowing(title)}”", With(style, Faint));
        }
    }

    private static string With(string style, string more) => style.Length == 0 ? more : $"{style};{more}";

    /// <summary>What Markdown gives back is not what was cleaned: a numeric entity may be any character.</summary>
    private static string Written(string text) =>
        TerminalText.Clean(text).Replace(Joiner.ToString(), "", StringComparison.Ordinal).Replace("\t", "    ", StringComparison.Ordinal);

    private static string Flowing(string text) => Written(text).Replace('\n', ' ');

    private static MarkdownPipeline Pipeline()
    {
        MarkdownPipelineBuilder builder = new MarkdownPipelineBuilder()
            .UsePreciseSourceLocation().UsePipeTables().UseMathematics().UseEmphasisExtras(EmphasisExtraOptions.Strikethrough).DisableHtml();
        builder.InlineParsers.Insert(0, new TexParser());
        return builder.Build();
    }

    /// <summary><c>\( … \)</c> and <c>\[ … \]</c>, whose backslashes CommonMark would take away, and whose stars and underscores are no emphasis.</summary>
    private sealed class TexParser : Markdig.Parsers.InlineParser
    {
        public TexParser()
        {
            OpeningCharacters = ['\\'];
        }

        public override bool Match(Markdig.Parsers.InlineProcessor processor, ref StringSlice slice)
        {
            char opening = slice.PeekChar();
            if (opening is not ('(' or '['))
            {
                return false;
            }
            string closing = opening == '(' ? "\\)" : "\\]";
            int end = slice.Text.IndexOf(closing, slice.Start + 2, slice.End - slice.Start - 1, StringComparison.Ordinal);
            // One that does not end yet is text too, but what is in it may still be looked at.
            int last = end < 0 ? slice.Start + 1 : end + 1;
            int from = processor.GetSourcePosition(slice.Start, out int line, out int column);
            processor.Inline = new LiteralInline(new StringSlice(slice.Text, slice.Start, last)) { Span = new SourceSpan(from, from + last - slice.Start), Line = line, Column = column };
            slice.Start = last + 1;
            return true;
        }
    }
}
