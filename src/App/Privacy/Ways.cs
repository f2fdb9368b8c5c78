namespace Tacit.App;

/// <summary>What one part sees of requests that go a way, and what it does not.</summary>
/// <param name="Who">The part, for people.</param>
public sealed record WaySight(string Who, IReadOnlyList<string> Sees, IReadOnlyList<string> Hidden);

/// <summary>A way of carrying, or of serving, requests.</summary>
/// <param name="Id">Of a way of carrying, the word of the setting <c>Transport</c>, or <c>local</c>.</param>
/// <param name="Summary">What it is for, in a sentence.</param>
public sealed record WayView(string Id, string Name, string Summary, IReadOnlyList<WaySight> SeenBy);

/// <summary>All ways there are. What a request costs and who is asked is a choice apart.</summary>
public sealed record WaysView(IReadOnlyList<WayView> Carrying, IReadOnlyList<WayView> Serving);

/// <summary>
/// What each way of carrying and serving hides from whom: the one table of it, for the page and for the terminal. Each line is one of docs/threat-model.md; what is measured or
/// limited there is not promised here.
/// </summary>
public static class Ways
{
    private const string Prompt = "what you ask and the answer";
    private const string Address = "your network address";
    private const string Account = "your account and payments";
    private const string Token = "a token and its plan, which nothing ties to a purchase";
    private const string Purchases = "your account, payments, and how many tokens of which plan you buy";

    private static WaySight NetworkDirect { get; } =
        new("Your network, and whoever watches it", ["that issuer and gateway are asked, when and how much"], [$"{Prompt}, as far as https goes"]);

    private static WaySight NetworkTor { get; } =
        new("Your network, and whoever watches it", ["that Tor is used (a bridge hides that), when and how much"], ["which issuer, gateway or relay is asked", Prompt]);

    private static WaySight TorRelays { get; } = new(
        "Tor's relays", ["the first your address, the last which onion service it meets, none both", "times and sizes: who sees both ends can match them"],
        [Prompt, "through an exit (off by default) it sees which server is asked and, without https, what is said"]);

    private static WaySight TlsDirect { get; } = new("Whatever ends TLS before the gateway, as a hoster's proxy does", [Prompt, "the token", Address], [Account]);

    private static WaySight TlsSealed { get; } =
        new("Whatever ends TLS before the gateway, as a hoster's proxy does", ["that something is asked, when, from where, in steps of its size"], [Prompt, "the token"]);

    private static WaySight Issuer { get; } = new("Issuer", [Purchases, Address], ["a finished token", Prompt, "which gateway you ask, and when"]);

    /// <summary>Of one that may be on this machine as well.</summary>
    private static WaySight IssuerAnywhere { get; } = Issuer with { Sees = [Purchases] };

    private static WaySight IssuerOverTor { get; } = Issuer with { Sees = [Purchases], Hidden = [.. Issuer.Hidden, Address] };

    private static WaySight Gateway { get; } = new("Gateway", [$"{Prompt}, in memory", Token, Address], [Account]);

    private static WaySight GatewayHidden { get; } = Gateway with { Sees = [$"{Prompt}, in memory", Token], Hidden = [Account, Address] };

    private static WaySight Relay { get; } = new("Relay", ["your network address", "which gateway, when, in steps of its size"], [Prompt, "the token", Account]);

    private static WaySight RelayOverTor { get; } = Relay with { Sees = ["which gateway, when, in steps of its size"], Hidden = [.. Relay.Hidden, Address] };

    private static WaySight Provider { get; } =
        new("Model's provider", ["the question without you, and the answer", "that the gateway asks"], [Address, "the token", Account]);

    /// <summary>All of them.</summary>
    public static WaysView All { get; } = new(
        [
            new("tor", "Over Tor", "Issuer and gateway don't see where you are, and your network not whom you ask.", [NetworkTor, TorRelays, IssuerOverTor, GatewayHidden, Provider]),
            new(
                "tor+sealed", "Over Tor, sealed to the gateway", "As over Tor; and nobody before the gateway's own process reads along.",
                [NetworkTor, TorRelays, IssuerOverTor, TlsSealed with { Sees = ["that something is asked, when, in steps of its size"], Hidden = [.. TlsSealed.Hidden, Address] }, GatewayHidden, Provider]),
            new(
                "tor+ohttp", "Over Tor and a relay", "As over Tor; and a relay that somebody else runs stands before the gateway.",
                [NetworkTor, TorRelays, IssuerOverTor, RelayOverTor, GatewayHidden, Provider]),
            new("direct", "Directly", "Quick; issuer and gateway see your network address, and can compare.", [NetworkDirect, Issuer, TlsDirect, Gateway, Provider]),
            new("sealed", "Directly, sealed to the gateway", "Quick; nobody before the gateway's own process reads along.", [NetworkDirect with { Hidden = [Prompt] }, Issuer, TlsSealed, Gateway, Provider]),
            new(
                "ohttp", "Through a relay", "Quick; the relay sees your address, the gateway the question, and neither both unless they work together.",
                [
                    NetworkDirect with { Sees = ["that issuer and relay are asked, when and how much"], Hidden = [Prompt, "which gateway is asked, as far as https goes"] }, Issuer, Relay,
                    GatewayHidden with { Sees = [.. GatewayHidden.Sees, "the relay's address"] }, Provider,
                ]),
            new(
                "local", "On this machine", "The gateway's address is on this machine: nothing leaves it on the way there.",
                [new("Your network, and whoever watches it", [], [Prompt, "that anything is asked"]), IssuerAnywhere, Gateway with { Sees = [$"{Prompt}, in memory", Token], Hidden = [Account] }, Provider]),
        ],
        [
            new("gateway", "A gateway before somebody else's models", "Its operator and the provider read the question; neither knows whose it is.", [GatewayHidden with { Hidden = [Account] }, Provider]),
            new(
                "own", "A gateway before its operator's own models", "Nobody but the gateway's operator reads the question. A client cannot see which models are: the operator says it.",
                [GatewayHidden with { Hidden = [Account] }, new("Inference host", ["the question without you, and the answer"], [Address, "the token", Account])]),
            new(
                "moderated", "A gateway that has questions checked by a service", "The service reads what the provider reads. A client cannot see whether one does: the operator says it.",
                [new("Moderation", ["the question without you, and the answer"], [Address, "the token", Account])]),
            new(
                "device", "A gateway that knows this device", "No token and no issuer: the gateway links every request of this device to every other.",
                [new("Gateway", [$"{Prompt}, in memory", "this device's key, with each request", "whom its operator knows to have the device"], []), Provider]),
        ]);

    /// <summary>The way of carrying that this setting means, to servers elsewhere.</summary>
    public static WayView Of(TransportSetting? setting) => Find((setting ?? TransportSetting.Tor).Word());

    /// <summary>What a gateway for known devices is, in place of issuer, gateway and provider of any way.</summary>
    public static WayView Devices => All.Serving.First(way => way.Id == "device");

    /// <summary>Whether this part sees what it does because tokens pay.</summary>
    public static bool OfTokens(WaySight sight)
    {
        ArgumentNullException.ThrowIfNull(sight);
        return sight.Who == Issuer.Who || sight.Who == Gateway.Who || sight.Who == Provider.Who;
    }

    /// <summary>By its word; over Tor, the default, if there is none such.</summary>
    public static WayView Find(string? id) => All.Carrying.FirstOrDefault(way => way.Id == id) ?? All.Carrying[0];
}
