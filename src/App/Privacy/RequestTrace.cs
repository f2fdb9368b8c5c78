using System.Text.Json.Serialization;
using Tacit.Client;
using Tacit.Client.Transports;

namespace Tacit.App;

/// <summary>What requests are sealed with on their way, and who passes them on.</summary>
[JsonConverter(typeof(PageEnum<SealingKind>))]
internal enum SealingKind
{
    None,

    /// <summary>Sealed to the gateway.</summary>
    Sealed,

    /// <summary>Sealed to the gateway, by way of a relay.</summary>
    Ohttp,
}

/// <summary>Who made a request's connections.</summary>
[JsonConverter(typeof(PageEnum<CarrierKind>))]
internal enum CarrierKind
{
    Direct,
    Tor,
}

/// <summary>A step of a request.</summary>
/// <param name="At">Milliseconds since the request began.</param>
/// <param name="Detail">What there is to tell of it; null if nothing.</param>
internal sealed record StageView([property: JsonConverter(typeof(PageEnum<PromptStageName>))] PromptStageName Name, long At, string? Detail = null)
{
    public static StageView Of(PromptStage stage) => new(stage.Name, stage.At, stage.Detail);
}

internal sealed record StageEvent(string Conversation, string Message, StageView Stage);

/// <summary>A circuit as our tor told of it.</summary>
/// <param name="Hops">As tor names relays: <c>$FINGERPRINT~nickname</c>. First the guard. To an onion service these are our half of the way: the last is where the service's half meets it.</param>
internal sealed record CircuitView(IReadOnlyList<string> Hops, string? Onion = null);

/// <summary>A connection that a request went over.</summary>
/// <param name="At">When its answer began, in milliseconds since the request did.</param>
/// <param name="New">Made for this request; false for one that the conversation had.</param>
/// <param name="Remote">Address and port that it led to; null over Tor.</param>
/// <param name="CircuitProblem">Over Tor, why the circuit is not known.</param>
internal sealed record ConnectionView(long At, bool New, string? Remote = null, CircuitView? Circuit = null, string? CircuitProblem = null);

/// <summary>What is known of one request: the values that there were. Kept with the message that it brought, sealed as that is.</summary>
internal sealed record RequestTrace
{
    /// <summary>The assistant's message.</summary>
    public required string Message { get; init; }

    public string? Model { get; init; }

    /// <summary>The plan that paid, or <c>device</c>; null if nothing did.</summary>
    public string? Plan { get; init; }

    /// <summary>The beginning of the token's spend id, under which the gateway's record has it: 12 hexadecimal digits. Null if none was shown.</summary>
    public string? Token { get; init; }

    /// <summary>The same of tokens that were shown before it and turned out spent or expired.</summary>
    public IReadOnlyList<string> EarlierTokens { get; init; } = [];

    /// <summary><c>0x0002</c> or <c>0xDA7A</c>.</summary>
    public string? TokenType { get; init; }

    /// <summary>The token key id: 64 hexadecimal digits.</summary>
    public string? KeyId { get; init; }

    /// <summary>Where the token came from: <c>bought</c>, <c>exchanged</c> or <c>subscription</c>.</summary>
    public string? TokenOrigin { get; init; }

    /// <summary>Whether the token was bought or exchanged because this request needed it.</summary>
    public bool BoughtForIt { get; init; }

    /// <summary>From when on tokens of its key were sold.</summary>
    public DateTimeOffset? SoldFrom { get; init; }

    /// <summary>Until when they pay.</summary>
    public DateTimeOffset? Deadline { get; init; }

    /// <summary>How many accounts share the key, as the issuer said then, rounded down to a power of two.</summary>
    public long? Crowd { get; init; }

    /// <summary>The gateway's name.</summary>
    public string? Gateway { get; init; }

    /// <summary>Null if it did not come to that.</summary>
    public CarrierKind? Carrier { get; init; }

    public SealingKind Sealing { get; init; }

    /// <summary>The server that connections were made to, with a relay the relay.</summary>
    public string? Address { get; init; }

    /// <summary>The same, if it is an onion service: its name.</summary>
    public string? Onion { get; init; }

    /// <summary>Whether that is on this machine, so that nothing left it on the way there.</summary>
    public bool ThisMachine { get; init; }

    public IReadOnlyList<ConnectionView> Connections { get; init; } = [];

    /// <summary>The circuit of the last of them.</summary>
    public CircuitView? Circuit => Connections is [.., ConnectionView last] ? last.Circuit : null;

    /// <summary>By what the gateway can link it to others: a pseudonym's kind, or <c>device</c>; null for nothing.</summary>
    public string? Linkable { get; init; }

    /// <summary>The device's public key.</summary>
    public string? Device { get; init; }

    /// <summary>Names of the members of the body that was sent.</summary>
    public IReadOnlyList<string> Members { get; init; } = [];

    public long RequestBytes { get; init; }

    /// <summary>What was sent in its place, where it was sealed; else 0.</summary>
    public long SealedRequestBytes { get; init; }

    public long ReplyBytes { get; init; }

    public long SealedReplyBytes { get; init; }

    /// <summary>The status of the answer; null if there was none.</summary>
    public int? Status { get; init; }

    public IReadOnlyList<StageView> Stages { get; init; } = [];

    public static RequestTrace Of(string message, PromptFacts facts)
    {
        ArgumentNullException.ThrowIfNull(facts);
        TokenFacts? paid = facts.Tokens is [.., TokenFacts last] ? last : null;
        return new RequestTrace
        {
            Message = message,
            Model = facts.Model,
            Plan = facts.Device is not null ? DeviceClient.PlanName : paid?.Plan,
            Token = paid?.SpendId,
            EarlierTokens = [.. facts.Tokens.SkipLast(1).Select(token => token.SpendId)],
            TokenType = paid?.Type,
            KeyId = paid?.KeyId,
            TokenOrigin = paid?.Origin switch
            {
                null => null,
                Client.TokenOrigin.Bought => "bought",
                Client.TokenOrigin.Exchanged => "exchanged",
                _ => "subscription",
            },
            BoughtForIt = paid?.IsForThisRequest ?? false,
            SoldFrom = paid?.SoldFrom,
            Deadline = paid?.Deadline,
            Crowd = paid?.Crowd,
            Gateway = facts.Gateway,
            Carrier = facts.Carrier switch { null => null, Client.Transports.Carrier.Tor => CarrierKind.Tor, _ => CarrierKind.Direct },
            Sealing = facts.Sealing switch
            {
                GatewayTransport.Sealed => SealingKind.Sealed,
                GatewayTransport.Ohttp => SealingKind.Ohttp,
                _ => SealingKind.None,
            },
            Address = facts.Address,
            Onion = facts.Address is string address && new Uri(address).Host is { } host && host.EndsWith(".onion", StringComparison.OrdinalIgnoreCase) ? host : null,
            ThisMachine = facts.IsThisMachine,
            Connections =
            [
                .. facts.Connections.Select(connection => new ConnectionView(
                    connection.At, connection.IsNew, connection.Remote,
                    connection.Circuit is CircuitFacts circuit ? new CircuitView([.. circuit.Hops.Select(NameOf)], circuit.Onion) : null,
                    connection.CircuitProblem)),
            ],
            Linkable = facts.Linkable,
            Device = facts.Device,
            Members = facts.Members,
            RequestBytes = facts.RequestBytes,
            SealedRequestBytes = facts.SealedRequestBytes,
            ReplyBytes = facts.ReplyBytes,
            SealedReplyBytes = facts.SealedReplyBytes,
            Status = facts.Status,
            Stages = [.. facts.Stages.Select(StageView.Of)],
        };
    }

    private static string NameOf(CircuitHop hop) => hop.Nickname.Length == 0 ? $"${hop.Fingerprint}" : $"${hop.Fingerprint}~{hop.Nickname}";
}
