using System.Buffers;

namespace Tacit.Protocol;

/// <summary>How a plan is used.</summary>
public enum PlanKind
{
    /// <summary>One token, one request.</summary>
    Request,

    /// <summary>A chain of tokens, each blindly replaced by the next.</summary>
    Subscription,
}

/// <summary>What one token buys. The same for everyone who has it; see DESIGN "Plans".</summary>
public sealed record Plan
{
    public const int MaxIdLength = 64;
    public const int MaxModels = 256;
    public const int MaxModelLength = 200;
    public const int MaxConcurrency = 64;

    private static readonly SearchValues<char> IdCharacters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz0123456789-._");

    /// <summary>1 to 64 of <c>a-z 0-9 - . _</c>, beginning with a letter or digit.</summary>
    public required string Id { get; init; }

    public PlanKind Kind { get; init; } = PlanKind.Request;

    /// <summary>The models that a token of this plan buys one request of.</summary>
    public required IReadOnlyList<string> Models { get; init; }

    /// <summary>Largest request body, in bytes.</summary>
    public required int MaxInputBytes { get; init; }

    /// <summary>Largest output that may be asked for, in tokens of the model, over all choices; 0 for a plan that buys embeddings only.</summary>
    public required int MaxOutputTokens { get; init; }

    /// <summary>Price of one token of a request plan; of a subscription, of all its chains for one period.</summary>
    public required Credits Price { get; init; }

    public required PeriodKind Period { get; init; }

    public TokenType TokenType { get; init; } = TokenType.BlindRsa;

    /// <summary>Chains that one subscription has in a period, 1 to 64: each is one request at a time. 1 for a request plan, where it means nothing.</summary>
    public int Concurrency { get; init; } = 1;

    /// <summary>
    /// Whether its tokens are given to whoever asks, without an account and within limits (<see cref="Routes.OpenTokenRequest"/>), for demonstrations. Such a plan
    /// costs nothing, is a request plan of type 0x0002 and so has keys of its own, and no wallet uses it.
    /// </summary>
    public bool Open { get; init; }

    /// <summary>Whether <paramref name="id"/> can name a plan.</summary>
    public static bool IsValidId(ReadOnlySpan<char> id) =>
        id.Length is > 0 and <= MaxIdLength && char.IsAsciiLetterOrDigit(id[0]) && !id.ContainsAnyExcept(IdCharacters);

    /// <summary>What is wrong with the plan, or null.</summary>
    public string? FindFault()
    {
        if (!IsValidId(Id))
        {
            return "a plan id is 1 to 64 of a-z, 0-9, '-', '.' and '_', and begins with a letter or digit";
        }

        if (Models.Count is 0 or > MaxModels || Models.Distinct(StringComparer.Ordinal).Count() != Models.Count)
        {
            return $"plan {Id}: models are 1 to {MaxModels} distinct names";
        }

        foreach (string model in Models)
        {
            if (model.Length is 0 or > MaxModelLength || model.AsSpan().ContainsAnyExceptInRange('!', '~'))
            {
                return $"plan {Id}: a model name is 1 to {MaxModelLength} printable ASCII characters";
            }
        }

        if (MaxInputBytes <= 0 || MaxOutputTokens < 0)
        {
            return $"plan {Id}: maxInputBytes is above zero, maxOutputTokens not below it";
        }

        if (Price.IsNegative || Price.Value > (1L << 53) - 1)
        {
            return $"plan {Id}: a price is 0 to 2^53-1 credits";
        }

        if (Concurrency is < 1 or > MaxConcurrency || (Kind == PlanKind.Request && Concurrency != 1))
        {
            return $"plan {Id}: concurrency is 1 to {MaxConcurrency}, and for subscriptions only";
        }

        if (Open && (Price != Credits.Zero || Kind != PlanKind.Request || TokenType != TokenType.BlindRsa))
        {
            return $"plan {Id}: an open plan is a request plan of price 0 and token type 0x0002";
        }

        if (!Enum.IsDefined(Kind) || !Enum.IsDefined(Period) || !TokenTypes.IsKnown(TokenType))
        {
            return $"plan {Id}: unknown kind, period or token type";
        }

        return null;
    }
}

/// <summary>The key (0x0002) or the key and metadata (0xDA7A) that a plan uses in one period.</summary>
public sealed record PlanKey
{
    public required string PlanId { get; init; }

    /// <summary>SHA-256 of the key's SubjectPublicKeyInfo (RFC 9578, section 6.1), 32 bytes.</summary>
    public required byte[] TokenKeyId { get; init; }

    public required Period Period { get; init; }

    /// <summary>When the key begins to issue and redeem; not before <see cref="Period.IssueFrom"/>.</summary>
    public required DateTimeOffset NotBefore { get; init; }

    /// <summary>The encoded Extensions of plan and deadline for 0xDA7A; null for 0x0002, whose key says it all.</summary>
    public byte[]? Extensions { get; init; }

    /// <summary>
    /// How many accounts were given tokens of it, as the issuer says, rounded down to a power of two and told anew once a day; null for none yet. No part of what
    /// the key is.
    /// </summary>
    public long? Accounts { get; init; }

    public DateTimeOffset Start => Period.Start;

    /// <summary>First moment at which the key no longer issues or redeems.</summary>
    public DateTimeOffset Deadline => Period.Deadline;

    /// <summary>First moment at which a token can no longer be exchanged.</summary>
    public DateTimeOffset ExchangeUntil => Period.ExchangeUntil;

    public bool IsLiveAt(DateTimeOffset time) => time >= NotBefore && time < Deadline;

    /// <summary>Whether a token of this key is still worth something at <paramref name="time"/>: live, or within the grace for an exchange.</summary>
    public bool IsExchangeableAt(DateTimeOffset time) => time >= NotBefore && time < ExchangeUntil;

    public bool Equals(PlanKey? other) =>
        other is not null
        && PlanId == other.PlanId
        && Period == other.Period
        && NotBefore == other.NotBefore
        && TokenKeyId.AsSpan().SequenceEqual(other.TokenKeyId)
        && Extensions is null == other.Extensions is null
        && Extensions.AsSpan().SequenceEqual(other.Extensions);

    public override int GetHashCode() => HashCode.Combine(PlanId, Period, NotBefore);
}
