using System.CommandLine;
using System.Text;
using Tacit.App;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Commands;

/// <summary>The answer with <c>--json</c>.</summary>
internal sealed record Answer(string Model, string? Plan, string Text);

internal static class AskCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string?> text = new("TEXT") { Description = "The question. Without it, standard input is the question; other users of this machine cannot see it there, as they can in a list of processes.", Arity = ArgumentArity.ZeroOrOne };
        Option<bool> stdin = new("--stdin") { Description = "Read standard input too and put it after TEXT." };
        Option<string?> model = new("--model") { Description = "The model to ask. Default: the cheapest plan's first.", HelpName = "M" };
        Option<string?> plan = new("--plan") { Description = "The plan that pays. Default: a subscription that buys the model, else the cheapest.", HelpName = "P" };
        Option<bool> json = Flags.Json();
        Command command = new("ask", "Ask one question, paid with one token, and print the answer as it comes.") { text, stdin, model, plan, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            string question = await QuestionAsync(terminal, parsed.GetValue(text), parsed.GetValue(stdin), cancellationToken);
            AppOptions options = client.Load(parsed);
            await using IQuestionAccess asked = options.Device ? OwnDevice.Open(options, terminal) : await WalletAccess.OpenAsync(terminal, options, cancellationToken);
            string? paying = parsed.GetValue(plan);
            string chosen = parsed.GetValue(model)
                ?? (asked is IWalletAccess wallet ? await DefaultModelAsync(wallet, paying, cancellationToken) : await ((OwnDevice)asked).DefaultModelAsync(cancellationToken));
            AskReply reply = await asked.AskAsync(ChatReply.Question(chosen, question), paying, cancellationToken);
            terminal.EndProgress();
            foreach (string notice in reply.Notices)
            {
                terminal.Note(notice);
            }
            StringBuilder whole = new();
            bool asJson = parsed.GetValue(json);
            await foreach (string piece in ChatReply.ReadAsync(reply, cancellationToken))
            {
                whole.Append(piece);
                if (!asJson)
                {
                    terminal.Untrusted(piece);
                }
            }
            if (asJson)
            {
                terminal.Json(new Answer(chosen, reply.Plan, whole.ToString()), CliJson.Default.Answer);
            }
            else
            {
                terminal.Line();
            }
            return ExitCode.Fine;
        });
        return command.WithExamples(
            "tacit ask \"Why is the sky blue?\"",
            "tacit ask --model gpt-large < question.txt",
            "tacit ask --plan chat-large < long.txt",
            "git diff | tacit ask --stdin \"Review this change:\"");
    }

    /// <param name="command">Named where nothing is asked.</param>
    internal static async Task<string> QuestionAsync(Terminal terminal, string? text, bool stdin, CancellationToken cancellationToken, string command = "ask")
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
        string input = (await terminal.In.ReadToEndAsync(cancellationToken)).TrimEnd();
        string question = text is null or "-" ? input : $"{text}\n\n{input}";
        return string.IsNullOrWhiteSpace(question) ? throw new CommandException("The question is empty.", ExitCode.Usage) : question;
    }

    internal static async Task<string> DefaultModelAsync(IWalletAccess wallet, string? paying, CancellationToken cancellationToken)
    {
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
