using System.Collections.Frozen;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>All keys that requests can name, as one unchanging picture, found by what a request carries: type, one byte of the key id, extensions.</summary>
internal sealed class IssuanceCatalog
{
    private readonly FrozenDictionary<(TokenType Type, byte TruncatedKeyId), IssuanceKey[]> _keys;

    private readonly IReadOnlyList<(PseudonymKey Pseudonym, IssuanceKey Key)> _pseudonyms;

    private IssuanceCatalog(IReadOnlyList<IssuanceKey> all, IReadOnlyList<(PseudonymKey Pseudonym, IssuanceKey Key)> pseudonyms)
    {
        _pseudonyms = pseudonyms;
        All = all;
        _keys = all.GroupBy(key => (key.Type, key.TokenKeyId[^1])).ToFrozenDictionary(group => group.Key, group => group.ToArray());
    }

    public static IssuanceCatalog Empty { get; } = new([], []);

    public IReadOnlyList<IssuanceKey> All { get; }

    /// <summary>The keys whose rows are dropped one day: all but those of permanent pseudonyms.</summary>
    public IEnumerable<IssuanceKey> Retiring => All.Concat(_pseudonyms.Where(entry => entry.Pseudonym.Epoch is not null).Select(entry => entry.Key));

    public static IssuanceCatalog Create(IReadOnlyList<SignerKey> keys, IReadOnlyList<Plan> plans) => new(
    [
        .. keys.SelectMany(key => key.Plans.Select(planKey =>
            IssuanceKey.Create(key, planKey, plans.FirstOrDefault(plan => plan.Id == planKey.PlanId)))),
    ],
    [
        .. keys.Where(key => key.Pseudonym is not null).Select(key => (key.Pseudonym!, IssuanceKey.ForPseudonyms(key))),
    ]);

    /// <summary>The key of pseudonyms that a request names, if it issues now. Never a plan's: those are not in this list, nor these in the other.</summary>
    public IssuanceKey? FindPseudonymKey(TokenRequest request, DateTimeOffset now)
    {
        foreach ((PseudonymKey pseudonym, IssuanceKey key) in _pseudonyms)
        {
            if (key.Type == request.Type && key.TokenKeyId[^1] == request.TruncatedKeyId && pseudonym.IssuesAt(now))
            {
                return key;
            }
        }

        return null;
    }

    /// <param name="request">Names its key.</param>
    /// <param name="now">Keys that are not live yet or past their grace are not found.</param>
    /// <param name="truncatedIdIsKnown">Whether the key is there, whatever the extensions.</param>
    public IssuanceKey? Find(TokenRequest request, DateTimeOffset now, out bool truncatedIdIsKnown)
    {
        truncatedIdIsKnown = false;
        if (!_keys.TryGetValue((request.Type, request.TruncatedKeyId), out IssuanceKey[]? candidates))
        {
            return null;
        }

        foreach (IssuanceKey key in candidates)
        {
            if (key.SignsPaidAt(now))
            {
                truncatedIdIsKnown = true;
                if (request.Extensions.Span.SequenceEqual(key.Extensions))
                {
                    return key;
                }
            }
        }

        return null;
    }
}
