using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;

namespace Tacit.Protocol;

/// <summary>A public key in the directory (RFC 9578, section 4).</summary>
/// <param name="Type">Its token type.</param>
/// <param name="SubjectPublicKeyInfo">The RSASSA-PSS SubjectPublicKeyInfo, DER.</param>
/// <param name="NotBefore">When it begins to be used; whole seconds.</param>
public sealed record DirectoryTokenKey(TokenType Type, byte[] SubjectPublicKeyInfo, DateTimeOffset? NotBefore)
{
    /// <summary>SHA-256 of the SubjectPublicKeyInfo, 32 bytes (RFC 9578, section 6.1).</summary>
    public byte[] TokenKeyId { get; } = SHA256.HashData(SubjectPublicKeyInfo);

    /// <summary>The last byte of the key id, by which requests name the key.</summary>
    public byte TruncatedKeyId => TokenKeyId[^1];
}

/// <summary>A plan and its keys, in ascending order of period.</summary>
public sealed record DirectoryPlan(Plan Plan, IReadOnlyList<PlanKey> Keys)
{
    /// <summary>The keys that issue and redeem at <paramref name="time"/>, the oldest first; at most two.</summary>
    public IReadOnlyList<PlanKey> LiveKeysAt(DateTimeOffset time) => [.. Keys.Where(key => key.IsLiveAt(time))];
}

/// <summary>A gateway whose tokens this issuer's are.</summary>
/// <param name="Name">Its one canonical name: the origin_info of every challenge it makes, on every transport.</param>
/// <param name="Urls">Where it can be reached; at least one absolute URL, onion services before all others.</param>
public sealed record DirectoryGateway(string Name, IReadOnlyList<string> Urls)
{
    /// <summary>The addresses in the order in which a directory lists them: onion services first, and <paramref name="onion"/> before any other.</summary>
    /// <param name="onion">The <see cref="OnionAddress"/> that the gateway itself tells; null if it tells none.</param>
    /// <param name="urls">Those that its operator tells.</param>
    public static IReadOnlyList<string> Order(string? onion, IReadOnlyList<string> urls)
    {
        ArgumentNullException.ThrowIfNull(urls);
        string[] own = onion is null ? [] : [OnionAddress.ToUrl(onion)];
        return
        [
            .. own.Concat(urls.Where(IsOnion)).Concat(urls.Where(url => !IsOnion(url))).DistinctBy(static url => url.TrimEnd('/'), StringComparer.OrdinalIgnoreCase)
                .Take(IssuerDirectory.MaxUrls),
        ];
    }

    private static bool IsOnion(string url) => Uri.TryCreate(url, UriKind.Absolute, out Uri? parsed) && OnionAddress.IsOnionHost(parsed.Host);
}

/// <summary>The keys that requests to a gateway are sealed with, in ascending order of time.</summary>
/// <param name="Gateway">Its name, exactly as listed.</param>
/// <param name="Keys">Each with the directory key's own signature, so that it can be shown alone.</param>
public sealed record DirectorySealingKeys(string Gateway, IReadOnlyList<SignedSealingKey> Keys);

/// <summary>
/// What an issuer publishes (RFC 9578, section 4) with Tacit's extension members: plans and their keys, gateways, a number, the hash of the
/// directory before it, and a signature under the one key that clients pin.
/// </summary>
public sealed record IssuerDirectory
{
    public IssuerDirectory()
    {
    }

    // A changed copy is another document: it must not carry the signature, or pass for what the signature covers.
    private IssuerDirectory(IssuerDirectory original)
    {
        IssuerName = original.IssuerName;
        IssuerRequestUri = original.IssuerRequestUri;
        TokenKeys = original.TokenKeys;
        Plans = original.Plans;
        Gateways = original.Gateways;
        Pseudonyms = original.Pseudonyms;
        SealingKeys = original.SealingKeys;
        Onion = original.Onion;
        Sequence = original.Sequence;
        Previous = original.Previous;
    }

    /// <summary>1 MiB: the largest document that is read.</summary>
    public const int MaxSizeInBytes = 1 << 20;

    public const int MaxTokenKeys = 256;
    public const int MaxPlans = 128;

    /// <summary>Two live keys, one in its grace period and one to come.</summary>
    public const int MaxKeysPerPlan = 4;

    public const int MaxGateways = 64;

    /// <summary>Of one gateway: a permanent one, and for the current and the next epoch one of each transient kind.</summary>
    public const int MaxPseudonymKeys = 5;

    public const int MaxUrls = 16;
    public const int SignatureSizeInBytes = 64;
    public const int HashSizeInBytes = SHA256.HashSizeInBytes;

    /// <summary>The issuer_name of every challenge for its tokens.</summary>
    public required string IssuerName { get; init; }

    /// <summary>Where tokens are requested: an absolute URL, or a path at the directory's own host.</summary>
    public required string IssuerRequestUri { get; init; }

    /// <summary>The issuer's preferred key comes first. Keys of token types that Tacit does not know are left out.</summary>
    public required IReadOnlyList<DirectoryTokenKey> TokenKeys { get; init; }

    public required IReadOnlyList<DirectoryPlan> Plans { get; init; }

    /// <summary>The plans that accounts are given tokens of: all but open ones, which wallets pass over.</summary>
    public IEnumerable<DirectoryPlan> SoldPlans => Plans.Where(entry => !entry.Plan.Open);

    public required IReadOnlyList<DirectoryGateway> Gateways { get; init; }

    /// <summary>What gateways ask for beside tokens; those that are not in it ask for nothing.</summary>
    public IReadOnlyList<DirectoryPseudonyms> Pseudonyms { get; init; } = [];

    /// <summary>What sealed requests to gateways are sealed with; those that are not in it take none.</summary>
    public IReadOnlyList<DirectorySealingKeys> SealingKeys { get; init; } = [];

    /// <summary>The issuer's own onion service (<see cref="OnionAddress"/>), where everything that its address answers is answered, too; null if it has none.</summary>
    public string? Onion { get; init; }

    /// <summary>1 for an issuer's first directory, one more for each that follows; at most 2^53−1.</summary>
    public required long Sequence { get; init; }

    /// <summary><see cref="Hash"/> of the directory before, 32 bytes; null in the first.</summary>
    public byte[]? Previous { get; init; }

    /// <summary>Ed25519 over <see cref="SignedBytes"/>, 64 bytes; null in one that is not signed yet.</summary>
    public byte[]? Signature { get; init; }

    /// <summary>
    /// What the signature covers: the RFC 8785 form of the whole document as it was received, members that Tacit does not know included,
    /// without <c>signature</c>. Empty in one that is not signed yet.
    /// </summary>
    public ReadOnlyMemory<byte> SignedBytes { get; internal init; }

    /// <summary>SHA-256 of <see cref="SignedBytes"/>: what the next directory names as <see cref="Previous"/>.</summary>
    public byte[] Hash() => SignedBytes.IsEmpty
        ? throw new InvalidOperationException("A directory has a hash once it is signed.")
        : SHA256.HashData(SignedBytes.Span);

    /// <summary>
    /// Reads and checks a document. It is checked against itself, not yet against the pinned key: see <see cref="Verify"/>.
    /// </summary>
    /// <param name="json">UTF-8, at most <see cref="MaxSizeInBytes"/>.</param>
    /// <param name="directory">The directory, or null.</param>
    /// <param name="error">What is wrong with it, for people; or null.</param>
    public static bool TryParse(
        ReadOnlyMemory<byte> json, [NotNullWhen(true)] out IssuerDirectory? directory, [NotNullWhen(false)] out string? error) =>
        DirectoryJson.TryParse(json, out directory, out error);

    /// <summary>Signs and writes the document, in its RFC 8785 form.</summary>
    /// <param name="sign">Signs with the directory key: 64 bytes Ed25519.</param>
    /// <exception cref="InvalidOperationException">The directory contradicts itself; the message says where.</exception>
    public byte[] SignAndEncode(Func<ReadOnlyMemory<byte>, byte[]> sign)
    {
        ArgumentNullException.ThrowIfNull(sign);
        if (DirectoryRules.FindFault(this) is string fault)
        {
            throw new InvalidOperationException($"This directory cannot be published: {fault}.");
        }

        return DirectoryJson.Write(this, sign);
    }

    /// <summary>Whether the signature is the directory key's, and that of each sealing key as well.</summary>
    /// <param name="verify">Verifies with the pinned directory key: message, signature.</param>
    public bool Verify(Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>, bool> verify)
    {
        ArgumentNullException.ThrowIfNull(verify);
        return Signature is { Length: SignatureSizeInBytes } && !SignedBytes.IsEmpty && verify(SignedBytes, Signature)
            && SealingKeys.All(entry => entry.Keys.All(key => key.Verify(verify)));
    }

    /// <summary>Whether this is the directory right after <paramref name="previous"/> in the chain.</summary>
    public bool Follows(IssuerDirectory previous) =>
        IssuerName == previous.IssuerName && Sequence == previous.Sequence + 1 && Previous.AsSpan().SequenceEqual(previous.Hash());

    /// <summary>
    /// Why this and <paramref name="other"/>, both signed by the same key, cannot be two moments of one directory that everybody sees: for people, or null if they
    /// can. Order does not matter.
    /// </summary>
    /// <remarks>
    /// Two documents with one number, or neighbours that are not chained, are proof by themselves. Further apart, the hash chain needs all between; yet a plan has one
    /// key a period for ever, pseudonyms one a kind and epoch, and a gateway one sealing key a time, so that a key made for one person shows wherever the periods meet.
    /// </remarks>
    public string? FindConflict(IssuerDirectory other)
    {
        ArgumentNullException.ThrowIfNull(other);
        if (IssuerName != other.IssuerName)
        {
            return $"one is of issuer {IssuerName}, another of {other.IssuerName}";
        }

        (IssuerDirectory earlier, IssuerDirectory later) = Sequence <= other.Sequence ? (this, other) : (other, this);
        if (earlier.Sequence == later.Sequence && !earlier.Hash().AsSpan().SequenceEqual(later.Hash()))
        {
            return $"number {Sequence} stands for two different documents";
        }

        if (later.Sequence == earlier.Sequence + 1 && !later.Follows(earlier))
        {
            return $"number {later.Sequence} does not follow number {earlier.Sequence}";
        }

        foreach (DirectoryPlan plan in earlier.Plans)
        {
            foreach (PlanKey key in plan.Keys)
            {
                PlanKey? same = later.FindPlan(plan.Plan.Id)?.Keys.FirstOrDefault(candidate => candidate.Period == key.Period);
                if (same is not null && !same.TokenKeyId.AsSpan().SequenceEqual(key.TokenKeyId))
                {
                    return $"plan {plan.Plan.Id} has two keys for the period from {key.Start:yyyy-MM-dd}";
                }
            }
        }

        foreach (PseudonymKey key in earlier.Pseudonyms.SelectMany(entry => entry.Keys))
        {
            if (later.Pseudonyms.SelectMany(entry => entry.Keys).Any(candidate => candidate.Gateway == key.Gateway && candidate.Kind == key.Kind
                && candidate.Epoch == key.Epoch && !candidate.TokenKeyId.AsSpan().SequenceEqual(key.TokenKeyId)))
            {
                return $"gateway {key.Gateway} has two keys for {key.Kind.ToName()} pseudonyms of one epoch";
            }
        }

        // At any moment a gateway has one key for all: two for times that overlap are one for somebody alone, however far apart the numbers are.
        foreach (SignedSealingKey key in earlier.SealingKeys.SelectMany(entry => entry.Keys))
        {
            if (later.SealingKeys.SelectMany(entry => entry.Keys).Any(other => other.Key.Contradicts(key.Key)))
            {
                return $"gateway {key.Key.Gateway} has two sealing keys for the time from {key.Key.NotBefore:yyyy-MM-dd HH:mm}";
            }
        }

        return null;
    }

    /// <summary>The sealing keys of the gateway of that name; empty if it has none.</summary>
    public IReadOnlyList<SignedSealingKey> FindSealingKeys(string gateway) =>
        SealingKeys.FirstOrDefault(entry => string.Equals(entry.Gateway, gateway, StringComparison.OrdinalIgnoreCase))?.Keys ?? [];

    public DirectoryTokenKey? FindTokenKey(ReadOnlySpan<byte> tokenKeyId)
    {
        foreach (DirectoryTokenKey key in TokenKeys)
        {
            if (tokenKeyId.SequenceEqual(key.TokenKeyId))
            {
                return key;
            }
        }

        return null;
    }

    /// <summary>The key that a request of this type means by a truncated key id (RFC 9578, section 6.1).</summary>
    public DirectoryTokenKey? FindTokenKey(TokenType type, byte truncatedKeyId) =>
        TokenKeys.FirstOrDefault(key => key.Type == type && key.TruncatedKeyId == truncatedKeyId);

    /// <summary>What the gateway of that name asks for; null if nothing.</summary>
    public DirectoryPseudonyms? FindPseudonyms(string gateway) => Pseudonyms.FirstOrDefault(
        entry => entry.Offer.Policy != PseudonymPolicy.None && string.Equals(entry.Offer.Gateway, gateway, StringComparison.OrdinalIgnoreCase));

    public DirectoryPlan? FindPlan(string id) => Plans.FirstOrDefault(plan => plan.Plan.Id == id);

    /// <summary>The plan and period that a token of this key and these extensions belongs to: a lookup, before any arithmetic.</summary>
    /// <param name="tokenKeyId">32 bytes.</param>
    /// <param name="extensions">The encoded Extensions; empty for 0x0002.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="key">Its key.</param>
    public bool TryFindPlanKey(
        ReadOnlySpan<byte> tokenKeyId, ReadOnlySpan<byte> extensions, [NotNullWhen(true)] out DirectoryPlan? plan,
        [NotNullWhen(true)] out PlanKey? key)
    {
        foreach (DirectoryPlan candidate in Plans)
        {
            foreach (PlanKey candidateKey in candidate.Keys)
            {
                if (tokenKeyId.SequenceEqual(candidateKey.TokenKeyId) && extensions.SequenceEqual(candidateKey.Extensions))
                {
                    (plan, key) = (candidate, candidateKey);
                    return true;
                }
            }
        }

        (plan, key) = (null, null);
        return false;
    }
}
