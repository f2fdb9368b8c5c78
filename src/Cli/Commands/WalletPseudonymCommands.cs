using System.CommandLine;
using System.Globalization;
using Tacit.Cli.Wallets;
using Tacit.Client;

namespace Tacit.Cli.Commands;

/// <summary><c>wallet pseudonym</c>, and how it is told that requests are linkable.</summary>
internal static class WalletPseudonymCommands
{
    public static Command Create(Terminal terminal, Flags flags) => new("pseudonym", "What some gateways ask for, and can link your requests to each other by.")
    {
        Fetch(terminal, flags),
        Rotate(terminal, flags),
    };

    /// <summary>Whom the wallet lets link what, in a sentence each.</summary>
    internal static IEnumerable<string> Explain(WalletStatus wallet) =>
        wallet.Pseudonyms.Where(held => held is { IsHeld: true, Kind: not "transient-rotated" }).Select(held =>
            $"The gateway {held.Gateway} can link your requests to each other by a pseudonym, {Span(held)}.");

    /// <summary>What a gateway asks for.</summary>
    internal static string Explain(GatewaySummary gateway) =>
        $"The gateway {gateway.Name} asks for a pseudonym ({gateway.Pseudonyms}): it can link your requests to each other. Refused unless the setting AllowPseudonyms is true.";

    private static Command Fetch(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Option<bool> json = Flags.Json();
        Command command = new("fetch", "Ask the issuer now for the pseudonyms that the gateway asks for. Best done ahead of time; the running app does it by itself.") { json };
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            terminal.Progress("Asking for pseudonyms …");
            IReadOnlyList<PseudonymHoldings> held = await wallet.FetchPseudonymsAsync(cancellationToken);
            terminal.EndProgress();
            if (parsed.GetValue(json))
            {
                terminal.Json(held, CliJson.Default.IReadOnlyListPseudonymHoldings);
            }
            else if (held.Count == 0)
            {
                terminal.Line("The gateway asks for no pseudonym.");
            }
            else
            {
                terminal.Table(["gateway", "kind", "until", "state"], [.. held.Select(one => (string[])
                    [one.Gateway, one.Kind, one.Until is DateTimeOffset until ? Day(until) : "for ever", one.IsInPlace ? "in place of a stolen one" : one.IsHeld ? "here" : "on the way"])]);
            }
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet pseudonym fetch");
    }

    private static Command Rotate(Terminal terminal, Flags flags)
    {
        ClientFlags client = new(flags);
        Command command = new("rotate", "Replace a stolen transient pseudonym, once a period. Its limits and its ban go on.");
        client.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using IWalletAccess wallet = await WalletAccess.OpenAsync(terminal, client.Load(parsed), cancellationToken);
            PseudonymHoldings now = await wallet.RotatePseudonymAsync(cancellationToken);
            terminal.Done($"The gateway {now.Gateway} takes the old pseudonym no more. The new one stands in its place, {Span(now)}.");
            return ExitCode.Fine;
        });
        return command.WithExamples("tacit wallet pseudonym rotate");
    }

    private static string Span(PseudonymHoldings held) => held.Until is DateTimeOffset until ? "until " + Day(until) : "for ever";

    private static string Day(DateTimeOffset time) => time.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
}
