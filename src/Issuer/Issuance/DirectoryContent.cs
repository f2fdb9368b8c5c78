using Tacit.Issuer.Gateways;
using Tacit.Protocol;

namespace Tacit.Issuer.Issuance;

/// <summary>What the directory says at a moment, before it is numbered and signed. Pure.</summary>
internal static class DirectoryContent
{
    /// <summary>Of all gateways together, before base64: a directory has at most 1 MiB.</summary>
    private const int MaxEvidenceBytes = 256 * 1024;

    /// <summary>Plans with the keys that are live or still exchanged. A key that was made ahead appears when it goes live, not before.</summary>
    /// <param name="options">Names, plans and gateways.</param>
    /// <param name="keys">The signer's.</param>
    /// <param name="crowds">How many accounts were given tokens of a key.</param>
    /// <param name="sealingKeys">Those of gateways whose time is not over, in ascending order.</param>
    /// <param name="onions">The onion services that gateways told of.</param>
    /// <param name="ownOnion">The issuer's own; null if it has none.</param>
    /// <param name="sign">Signs each of them with the directory key.</param>
    /// <param name="now">The moment.</param>
    public static IssuerDirectory Build(
        IssuerOptions options, IReadOnlyList<SignerKey> keys, IReadOnlyDictionary<PlanKey, long> crowds, IReadOnlyList<SealingKey> sealingKeys,
        IReadOnlyDictionary<string, string> onions, string? ownOnion, Func<ReadOnlyMemory<byte>, byte[]> sign, DateTimeOffset now)
    {
        var plans = new List<DirectoryPlan>();
        foreach (Plan plan in options.Plans)
        {
            plans.Add(new DirectoryPlan(plan,
            [
                .. keys.Where(key => key.Type == plan.TokenType)
                    .SelectMany(key => key.Plans)
                    .Where(planKey => planKey.PlanId == plan.Id && planKey.Period.Kind == plan.Period && planKey.IsExchangeableAt(now))
                    .OrderBy(planKey => planKey.Start)
                    .Select(planKey => planKey with { Accounts = FloorToPowerOfTwo(crowds.GetValueOrDefault(planKey)) }),
            ]));
        }

        var pseudonyms = new List<DirectoryPseudonyms>();
        foreach (PseudonymOffer offer in options.Pseudonyms.Where(offer => offer.Policy != PseudonymPolicy.None))
        {
            pseudonyms.Add(new DirectoryPseudonyms(offer,
            [
                .. keys.Select(key => key.Pseudonym).OfType<PseudonymKey>()
                    .Where(key => key.Gateway == offer.Gateway && offer.Kinds.Contains(key.Kind) && key.IssuesAt(now) && (key.Epoch is not { } epoch || epoch.Kind == offer.Period))
                    .OrderBy(key => key.Epoch?.Start).ThenBy(key => key.Kind),
            ]));
        }

        return new IssuerDirectory
        {
            IssuerName = options.IssuerName,
            IssuerRequestUri = options.RequestUri,
            TokenKeys = [.. OrderTokenKeys(keys, plans, now), .. PseudonymKeys(keys, pseudonyms)],
            Plans = plans,
            Gateways = [.. options.Gateways.Select(gateway => gateway.ToDirectory(gateway.Key is null ? null : onions.GetValueOrDefault(gateway.Name)))],
            Pseudonyms = pseudonyms,
            SealingKeys = SealingKeysOf(options, sealingKeys, sign),
            Onion = ownOnion,
            Sequence = 1,
        };
    }

    private static long? FloorToPowerOfTwo(long count) => count < 1 ? null : 1L << (63 - System.Numerics.BitOperations.LeadingZeroCount((ulong)count));

    /// <summary>Of the gateways that the settings still name a key of. Evidence beyond what fits goes unsaid, rather than that there is no directory.</summary>
    private static List<DirectorySealingKeys> SealingKeysOf(IssuerOptions options, IReadOnlyList<SealingKey> all, Func<ReadOnlyMemory<byte>, byte[]> sign)
    {
        var entries = new List<DirectorySealingKeys>();
        int room = MaxEvidenceBytes;
        foreach (IssuerGateway gateway in options.Gateways.Where(gateway => gateway.Key is not null))
        {
            var signed = new List<SignedSealingKey>();
            foreach (SealingKey key in all.Where(key => key.Gateway == gateway.Name))
            {
                int size = key.Evidence?.Bytes.Length ?? 0;
                signed.Add((size > room ? key with { Evidence = null } : key).Sign(sign));
                room -= size > room ? 0 : size;
            }

            if (signed.Count > 0)
            {
                entries.Add(new DirectorySealingKeys(gateway.Name, signed));
            }
        }

        return entries;
    }

    /// <summary>When what it says changes next, as far as the signer and the gateways have told.</summary>
    public static DateTimeOffset NextChange(IReadOnlyList<SignerKey> keys, IReadOnlyList<SealingKey> sealingKeys, DateTimeOffset now)
    {
        DateTimeOffset next = sealingKeys.Select(key => key.NotAfter).Where(edge => edge > now).DefaultIfEmpty(DateTimeOffset.MaxValue).Min();
        foreach (PlanKey key in keys.SelectMany(key => key.Plans))
        {
            foreach (DateTimeOffset edge in (ReadOnlySpan<DateTimeOffset>)[key.NotBefore, key.Deadline, key.ExchangeUntil])
            {
                if (edge > now && edge < next)
                {
                    next = edge;
                }
            }
        }

        foreach (PseudonymKey key in keys.Select(key => key.Pseudonym).OfType<PseudonymKey>())
        {
            foreach (DateTimeOffset edge in (ReadOnlySpan<DateTimeOffset>)[key.NotBefore, key.Deadline ?? now])
            {
                if (edge > now && edge < next)
                {
                    next = edge;
                }
            }
        }

        return next;
    }

    /// <summary>Last of all: a client that knows nothing of pseudonyms must not take one of these for a plan's.</summary>
    private static IEnumerable<DirectoryTokenKey> PseudonymKeys(IReadOnlyList<SignerKey> keys, List<DirectoryPseudonyms> pseudonyms) =>
        from entry in pseudonyms
        from pseudonym in entry.Keys
        let key = keys.First(key => key.TokenKeyId.AsSpan().SequenceEqual(pseudonym.TokenKeyId))
        select new DirectoryTokenKey(key.Type, key.SubjectPublicKeyInfo, pseudonym.NotBefore);

    /// <summary>
    /// The preferred key comes first (RFC 9578 §4), since a client that knows nothing of plans takes the first of its type: current keys before those of the
    /// next period, keys past their deadline last, in the order of the plans.
    /// </summary>
    private static List<DirectoryTokenKey> OrderTokenKeys(IReadOnlyList<SignerKey> keys, List<DirectoryPlan> plans, DateTimeOffset now)
    {
        var ordered = new List<DirectoryTokenKey>();
        foreach (PlanKey planKey in plans
            .SelectMany((plan, order) => plan.Keys.Select(key => (Order: order, Key: key)))
            .OrderBy(item => now >= item.Key.Deadline ? 2 : now < item.Key.Start ? 1 : 0)
            .ThenBy(item => item.Order)
            .Select(item => item.Key))
        {
            SignerKey signerKey = keys.First(key => key.TokenKeyId.AsSpan().SequenceEqual(planKey.TokenKeyId));
            if (!ordered.Exists(key => key.TokenKeyId.AsSpan().SequenceEqual(planKey.TokenKeyId)))
            {
                ordered.Add(new DirectoryTokenKey(signerKey.Type, signerKey.SubjectPublicKeyInfo, signerKey.NotBefore));
            }
        }

        return ordered;
    }
}
