using System.CommandLine;
using System.Globalization;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Commands;

/// <summary>What the keys of a gateway's providers have used of their budgets.</summary>
internal static class ProviderCommands
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("providers", "Show what each provider key with a budget has used today and this month (on the gateway's machine).") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            IReadOnlyList<ProviderKeyUsage> keys = await gateway.GetAsync("/providers", GatewayManagementJson.Default.IReadOnlyListProviderKeyUsage, cancellationToken);
            if (parsed.GetValue(json))
            {
                terminal.Json(keys, CliJson.Default.IReadOnlyListProviderKeyUsage);
                return ExitCode.Fine;
            }
            if (keys.Count == 0)
            {
                terminal.Line("No key has a budget (Inference:Backends:KeyBudget).");
                return ExitCode.Fine;
            }
            terminal.Table(
                ["key", "", "requests", "tokens", "money"],
                [
                    .. keys.SelectMany(key => (string[][])
                    [
                        [$"{key.Backend} {key.Key}", key.IsUsedUp ? "today, used up" : "today", Of(key.Day.Requests, key.Budget?.RequestsPerDay), Of(key.Day.Tokens, key.Budget?.TokensPerDay), Of(key.Day.Money, key.Budget?.MoneyPerDay)],
                        ["", "month", Of(key.Month.Requests, key.Budget?.RequestsPerMonth), Of(key.Month.Tokens, key.Budget?.TokensPerMonth), Of(key.Month.Money, key.Budget?.MoneyPerMonth)],
                    ]),
                ]);
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway providers", "tacit gateway providers --json | jq '.[] | select(.isUsedUp)'");
    }

    private static string Of(long used, long? bound) => used.ToString("N0", CultureInfo.InvariantCulture) + (bound is long most ? " of " + most.ToString("N0", CultureInfo.InvariantCulture) : "");

    private static string Of(decimal used, decimal? bound) => used.ToString("0.00", CultureInfo.InvariantCulture) + (bound is decimal most ? " of " + most.ToString("0.00", CultureInfo.InvariantCulture) : "");
}
