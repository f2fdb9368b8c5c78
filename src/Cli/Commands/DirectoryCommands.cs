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
        (terminal, directory, wallet) =>
        {
            terminal.Table(
            ["plan", "kind", "credits", "at once", "models", "input", "output", "token type", "in the wallet"],
            [.. directory.Plans.Select(plan => (string[])
            [
                plan.Id, plan.Kind, plan.Kind == "request" ? $"{Number(plan.Price)} a request, good for a {plan.Period}" : $"{Number(plan.Price)} a {plan.Period}",
                plan.Kind == "request" ? "" : Number(plan.Concurrency), string.Join(", ", plan.Models), Size(plan.MaxInputBytes),
                plan.MaxOutputTokens.ToString("N0", CultureInfo.InvariantCulture) + " tokens", plan.LiveKeys.Count == 0 ? plan.TokenType + " (no key yet)" : plan.TokenType,
                Left(wallet, plan.Id),
            ])]);
            foreach (GatewaySummary gateway in directory.Gateways.Where(gateway => gateway.Pseudonyms is not null))
            {
                terminal.Line("! " + WalletPseudonymCommands.Explain(gateway));
            }
        }).WithExamples("tacit plans", "tacit plans --json | jq -r '.plans[].id'");

    public static Command Keys(Terminal terminal, Flags flags)
    {
        Command keys = ShowKeys(terminal, flags);
        keys.Add(Audit(terminal, flags));
        keys.Add(OnionClientCommand.Create(terminal));
        return keys;
    }

    private static Command ShowKeys(Terminal terminal, Flags flags) => Create(
        terminal, flags, "keys", "Show the issuer's live keys and the gateways' sealing keys: everyone must see the same ones.",
        (terminal, directory, _) =>
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{directory.IssuerName}, directory {directory.Sequence}"));
            terminal.Table(
                ["plan", "token type", "key id", "from", "until", "accounts"],
                [.. directory.Plans.SelectMany(plan => plan.LiveKeys.Select(key => (string[])
                    [plan.Id, plan.TokenType, key.KeyId, Day(key.Start), Day(key.Deadline), key.Accounts is long accounts ? "≥ " + Number(accounts) : "–"]))]);
            if (directory.Gateways.Any(gateway => gateway.SealingKeys is { Count: > 0 }))
            {
                terminal.Line();
                terminal.Table(
                    ["gateway", "sealing key", "hash", "from", "until", "evidence"],
                    [.. directory.Gateways.SelectMany(gateway => (gateway.SealingKeys ?? []).Select(key => (string[])
                    [
                        gateway.Name, key.KeyId.ToString(CultureInfo.InvariantCulture), key.Hash[..16], Moment(key.NotBefore), Moment(key.NotAfter), key.Shows ?? key.Evidence ?? "",
                    ]))]);
            }
            terminal.Line();
            terminal.Line("Accounts: how many share a key, as the issuer says; nobody can check it. To compare the keys over every source: tacit keys audit");
        }).WithExamples("tacit keys", "tacit keys --json | sha256sum");

    private static Command Audit(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> resume = new("--resume") { Description = "Go on after a contradiction, if everything agrees now." };
        Option<bool> json = Flags.Json();
        Command command = new("audit", "Compare the issuer's keys over every source, and follow the chain of its directories.") { resume, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            DirectoryAudit audit = await wallet.AuditKeysAsync(parsed.GetValue(resume), cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(audit, CliJson.Default.DirectoryAudit);
            }
            else
            {
                Show(terminal, audit);
            }
            return audit.Agrees && (audit.Held is null || audit.Resumed) ? ExitCode.Fine : ExitCode.Failed;
        });
        return command.WithExamples("tacit keys audit", "tacit keys audit --resume", "tacit keys audit --json | jq .copies");
    }

    private static void Show(Terminal terminal, DirectoryAudit audit)
    {
        terminal.Table(
            ["source", "directory", "hash", "verdict"],
            [.. audit.Copies.Select(copy => (string[])
            [
                copy.Source, copy.Sequence is long sequence ? Number(sequence) : "–", copy.Hash?[..16] ?? "–",
                copy.Problem is null ? "agrees" : (copy.IsContradiction ? "CONTRADICTS: " : "") + copy.Problem,
            ])]);
        terminal.Line();
        if (audit.Copies[0].Sequence is long last)
        {
            terminal.Line(audit.ChainProblem is null
                ? string.Create(CultureInfo.InvariantCulture, $"The chain holds from directory {audit.ChainFrom} to {last}.")
                : "The chain breaks: " + audit.ChainProblem + ".");
        }
        if (!audit.Agrees)
        {
            terminal.Fail("The copies do not agree, or the issuer's could not be had. Nothing is bought or spent while two contradict each other.");
        }
        else if (audit.Resumed)
        {
            terminal.Done("Everything agrees now; the wallet goes on.");
        }
        else if (audit.Held is not null)
        {
            terminal.Fail($"Everything agrees now, but earlier: {audit.Held}. Ask the operator; to go on: tacit keys audit --resume");
        }
        else
        {
            terminal.Done($"Everything that could be had agrees ({audit.Copies.Count(copy => copy.Sequence is not null)} of {audit.Copies.Count} sources).");
        }
    }

    private static Command Create(Terminal terminal, Flags flags, string name, string description, Action<Terminal, DirectorySummary, WalletStatus> show)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new(name, description) { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
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

    private static string Moment(DateTimeOffset time) => time.UtcDateTime.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
