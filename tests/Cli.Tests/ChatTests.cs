using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;

namespace Tacit.Cli.Tests;

/// <summary>A conversation in a terminal: typed, piped, and on a real pseudo-terminal.</summary>
public sealed class ChatTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Lines_of_a_pipe_are_one_conversation_and_only_answers_are_printed()
    {
        await using ScriptedModel model = await ScriptedModel.StartAsync(question => [question.ToUpperInvariant(), " \e[2J**"]);
        using TemporaryFolder folder = new();
        await File.WriteAllTextAsync(folder["notes.txt"], "noted", Ct);
        string saved = folder["saved.md"];
        Outcome outcome = await Cli.RunAsync(
            ["chat", "--data", model.Data, "--system", "Shout."],
            $"one\\\nand a half\n\n/file {folder["notes.txt"]}\ntwo\n/save {saved}\n/new\n/system\nthree\n//four\n/quit\nfive\n");

        Assert.True(outcome.Code == ExitCode.Fine, outcome.Error);
        Assert.Equal("ONE\nAND A HALF \uFFFD[2J**\nTWO\n\nNOTES.TXT:\n```\nNOTED\n``` \uFFFD[2J**\nTHREE \uFFFD[2J**\n/FOUR \uFFFD[2J**\n", outcome.Out);
        Assert.Equal(4, model.Asked.Count);
        Assert.Equal(["system", "user"], Roles(model.Asked[0]));
        Assert.Equal(["system", "user", "assistant", "user"], Roles(model.Asked[1]));
        Assert.Equal(["user"], Roles(model.Asked[2]));
        Assert.Equal(["user", "assistant", "user"], Roles(model.Asked[3]));
        Assert.Contains("and a half", await File.ReadAllTextAsync(saved, Ct), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(saved));
        }
        // Nothing of it is kept where the user did not say so.
        foreach (string file in Directory.EnumerateFiles(model.Data, "*", SearchOption.AllDirectories).Where(File.Exists))
        {
            Assert.True((await File.ReadAllBytesAsync(file, Ct)).AsSpan().IndexOf("and a half"u8) < 0, file);
        }
    }

    [Fact]
    public async Task What_cannot_be_done_is_told_and_the_chat_goes_on()
    {
        await using ScriptedModel model = await ScriptedModel.StartAsync(_ => ["fine"]);
        Outcome outcome = await Cli.RunAsync(["chat", "--data", model.Data], $"/nonsense\n/file /nowhere/at/all\n/save\n/model none\nhello\n/model {ScriptedModel.Name}\n/retry\n/privacy\n/help\n");
        Assert.Equal(ExitCode.Fine, outcome.Code);
        Assert.StartsWith("fine\n", outcome.Out, StringComparison.Ordinal);
        Assert.All((string[])["There is no /nonsense", "no file /nowhere", "/save needs a path", "model_not_found"], told => Assert.True(outcome.Error.Contains(told, StringComparison.Ordinal), outcome.Error));
        Assert.Contains("this device's key, with each request", outcome.Out, StringComparison.Ordinal);
        Assert.Contains("/retry", outcome.Out, StringComparison.Ordinal);
        JsonElement asked = Assert.Single(model.Asked);
        Assert.Equal("hello", ScriptedModel.TextOf(ScriptedModel.MessagesOf(asked)[0]));
    }

    [Fact]
    public async Task Line_that_is_typed_can_be_edited_recalled_and_pasted()
    {
        await using ScriptedModel model = await ScriptedModel.StartAsync(question => ["**heard** " + question.Length]);
        await using TypedChat chat = new(model.Data, 30, 10);
        chat.Type("hexllo");
        chat.Press(ConsoleKey.LeftArrow, ConsoleKey.LeftArrow, ConsoleKey.LeftArrow, ConsoleKey.Backspace, ConsoleKey.End);
        chat.Type(" 日本e\u0301 and so on for more than one row\r");
        await chat.UntilAsync("heard 42");
        chat.Press(ConsoleKey.UpArrow);
        chat.Control('A');
        chat.Type("again: \r");
        await chat.UntilAsync("heard 49");
        chat.Type("\e[200~pasted /quit\rin two lines\e[201~\r");
        await chat.UntilAsync("heard 25");
        // Ctrl-C while an answer comes would stop that.
        await chat.UntilAsync("›", 4);
        chat.Type("gone");
        chat.Control('C');
        chat.Type("/qu\t\r");
        Assert.Equal(ExitCode.Fine, await chat.EndAsync());

        string[] questions = [.. model.Asked.Select(asked => ScriptedModel.TextOf(ScriptedModel.MessagesOf(asked)[^1]))];
        Assert.Equal(["hello 日本e\u0301 and so on for more than one row", "again: hello 日本e\u0301 and so on for more than one row", "pasted /quit\nin two lines"], questions);
        Assert.Contains("hello 日本e\u0301", string.Concat(chat.Rows), StringComparison.Ordinal);
        Assert.DoesNotContain(chat.Rows, row => row.Contains("hexllo", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Ctrl_c_stops_the_answer_and_twice_leaves()
    {
        await using ScriptedModel model = await ScriptedModel.StartAsync(question => ["It begins\n\nand goes on"]);
        await using TypedChat chat = new(model.Data, 60, 10);
        chat.Type("never end this\r");
        await chat.UntilAsync("and goes on");
        chat.Control('C');
        await chat.UntilAsync("Stopped.");
        chat.Type("what was that?\r");
        await chat.UntilAsync("and goes on", 2);
        // What was there of the stopped answer belongs to the conversation.
        Assert.Equal(["user", "assistant", "user"], Roles(model.Asked[^1]));
        Assert.Equal("It begins\n\nand goes on", ScriptedModel.TextOf(ScriptedModel.MessagesOf(model.Asked[^1])[1]));
        await chat.UntilAsync("›", 3);
        chat.Control('C');
        await chat.UntilAsync("Ctrl-C again leaves.");
        chat.Control('C');
        await chat.EndAsync();
        Assert.Equal(2, model.Asked.Count);
    }

    [Fact]
    public async Task Chat_on_a_pseudo_terminal_draws_what_is_harmless_and_leaves_the_terminal_as_it_was()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && File.Exists("/usr/bin/script") && File.Exists("/bin/sh"), "script (util-linux) makes the pseudo-terminal, and is not here.");
        await using ScriptedModel model = await ScriptedModel.StartAsync(_ => ["# Title\n\n- **bold** \e]0;owned\a\n- \e[31mred\n\n&#27;[2J| a | b |\n|---|---|\n| 1 | 2 |\n\nthe end of it"]);
        string command = $"stty cols 50 rows 20; stty -a > {model.Data}/before; {Program.Path} chat --data {model.Data}; stty -a > {model.Data}/after; echo over";
        using Process process = Program.StartFile("/usr/bin/script", ["-qfec", command, "/dev/null"], ("TERM", "xterm"), ("SHELL", "/bin/sh"), ("COLUMNS", ""));
        StringBuilder seen = new();
        Task reading = Task.Run(async () =>
        {
            char[] buffer = new char[4096];
            int read;
            while ((read = await process.StandardOutput.ReadAsync(buffer, Ct)) > 0)
            {
                lock (seen)
                {
                    seen.Append(buffer, 0, read);
                }
            }
        }, Ct);
        await UntilAsync(() => Seen().Contains("› ", StringComparison.Ordinal), Seen);
        await TypeAsync("show me\r");
        await UntilAsync(() => Seen().Contains("the end of it", StringComparison.Ordinal) && Seen().LastIndexOf("› ", StringComparison.Ordinal) > Seen().IndexOf("the end of it", StringComparison.Ordinal), Seen);
        await TypeAsync("\u0003");
        await UntilAsync(() => Seen().Contains("Ctrl-C again leaves", StringComparison.Ordinal), Seen);
        await TypeAsync("\u0003");
        await UntilAsync(() => Seen().Contains("over", StringComparison.Ordinal), Seen);
        process.StandardInput.Close();
        await process.WaitForExitAsync(Ct);
        await reading;

        string shown = Seen();
        Assert.Contains("\e[1mbold", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("\e]0", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("\e[31m", shown, StringComparison.Ordinal);
        Assert.DoesNotContain("\e[2J", shown, StringComparison.Ordinal);
        Assert.Equal(await File.ReadAllTextAsync(Path.Combine(model.Data, "before"), Ct), await File.ReadAllTextAsync(Path.Combine(model.Data, "after"), Ct));

        string Seen()
        {
            lock (seen)
            {
                return seen.ToString();
            }
        }

        async Task TypeAsync(string keys)
        {
            await process.StandardInput.WriteAsync(keys);
            await process.StandardInput.FlushAsync(Ct);
        }
    }

    private static string[] Roles(JsonElement asked) => [.. ScriptedModel.MessagesOf(asked).Select(message => message.GetProperty("role").GetString()!)];

    private static async Task UntilAsync(Func<bool> condition, Func<string> seen)
    {
        long start = Stopwatch.GetTimestamp();
        while (!condition())
        {
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromMinutes(3), "Waited in vain. So far: " + seen());
            await Task.Delay(20, Ct);
        }
    }

    /// <summary>A chat in this process, with keys that are pressed and a screen that is watched.</summary>
    private sealed class TypedChat : IAsyncDisposable
    {
        private readonly Channel<ConsoleKeyInfo> _keys = Channel.CreateUnbounded<ConsoleKeyInfo>();
        private readonly ScreenEmulator _screen;
        private readonly TextWriter _writer;
        private readonly Terminal _terminal;
        private readonly Task<int> _run;

        public TypedChat(string data, int columns, int rows)
        {
            _screen = new ScreenEmulator(columns, rows);
            _writer = TextWriter.Synchronized(_screen);
            _terminal = new Terminal(_writer, _writer, TextReader.Null)
            {
                IsInteractive = true, ErrorIsTerminal = true, InputIsRedirected = false, UseColor = true, Screen = () => (columns, rows), Keyboard = _keys.Reader,
            };
            _run = Task.Run(() => CommandLine.RunAsync(["chat", "--data", data], _terminal, Ct));
        }

        public string[] Rows
        {
            get
            {
                // The writer locks itself.
                lock (_writer)
                {
                    return _screen.Rows;
                }
            }
        }

        public void Type(string text)
        {
            foreach (char c in text)
            {
                ConsoleKey key = c switch { '\r' => ConsoleKey.Enter, '\e' => ConsoleKey.Escape, '\t' => ConsoleKey.Tab, _ => ConsoleKey.None };
                _keys.Writer.TryWrite(new ConsoleKeyInfo(c, key, false, false, false));
            }
        }

        public void Press(params ConsoleKey[] keys)
        {
            foreach (ConsoleKey key in keys)
            {
                _keys.Writer.TryWrite(new ConsoleKeyInfo('\0', key, false, false, false));
            }
        }

        public void Control(char letter) => _keys.Writer.TryWrite(new ConsoleKeyInfo((char)(letter - '@'), ConsoleKey.A + (letter - 'A'), false, false, true));

        public Task UntilAsync(string text, int times = 1) => ChatTests.UntilAsync(
            () => _run.IsCompleted || string.Join('\n', Rows).Split(text).Length > times, () => string.Join('\n', Rows));

        public Task<int> EndAsync() => _run.WaitAsync(TimeSpan.FromMinutes(3), Ct);

        public async ValueTask DisposeAsync()
        {
            _keys.Writer.TryComplete();
            await _run.WaitAsync(TimeSpan.FromMinutes(3), CancellationToken.None);
            _terminal.Dispose();
            await _screen.DisposeAsync();
        }
    }
}
