using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using System.Threading.Channels;
using Spectre.Console;
using Tacit.Cli.Rendering;

namespace Tacit.Cli;

/// <summary>
/// Where commands write. Results go to <see cref="Out"/>, progress and errors to <see cref="Error"/>. Colour and frames only on a terminal, and not with
/// <c>NO_COLOR</c> (no-color.org) or <c>TERM=dumb</c>; everything else gets plain text that keeps its columns.
/// </summary>
internal sealed class Terminal : IDisposable
{
    private readonly Lock _gate = new();
    private string? _progress;

    public Terminal(TextWriter output, TextWriter error, TextReader input)
    {
        Out = output;
        Error = error;
        In = input;
    }

    public TextWriter Out { get; }

    public TextWriter Error { get; }

    public TextReader In { get; }

    /// <summary>Standard output is a terminal: a person watches.</summary>
    public bool IsInteractive { get; init; }

    /// <summary>Standard error is a terminal: progress may overwrite its own line.</summary>
    public bool ErrorIsTerminal { get; init; }

    public bool InputIsRedirected { get; init; } = true;

    /// <summary>
    /// Standard input is a pipe or a file: somebody put something there. Of a socket or a terminal that a service was started with nobody knows whether it ever ends.
    /// </summary>
    public bool InputBringsText { get; init; }

    /// <summary>What <see cref="OpenKeyboard"/> gives in place of the process's own.</summary>
    public ChannelReader<ConsoleKeyInfo>? Keyboard { get; init; }

    /// <summary>Standard input as bytes; null where there is only <see cref="In"/>.</summary>
    public Func<Stream>? OpenInput { get; init; }

    public bool UseColor { get; init; }

    /// <summary>Columns and rows of the screen that standard output is; null if it is none, or one on which nothing can be drawn again.</summary>
    public Func<(int Columns, int Rows)>? Screen { get; init; }

    /// <summary>Where a server's log goes.</summary>
    public Func<Stream> OpenLog { get; init; } = () => Stream.Null;

#pragma warning disable RS0030 // The command line is the one that writes to the console, and this is where.
    /// <remarks>
    /// Over plain streams: the console's own writers switch a terminal to another keypad mode, which shows, and take longer to come up.
    /// </remarks>
    public static Terminal OfProcess()
    {
        bool dumb = Environment.GetEnvironmentVariable("TERM") is "dumb";
        bool plain = dumb || !string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR"));
        bool outputIsTerminal = !Console.IsOutputRedirected;
        UTF8Encoding utf8 = new(encoderShouldEmitUTF8Identifier: false);
        return new Terminal(
            TextWriter.Synchronized(new StreamWriter(Console.OpenStandardOutput(), utf8) { AutoFlush = true }),
            TextWriter.Synchronized(new StreamWriter(Console.OpenStandardError(), utf8) { AutoFlush = true }),
            new StreamReader(Console.OpenStandardInput(), utf8))
        {
            IsInteractive = outputIsTerminal,
            ErrorIsTerminal = !Console.IsErrorRedirected && !dumb,
            InputIsRedirected = Console.IsInputRedirected,
            InputBringsText = Console.IsInputRedirected && IsPipeOrFile(),
            OpenInput = Console.OpenStandardInput,
            UseColor = outputIsTerminal && !plain,
            Screen = outputIsTerminal && !dumb ? Size : null,
            OpenLog = Console.OpenStandardError,
        };
    }

    private static bool IsPipeOrFile()
    {
        try
        {
            return File.ResolveLinkTarget("/proc/self/fd/0", returnFinalTarget: false)?.Name is string target
                && (target.StartsWith("pipe:", StringComparison.Ordinal) || File.Exists("/proc/self/fd/0")) && !target.StartsWith("socket:", StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Asks for a secret on the terminal, without showing what is typed.</summary>
    public string ReadSecret(string prompt)
    {
        Error.Write(prompt + ": ");
        Error.Flush();
        System.Text.StringBuilder typed = new();
        while (Console.ReadKey(intercept: true) is { Key: not ConsoleKey.Enter } key)
        {
            if (key.Key == ConsoleKey.Backspace)
            {
                typed.Length = Math.Max(0, typed.Length - 1);
            }
            else if (!char.IsControl(key.KeyChar))
            {
                typed.Append(key.KeyChar);
            }
        }
        Error.WriteLine();
        return typed.ToString();
    }

    private int Width() => Screen is null ? ColumnsOr(120) : Screen().Columns;

    /// <summary>As the shell says.</summary>
    private static int ColumnsOr(int otherwise) =>
        int.TryParse(Environment.GetEnvironmentVariable("COLUMNS"), NumberStyles.None, CultureInfo.InvariantCulture, out int columns) && columns > 0 ? columns : otherwise;

    private static (int Columns, int Rows) Size()
    {
        try
        {
            // A terminal that does not say how large it is says 0.
            return (ColumnsOr(Console.WindowWidth > 0 ? Console.WindowWidth : 80), Console.WindowHeight > 0 ? Console.WindowHeight : 24);
        }
        catch (IOException)
        {
            return (ColumnsOr(80), 24);
        }
    }

    /// <summary>
    /// Keys as they are pressed, Ctrl-C among them, without being shown; null where no keyboard is. The thread that waits for them ends with the process, which is also when
    /// the terminal is what it was before.
    /// </summary>
    public ChannelReader<ConsoleKeyInfo>? OpenKeyboard()
    {
        if (Keyboard is not null || InputIsRedirected)
        {
            return Keyboard;
        }
        Channel<ConsoleKeyInfo> keys = Channel.CreateUnbounded<ConsoleKeyInfo>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
        Console.TreatControlCAsInput = true;
        Thread thread = new(() =>
        {
            try
            {
                while (true)
                {
                    keys.Writer.TryWrite(Console.ReadKey(intercept: true));
                }
            }
            catch (Exception e) when (e is InvalidOperationException or IOException)
            {
                // The terminal is gone.
                keys.Writer.TryComplete();
            }
        })
        {
            IsBackground = true, Name = "keyboard",
        };
        thread.Start();
        return keys.Reader;
    }
#pragma warning restore RS0030

    public void Line(string text = "") => Out.WriteLine(text);

    /// <summary>Something that worked, as a person wants to see it: a mark and a sentence.</summary>
    public void Done(string text) => Out.WriteLine(Paint("✓ ", "32") + text);

    /// <summary>Told beside the result; not part of it.</summary>
    public void Note(string text)
    {
        lock (_gate)
        {
            ClearProgress();
            Error.WriteLine(text);
        }
    }

    public void Fail(string text) => Note("tacit: " + TerminalText.Clean(text));

    /// <summary>Writes text that a model or a server made up: it may break lines and no more. An escape sequence could rewrite what stands above.</summary>
    public void Untrusted(string text)
    {
        Out.Write(TerminalText.Clean(text));
        Out.Flush();
    }

    /// <summary>What is being done: on a terminal one line that the next replaces, elsewhere one line each.</summary>
    public void Progress(string text)
    {
        lock (_gate)
        {
            if (text == _progress)
            {
                return;
            }
            if (ErrorIsTerminal)
            {
                ClearProgress();
                Error.Write(text);
            }
            else
            {
                Error.WriteLine(text);
            }
            _progress = text;
            Error.Flush();
        }
    }

    public void EndProgress()
    {
        lock (_gate)
        {
            ClearProgress();
            _progress = null;
        }
    }

    public void Json<T>(T value, JsonTypeInfo<T> type) => WriteJson(value, type, indented: true);

    /// <summary>The same on one line, where more may follow.</summary>
    public void JsonLine<T>(T value, JsonTypeInfo<T> type) => WriteJson(value, type, indented: false);

    private void WriteJson<T>(T value, JsonTypeInfo<T> type, bool indented)
    {
        using MemoryStream text = new();
        // Read by people and programs, embedded in no page: only what JSON itself demands is escaped.
        using (Utf8JsonWriter json = new(text, new JsonWriterOptions { Indented = indented, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            JsonSerializer.Serialize(json, value, type);
        }
        Out.WriteLine(Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length));
    }

    public string Bold(string text) => Paint(text, "1");

    /// <param name="code">An SGR parameter of ECMA-48: 1 bold, 2 faint, 31 red, 32 green, 33 yellow.</param>
    public string Paint(string text, string code) => UseColor ? $"\e[{code}m{text}\e[0m" : text;

    public void Table(IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        if (UseColor)
        {
            Framed(headers, rows);
        }
        else
        {
            Plain(headers, rows);
        }
    }

    private void Framed(IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        Table table = new Table().Border(TableBorder.Rounded).BorderColor(Color.Grey);
        foreach (string header in headers)
        {
            table.AddColumn(new TableColumn(new Text(header, new Style(decoration: Decoration.Bold))));
        }
        foreach (IReadOnlyList<string> row in rows)
        {
            table.AddRow(row.Select(cell => new Text(cell)));
        }
        AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.Yes, ColorSystem = ColorSystemSupport.Standard, Interactive = InteractionSupport.No, Out = new TableScreen(Out, Width()) }).Write(table);
    }

    private void Plain(IReadOnlyList<string> headers, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        IEnumerable<IReadOnlyList<string>> all = [headers.Select(h => h.ToUpperInvariant()).ToArray(), .. rows];
        int[] widths = [.. headers.Select((h, i) => rows.Select(r => r[i].Length).Append(h.Length).Max())];
        foreach (IReadOnlyList<string> row in all)
        {
            Out.WriteLine(string.Join("  ", row.Select((cell, i) => cell.PadRight(widths[i]))).TrimEnd());
        }
    }

    private void ClearProgress()
    {
        if (ErrorIsTerminal && _progress is not null)
        {
            // Back to the start of the line, and erase it (ECMA-48 EL).
            Error.Write("\r\e[K");
        }
    }

    public void Dispose()
    {
        EndProgress();
        Out.Flush();
        Error.Flush();
    }

    /// <summary>Tells the table how wide the screen is, instead of letting it ask the console.</summary>
    private sealed class TableScreen(TextWriter writer, int width) : IAnsiConsoleOutput
    {
        public TextWriter Writer => writer;

        public bool IsTerminal => true;

        public int Width => width;

        public int Height => 50;

        public void SetEncoding(Encoding encoding)
        {
        }
    }
}
