using System.Text.Json.Serialization;

namespace Tacit.Protocol;

/// <summary>What a gateway asks for beside every token. Flags: <see cref="Both"/> asks for one of each.</summary>
[Flags]
public enum PseudonymPolicy
{
    /// <summary>Nothing: requests cannot be linked to each other.</summary>
    None = 0,

    /// <summary>A pseudonym of the current epoch: requests of one epoch are linkable to each other.</summary>
    Transient = 1,

    /// <summary>The account's one pseudonym for ever: all its requests are linkable to each other.</summary>
    Permanent = 2,

    Both = Transient | Permanent,
}

/// <summary>What a key signs pseudonyms of. The numbers are on the wire and on disks.</summary>
public enum PseudonymKind
{
    /// <summary>One an account and epoch.</summary>
    Transient = 1,

    /// <summary>One an account, for ever.</summary>
    Permanent = 2,

    /// <summary>One an account and epoch, good for nothing but to take the place of that epoch's stolen <see cref="Transient"/>.</summary>
    TransientRotated = 3,
}

/// <summary>What one gateway asks for: a setting of signer and issuer, and part of the directory.</summary>
public sealed record PseudonymOffer
{
    /// <summary>The gateway's name in the directory. Keys are a gateway's own, so that a pseudonym tells two gateways nothing in common.</summary>
    public required string Gateway { get; init; }

    /// <summary>What it asks for. Default: nothing.</summary>
    public PseudonymPolicy Policy { get; init; }

    /// <summary>The epoch of transient pseudonyms, UTC. Default: a month.</summary>
    public PeriodKind Period { get; init; } = PeriodKind.Month;

    /// <summary>The kinds of keys that the policy needs.</summary>
    [JsonIgnore]
    public IEnumerable<PseudonymKind> Kinds
    {
        get
        {
            if (Policy.HasFlag(PseudonymPolicy.Permanent))
            {
                yield return PseudonymKind.Permanent;
            }

            if (Policy.HasFlag(PseudonymPolicy.Transient))
            {
                yield return PseudonymKind.Transient;
                yield return PseudonymKind.TransientRotated;
            }
        }
    }
}

/// <summary>A key of type 0x0002 that signs pseudonyms of one kind for one gateway, and nothing else.</summary>
public sealed record PseudonymKey
{
    public required string Gateway { get; init; }

    public required PseudonymKind Kind { get; init; }

    /// <summary>SHA-256 of the key's SubjectPublicKeyInfo, 32 bytes.</summary>
    public required byte[] TokenKeyId { get; init; }

    /// <summary>The epoch; null for <see cref="PseudonymKind.Permanent"/>, whose key never ends.</summary>
    public required Period? Epoch { get; init; }

    /// <summary>When it begins to issue: not before the overlap of its epoch, so that wallets need not all ask at midnight.</summary>
    public required DateTimeOffset NotBefore { get; init; }

    public DateTimeOffset? Deadline => Epoch?.Deadline;

    /// <summary>Whether pseudonyms are issued under it, a little ahead of the epoch too.</summary>
    public bool IssuesAt(DateTimeOffset time) => time >= NotBefore && (Epoch is not { } epoch || time < epoch.Deadline);

    /// <summary>Whether gateways take its pseudonyms. Not before the epoch begins: two at a time would double every limit.</summary>
    public bool IsTakenAt(DateTimeOffset time) => time >= NotBefore && (Epoch is not { } epoch || (time >= epoch.Start && time < epoch.Deadline));

    public bool Equals(PseudonymKey? other) =>
        other is not null && Gateway == other.Gateway && Kind == other.Kind && Epoch == other.Epoch && NotBefore == other.NotBefore
        && TokenKeyId.AsSpan().SequenceEqual(other.TokenKeyId);

    public override int GetHashCode() => HashCode.Combine(Gateway, Kind, Epoch, NotBefore);
}

/// <summary>What the directory says of one gateway's pseudonyms.</summary>
public sealed record DirectoryPseudonyms(PseudonymOffer Offer, IReadOnlyList<PseudonymKey> Keys)
{
    /// <summary>The key of a kind whose pseudonyms the gateway takes at <paramref name="time"/>.</summary>
    public PseudonymKey? Find(PseudonymKind kind, DateTimeOffset time) => Keys.FirstOrDefault(key => key.Kind == kind && key.IsTakenAt(time));

    /// <summary>The rotated key of the same epoch.</summary>
    public PseudonymKey? FindRotated(PseudonymKey transient) =>
        Keys.FirstOrDefault(key => key.Kind == PseudonymKind.TransientRotated && key.Epoch == transient.Epoch);
}

/// <summary>The names of kinds and policies in the directory and in settings.</summary>
public static class PseudonymNames
{
    public static string ToName(this PseudonymKind kind) => kind switch
    {
        PseudonymKind.Transient => "transient",
        PseudonymKind.Permanent => "permanent",
        PseudonymKind.TransientRotated => "transient-rotated",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    public static string ToName(this PseudonymPolicy policy) => policy switch
    {
        PseudonymPolicy.None => "none",
        PseudonymPolicy.Transient => "transient",
        PseudonymPolicy.Permanent => "permanent",
        PseudonymPolicy.Both => "both",
        _ => throw new ArgumentOutOfRangeException(nameof(policy)),
    };

    public static bool TryParse(string? name, out PseudonymKind kind)
    {
        (bool known, kind) = name switch
        {
            "transient" => (true, PseudonymKind.Transient),
            "permanent" => (true, PseudonymKind.Permanent),
            "transient-rotated" => (true, PseudonymKind.TransientRotated),
            _ => (false, default),
        };
        return known;
    }

    public static bool TryParse(string? name, out PseudonymPolicy policy)
    {
        (bool known, policy) = name switch
        {
            "none" => (true, PseudonymPolicy.None),
            "transient" => (true, PseudonymPolicy.Transient),
            "permanent" => (true, PseudonymPolicy.Permanent),
            "both" => (true, PseudonymPolicy.Both),
            _ => (false, default),
        };
        return known;
    }
}
