using System.CommandLine;
using System.Globalization;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Commands;

/// <summary>What the issuer's signed directory says, as this wallet believes it.</summary>
internal static class DirectoryCommands
{
    public static Command Plans(Terminal terminal, Flags flags) => Create(
        terminal, flags, "plans", "Show what tokens buy: models, limits, prices.",
        (terminal, directory) => terminal.Table(
            ["plan", "kind", "credits", "period", "at once", "models", "input", "output", "token type"],
            [.. directory.Plans.Select(plan => (string[])
            [
                plan.Id, plan.Kind, plan.Kind == "request" ? $"{Number(plan.Price)} a request" : $"{Number(plan.Price)} a {plan.Period}", plan.Period,
                plan.Kind == "request" ? "" : Number(plan.Concurrency), string.Join(", ", plan.Models), Size(plan.MaxInputBytes),
                plan.MaxOutputTokens.ToString("N0", CultureInfo.InvariantCulture) + " tokens", plan.LiveKeys.Count == 0 ? plan.TokenType + " (no key yet)" : plan.TokenType,
            ])])).WithExamples("tacit plans", "tacit plans --json | jq -r '.plans[].id'");

    public static Command Keys(Terminal terminal, Flags flags) => Create(
        terminal, flags, "keys", "Show the issuer's live keys: everyone must see the same ones.",
        (terminal, directory) =>
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{directory.IssuerName}, directory {directory.Sequence}"));
            terminal.Table(
                ["plan", "token type", "key id", "from", "until"],
                [.. directory.Plans.SelectMany(plan => plan.LiveKeys.Select(key => (string[])[plan.Id, plan.TokenType, key.KeyId, Day(key.Start), Day(key.Deadline)]))]);
        }).WithExamples("tacit keys", "tacit keys --json | sha256sum");

    private static Command Create(Terminal terminal, Flags flags, string name, string description, Action<Terminal, DirectorySummary> show)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new(name, description) { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(client.Load(parsed), cancellationToken);
            DirectorySummary directory = await wallet.GetDirectoryAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(directory, CliJson.Default.DirectorySummary);
            }
            else
            {
                show(terminal, directory);
            }
            return ExitCode.Fine;
        });
        return command;
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Size(long bytes) => bytes % 1048576 == 0
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576} MiB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024} KiB");

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
