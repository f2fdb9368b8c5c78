namespace Tacit.Client;

/// <summary>What an issuer offers, in plain terms.</summary>
public sealed record DirectorySummary
{
    public required string IssuerName { get; init; }

    /// <summary>The number of the directory.</summary>
    public required long Sequence { get; init; }

    public required IReadOnlyList<PlanSummary> Plans { get; init; }

    public required IReadOnlyList<GatewaySummary> Gateways { get; init; }
}

/// <summary>What one token of a plan buys.</summary>
public sealed record PlanSummary
{
    public required string Id { get; init; }

    /// <summary><c>request</c> or <c>subscription</c>.</summary>
    public required string Kind { get; init; }

    public required IReadOnlyList<string> Models { get; init; }

    public required int MaxInputBytes { get; init; }

    public required int MaxOutputTokens { get; init; }

    /// <summary>Credits for one token; of a subscription, for a whole period.</summary>
    public required long Price { get; init; }

    /// <summary>How many requests at a time a subscription buys; 1 for a request plan, where it means nothing.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary><c>day</c>, <c>week</c> or <c>month</c>, UTC.</summary>
    public required string Period { get; init; }

    /// <summary><c>0x0002</c> or <c>0xDA7A</c>.</summary>
    public required string TokenType { get; init; }

    /// <summary>The keys that sell and redeem now, at most two.</summary>
    public required IReadOnlyList<PlanKeySummary> LiveKeys { get; init; }
}

/// <param name="KeyId">The token key id, hexadecimal.</param>
/// <param name="Deadline">Until when its tokens pay for requests.</param>
/// <param name="Accounts">How many accounts share it, as the issuer says, rounded down to a power of two; null for none yet.</param>
public sealed record PlanKeySummary(string KeyId, DateTimeOffset Start, DateTimeOffset Deadline, long? Accounts = null);

/// <param name="Pseudonyms">What it asks for and can link requests by, such as <c>transient</c>; null for nothing.</param>
/// <param name="SealingKeys">What requests to it are sealed with: the current key, and the next.</param>
public sealed record GatewaySummary(string Name, IReadOnlyList<string> Urls, string? Pseudonyms = null, IReadOnlyList<SealingKeySummary>? SealingKeys = null);

/// <param name="KeyId">By which requests name it.</param>
/// <param name="Hash">SHA-256 of the key configuration, 64 hexadecimal digits: everybody must see the same.</param>
/// <param name="NotBefore">First moment at which it is used.</param>
/// <param name="NotAfter">First moment at which it is used no more.</param>
/// <param name="Evidence">The format of what attests it; null if nothing does.</param>
/// <param name="Shows">What the evidence shows, if the settings say to look at it.</param>
public sealed record SealingKeySummary(int KeyId, string Hash, DateTimeOffset NotBefore, DateTimeOffset NotAfter, string? Evidence = null, string? Shows = null);
