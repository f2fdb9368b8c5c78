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
                terminal.Line($"{(model == current ? "›" : " ")} {model}");
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
        string carried = (relay ?? gateway)?.Carried ?? "direct";
        bool tor = carried.StartsWith("tor", StringComparison.Ordinal);
        bool isSealed = carried.EndsWith("sealed", StringComparison.Ordinal) || carried.EndsWith("ohttp", StringComparison.Ordinal);
        bool byRelay = carried.EndsWith("ohttp", StringComparison.Ordinal);
        bool device = asked is not IWalletAccess;
        List<string[]> rows = [];
        if (asked is IWalletAccess wallet)
        {
            DirectorySummary directory = await wallet.GetDirectoryAsync(cancellationToken);
            PlanKeySummary? key = directory.Plans.FirstOrDefault(known => known.Id == plan)?.LiveKeys is [PlanKeySummary live, ..] ? live : null;
            rows.Add(["issuer, signer", "your account, and what it bought; signed without being seen", "which token paid, any question"]);
            rows.Add(["your crowd", plan is null ? "nothing paid yet" : key?.Accounts is long accounts
                ? string.Create(CultureInfo.InvariantCulture, $"at least {accounts} accounts bought tokens of {plan} under the same key, until {key.Deadline:yyyy-MM-dd}")
                : $"the issuer does not say how many accounts share {plan}'s key", ""]);
        }
        string from = tor ? "an address of Tor's" : byRelay ? "the relay's address" : gateway is not null && IsLocal(gateway.Address) ? "this machine" : "your address";
        bool inTheClear = !tor && !isSealed && gateway?.Address is string clear && clear.StartsWith("http://", StringComparison.Ordinal) && !IsLocal(clear);
        rows.Add([
            "network", (tor ? "that you use Tor" : $"that you talk to {(relay ?? gateway)?.Address ?? "the gateway"}, how much and when") + (inTheClear ? ", and what is asked: that address is no https" : ""),
            inTheClear ? "" : "what is asked"]);
        if (byRelay)
        {
            rows.Add(["relay", $"{(tor ? "an address of Tor's" : "your address")}, sizes and times", "what is asked, which token paid"]);
        }
        rows.Add([
            gateway?.Name is string name ? $"gateway {name}" : "gateway", device ? $"the questions, your device's key, {from}" : $"the questions, a token that nobody can link to you, {from}",
            device ? "an account" : "your account, what you paid with"]);
        rows.Add(["provider", "the questions, from the gateway", device ? "your key, your address" : "your account, the token, your address"]);
        terminal.Table(["part", "sees", "never sees"], rows);
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
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{last.RequestBytes} bytes went to {last.Address ?? "the gateway"}{(last.SealedRequestBytes > 0 ? $", sealed as {last.SealedRequestBytes}" : isSealed ? ", sealed" : "")}; {last.ReplyBytes} came back."));
        }
        terminal.Line(requests > 1 ? $"The gateway can tell that the {requests} questions of this conversation belong together: each brings those before it. /new begins one that it cannot link to this one." : "The gateway cannot link this conversation to others of yours, unless their words do.");
        terminal.Line("Whatever the questions say of you, gateway and provider read.");
    }

    private static string Price(PlanSummary plan) => string.Create(CultureInfo.InvariantCulture, $"{plan.Price} {(plan.Kind == "request" ? "each" : "a " + plan.Period)}");

    private static string Day(DateTimeOffset? time) => time?.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture) ?? "–";

    private static bool IsLocal(string address) => Uri.TryCreate(address, UriKind.Absolute, out Uri? uri) && uri.IsLoopback;
}
