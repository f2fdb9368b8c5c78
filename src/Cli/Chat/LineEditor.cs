using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Tacit.Cli.Rendering;

namespace Tacit.Cli.Chat;

/// <summary>
/// A line that is typed on a terminal: arrows, Home and End, Ctrl-A E K U W, lines typed before, and what is pasted, line ends and all. Lines typed before are in memory only.
/// </summary>
internal sealed class LineEditor(Terminal terminal, ChannelReader<ConsoleKeyInfo> keys, IReadOnlyList<string> commands) : IChatInput
{
    // xterm's bracketed paste: between these nothing is a command.
    private const string PasteOn = "\e[?2004h";
    private const string PasteOff = "\e[?2004l";
    private const string PasteBegins = "[200~";
    private const string PasteEnds = "[201~";
    private const char ShownLineEnd = '⏎';

    private readonly List<string> _before = [];
    private readonly Queue<ConsoleKeyInfo> _ahead = new();
    private readonly StringBuilder _text = new();
    private int _at;
    private int _row;
    private bool _leaves;

    public async Task<string?> ReadAsync(string prompt, CancellationToken cancellationToken)
    {
        _text.Clear();
        (_at, _row) = (0, 0);
        int back = _before.Count;
        string? kept = null;
        terminal.Out.Write(PasteOn);
        Draw(prompt);
        try
        {
            while (true)
            {
                if (await NextAsync(cancellationToken) is not ConsoleKeyInfo key)
                {
                    return null;
                }
                bool wasLeaving = _leaves;
                _leaves = false;
                bool control = (key.Modifiers & ConsoleModifiers.Control) != 0;
                switch (key.Key)
                {
                    case ConsoleKey.Enter when (key.Modifiers & ConsoleModifiers.Alt) != 0:
                        Insert("\n");
                        break;
                    case ConsoleKey.Enter:
                        string line = _text.ToString();
                        _at = _text.Length;
                        Draw(prompt);
                        terminal.Out.Write('\n');
                        if (line.Trim().Length > 0 && (_before.Count == 0 || _before[^1] != line))
                        {
                            _before.Add(line);
                        }
                        return line;
                    case ConsoleKey.C when control:
                        if (_text.Length == 0)
                        {
                            if (wasLeaving)
                            {
                                terminal.Out.Write('\n');
                                return null;
                            }
                            terminal.Out.Write("\n" + terminal.Paint("Ctrl-C again leaves.", "2") + "\n");
                            _row = 0;
                        }
                        Clear();
                        _leaves = true;
                        break;
                    case ConsoleKey.D when control && _text.Length == 0:
                        terminal.Out.Write('\n');
                        return null;
                    case ConsoleKey.D when control:
                    case ConsoleKey.Delete:
                        _text.Remove(_at, Forward());
                        break;
                    case ConsoleKey.Backspace:
                        Erase(Backward());
                        break;
                    case ConsoleKey.LeftArrow:
                    case ConsoleKey.B when control:
                        _at -= Backward();
                        break;
                    case ConsoleKey.RightArrow:
                    case ConsoleKey.F when control:
                        _at += Forward();
                        break;
                    case ConsoleKey.Home:
                    case ConsoleKey.A when control:
                        _at = 0;
                        break;
                    case ConsoleKey.End:
                    case ConsoleKey.E when control:
                        _at = _text.Length;
                        break;
                    case ConsoleKey.K when control:
                        _text.Length = _at;
                        break;
                    case ConsoleKey.U when control:
                        Erase(_at);
                        break;
                    case ConsoleKey.W when control:
                        Erase(Word());
                        break;
                    case ConsoleKey.UpArrow when back > 0:
                        kept = back == _before.Count ? _text.ToString() : kept;
                        Show(_before[--back]);
                        break;
                    case ConsoleKey.DownArrow when back < _before.Count:
                        Show(++back == _before.Count ? kept ?? "" : _before[back]);
                        break;
                    case ConsoleKey.Tab:
                        Complete();
                        break;
                    case ConsoleKey.Escape:
                        await SequenceAsync("", cancellationToken);
                        break;
                    default:
                        if (IsEscapedBracket(key))
                        {
                            await SequenceAsync("[", cancellationToken);
                            break;
                        }
                        if (!char.IsControl(key.KeyChar))
                        {
                            Insert(key.KeyChar.ToString());
                        }
                        break;
                }
                // Of much that is pasted, only the last is worth being drawn.
                if (_ahead.Count == 0 && !keys.TryPeek(out _))
                {
                    Draw(prompt);
                }
            }
        }
        finally
        {
            terminal.Out.Write(PasteOff);
            terminal.Out.Flush();
        }
    }

    /// <inheritdoc/>
    /// <remarks>What else is typed meanwhile is taken up by the next line.</remarks>
    public async Task WatchAsync(Action stop, Action leave, CancellationToken ended)
    {
        StringBuilder typed = new();
        bool stopped = false;
        try
        {
            while (await keys.WaitToReadAsync(ended))
            {
                while (!ended.IsCancellationRequested && keys.TryRead(out ConsoleKeyInfo key))
                {
                    if (key.Key == ConsoleKey.C && (key.Modifiers & ConsoleModifiers.Control) != 0)
                    {
                        (stopped ? leave : stop)();
                        (stopped, _leaves) = (true, true);
                        _ahead.Clear();
                        typed.Clear();
                        continue;
                    }
                    _leaves = false;
                    _ahead.Enqueue(key);
                    typed.Append(key.KeyChar);
                    if (key.Key == ConsoleKey.Enter)
                    {
                        if (typed.ToString().Trim() == "/stop")
                        {
                            stop();
                            _ahead.Clear();
                        }
                        typed.Clear();
                    }
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The answer is there.
        }
    }

    private async ValueTask<ConsoleKeyInfo?> NextAsync(CancellationToken cancellationToken)
    {
        if (_ahead.TryDequeue(out ConsoleKeyInfo ahead))
        {
            return ahead;
        }
        return await keys.WaitToReadAsync(cancellationToken) && keys.TryRead(out ConsoleKeyInfo key) ? key : null;
    }

    /// <summary>An escape and a bracket, as the runtime tells of them where it does not know what follows.</summary>
    private static bool IsEscapedBracket(ConsoleKeyInfo key) => key.KeyChar == '[' && (key.Modifiers & ConsoleModifiers.Alt) != 0;

    /// <summary>What follows an escape may be a paste. If it is not, it is keys as any others.</summary>
    private async ValueTask SequenceAsync(string begun, CancellationToken cancellationToken)
    {
        StringBuilder sequence = new(begun);
        while (sequence.Length < PasteBegins.Length)
        {
            if (await NextAsync(cancellationToken) is not ConsoleKeyInfo key)
            {
                return;
            }
            if (key.KeyChar != PasteBegins[sequence.Length])
            {
                Insert(sequence.ToString());
                // Before what is ahead of it.
                ConsoleKeyInfo[] rest = [key, .. _ahead];
                _ahead.Clear();
                Array.ForEach(rest, _ahead.Enqueue);
                return;
            }
            sequence.Append(key.KeyChar);
        }
        StringBuilder pasted = new();
        while (!pasted.ToString(Math.Max(0, pasted.Length - PasteEnds.Length - 1), Math.Min(pasted.Length, PasteEnds.Length + 1)).Equals("\e" + PasteEnds, StringComparison.Ordinal)
            && await NextAsync(cancellationToken) is ConsoleKeyInfo key)
        {
            pasted.Append(IsEscapedBracket(key) ? "\e[" : key.Key == ConsoleKey.Enter ? "\n" : key.KeyChar.ToString());
        }
        pasted.Replace("\e" + PasteEnds, "");
        Insert(pasted.ToString());
    }

    private void Insert(string text)
    {
        string clean = TerminalText.Clean(text.Replace("\r", "\n", StringComparison.Ordinal));
        _text.Insert(_at, clean);
        _at += clean.Length;
    }

    private void Show(string line)
    {
        _text.Clear().Append(line);
        _at = _text.Length;
    }

    private void Clear() => Show("");

    private void Erase(int length)
    {
        _at -= length;
        _text.Remove(_at, length);
    }

    private int Forward() => _at == _text.Length ? 0 : StringInfo.GetNextTextElementLength(_text.ToString().AsSpan(_at));

    private int Backward()
    {
        int last = 0;
        string before = _text.ToString(0, _at);
        for (int at = 0; at < before.Length; at += last)
        {
            last = StringInfo.GetNextTextElementLength(before.AsSpan(at));
        }
        return last;
    }

    private int Word()
    {
        int at = _at;
        while (at > 0 && _text[at - 1] == ' ')
        {
            at--;
        }
        while (at > 0 && _text[at - 1] != ' ')
        {
            at--;
        }
        return _at - at;
    }

    private void Complete()
    {
        string typed = _text.ToString();
        if (_at == typed.Length && commands.Where(command => command.StartsWith(typed, StringComparison.Ordinal)).ToArray() is [string only])
        {
            Show(only + " ");
        }
    }

    /// <summary>Prompt and line from where the prompt stands, and the cursor where it is in the line.</summary>
    private void Draw(string prompt)
    {
        int columns = Math.Max(2, terminal.Screen?.Invoke().Columns ?? 80);
        StringBuilder drawn = new();
        drawn.Append(_row > 0 ? $"\r\e[{_row.ToString(CultureInfo.InvariantCulture)}A" : "\r").Append("\e[J").Append(terminal.Bold(prompt));
        (int row, int column) = (0, TerminalText.Width(prompt));
        (int atRow, int atColumn) = (row, column);
        string text = _text.ToString().Replace('\n', ShownLineEnd).Replace('\t', ' ');
        for (int at = 0; at < text.Length;)
        {
            int length = StringInfo.GetNextTextElementLength(text.AsSpan(at));
            ReadOnlySpan<char> element = text.AsSpan(at, length);
            int width = TerminalText.ElementWidth(element);
            if (column + width > columns)
            {
                // Not left to the terminal: at the last column terminals differ.
                drawn.Append('\n');
                (row, column) = (row + 1, 0);
            }
            if (at == _at)
            {
                (atRow, atColumn) = (row, column);
            }
            drawn.Append(element);
            column += width;
            at += length;
        }
        if (_at == text.Length)
        {
            if (column == columns)
            {
                drawn.Append('\n');
                (row, column) = (row + 1, 0);
            }
            (atRow, atColumn) = (row, column);
        }
        drawn.Append('\r').Append(row > atRow ? $"\e[{(row - atRow).ToString(CultureInfo.InvariantCulture)}A" : "").Append(
            atColumn > 0 ? $"\e[{atColumn.ToString(CultureInfo.InvariantCulture)}C" : "");
        _row = atRow;
        terminal.Out.Write(drawn.ToString());
        terminal.Out.Flush();
    }
}
