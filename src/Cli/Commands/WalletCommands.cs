using System.CommandLine;
using System.Globalization;
using System.Text;
using Tacit.App;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Hosting;

namespace Tacit.Cli.Commands;

/// <summary>What <c>wallet restore</c> did.</summary>
internal sealed record WalletRestored(int Tokens);

internal static class WalletCommands
{
    public static Command Create(Terminal terminal, Flags flags) => new("wallet", "Your tokens: each pays for one request and tells nobody whose it is.")
    {
        Show(terminal, flags),
        Fill(terminal, flags),
        SubscriptionCommands.Subscribe(terminal, flags),
        SubscriptionCommands.Unsubscribe(terminal, flags),
        WalletPseudonymCommands.Create(terminal, flags),
        BackupCommand.Create(terminal, flags),
        Restore(terminal, flags),
        History(terminal, flags),
    };

    private static Command Show(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new("show", "Show what the wallet holds. Calls nobody.") { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            WalletStatus status = await wallet.GetStatusAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(status, CliJson.Default.WalletStatus);
                return ExitCode.Fine;
            }
            if (status.Subscriptions.Count > 0)
            {
                terminal.Table(["subscription", "until", "free", "in use", "on the way", "lost", "refused", "next period"], [.. status.Subscriptions.Select(SubscriptionCommands.Row)]);
                foreach (string line in status.Subscriptions.SelectMany(SubscriptionCommands.Explain))
                {
                    terminal.Line(line);
                }
            }
            if (status.Plans.Count == 0 && status.Subscriptions.Count == 0)
            {
                terminal.Line("No tokens yet. To buy some: tacit wallet fill");
            }
            else if (status.Plans.Count > 0)
            {
                terminal.Table(["plan", "to spend", "until", "on the way", "in use", "returned", "uncertain", "spent"], [.. status.Plans.Select(Row)]);
            }
            if (status.LastKnownCredits is long credits)
            {
                terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{credits:N0} credits when the issuer last told."));
            }
            else if (!status.HasAccount)
            {
                terminal.Line("No account. To make one: tacit account create");
            }
            if (status.NextRefill is DateTimeOffset next)
            {
                terminal.Line($"The running app next talks to the issuer about {next.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture)}, whatever is asked until then.");
            }
            if (!status.IsRecoverable)
            {
                terminal.Line("Tokens of this wallet cannot be restored from its seed.");
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet show", "tacit wallet show --json | jq '.plans[] | select(.plan == \"chat\").held'");
    }

    private static string[] Row(PlanHoldings plan) =>
    [
        plan.Plan, Number(plan.Held), plan.Deadline?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "", Number(plan.Pending), Number(plan.Presented),
        Number(plan.Returned), Number(plan.Unknown), Number(plan.Spent),
    ];

    private static Command Fill(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<string?> plan = new("--plan") { Description = "The plan to buy tokens of. Default: the cheapest.", HelpName = "ID" };
        Option<int?> size = new("--size") { Description = $"How many: {string.Join(", ", FillOptions.StandardSizes)}. Other sizes would single you out. Default: 100, or what the account can pay.", HelpName = "N" };
        size.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && !(int.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out int n) && FillOptions.StandardSizes.Contains(n)))
            {
                result.AddError($"--size takes one of {string.Join(", ", FillOptions.StandardSizes)}.");
            }
        });
        Option<bool> json = Flags.Json();
        Command command = new("fill", "Buy tokens with credits. Best done ahead of time: a purchase just before a question could be linked to it.") { plan, size, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AppOptions options = client.Load(parsed);
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, options, cancellationToken);
            terminal.Progress("Buying tokens …");
            int? wanted = parsed.GetValue(size);
            FillResult result = await wallet.FillAsync(parsed.GetValue(plan), wanted ?? options.BatchSize, shrink: wanted is null, cancellationToken);
            terminal.EndProgress();
            if (parsed.GetValue(json))
            {
                terminal.Json(result, CliJson.Default.FillResult);
            }
            else
            {
                string pending = result.Pending > 0 ? $", {Number(result.Pending)} still on the way" : "";
                terminal.Done($"{Number(result.Received)} tokens of plan {result.Plan}{pending}.");
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet fill", "tacit wallet fill --plan chat-large --size 10");
    }

    private static Command Restore(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<SecretReference?> seed = Flags.Secret("--seed", "The wallet's seed, on a machine that has no wallet yet.");
        Option<SecretReference?> account = Flags.Secret("--account", "The account's key, on a machine that has no wallet yet.");
        Option<string?> backup = new("--backup") { Description = "A file that `tacit wallet backup` wrote, on a machine that has no wallet yet. Subscriptions come back only from it.", HelpName = "FILE" };
        Option<SecretReference?> passphrase = Flags.Secret("--passphrase", "The backup's passphrase. Asked for on a terminal if left out.");
        Option<bool> json = Flags.Json();
        Command command = new("restore", "Ask the issuer again for every token that this wallet's seed ever asked for and that was signed.") { seed, account, backup, passphrase, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            AppOptions options = client.Load(parsed);
            string? seedText = Read(parsed.GetValue(seed), "--seed");
            string? accountKey = Read(parsed.GetValue(account), "--account");
            string? file = parsed.GetValue(backup);
            IWalletAccess wallet;
            if (file is not null)
            {
                (wallet, options) = await BackupCommand.RestoreAsync(terminal, options, file, parsed.GetValue(passphrase), cancellationToken);
            }
            else
            {
                wallet = seedText is null
                    ? await WalletAccess.OpenAsync(terminal, options, cancellationToken)
                    : (await WalletAccess.CreateAsync(terminal, options, seedText, cancellationToken)).Access;
            }
            await using (wallet)
            {
                if (seedText is not null || file is not null)
                {
                    ClientFlags.Remember(options);
                }
                if (accountKey is not null)
                {
                    await wallet.ImportAccountAsync(accountKey, cancellationToken);
                }
                terminal.Progress("Asking the issuer for signed tokens …");
                int tokens = await wallet.RestoreAsync(cancellationToken);
                terminal.EndProgress();
                if (parsed.GetValue(json))
                {
                    terminal.Json(new WalletRestored(tokens), CliJson.Default.WalletRestored);
                }
                else
                {
                    terminal.Done($"{Number(tokens)} tokens restored. Some may be spent already: each is tried when a question needs one.");
                }
                return ExitCode.Fine;
            }
        });
        return command.WithExamples(
            "tacit wallet restore",
            "tacit wallet restore --backup wallet.backup --passphrase file:passphrase.txt",
            "tacit wallet restore --seed file:seed.txt --account file:account.txt --issuer https://issuer.example --directory-key KEY");
    }

    private static Command History(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new("history", "Show what happened, counted by the day. Calls nobody.") { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            IReadOnlyList<HistoryEntry> history = await wallet.GetHistoryAsync(cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(history, CliJson.Default.IReadOnlyListHistoryEntry);
            }
            else if (history.Count == 0)
            {
                terminal.Line("Nothing happened yet.");
            }
            else
            {
                terminal.Table(["day", "what", "plan", "amount"], [.. history.Select(entry => (string[])
                    [entry.Day.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture), Word(entry.Kind), entry.Plan, Number(entry.Amount)])]);
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet history", "tacit wallet history --json");
    }

    private static string Word(HistoryKind kind) => kind switch
    {
        HistoryKind.Deposited => "credits deposited",
        HistoryKind.Bought => "tokens bought",
        HistoryKind.Spent => "tokens spent",
        HistoryKind.Exchanged => "tokens exchanged",
        HistoryKind.Restored => "tokens restored",
        HistoryKind.FilledAtPrompt => "fills that a prompt waited for",
        _ => kind.ToString(),
    };

    internal static string? Read(SecretReference? reference, string flag)
    {
        if (reference is null)
        {
            return null;
        }
        using SecretBytes secret = reference.Load(flag);
        return Encoding.UTF8.GetString(secret.Span).Trim();
    }

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
