using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Cli.Rendering;

namespace Tacit.Cli.Tests;

/// <summary>Markdown that comes in pieces, on screens of many sizes, by a terminal that is watched.</summary>
public sealed class MarkdownScreenTests
{
    private const string Everything = """
        # A title with `code`

        A paragraph with **bold**, *italic*, ~~struck~~ and a [link](https://example.org/a?b=c "why"), and $x_1 * y_2 * z$ as well as \(a_{1} * b * c\),
        that goes on for longer than any narrow screen has columns, 日本語の文章も折り返されます, and ends.
        ![a picture](http://beacon.example/x.png)

        - one
        - two, which goes on and on and on, so that it has to be broken somewhere, and has **bold** in it
          1. nested
          2. twice

             with a paragraph
        - three
          ```sh
          echo "in a list" # ****
          ```

        ```csharp
        int a = 1;

        if (a > 0) { Console.WriteLine("a line of code that is longer than a narrow screen has columns, and stays whole"); }
        ```

        | name | what it is | price |
        |---|:-:|--:|
        | small | a cell that is rather long for a table | 1 |
        | `large` | short | 100 |

        > quoted
        > > twice

        [not]: a definition that vanishes

        $$
        \int_0^1 x \, dx
        $$
        \[
        E = mc^2
        \]
        ***
        1) last
        """;

    [Theory]
    [InlineData(80, 24, true)]
    [InlineData(80, 24, false)]
    [InlineData(20, 6, true)]
    [InlineData(9, 3, true)]
    [InlineData(300, 80, true)]
    public void Text_in_pieces_is_drawn_as_the_same_text_at_once(int columns, int rows, bool color)
    {
        string[] whole = Draw([Everything], columns, rows, color);
        string[] letters = Draw(Everything.Select(c => c.ToString()), columns, rows, color);
        string[] words = Draw(Everything.Split(' ').Select((word, i) => i == 0 ? word : " " + word), columns, rows, color);
        Assert.Equal(whole, letters);
        Assert.Equal(whole, words);
        AssertNothingLost(Everything, whole);
    }

    [Fact]
    public void Markdown_looks_as_one_would_expect()
    {
        string[] plain = Draw([Everything], 60, 24, color: false);
        Assert.Contains("# A title with `code`", plain);
        Assert.Contains(plain, line => line.Contains("**bold**", StringComparison.Ordinal));
        Assert.Contains("[not]: a definition that vanishes", plain);
        Assert.Contains("\\[ E = mc^2 \\]", plain);
        Assert.Contains("\\int_0^1 x \\, dx", plain);
        string text = string.Join(' ', plain);
        Assert.Contains("$x_1 * y_2 * z$", text, StringComparison.Ordinal);
        Assert.Contains("\\(a_{1} * b * c\\)", text, StringComparison.Ordinal);
        Assert.Contains("[image: a picture]", text, StringComparison.Ordinal);
        Assert.Contains("(https://example.org/a?b=c)", text.Replace(" ", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.Contains("name", plain.Single(line => line.Contains("what it is", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.Contains("  1. nested", plain);
        Assert.Contains("> > twice", plain);
        Assert.Contains("1) last", plain);
    }

    [Fact]
    public void Block_that_can_change_no_more_is_written_once()
    {
        using StringWriter output = new();
        MarkdownScreen screen = new(output, () => (80, 24), color: true);
        screen.Append("first paragraph\n\nsecond");
        int before = output.ToString().Length;
        screen.Append(" and more\n\n```\n");
        for (int i = 0; i < 2000; i++)
        {
            screen.Append($"line {i}\n");
        }
        string after = output.ToString()[before..];
        Assert.DoesNotContain("first", after, StringComparison.Ordinal);
        Assert.Single(after.Split('\n'), line => line.Contains("line 7\e", StringComparison.Ordinal));
        // Linear: what is written is not much more than what is shown.
        Assert.True(after.Length < 2000 * 64, $"{after.Length} characters");
    }

    [Theory]
    [InlineData("&#27;[2J &#x9b;31m &#13; &#8238; &#7;")]
    [InlineData("`\e]0;title\a`")]
    [InlineData("[click](\e]8;;http://x.example\a)")]
    [InlineData("[click](http://x.example/&#27;[1A)")]
    [InlineData("```\e[31m\n\e[31mcode\r\n```")]
    [InlineData("| \e[A | &#27;[A |\n|---|---|\n| \u009bA | \u202e |")]
    [InlineData("<script>alert(1)</script> <b>\e[1m</b>")]
    [InlineData("\U000E0041 $\e[1m$ \\(\e[1m\\)\n\n$$\n\e[2J\n$$")]
    public void Hostile_markdown_never_moves_the_cursor(string hostile)
    {
        // The emulator fails on whatever is not the screen's own.
        string[] rows = Draw(hostile.Select(c => c.ToString()).ToArray() is var pieces && hostile.Any(char.IsSurrogate) ? [hostile] : pieces, 40, 10, color: true);
        Assert.DoesNotContain(string.Concat(rows), c => char.IsControl(c) || c is >= '\u202A' and <= '\u202E');
    }

    [Fact]
    public void Depth_and_length_without_end_are_drawn_in_bounded_time()
    {
        foreach (string text in (string[])[
            string.Concat(Enumerable.Repeat("> ", 5000)) + "deep", new string('[', 20000), new string('*', 20000) + "a", string.Concat(Enumerable.Repeat("- a\n", 20000)), new string('x', 200_000),
            string.Concat(Enumerable.Repeat("`", 30000)), string.Concat(Enumerable.Repeat("| a ", 3000)) + "\n" + string.Concat(Enumerable.Repeat("|--", 3000))])
        {
            string[] rows = Draw(text.Chunk(4096).Select(piece => new string(piece)), 80, 24, color: true);
            Assert.True(rows.Length > 0);
        }
    }

    [Fact]
    public void Any_markdown_in_any_pieces_on_any_screen_loses_no_word()
    {
        string[] parts =
        [
            "word ", "two words ", "\n", "\n\n", "- ", "1. ", "> ", "```\n", "# ", "**", "*", "_", "`", "| a | b |\n|---|---|\n", "| c | d |\n", "[x](y) ", "    ", "---\n", "$", "$$\n", "\\(", "\\) ", "<b> ", "日本 ",
            "]: ", "[", "~~", "\t", "&amp; ", "a-very-long-word-that-no-narrow-screen-has-columns-for ",
        ];
        Gen<(string[] Pieces, int Columns, int Rows)> cases =
            from pieces in Gen.Elements(parts).ArrayOf()
            from columns in Gen.Choose(9, 90)
            from rows in Gen.Choose(2, 30)
            select (pieces, columns, rows);
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 20_000 : 300),
            Prop.ForAll(Arb.From(cases), sample => AssertNothingLost(string.Concat(sample.Pieces), Draw(sample.Pieces, sample.Columns, sample.Rows, color: true))));
    }

    /// <summary>Every letter of the source is on the screen, as often as there; marks, spaces and what makes structure are the renderer's.</summary>
    private static void AssertNothingLost(string source, string[] rows)
    {
        Dictionary<Rune, int> shown = Letters(string.Concat(rows));
        foreach ((Rune letter, int count) in Letters(source.Replace("&amp;", "", StringComparison.Ordinal)))
        {
            Assert.True(shown.GetValueOrDefault(letter) >= count, $"'{letter}' of the source is {shown.GetValueOrDefault(letter)} times, not {count}, in: {string.Join('\n', rows)}");
        }

        static Dictionary<Rune, int> Letters(string text) => text.EnumerateRunes().Where(Rune.IsLetter).CountBy(rune => rune).ToDictionary();
    }

    private static string[] Draw(IEnumerable<string> pieces, int columns, int rows, bool color)
    {
        using ScreenEmulator emulator = new(columns, rows);
        MarkdownScreen screen = new(emulator, () => (columns, rows), color);
        foreach (string piece in pieces)
        {
            screen.Append(piece);
        }
        screen.Finish();
        return emulator.Rows;
    }
}
