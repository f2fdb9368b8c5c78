using System.CommandLine;
using Tacit.App;
using Tacit.Cli.Chat;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Commands;

/// <summary>The answer with <c>--json</c>.</summary>
/// <param name="Left">Tokens of the plan that the wallet still has.</param>
internal sealed record Answer(string Model, string? Plan, string Text, long? Left = null, DateTimeOffset? Until = null, IReadOnlyList<string>? Notices = null);

internal static class AskCommand
{
    /// <summary>How long standard input may bring nothing before that is told.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);

    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string?> text = new("TEXT")
        {
            Description = "The question. Without it, or with -, standard input is the question; other users of this machine cannot see it there, as they can in a list of processes.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        Option<string[]> files = new("--file")
        {
            Description = "A file that goes with the question: text, an image (PNG, JPEG, GIF, WebP), or a PDF, of which its text is sent (by pdftotext). May be given several times.",
            HelpName = "PATH",
        };
        Option<bool> stdin = new("--stdin") { Description = "Read standard input too and put it after TEXT. What a pipe or a file brings is read without it." };
        Option<bool> noStdin = new("--no-stdin") { Description = "Leave standard input alone, as in a loop that reads from it." };
        Option<string?> system = new("--system") { Description = "What the model is told before the question: how to answer.", HelpName = "TEXT" };
        Option<string?> model = new("--model") { Description = "The model to ask. Default: the cheapest plan's first.", HelpName = "M" };
        Option<string?> plan = new("--plan") { Description = "The plan that pays. Default: a subscription that buys the model, else the cheapest.", HelpName = "P" };
        Option<bool> raw = new("--raw") { Description = "Print the answer as it was written. Without it, its Markdown is drawn where standard output is a terminal." };
        Option<bool> json = Flags.Json();
        Command command = new("ask", "Ask one question, paid with one token, and print the answer as it comes.")
        {
            text, files, stdin, noStdin, system, model, plan, raw, json,
        };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            List<QuestionFile> given = [];
            foreach (string path in parsed.GetValue(files) ?? [])
            {
                given.Add(await QuestionFile.ReadAsync(path, cancellationToken));
            }
            string question = await QuestionAsync(
                terminal, parsed.GetValue(text), parsed.GetValue(stdin) || (terminal.InputBringsText && !parsed.GetValue(noStdin)), cancellationToken, given);
            AppOptions options = client.Load(parsed);
            await using IQuestionAccess asked = await WalletAccess.OpenForQuestionsAsync(terminal, options, cancellationToken);
            string? paying = parsed.GetValue(plan);
            string chosen = parsed.GetValue(model) ?? await DefaultModelAsync(asked, paying, cancellationToken);
            byte[] body = ChatReply.Question(chosen, parsed.GetValue(system), [new ChatTurn("user", question, given)]);
            AskReply reply = await asked.AskAsync(body, paying, null, cancellationToken);
            terminal.EndProgress();
            foreach (string notice in reply.Notices)
            {
                terminal.Note(notice);
            }
            bool asJson = parsed.GetValue(json);
            ReplyWriter writer = new(asJson ? null : terminal, parsed.GetValue(raw));
            string whole = await writer.WriteAsync(ChatReply.ReadAsync(reply, cancellationToken));
            if (asJson)
            {
                terminal.Json(new Answer(chosen, reply.Plan, whole, reply.Left, reply.Until, reply.Notices.Count > 0 ? reply.Notices : null), CliJson.Default.Answer);
            }
            return ExitCode.Fine;
        });
        return command.WithExamples(
            "tacit ask \"Why is the sky blue?\"",
            "tacit ask --model gpt-large < question.txt",
            "tacit ask --plan chat-large < long.txt",
            "git diff | tacit ask \"Review this change:\"",
            "tacit ask \"What is the difference?\" --file a.cs --file b.cs",
            "tacit ask \"What is this?\" --file picture.png --system \"Answer in one sentence.\"");
    }

    /// <param name="files">Gets what standard input brings where that is an image or a PDF; null where the question can have no files.</param>
    /// <param name="command">Named where nothing is asked.</param>
    internal static async Task<string> QuestionAsync(
        Terminal terminal, string? text, bool stdin, CancellationToken cancellationToken, List<QuestionFile>? files = null, string command = "ask")
    {
        // Standard input is read only where it is asked for: a script's own may never end.
        if (text is not null && text != "-" && !stdin)
        {
            return text;
        }
        if (!terminal.InputIsRedirected && text is null)
        {
            throw new CommandException($"Ask something: tacit {command} \"TEXT\", or give the question on standard input.", ExitCode.Usage);
        }
        string input = (await InputAsync(terminal, files, cancellationToken)).TrimEnd();
        string question = text is null or "-" ? input : input.Length == 0 ? text : $"{text}\n\n{input}";
        return string.IsNullOrWhiteSpace(question) ? throw new CommandException("The question is empty.", ExitCode.Usage) : question;
    }

    private static async Task<string> InputAsync(Terminal terminal, List<QuestionFile>? files, CancellationToken cancellationToken)
    {
        if (terminal.OpenInput is null || files is null)
        {
            return await terminal.In.ReadToEndAsync(cancellationToken);
        }
        Task<QuestionFile> reading = QuestionFile.ReadAsync("standard input", terminal.OpenInput(), cancellationToken);
        if (await Task.WhenAny(reading, Task.Delay(s_patience, TimeProvider.System, cancellationToken)) != reading)
        {
            terminal.Progress("Reading standard input to its end; --no-stdin leaves it alone …");
        }
        QuestionFile input = await reading;
        terminal.EndProgress();
        if (input.Image is not null)
        {
            files.Add(input);
        }
        return input.Text ?? "";
    }

    internal static async Task<string> DefaultModelAsync(IQuestionAccess asked, string? paying, CancellationToken cancellationToken)
    {
        if (asked is not IWalletAccess wallet)
        {
            return await ((OwnDevice)asked).DefaultModelAsync(cancellationToken);
        }
        DirectorySummary directory = await wallet.GetDirectoryAsync(cancellationToken);
        WalletStatus status = await wallet.GetStatusAsync(cancellationToken);
        HashSet<string> subscribed = [.. status.Subscriptions.Where(entry => entry.Ready + entry.Busy > 0).Select(entry => entry.Plan)];
        IEnumerable<PlanSummary> usable = paying is not null
            ? directory.Plans.Where(plan => plan.Id == paying)
            : directory.Plans.Where(plan => plan.LiveKeys.Count > 0 && (plan.Kind == "request" || subscribed.Contains(plan.Id)))
                .OrderBy(plan => plan.Kind == "request").ThenBy(plan => plan.Price);
        return usable.SelectMany(plan => plan.Models).FirstOrDefault()
            ?? throw new CommandException(
                paying is null ? "The issuer offers no plan that can be used now. `tacit plans` shows them." : $"The issuer offers no plan {paying}. `tacit plans` shows them.");
    }
}
