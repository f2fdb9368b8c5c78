using System.Collections.Frozen;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>All keys that requests can name, as one unchanging picture, found by what a request carries: type, one byte of the key id, extensions.</summary>
internal sealed class IssuanceCatalog
{
    private readonly FrozenDictionary<(TokenType Type, byte TruncatedKeyId), IssuanceKey[]> _keys;

    private IssuanceCatalog(IReadOnlyList<IssuanceKey> all)
    {
        All = all;
        _keys = all.GroupBy(key => (key.Type, key.TokenKeyId[^1])).ToFrozenDictionary(group => group.Key, group => group.ToArray());
    }

    public static IssuanceCatalog Empty { get; } = new([]);

    public IReadOnlyList<IssuanceKey> All { get; }

    public static IssuanceCatalog Create(IReadOnlyList<SignerKey> keys, IReadOnlyList<Plan> plans) => new(
    [
        .. keys.SelectMany(key => key.Plans.Select(planKey =>
            IssuanceKey.Create(key, planKey, plans.FirstOrDefault(plan => plan.Id == planKey.PlanId)))),
    ]);

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
