using System.Diagnostics.CodeAnalysis;
using Tacit.Gateway.Catalog;
using Tacit.Protocol;

namespace Tacit.Gateway.Pseudonyms;

/// <summary>What the directory says this gateway asks for beside tokens, made ready for lookups. Immutable.</summary>
internal sealed class PseudonymCatalog
{
    private readonly List<(PseudonymKey Key, RedemptionKey Check)> _keys = [];

    private PseudonymCatalog(PseudonymPolicy policy) => Policy = policy;

    public static PseudonymCatalog None { get; } = new(PseudonymPolicy.None);

    public PseudonymPolicy Policy { get; }

    public IReadOnlyList<PseudonymKey> Keys => [.. _keys.Select(entry => entry.Key)];

    /// <summary>Null if a key cannot be used.</summary>
    public static PseudonymCatalog? TryCreate(IssuerDirectory directory, string gatewayName)
    {
        if (directory.FindPseudonyms(gatewayName) is not { } pseudonyms)
        {
            return None;
        }

        var catalog = new PseudonymCatalog(pseudonyms.Offer.Policy);
        foreach (PseudonymKey key in pseudonyms.Keys)
        {
            byte[] spki = directory.FindTokenKey(key.TokenKeyId)!.SubjectPublicKeyInfo;
            if (!TokenPublicKey.TryImport(TokenType.BlindRsa, spki, default, out TokenPublicKey? publicKey))
            {
                return null;
            }

            // For the queue of signatures, which asks of a key only how to check. No plan has it, so that no token of it ever buys anything.
            catalog._keys.Add((key, new RedemptionKey
            {
                PublicKey = publicKey,
                SubjectPublicKeyInfo = spki,
                Plan = s_none,
                NotBefore = key.NotBefore,
                Deadline = key.Deadline ?? DateTimeOffset.MaxValue,
                ExchangeUntil = key.Deadline ?? DateTimeOffset.MaxValue,
            }));
        }

        return catalog;
    }

    private static readonly Plan s_none = new()
    {
        Id = "pseudonym", Models = [], MaxInputBytes = 0, MaxOutputTokens = 0, Price = Credits.Zero, Period = PeriodKind.Month,
    };

    /// <summary>The key of this id: whose epoch is right is for the caller to say.</summary>
    public bool TryFind(ReadOnlySpan<byte> tokenKeyId, [NotNullWhen(true)] out PseudonymKey? key, [NotNullWhen(true)] out RedemptionKey? check)
    {
        foreach ((PseudonymKey candidate, RedemptionKey candidateCheck) in _keys)
        {
            if (tokenKeyId.SequenceEqual(candidate.TokenKeyId))
            {
                (key, check) = (candidate, candidateCheck);
                return true;
            }
        }

        (key, check) = (null, null);
        return false;
    }
}
