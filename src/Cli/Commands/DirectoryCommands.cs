using System.CommandLine;
using System.Globalization;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Commands;

/// <summary>What the issuer's signed directory says, as this wallet believes it.</summary>
internal static class DirectoryCommands
{
    public static Command Plans(Terminal terminal, Flags flags) => Create(
        terminal, flags, "plans", "Show what can be bought: models, limits, prices; and what the wallet has of it.",
        (terminal, directory, wallet) => terminal.Table(
            ["plan", "kind", "credits", "at once", "models", "input", "output", "token type", "in the wallet"],
            [.. directory.Plans.Select(plan => (string[])
            [
                plan.Id, plan.Kind, plan.Kind == "request" ? $"{Number(plan.Price)} a request, good for a {plan.Period}" : $"{Number(plan.Price)} a {plan.Period}",
                plan.Kind == "request" ? "" : Number(plan.Concurrency), string.Join(", ", plan.Models), Size(plan.MaxInputBytes),
                plan.MaxOutputTokens.ToString("N0", CultureInfo.InvariantCulture) + " tokens", plan.LiveKeys.Count == 0 ? plan.TokenType + " (no key yet)" : plan.TokenType,
                Left(wallet, plan.Id),
            ])])).WithExamples("tacit plans", "tacit plans --json | jq -r '.plans[].id'");

    public static Command Keys(Terminal terminal, Flags flags) => Create(
        terminal, flags, "keys", "Show the issuer's live keys: everyone must see the same ones.",
        (terminal, directory, _) =>
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{directory.IssuerName}, directory {directory.Sequence}"));
            terminal.Table(
                ["plan", "token type", "key id", "from", "until"],
                [.. directory.Plans.SelectMany(plan => plan.LiveKeys.Select(key => (string[])[plan.Id, plan.TokenType, key.KeyId, Day(key.Start), Day(key.Deadline)]))]);
        }).WithExamples("tacit keys", "tacit keys --json | sha256sum");

    private static Command Create(Terminal terminal, Flags flags, string name, string description, Action<Terminal, DirectorySummary, WalletStatus> show)
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
                show(terminal, directory, await wallet.GetStatusAsync(cancellationToken));
            }
            return ExitCode.Fine;
        });
        return command;
    }

    private static string Left(WalletStatus wallet, string plan)
    {
        if (wallet.Subscriptions.Where(entry => entry.Plan == plan && entry.Ready + entry.Busy > 0).MaxBy(entry => entry.Until) is { } subscription)
        {
            return $"{Number(subscription.Ready + subscription.Busy)} at once until {Day(subscription.Until)}";
        }
        return wallet.Plans.FirstOrDefault(entry => entry.Plan == plan) is { Held: > 0 } tokens
            ? $"{Number(tokens.Held)} requests{(tokens.Deadline is DateTimeOffset until ? $" until {Day(until)}" : "")}"
            : "";
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Size(long bytes) => bytes % 1048576 == 0
        ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576} MiB")
        : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1024} KiB");

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
