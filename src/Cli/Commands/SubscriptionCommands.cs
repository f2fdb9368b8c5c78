using System.CommandLine;
using System.Globalization;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Commands;

/// <summary><c>wallet subscribe</c> and <c>wallet unsubscribe</c>, and how a subscription is shown.</summary>
internal static class SubscriptionCommands
{
    public static Command Subscribe(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string> plan = PlanArgument();
        Option<bool> once = new("--once") { Description = "Only this period. Default: the following ones too, bought by the running app some time before each begins." };
        Option<bool> restart = new("--restart") { Description = "Start a chain anew that was lost to another copy of this wallet. Once a period; the issuer sees that this account does." };
        Option<bool> json = Flags.Json();
        Command command = new("subscribe", "Buy a subscription: any number of requests until the end of the period, a few at a time.") { plan, once, restart, json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            string id = parsed.GetValue(plan)!;
            terminal.Progress("Buying the subscription …");
            SubscribeResult result = parsed.GetValue(restart)
                ? await wallet.RestartChainAsync(id, cancellationToken)
                : await wallet.SubscribeAsync(id, renews: !parsed.GetValue(once), cancellationToken);
            terminal.EndProgress();
            if (parsed.GetValue(json))
            {
                terminal.Json(result, CliJson.Default.SubscribeResult);
                return ExitCode.Fine;
            }
            string until = result.Until.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
            string chains = result.Chains == 1 ? "one request at a time" : string.Create(CultureInfo.InvariantCulture, $"{result.Chains} requests at a time");
            terminal.Done(
                result.Pending > 0 ? $"The subscription {result.Plan} until {until} is on the way."
                : result.Chains == 0 ? $"The subscription {result.Plan} was bought before, until {until}."
                : $"The subscription {result.Plan} until {until}, {chains}.");
            if (result.Renews)
            {
                terminal.Line($"The running app buys the next period by itself. To stop that: tacit wallet unsubscribe {result.Plan}");
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet subscribe pro", "tacit wallet subscribe pro --once");
    }

    public static Command Unsubscribe(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Argument<string> plan = PlanArgument();
        Command command = new("unsubscribe", "Buy no further periods of a subscription. What was bought lasts until its end.") { plan };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            string id = parsed.GetValue(plan)!;
            if (!await wallet.UnsubscribeAsync(id, cancellationToken))
            {
                throw new CommandException($"The wallet is not subscribed to {id}.");
            }
            terminal.Done($"No further period of {id} is bought by itself.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet unsubscribe pro");
    }

    internal static string[] Row(SubscriptionHoldings holdings) =>
    [
        holdings.Plan, Day(holdings.Until), Number(holdings.Ready), Number(holdings.Busy), Number(holdings.Pending), Number(holdings.Lost), Number(holdings.Refused),
        !holdings.Renews ? "not bought by itself" : holdings.RenewsAt is DateTimeOffset at ? "bought about " + Day(at) : "bought by itself",
    ];

    internal static IEnumerable<string> Explain(SubscriptionHoldings holdings)
    {
        if (holdings.Lost > 0)
        {
            yield return $"{holdings.Plan}: somebody else went on with a chain of it, another copy of this wallet or one restored from an old backup. "
                + $"To start one anew, once a period: tacit wallet subscribe {holdings.Plan} --restart";
        }
        if (holdings.Refused > 0)
        {
            yield return $"{holdings.Plan}: the gateway's operator refuses to renew a chain of it until {Day(holdings.Until)}.";
        }
    }

    private static Argument<string> PlanArgument() => new("PLAN") { Description = "The plan's id; `tacit plans` shows them." };

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);

    private static string Number(int number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
