using System.CommandLine;
using Tacit.App;
using Tacit.Cli.Chat;
using Tacit.Cli.Wallets;

namespace Tacit.Cli.Commands;

/// <summary>A conversation in the terminal.</summary>
internal static class ChatCommand
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<string?> model = new("--model") { Description = "The model to ask. Default: the cheapest plan's first.", HelpName = "M" };
        Option<string?> plan = new("--plan") { Description = "The plan that pays. Default: a subscription that buys the model, else the cheapest.", HelpName = "P" };
        Option<string?> system = new("--system") { Description = "What the model is told before the conversation: how to answer.", HelpName = "TEXT" };
        Command command = new("chat", "Chat in the terminal. Nothing of it is stored. Without a terminal, each line of standard input is a question.") { model, plan, system };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AppOptions options = client.Load(parsed);
            await using IQuestionAccess asked = await WalletAccess.OpenForQuestionsAsync(terminal, options, cancellationToken);
            string? paying = parsed.GetValue(plan);
            string chosen = parsed.GetValue(model) ?? await AskCommand.DefaultModelAsync(asked, paying, cancellationToken);
            IChatInput input = terminal.Screen is not null && terminal.OpenKeyboard() is { } keys ? new LineEditor(terminal, keys, ChatSession.CommandNames) : new PlainInput(terminal);
            return await new ChatSession(terminal, asked, input, chosen, paying, parsed.GetValue(system)).RunAsync(cancellationToken);
        });
        return command.WithExamples("tacit chat", "tacit chat --model gpt-large --system \"Answer in one sentence.\"", "printf 'Why?\\nAnd why that?\\n' | tacit chat");
    }
}
