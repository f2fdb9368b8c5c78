using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Tacit.Gateway;
using Tacit.Hosting;
using Tacit.Inference;

namespace Tacit.Cli.Commands;

/// <summary>How a gateway's backends are, and what the keys of its providers have used of their budgets.</summary>
internal static class ProviderCommands
{
    public static Command Create(Terminal terminal, Flags flags)
    {
        Option<bool> json = Flags.Json();
        Command command = new("providers", "Show how the gateway's backends are, and what each provider key with a budget has used today and this month (on the gateway's machine).") { json };
        command.SetAction(async (parsed, cancellationToken) =>
        {
            using ManagementClient gateway = new(flags.DataFolderOf(parsed), GatewayServer.Role);
            ProviderReport report = new(
                await gateway.GetAsync("/backends", GatewayManagementJson.Default.IReadOnlyListBackendStatus, cancellationToken),
                await gateway.GetAsync("/providers", GatewayManagementJson.Default.IReadOnlyListProviderKeyUsage, cancellationToken));
            if (parsed.GetValue(json))
            {
                terminal.Json(report, CliJson.Default.ProviderReport);
                return ExitCode.Fine;
            }
            Show(terminal, report.Backends);
            Show(terminal, report.Keys);
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit gateway providers", "tacit gateway providers --json | jq '.backends[] | select(.health == \"down\")'");
    }

    private static void Show(Terminal terminal, IReadOnlyList<BackendStatus> backends)
    {
        if (backends.Count == 0)
        {
            terminal.Line("No backends: the built-in model answers.");
            return;
        }
        terminal.Table(
            ["backend", "health", "breaker", "at work", "waiting", "replies", "failed", "last fault"],
            [
                .. backends.Select(backend => (string[])
                [
                    backend.Name, backend.Health.ToString().ToLowerInvariant(), Of(backend.Breaker), Of(backend.Outstanding, backend.MaxConcurrency), Of(backend.Queued, null),
                    Of(backend.Counts.Replies, null),
                    Of(backend.Counts.Unreachable + backend.Counts.Failed + backend.Counts.TimedOut + backend.Counts.BrokenOff, null),
                    Of(backend),
                ]),
            ]);
    }

    private static void Show(Terminal terminal, IReadOnlyList<ProviderKeyUsage> keys)
    {
        if (keys.Count == 0)
        {
            terminal.Line("No key has a budget (Inference:Backends:KeyBudget).");
            return;
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
    }

    private static string Of(BreakerState state) => state == BreakerState.HalfOpen ? "half-open" : state.ToString().ToLowerInvariant();

    private static string Of(BackendStatus backend)
    {
        string fault = backend.Fault == BackendFault.None ? "" : JsonNamingPolicy.SnakeCaseLower.ConvertName(backend.Fault.ToString());
        return backend.FaultStatus is int status ? $"{fault} {status.ToString(CultureInfo.InvariantCulture)}"
            : backend.MissingModels.Count > 0 ? $"{fault} without {string.Join(", ", backend.MissingModels)}".TrimStart()
            : fault;
    }

    private static string Of(long used, long? bound) => used.ToString("N0", CultureInfo.InvariantCulture) + (bound is long most ? " of " + most.ToString("N0", CultureInfo.InvariantCulture) : "");

    private static string Of(decimal used, decimal? bound) => used.ToString("0.00", CultureInfo.InvariantCulture) + (bound is decimal most ? " of " + most.ToString("0.00", CultureInfo.InvariantCulture) : "");
}

/// <summary>What <c>tacit gateway providers --json</c> prints.</summary>
internal sealed record ProviderReport(IReadOnlyList<BackendStatus> Backends, IReadOnlyList<ProviderKeyUsage> Keys);
