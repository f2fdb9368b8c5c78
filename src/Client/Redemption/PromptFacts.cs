using Tacit.Client.Transports;

namespace Tacit.Client;

/// <summary>Where a request is. Some happen more than once, and some not at all.</summary>
public enum PromptStageName
{
    /// <summary>The client has the request: which plans buy its model, and at which gateway.</summary>
    Preparing,

    /// <summary>How it is carried is decided; over Tor this waits until Tor is ready.</summary>
    Carrier,

    /// <summary>The wallet looks for a token that pays for it.</summary>
    Paying,

    /// <summary>The token is in the journal, with the request.</summary>
    Token,

    /// <summary>A connection is made. A request that goes on an open one has none.</summary>
    Connecting,

    Connected,

    /// <summary>All of the request was handed to the connection.</summary>
    Sent,

    /// <summary>The head of a reply came.</summary>
    Accepted,

    /// <summary>The first bytes of the reply's body came.</summary>
    FirstToken,

    /// <summary>The reply broke off and goes on, taken up on another connection.</summary>
    Resumed,

    /// <summary>The reply was read to its end.</summary>
    Ended,

    /// <summary>The subscription's chain has its next token.</summary>
    Renewed,

    /// <summary>The token was not spent, and pays for another request.</summary>
    Returned,

    /// <summary>Nobody wanted the rest.</summary>
    Cancelled,

    /// <summary>There is no reply, or not all of it.</summary>
    Failed,
}

/// <summary>A step of a request.</summary>
/// <param name="At">Milliseconds since the request began.</param>
/// <param name="Detail">What there is to tell of it, for people; null if nothing.</param>
public sealed record PromptStage(PromptStageName Name, long At, string? Detail = null);

/// <summary>Where a token came from.</summary>
public enum TokenOrigin
{
    /// <summary>Bought from the issuer, who saw it blinded.</summary>
    Bought,

    /// <summary>Exchanged at a gateway for one that was shown and not spent.</summary>
    Exchanged,

    /// <summary>A link of a subscription's chain.</summary>
    Subscription,
}

/// <summary>A token that a request was sent with.</summary>
public sealed record TokenFacts
{
    /// <summary>The first six bytes of its spend id, hexadecimal: the name under which the gateway's record has it.</summary>
    public required string SpendId { get; init; }

    public required string Plan { get; init; }

    /// <summary><c>0x0002</c> or <c>0xDA7A</c>.</summary>
    public required string Type { get; init; }

    /// <summary>The token key id, hexadecimal.</summary>
    public required string KeyId { get; init; }

    public required TokenOrigin Origin { get; init; }

    /// <summary>From when on tokens of its key were sold; null if the directory has the key no more.</summary>
    public DateTimeOffset? SoldFrom { get; init; }

    /// <summary>Until when it pays; all tokens of the key end then.</summary>
    public required DateTimeOffset Deadline { get; init; }

    /// <summary>How many accounts share the key, as the issuer says, rounded down to a power of two; null if it says nothing.</summary>
    public long? Crowd { get; init; }

    /// <summary>Bought, or exchanged, because this request needed it: who sees both can link them by time.</summary>
    public bool IsForThisRequest { get; init; }
}

/// <summary>A connection that a request went over.</summary>
public sealed record ConnectionFacts
{
    /// <summary>Milliseconds since the request began, when its answer began, or the wait for one ended.</summary>
    public required long At { get; init; }

    /// <summary>Made for this request; false for one that the conversation had.</summary>
    public required bool IsNew { get; init; }

    /// <summary>The address and port that it really leads to; null over Tor, which looks that up at the other end.</summary>
    public string? Remote { get; init; }

    /// <summary>Over Tor, the circuit; null if that is not known (yet).</summary>
    public CircuitFacts? Circuit { get; init; }

    /// <summary>Over Tor, why its circuit is not known; null if it is.</summary>
    public string? CircuitProblem { get; init; }
}

/// <summary>A circuit as our tor tells of it.</summary>
/// <param name="Hops">Its relays, first the guard. To an onion service these are our half of the way, and the last is where the service's half meets it.</param>
/// <param name="Onion">The onion service that it leads to; null if it ends at an exit.</param>
public sealed record CircuitFacts(IReadOnlyList<CircuitHop> Hops, string? Onion);

/// <param name="Nickname">What its operator calls it; empty if unknown.</param>
/// <param name="Fingerprint">40 hexadecimal digits.</param>
public sealed record CircuitHop(string Nickname, string Fingerprint);

/// <summary>What the client knows of a request that was observed: values as they were, none made up.</summary>
public sealed record PromptFacts
{
    /// <summary>The model that was asked for.</summary>
    public string? Model { get; init; }

    /// <summary>The gateway's name in the directory; null for a device, which knows its address only.</summary>
    public string? Gateway { get; init; }

    /// <summary>Who makes the connections; null if it did not come to that.</summary>
    public Carrier? Carrier { get; init; }

    public GatewayTransport Sealing { get; init; }

    /// <summary>The server that connections are made to, as a base address: with a relay the relay.</summary>
    public string? Address { get; init; }

    /// <summary>Whether that is an address of this machine, so that nothing leaves it on the way there.</summary>
    public bool IsThisMachine { get; init; }

    /// <summary>Tokens that were shown for it, in order: the last one paid. None for a device.</summary>
    public IReadOnlyList<TokenFacts> Tokens { get; init; } = [];

    /// <summary>Connections that it went over, in order.</summary>
    public IReadOnlyList<ConnectionFacts> Connections { get; init; } = [];

    /// <summary>By what the gateway can link it to others: a pseudonym (<c>transient</c>, <c>permanent</c>, <c>both</c>), or <c>device</c>; null for nothing.</summary>
    public string? Linkable { get; init; }

    /// <summary>The device's public key that signed it; null if a token paid.</summary>
    public string? Device { get; init; }

    /// <summary>Names of the members of the body, as it was sent.</summary>
    public IReadOnlyList<string> Members { get; init; } = [];

    /// <summary>Size of the body.</summary>
    public long RequestBytes { get; init; }

    /// <summary>Size of what was sent in its place, where it was sealed: a bucket; 0 otherwise.</summary>
    public long SealedRequestBytes { get; init; }

    /// <summary>Size of the reply's body, as far as it was delivered.</summary>
    public long ReplyBytes { get; init; }

    /// <summary>Size of what came in its place, where it was sealed, over all connections; 0 otherwise.</summary>
    public long SealedReplyBytes { get; init; }

    /// <summary>The status of the answer; null if there was none.</summary>
    public int? Status { get; init; }

    /// <summary>What became of the token; null if there is none, or that is not known.</summary>
    public TokenOutcome? Outcome { get; init; }

    public IReadOnlyList<PromptStage> Stages { get; init; } = [];
}
