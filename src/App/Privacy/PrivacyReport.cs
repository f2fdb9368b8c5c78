using System.Globalization;
using Tacit.Client;

namespace Tacit.App;

/// <summary>What the wallet's own records say beside the requests. None of it is asked for.</summary>
/// <param name="Account">The name by which the issuer knows the account; null if there is none, or that is not known.</param>
/// <param name="History">What was bought, exchanged and spent, by day.</param>
/// <param name="IssuerCarried">How the issuer is reached, as things are set now, in the words of the setting; null if it is not.</param>
/// <param name="IssuerAddress">Where.</param>
internal sealed record PrivacyContext(string? Account, IReadOnlyList<HistoryEntry> History, string? IssuerCarried = null, string? IssuerAddress = null)
{
    public static PrivacyContext Nothing { get; } = new(null, []);
}

/// <summary>
/// Who saw what of a conversation: values that the requests had, and for each part what it saw of none of them. Only what the client knows is said; what depends on an
/// operator's word is called that.
/// </summary>
internal static class PrivacyReport
{
    private const string Content = "what was asked and answered";
    private const string Account = "your account and payments";
    private const string Address = "your network address";
    private const string FinishedToken = "the finished token";

    public static PrivacyView Of(IReadOnlyList<RequestTrace> requests, PrivacyContext context)
    {
        // One that never got to a connection was seen by nobody, but by an issuer that sold a token for it.
        List<RequestTrace> sent = [.. requests.Where(WasSent)];
        List<RequestTrace> paid = [.. requests.Where(request => request.Token is not null)];
        List<RoleView> seen = [];
        if (paid.Count > 0)
        {
            seen.Add(IssuerOf(paid, context));
            seen.Add(SignerOf(paid, context));
        }
        if (sent.Count > 0)
        {
            seen.Add(NetworkOf(sent));
            if (RelaysOf(sent) is RoleView relays)
            {
                seen.Add(relays);
            }
            seen.Add(GatewayOf(sent));
            seen.Add(ModerationOf(sent));
            seen.Add(ProviderOf(sent));
        }
        return new PrivacyView(requests, seen);
    }

    /// <summary>Whether it went over a connection, or may have: of one with which the app was killed the end is not known.</summary>
    private static bool WasSent(RequestTrace request) => request.Connections.Count > 0 || ((request.Token ?? request.Device) is not null
        && !request.Stages.Any(stage => stage.Name is PromptStageName.Ended or PromptStageName.Failed or PromptStageName.Cancelled));

    private static RoleView IssuerOf(List<RequestTrace> paid, PrivacyContext context)
    {
        List<SightView> saw = [];
        if (context.Account is string account)
        {
            saw.Add(new("account", $"{Short(account)} (hash of its key)"));
        }
        foreach (IGrouping<(string? Plan, string? KeyId), RequestTrace> key in paid.GroupBy(request => (request.Plan, request.KeyId)))
        {
            saw.Add(new($"sold, plan {key.Key.Plan}", DaysOf(context, key.First(), HistoryKind.Bought)));
        }
        if (paid.Count(request => request is { BoughtForIt: true, TokenOrigin: "bought" }) is > 0 and int bought)
        {
            saw.Add(new("time", $"{Number(bought)} of these questions found the wallet empty, so a purchase was made just then: with the gateway it can match the two by time"));
        }
        if (context.IssuerCarried is string carried)
        {
            string from = carried.StartsWith("tor", StringComparison.Ordinal) ? "over Tor: not from your address"
                : context.IssuerAddress is string address && new Uri(address).IsLoopback ? "on this machine"
                : $"directly, at {context.IssuerAddress}: from your address";
            saw.Add(new("reached, as it is set now", from));
        }
        return new RoleView(PrivacyRole.Issuer, saw, [FinishedToken, Content, "which gateway was asked"]);
    }

    private static RoleView SignerOf(List<RequestTrace> paid, PrivacyContext context)
    {
        List<SightView> saw = [];
        foreach (IGrouping<(string? Plan, string? KeyId), RequestTrace> key in paid.GroupBy(request => (request.Plan, request.KeyId)))
        {
            long elements = Amount(context, key.First(), HistoryKind.Bought) + Amount(context, key.First(), HistoryKind.Exchanged);
            saw.Add(new($"key {Short(key.Key.KeyId)}", $"{Number(elements)} blinded elements of this wallet's, among all others': to it random numbers, none of them a token's"));
        }
        if (paid.Count(request => request.Stages.Any(stage => stage.Name == PromptStageName.Renewed)) is > 0 and int renewed)
        {
            saw.Add(new("renewals", $"{Number(renewed)}: that some chain of the plan moved, and when"));
        }
        return new RoleView(PrivacyRole.Signer, saw, ["your account", FinishedToken, Content, Address]);
    }

    private static RoleView NetworkOf(List<RequestTrace> sent)
    {
        List<SightView> saw = [];
        bool contentSeen = false;
        bool serverSeen = false;
        foreach (IGrouping<string, RequestTrace> way in sent.GroupBy(NetworkWay))
        {
            RequestTrace first = way.First();
            List<RequestTrace> those = [.. way];
            if (first.Carrier == CarrierKind.Tor)
            {
                saw.Add(new("Tor", $"{Questions(those)}: that Tor is used, when, and about how much{GuardOf(those)}"));
                continue;
            }
            if (first.ThisMachine)
            {
                saw.Add(new("this machine", $"{Questions(those)}: nothing, as {first.Address} is on this machine"));
                continue;
            }
            serverSeen = true;
            bool isClear = first.Sealing == SealingKind.None && first.Address?.StartsWith("http://", StringComparison.OrdinalIgnoreCase) == true;
            contentSeen |= isClear;
            string remote = string.Join(", ", those.SelectMany(request => request.Connections).Select(connection => connection.Remote).OfType<string>().Distinct());
            saw.Add(new("connections", $"{Questions(those)} to {first.Address}{(remote.Length > 0 ? $" ({remote})" : "")}: when, and about how much{(isClear ? "; and all that was said, as it was neither https nor sealed" : "")}"));
        }
        List<string> never = [];
        if (!contentSeen)
        {
            never.Add(Content);
        }
        if (!serverSeen)
        {
            never.Add("which gateway or relay was asked");
        }
        return new RoleView(PrivacyRole.Network, saw, never);
    }

    private static RoleView? RelaysOf(List<RequestTrace> sent)
    {
        List<SightView> saw = [];
        List<string> never = [Account];
        foreach (CircuitView circuit in sent.SelectMany(request => request.Connections).Select(connection => connection.Circuit).OfType<CircuitView>().DistinctBy(circuit => string.Join(' ', circuit.Hops)))
        {
            saw.Add(new(
                "circuit", $"{string.Join(" → ", circuit.Hops.Select(NameOf))}{(circuit.Onion is null ? " → the server" : " → the onion service's half")}: the first relay saw your address, the last where it led, none both"));
        }
        List<RequestTrace> unknown = [.. sent.Where(request => request.Carrier == CarrierKind.Tor && (request.Connections.Count == 0 || request.Connections.Any(connection => connection.Circuit is null)))];
        if (unknown.Count > 0)
        {
            saw.Add(new("circuit", $"of {Questions(unknown)} not known here: {unknown[^1].Connections.LastOrDefault(connection => connection.Circuit is null)?.CircuitProblem ?? "Tor did not tell."}"));
        }
        // Through an exit, what is said without https can be read there.
        bool exitReads = sent.Any(request => request is { Carrier: CarrierKind.Tor, Onion: null, ThisMachine: false, Sealing: SealingKind.None } && IsClear(request));
        foreach (IGrouping<string?, RequestTrace> relay in sent.Where(request => request.Sealing == SealingKind.Ohttp).GroupBy(request => request.Address))
        {
            List<RequestTrace> those = [.. relay];
            string from = those.All(request => request.Carrier == CarrierKind.Tor) ? "a connection of Tor's" : those.All(request => request.ThisMachine) ? "this machine" : Address;
            saw.Add(new(
                $"relay {relay.Key}", $"{Questions(those)}, sealed: {Number(those.Sum(request => request.SealedRequestBytes))} bytes to {those[0].Gateway} and {Number(those.Sum(request => request.SealedReplyBytes))} back, from {from}"));
        }
        if (saw.Count == 0)
        {
            return null;
        }
        if (!exitReads)
        {
            never.InsertRange(0, [Content, "the token"]);
        }
        return new RoleView(PrivacyRole.Relay, saw, never);
    }

    private static RoleView GatewayOf(List<RequestTrace> sent)
    {
        List<SightView> saw = [];
        foreach (IGrouping<(string? Plan, string? KeyId), RequestTrace> key in sent.Where(request => request.Token is not null).GroupBy(request => (request.Plan, request.KeyId)))
        {
            RequestTrace last = key.Last();
            string crowd = last.Crowd is long accounts ? $", one of those of at least {Number(accounts)} accounts, as the issuer says" : "";
            saw.Add(new("tokens", $"{string.Join(", ", key.SelectMany(request => request.EarlierTokens.Append(request.Token)).Distinct().Select(token => token + "…"))} (spend ids)"));
            saw.Add(new("plan", $"{key.Key.Plan}, key {Short(key.Key.KeyId)}{(last.Deadline is DateTimeOffset until ? $" until {until.UtcDateTime:yyyy-MM-dd}" : "")}{crowd}"));
        }
        foreach (string device in sent.Select(request => request.Device).OfType<string>().Distinct())
        {
            saw.Add(new("device", $"{device}: by it every request of this device is linked to every other"));
        }
        foreach (string linkable in sent.Where(request => request.Device is null).Select(request => request.Linkable).OfType<string>().Distinct())
        {
            saw.Add(new("pseudonym", $"{linkable}: by it requests of this wallet are linked{(linkable == "transient" ? " for a period" : "")}"));
        }
        saw.Add(new("requests", $"{Number(sent.Count)}, of {Number(sent.Sum(request => request.RequestBytes))} bytes; {Number(sent.Sum(request => request.ReplyBytes))} bytes of replies: it has to have them in memory, and its operator says that they are not kept"));
        if (sent.Count > 1)
        {
            saw.Add(new("belonging together", "that these requests are of one conversation: each repeats what was said before"));
        }
        foreach (IGrouping<string, RequestTrace> from in sent.GroupBy(CameFrom))
        {
            saw.Add(new("came from", $"{from.Key} ({Questions([.. from])})"));
        }
        List<string> never = [Account];
        if (sent.All(request => request.Carrier == CarrierKind.Tor || request.Sealing == SealingKind.Ohttp))
        {
            never.Add(Address);
        }
        if (sent.All(request => request.Device is null))
        {
            never.Add("which of the accounts with this plan is yours");
        }
        return new RoleView(PrivacyRole.Gateway, saw, never);
    }

    private static RoleView ModerationOf(List<RequestTrace> sent) => new(
        PrivacyRole.Moderation, [new("not known here", "whether this gateway has questions checked, and by whom, is its operator's to say; if so, what the provider sees")],
        sent.All(request => request.Device is null) ? ["the token", Account, Address] : [Account, Address]);

    private static RoleView ProviderOf(List<RequestTrace> sent)
    {
        List<RequestTrace> answered = [.. sent.Where(request => request.Status is >= 200 and < 300)];
        List<SightView> saw = [];
        foreach (IGrouping<string?, RequestTrace> model in answered.GroupBy(request => request.Model))
        {
            List<RequestTrace> those = [.. model];
            saw.Add(new(
                $"model {model.Key}",
                $"{Questions(those)}: what the gateway passes on of {string.Join(", ", those.SelectMany(request => request.Members).Distinct())} ({Number(those.Sum(request => request.RequestBytes))} bytes as they were sent); beside it what the gateway says itself, as that nothing is to be stored"));
        }
        if (answered.Count < sent.Count)
        {
            saw.Add(new("not answered", $"{Questions([.. sent.Except(answered)])}: may have got there, or not"));
        }
        saw.Add(new("came from", "the gateway, with its operator's key"));
        return new RoleView(PrivacyRole.Provider, saw, ["the token and its plan", Account, Address]);
    }

    private static string NetworkWay(RequestTrace request) => request.Carrier == CarrierKind.Tor ? "tor" : $"{request.ThisMachine} {request.Address} {request.Sealing}";

    private static string GuardOf(List<RequestTrace> those) =>
        those.SelectMany(request => request.Connections).Select(connection => connection.Circuit?.Hops is [string guard, ..] ? guard : null).OfType<string>().Select(NameOf).Distinct().ToArray() is { Length: > 0 } guards
            ? $"; the first relay is {string.Join(" or ", guards)}"
            : "";

    private static string CameFrom(RequestTrace request) => request switch
    {
        { Sealing: SealingKind.Ohttp } => $"the relay {request.Address}",
        { Carrier: CarrierKind.Tor, Onion: not null } => "its onion service: no address",
        { Carrier: CarrierKind.Tor } => "an exit of Tor's",
        { ThisMachine: true } => "this machine",
        _ => Address,
    };

    private static bool IsClear(RequestTrace request) => request.Address?.StartsWith("http://", StringComparison.OrdinalIgnoreCase) == true;

    /// <summary>The days on which tokens of the plan were got while the request's key sold them.</summary>
    private static string DaysOf(PrivacyContext context, RequestTrace request, HistoryKind kind)
    {
        HistoryEntry[] days = [.. Of(context, request, kind)];
        return days.Length == 0
            ? "nothing that this wallet remembers"
            : $"{Number(days.Sum(day => day.Amount))} tokens, blinded: {string.Join(", ", days.Select(day => $"{Number(day.Amount)} on {day.Day:yyyy-MM-dd}"))}";
    }

    private static long Amount(PrivacyContext context, RequestTrace request, HistoryKind kind) => Of(context, request, kind).Sum(day => day.Amount);

    private static IEnumerable<HistoryEntry> Of(PrivacyContext context, RequestTrace request, HistoryKind kind) => context.History.Where(
        day => day.Kind == kind && day.Plan == request.Plan
            && (request.SoldFrom is not DateTimeOffset from || day.Day >= DateOnly.FromDateTime(from.UtcDateTime))
            && (request.Deadline is not DateTimeOffset until || day.Day <= DateOnly.FromDateTime(until.UtcDateTime)));

    private static string NameOf(string hop) => hop.IndexOf('~', StringComparison.Ordinal) is >= 0 and int mark ? hop[(mark + 1)..] : Short(hop.TrimStart('$'));

    private static string Questions(List<RequestTrace> requests) => requests.Count == 1 ? "1 question" : $"{Number(requests.Count)} questions";

    private static string Short(string? hexadecimal) => hexadecimal is { Length: > 12 } ? hexadecimal[..12] + "…" : hexadecimal ?? "";

    private static string Number(long number) => number.ToString("N0", CultureInfo.InvariantCulture);
}
