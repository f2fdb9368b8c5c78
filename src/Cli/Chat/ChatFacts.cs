using System.Globalization;
using Tacit.App;
using Tacit.Cli.Wallets;
using Tacit.Client;
using Tacit.Client.Transports;

namespace Tacit.Cli.Chat;

/// <summary>What a chat can tell of models, plans and who sees what. Asks nobody for it but the gateway for its models, where there is no wallet that knows them.</summary>
internal sealed class ChatFacts(Terminal terminal, IQuestionAccess asked)
{
    public async Task ShowModelsAsync(string current, CancellationToken cancellationToken)
    {
        if (asked is not IWalletAccess wallet)
        {
            foreach (string model in await ((OwnDevice)asked).GetModelsAsync(cancellationToken))
            {
                terminal.Untrusted($"{(model == current ? "›" : " ")} {model}\n");
            }
            return;
        }
        DirectorySummary directory = await wallet.GetDirectoryAsync(cancellationToken);
        terminal.Table(
            ["", "model", "plan", "price", "largest question", "longest answer"],
            [.. directory.Plans.Where(plan => plan.LiveKeys.Count > 0).SelectMany(plan => plan.Models.Select(model => (string[])[
                model == current ? "›" : "", model, plan.Id, Price(plan), string.Create(CultureInfo.InvariantCulture, $"{plan.MaxInputBytes >> 10} KiB"),
                string.Create(CultureInfo.InvariantCulture, $"{plan.MaxOutputTokens} tokens")]))]);
    }

    public async Task ShowPlansAsync(string? chosen, CancellationToken cancellationToken)
    {
        if (asked is not IWalletAccess wallet)
        {
            terminal.Line(PromptNotices.OfDevices);
            return;
        }
        WalletStatus status = await wallet.GetStatusAsync(cancellationToken);
        List<string[]> rows = [.. status.Plans.Select(plan => (string[])[
            plan.Plan == chosen ? "›" : "", plan.Plan, plan.Held.ToString(CultureInfo.InvariantCulture) + " tokens", Day(plan.Deadline)])];
        rows.AddRange(status.Subscriptions.Select(plan => (string[])[
            plan.Plan == chosen ? "›" : "", plan.Plan, string.Create(CultureInfo.InvariantCulture, $"subscription, {plan.Ready} at a time"), Day(plan.Until)]));
        terminal.Table(["", "plan", "left", "until"], rows);
        terminal.Line(chosen is null ? "The wallet takes a subscription that buys the model, else the cheapest plan." : $"{chosen} pays, whatever it costs.");
    }

    /// <param name="last">What became of the last request, where this process sent it.</param>
    /// <param name="requests">How many were answered.</param>
    /// <param name="plan">What paid.</param>
    public async Task ShowPrivacyAsync(PromptFacts? last, int requests, string? plan, CancellationToken cancellationToken)
    {
        Way way = await asked.GetWayAsync(cancellationToken);
        ServerStatus? gateway = way.Servers.FirstOrDefault(server => server.Role == "gateway");
        ServerStatus? relay = way.Servers.FirstOrDefault(server => server.Role == "relay");
        bool isLocal = gateway is not null && relay is null && IsLocal(gateway.Address);
        WayView carrying = Ways.Find(isLocal ? "local" : (relay ?? gateway)?.Carried ?? "direct");
        IEnumerable<WaySight> seen = asked is IWalletAccess ? carrying.SeenBy : [.. carrying.SeenBy.Where(sight => !Ways.OfTokens(sight)), .. Ways.Devices.SeenBy];
        terminal.Table(["part", "sees", "never sees"], [.. seen.Select(sight => (string[])[sight.Who, string.Join("; ", sight.Sees), string.Join("; ", sight.Hidden)])]);
        terminal.Line($"{carrying.Name}: {(gateway?.Name is string name ? $"the gateway {name}" : "the gateway")}{((relay ?? gateway)?.Address is string address ? $", by {address}" : "")}.");
        if (carrying.Id == "direct" && gateway?.Address.StartsWith("http://", StringComparison.Ordinal) == true)
        {
            terminal.Line("That address is no https: whoever watches the network reads what is asked.");
        }
        if (asked is IWalletAccess wallet)
        {
            DirectorySummary directory = await wallet.GetDirectoryAsync(cancellationToken);
            PlanKeySummary? key = directory.Plans.FirstOrDefault(known => known.Id == plan)?.LiveKeys is [PlanKeySummary live, ..] ? live : null;
            terminal.Line(plan is null ? "Your crowd: nothing has been paid yet." : key?.Accounts is long accounts
                ? string.Create(CultureInfo.InvariantCulture, $"Your crowd: at least {accounts} accounts bought tokens of {plan} under the same key, until {key.Deadline:yyyy-MM-dd}.")
                : $"Your crowd: the issuer does not say how many accounts share {plan}'s key.");
        }
        if (last is { RequestBytes: > 0 })
        {
            foreach (TokenFacts token in last.Tokens.TakeLast(1))
            {
                terminal.Line($"The last request was paid by token {token.SpendId}… of {token.Plan} (type {token.Type}), which can be spent once and is now known to the gateway.");
            }
            foreach (CircuitFacts circuit in last.Connections.TakeLast(1).Select(connection => connection.Circuit).OfType<CircuitFacts>())
            {
                terminal.Untrusted($"It went by {string.Join(" › ", circuit.Hops.Select(hop => hop.Nickname.Length > 0 ? hop.Nickname : hop.Fingerprint[..8]))}{(circuit.Onion is string onion ? $" › {onion}" : "")}\n");
            }
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{last.RequestBytes} bytes went to {last.Address ?? "the gateway"}{(last.SealedRequestBytes > 0 ? $", sealed as {last.SealedRequestBytes}" : "")}; {last.ReplyBytes} came back."));
        }
        terminal.Line(requests > 1 ? $"The gateway can tell that the {requests} questions of this conversation belong together: each brings those before it. /new begins one that it cannot link to this one." : "The gateway cannot link this conversation to others of yours, unless their words do.");
        terminal.Line("Whatever the questions say of you, gateway and provider read.");
    }

    private static string Price(PlanSummary plan) => string.Create(CultureInfo.InvariantCulture, $"{plan.Price} {(plan.Kind == "request" ? "each" : "a " + plan.Period)}");

    private static string Day(DateTimeOffset? time) => time?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "–";

    private static bool IsLocal(string address) => Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) && uri.IsLoopback;
}
