using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Tacit.Cli.Commands;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Chat;

/// <summary>
/// A conversation in a terminal. It is in this process's memory and nowhere else: where the app keeps chats, it keeps its own page's, and this one ends with its terminal.
/// </summary>
internal sealed class ChatSession(Terminal terminal, IQuestionAccess asked, IChatInput input, string model, string? plan, string? system)
{
    private const string Prompt = "› ";

    private static readonly (string Name, string Takes, string Does)[] s_commands =
    [
        ("/model", "[M]", "show the models, or ask another one from now on"),
        ("/plan", "[P]", "show what pays, or have plan P pay from now on; /plan any leaves it to the wallet again"),
        ("/new", "", "begin another conversation: nothing links it to this one"),
        ("/system", "[TEXT]", "tell the model how to answer; without TEXT, nothing any more"),
        ("/file", "PATH", "add a file to the next question: text, an image, a PDF"),
        ("/retry", "", "ask the last question again"),
        ("/stop", "", "stop the answer, as Ctrl-C does; what it cost is spent"),
        ("/privacy", "", "show who sees what of this conversation"),
        ("/save", "PATH", "write the conversation to a file, as Markdown"),
        ("/help", "", "show this"),
        ("/quit", "", "leave; so do Ctrl-D, and Ctrl-C twice"),
    ];

    private readonly List<ChatTurn> _turns = [];
    private readonly List<QuestionFile> _files = [];
    private readonly List<PromptTrace> _traces = [];
    private readonly HashSet<string> _noticed = [];
    private string _model = model;
    private string? _plan = plan;
    private string? _system = system;
    private string _conversation = NewConversation();
    private ChatTurn? _failed;
    private string? _paid;

    public static IReadOnlyList<string> CommandNames { get; } = [.. s_commands.Select(command => command.Name)];

    /// <summary>Until the user leaves, or there are no more lines.</summary>
    /// <returns>The exit code: whether the last question was answered.</returns>
    public async Task<int> RunAsync(CancellationToken cancellationToken)
    {
        using CancellationTokenSource left = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        int code = ExitCode.Fine;
        Tell($"{_model} · /help lists what can be typed · this conversation is not stored");
        while (!left.IsCancellationRequested && await input.ReadAsync(Prompt, left.Token) is string line)
        {
            if (line.Trim() is not { Length: > 0 } text)
            {
                continue;
            }
            if (text is ['/', not '/', ..] or "/")
            {
                string[] words = text.Split(' ', 2, StringSplitOptions.TrimEntries);
                if (words[0] is "/quit" or "/exit" or "/q")
                {
                    break;
                }
                code = await ObeyAsync(words[0], words.Length > 1 && words[1].Length > 0 ? words[1] : null, left);
                continue;
            }
            ChatTurn question = new("user", text.StartsWith("//", StringComparison.Ordinal) ? text[1..] : line, [.. _files]);
            code = await AskAsync(question, left);
        }
        return code;
    }

    private async Task<int> ObeyAsync(string command, string? argument, CancellationTokenSource left)
    {
        try
        {
            switch (command)
            {
                case "/help":
                    terminal.Table(["", "", ""], [.. s_commands.Select(known => (string[])[known.Name, known.Takes, known.Does])]);
                    terminal.Line("A line that begins with // is a question that begins with /. Alt-Enter begins a new line, in a pipe a backslash at the end of one does.");
                    break;
                case "/new":
                    _turns.Clear();
                    _files.Clear();
                    _traces.Clear();
                    (_failed, _paid, _conversation) = (null, null, NewConversation());
                    Tell("A new conversation.");
                    break;
                case "/model" when argument is null:
                    await new ChatFacts(terminal, asked).ShowModelsAsync(_model, left.Token);
                    break;
                case "/model":
                    _model = argument;
                    Tell($"{_model} answers from now on.");
                    break;
                case "/plan" when argument is null:
                    await new ChatFacts(terminal, asked).ShowPlansAsync(_plan, left.Token);
                    break;
                case "/plan":
                    _plan = argument == "any" ? null : argument;
                    Tell(_plan is null ? "The wallet chooses what pays." : $"{_plan} pays from now on.");
                    break;
                case "/system":
                    _system = argument;
                    Tell(_system is null ? "The model is told nothing before the conversation." : "The model is told that before the conversation.");
                    break;
                case "/file" when argument is not null:
                    QuestionFile file = await QuestionFile.ReadAsync(argument, left.Token);
                    _files.Add(file);
                    Tell(file.Text is string text
                        ? string.Create(CultureInfo.InvariantCulture, $"{file.Name} goes with the next question: {text.Length} characters of text.")
                        : $"{file.Name} goes with the next question, as an image.");
                    break;
                case "/save" when argument is not null:
                    await SaveAsync(argument, left.Token);
                    break;
                case "/file" or "/save":
                    throw new CommandException($"{command} needs a path.", ExitCode.Usage);
                case "/retry":
                    return await RetryAsync(left);
                case "/stop":
                    Tell("Nothing is being answered.");
                    break;
                case "/privacy":
                    await new ChatFacts(terminal, asked).ShowPrivacyAsync(_traces.Count > 0 ? await _traces[^1].FinishAsync(left.Token) : null, _turns.Count(turn => turn.Role == "user"), _paid ?? _plan, left.Token);
                    break;
                default:
                    throw new CommandException($"There is no {command}. /help lists what there is.", ExitCode.Usage);
            }
            return ExitCode.Fine;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            return Fail(e);
        }
    }

    private async Task<int> RetryAsync(CancellationTokenSource left)
    {
        if (_failed is ChatTurn failed)
        {
            return await AskAsync(failed, left);
        }
        if (_turns.FindLastIndex(turn => turn.Role == "user") is int last and >= 0)
        {
            ChatTurn question = _turns[last];
            _turns.RemoveRange(last, _turns.Count - last);
            return await AskAsync(question, left);
        }
        Tell("Nothing was asked yet.");
        return ExitCode.Fine;
    }

    private async Task<int> AskAsync(ChatTurn question, CancellationTokenSource left)
    {
        using CancellationTokenSource stopped = CancellationTokenSource.CreateLinkedTokenSource(left.Token);
        using CancellationTokenSource ended = new();
        Task watch = input.WatchAsync(stopped.Cancel, left.Cancel, ended.Token);
        ReplyWriter writer = new(terminal, raw: false);
        PromptTrace trace = new(TimeProvider.System);
        _failed = question;
        try
        {
            if (terminal.Screen is not null)
            {
                terminal.Progress($"{_model} is asked …");
            }
            AskReply reply = await asked.AskAsync(ChatReply.Question(_model, _system, [.. _turns, question]), _plan, _conversation, stopped.Token, trace);
            terminal.EndProgress();
            foreach (string notice in reply.Notices.Where(_noticed.Add))
            {
                terminal.Note(notice);
            }
            await writer.WriteAsync(ChatReply.ReadAsync(reply, stopped.Token));
            _paid = reply.Plan;
            Took(question, writer.Text, trace);
            Tell(string.Join(" · ", [
                .. reply.Plan is string paid ? [paid] : Array.Empty<string>(),
                .. reply.Left is long tokens ? [string.Create(CultureInfo.InvariantCulture, $"{tokens} left")] : Array.Empty<string>(),
                .. reply.Until is DateTimeOffset until ? [string.Create(CultureInfo.InvariantCulture, $"until {until:yyyy-MM-dd}")] : Array.Empty<string>()]));
            return ExitCode.Fine;
        }
        catch (OperationCanceledException) when (stopped.IsCancellationRequested)
        {
            terminal.EndProgress();
            if (left.IsCancellationRequested)
            {
                return ExitCode.Failed;
            }
            if (writer.Text.Length > 0)
            {
                // What there is of it belongs to the conversation, as one sees.
                Took(question, writer.Text, trace);
            }
            Tell(writer.Text.Length > 0 ? "Stopped. /retry asks again." : "Stopped before anything came. /retry asks again.");
            return ExitCode.Failed;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            int code = Fail(e);
            Tell("/retry asks again.");
            return code;
        }
        finally
        {
            await ended.CancelAsync();
            await watch;
        }
    }

    private void Took(ChatTurn question, string answer, PromptTrace trace)
    {
        _turns.Add(question);
        _turns.Add(new ChatTurn("assistant", answer));
        _traces.Add(trace);
        _files.Clear();
        _failed = null;
    }

    private int Fail(Exception e)
    {
        terminal.EndProgress();
        (int code, string message) = Failures.Explain(e);
        terminal.Fail(message);
        return code;
    }

    /// <summary>Told beside the conversation; not where only answers are wanted.</summary>
    private void Tell(string text)
    {
        if (text.Length == 0)
        {
            return;
        }
        if (terminal.Screen is null)
        {
            if (!terminal.InputIsRedirected)
            {
                terminal.Note(text);
            }
            return;
        }
        terminal.Line(terminal.Paint(Rendering.TerminalText.Clean(text), "2"));
    }

    private async Task SaveAsync(string path, CancellationToken cancellationToken)
    {
        StringBuilder text = new();
        if (_system is not null)
        {
            text.Append("> ").Append(_system.ReplaceLineEndings("\n> ")).Append("\n\n");
        }
        foreach (ChatTurn turn in _turns)
        {
            text.Append(turn.Role == "user" ? "## Question\n\n" : "## Answer\n\n").Append(turn.Text.TrimEnd()).Append("\n\n");
            foreach (QuestionFile file in turn.Files)
            {
                text.Append(file.Text is null ? $"({file.Name})" : file.Fenced()).Append("\n\n");
            }
        }
        // Readable by whoever saves it; not over something that is there.
        FileStreamOptions options = new() { Mode = FileMode.CreateNew, Access = FileAccess.Write, Options = FileOptions.Asynchronous };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }
        try
        {
            await using FileStream file = new(path, options);
            await file.WriteAsync(Encoding.UTF8.GetBytes(text.ToString()), cancellationToken);
        }
        catch (IOException) when (File.Exists(path))
        {
            throw new CommandException($"{path} is there already. Name another file.", ExitCode.Usage);
        }
        Tell($"Saved in {path}, in the clear.");
    }

    /// <summary>Never sent: it says which requests may share a connection.</summary>
    private static string NewConversation() => "terminal-" + Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16));
}
