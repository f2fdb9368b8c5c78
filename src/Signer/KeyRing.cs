using System.Collections.Frozen;
using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>What may be signed under one key, and under one plan and deadline of a 0xDA7A key.</summary>
/// <param name="PlanKey">Plan, period and metadata.</param>
/// <param name="Key">Signs under it.</param>
/// <param name="Offered">As what the plan is sold; null for one taken off the list, which is only exchanged.</param>
internal sealed record KeyRingEntry(PlanKey PlanKey, LeasedKey Key, PlanKind? Offered)
{
    /// <summary>
    /// Whether it signs for this purpose now. A chain moves by renewal only and a request plan's token by exchange only, whatever a gateway asks for.
    /// </summary>
    public bool SignsFor(SigningPurpose purpose, DateTimeOffset now) => purpose switch
    {
        SigningPurpose.Issuance => Offered is not null && PlanKey.IsLiveAt(now),
        SigningPurpose.Exchange => Offered is not PlanKind.Subscription && PlanKey.IsExchangeableAt(now),
        SigningPurpose.Renewal => Offered is PlanKind.Subscription && PlanKey.IsLiveAt(now),
        _ => false,
    };
}

/// <summary>A key of pseudonyms.</summary>
/// <param name="Key">What it signs.</param>
/// <param name="SigningKey">Signs.</param>
/// <param name="IsOffered">Whether the gateway still asks for them.</param>
internal sealed record KeyRingPseudonym(PseudonymKey Key, SigningKey SigningKey, bool IsOffered);

/// <summary>All keys in use, as one unchanging picture; rotation replaces it whole.</summary>
internal sealed class KeyRing
{
    private readonly FrozenDictionary<byte[], FrozenDictionary<byte[], KeyRingEntry>> _entries;

    private readonly FrozenDictionary<byte[], KeyRingPseudonym> _pseudonyms;

    private KeyRing(
        IReadOnlyList<SignerKey> published, FrozenDictionary<byte[], FrozenDictionary<byte[], KeyRingEntry>> entries,
        FrozenDictionary<byte[], KeyRingPseudonym> pseudonyms)
    {
        _pseudonyms = pseudonyms;
        Published = published;
        _entries = entries;
    }

    public static KeyRing Empty { get; } = Create([], new Dictionary<string, PlanKind>(), []);

    /// <summary>The public side, past keys that wait for their removal included.</summary>
    public IReadOnlyList<SignerKey> Published { get; }

    public static KeyRing Create(
        IEnumerable<(SigningKey Key, IReadOnlyList<KeyUse> Uses)> keys, IReadOnlyDictionary<string, PlanKind> offeredPlans,
        IEnumerable<KeyRingPseudonym> pseudonyms)
    {
        var published = new List<SignerKey>();
        var entries = new Dictionary<byte[], FrozenDictionary<byte[], KeyRingEntry>>(BytesComparer.Instance);
        foreach ((SigningKey key, IReadOnlyList<KeyUse> uses) in keys)
        {
            if (uses.Count == 0)
            {
                continue;
            }

            StoredKey stored = key.Stored;
            var ofKey = new Dictionary<byte[], KeyRingEntry>(BytesComparer.Instance);
            foreach (KeyUse use in uses.OrderBy(use => use.Period.Start).ThenBy(use => use.PlanId, StringComparer.Ordinal))
            {
                byte[]? extensions = stored.TokenType == TokenType.PartiallyBlindRsa
                    ? new PlanMetadata(use.PlanId, use.Period.Deadline).EncodeExtensions()
                    : null;
                var planKey = new PlanKey
                {
                    PlanId = use.PlanId,
                    TokenKeyId = stored.KeyId,
                    Period = use.Period,
                    NotBefore = use.Period.IssueFrom,
                    Extensions = extensions,
                };
                var entry = new KeyRingEntry(planKey, key.KeyFor(extensions), offeredPlans.TryGetValue(OfferOf(use), out PlanKind kind) ? kind : null);

                // A plan that changed from one kind of period to another may have the same deadline in both, and so the same metadata: one crowd, one entry.
                if (entry.Offered is not null || !ofKey.ContainsKey(extensions ?? []))
                {
                    ofKey[extensions ?? []] = entry;
                }
            }

            entries.Add(stored.KeyId, ofKey.ToFrozenDictionary(BytesComparer.Instance));
            published.Add(new SignerKey
            {
                Type = stored.TokenType,
                TokenKeyId = stored.KeyId,
                SubjectPublicKeyInfo = stored.SubjectPublicKeyInfo,
                NotBefore = ofKey.Values.Min(entry => entry.PlanKey.NotBefore),
                Plans = [.. ofKey.Values.Select(entry => entry.PlanKey)],
            });
        }

        FrozenDictionary<byte[], KeyRingPseudonym> byKey = pseudonyms.ToFrozenDictionary(entry => entry.Key.TokenKeyId, BytesComparer.Instance);
        foreach (KeyRingPseudonym entry in byKey.Values.Where(entry => entry.IsOffered))
        {
            published.Add(new SignerKey
            {
                Type = TokenType.BlindRsa,
                TokenKeyId = entry.Key.TokenKeyId,
                SubjectPublicKeyInfo = entry.SigningKey.Stored.SubjectPublicKeyInfo,
                NotBefore = entry.Key.NotBefore,
                Plans = [],
                Pseudonym = entry.Key,
            });
        }

        return new KeyRing(published, entries.ToFrozenDictionary(BytesComparer.Instance), byKey);
    }

    /// <summary>Plan, token type and period kind: a plan that changed one of them is another offer, and its old keys sell nothing more.</summary>
    public static string OfferOf(Plan plan) => $"{plan.Id} {(int)plan.TokenType} {plan.Period.ToName()}";

    /// <summary>Finds by lookup alone, before any arithmetic.</summary>
    /// <param name="keyId">The whole key id.</param>
    /// <param name="extensions">The encoded extensions, or null.</param>
    /// <param name="keyIsKnown">Whether at least the key is there.</param>
    public KeyRingEntry? Find(byte[] keyId, byte[]? extensions, out bool keyIsKnown)
    {
        keyIsKnown = _entries.TryGetValue(keyId, out FrozenDictionary<byte[], KeyRingEntry>? ofKey);
        return keyIsKnown && ofKey!.TryGetValue(extensions ?? [], out KeyRingEntry? entry) ? entry : null;
    }

    /// <summary>The key of pseudonyms with this id, if it issues now; null if none does.</summary>
    public LeasedKey? FindPseudonym(SignRequest request, DateTimeOffset now) =>
        request.Extensions is null && _pseudonyms.TryGetValue(request.TokenKeyId, out KeyRingPseudonym? entry) && entry.IsOffered && entry.Key.IssuesAt(now)
            ? entry.SigningKey.KeyFor(null)
            : null;

    /// <summary>Whether the key signs pseudonyms, and so nothing else.</summary>
    public bool IsPseudonymKey(byte[] keyId) => _pseudonyms.ContainsKey(keyId);

    private static string OfferOf(KeyUse use) => $"{use.PlanId} {(int)use.TokenType} {use.Period.Kind.ToName()}";
}
