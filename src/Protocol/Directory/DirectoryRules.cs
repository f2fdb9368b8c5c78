using System.Security.Cryptography;

namespace Tacit.Protocol;

/// <summary>What a directory must satisfy to be published or believed, beyond its syntax.</summary>
internal static class DirectoryRules
{
    private const int MaxUriLength = 2048;
    private const long MaxSequence = (1L << 53) - 1;

    /// <summary>What is wrong, or null.</summary>
    public static string? FindFault(IssuerDirectory directory) =>
        FindFaultInNames(directory) ?? FindFaultInTokenKeys(directory) ?? FindFaultInPlans(directory) ?? FindFaultInGateways(directory)
        ?? FindFaultInPseudonyms(directory) ?? FindFaultInSealingKeys(directory);

    private static string? FindFaultInNames(IssuerDirectory directory)
    {
        if (!IsName(directory.IssuerName))
        {
            return "issuer-name is 1 to 255 printable ASCII characters without commas";
        }

        if (directory.IssuerRequestUri.Length is 0 or > MaxUriLength || !IsRequestUri(directory.IssuerRequestUri))
        {
            return "issuer-request-uri is an http or https URL or an absolute path";
        }

        if (directory.Sequence is < 1 or > MaxSequence)
        {
            return "sequence is 1 to 2^53-1";
        }

        if (directory.Previous is null != (directory.Sequence == 1) || directory.Previous is { Length: not IssuerDirectory.HashSizeInBytes })
        {
            return "previous is the 32-byte hash of the directory before, absent in the first only";
        }

        if (directory.Onion is not null && !OnionAddress.IsValid(directory.Onion))
        {
            return "onion is no address of a version 3 onion service";
        }

        return directory.Signature is { Length: not IssuerDirectory.SignatureSizeInBytes } ? "signature has 64 bytes" : null;
    }

    private static string? FindFaultInTokenKeys(IssuerDirectory directory)
    {
        if (directory.TokenKeys.Count > IssuerDirectory.MaxTokenKeys)
        {
            return "too many token-keys";
        }

        HashSet<byte> truncated = [];
        foreach (DirectoryTokenKey key in directory.TokenKeys)
        {
            if (!TokenTypes.IsKnown(key.Type))
            {
                return "a token key has an unknown token type";
            }

            if (!truncated.Add(key.TruncatedKeyId))
            {
                return "two token keys have the same truncated key id";
            }
        }

        return null;
    }

    private static string? FindFaultInPlans(IssuerDirectory directory)
    {
        if (directory.Plans.Count > IssuerDirectory.MaxPlans)
        {
            return "too many plans";
        }

        HashSet<string> ids = new(StringComparer.Ordinal);
        HashSet<ReadOnlyMemory<byte>> taken = new(MemoryComparer.Instance);
        foreach (DirectoryPlan plan in directory.Plans)
        {
            string? fault = plan.Plan.FindFault() ?? FindFaultInPlanKeys(directory, plan, taken);
            if (fault is not null)
            {
                return fault;
            }

            if (!ids.Add(plan.Plan.Id))
            {
                return $"plan {plan.Plan.Id} appears twice";
            }
        }

        return null;
    }

    private static string? FindFaultInPlanKeys(IssuerDirectory directory, DirectoryPlan plan, HashSet<ReadOnlyMemory<byte>> taken)
    {
        string id = plan.Plan.Id;
        if (plan.Keys.Count > IssuerDirectory.MaxKeysPerPlan)
        {
            return $"plan {id} has more than {IssuerDirectory.MaxKeysPerPlan} keys";
        }

        DateTimeOffset last = DateTimeOffset.MinValue;
        foreach (PlanKey key in plan.Keys)
        {
            if (key.PlanId != id || key.Period.Kind != plan.Plan.Period)
            {
                return $"a key of plan {id} is for another plan or period";
            }

            // One key a period, and none before its period's overlap begins: that is what keeps at most two alive at any moment.
            if (key.Start <= last)
            {
                return $"the keys of plan {id} are not one a period in ascending order";
            }

            last = key.Start;
            if (key.NotBefore < key.Period.IssueFrom || key.NotBefore >= key.Deadline)
            {
                return $"a key of plan {id} is live outside its period";
            }

            DirectoryTokenKey? tokenKey = directory.FindTokenKey(key.TokenKeyId);
            if (tokenKey is null || tokenKey.Type != plan.Plan.TokenType)
            {
                return $"a key of plan {id} is not among the token-keys of its type";
            }

            if (TokenTypes.HasExtensions(tokenKey.Type))
            {
                if (key.Extensions is null
                    || !PlanMetadata.TryParse(key.Extensions, out PlanMetadata metadata)
                    || metadata != new PlanMetadata(id, key.Deadline))
                {
                    return $"the extensions of a key of plan {id} do not say its plan and deadline";
                }
            }
            else if (key.Extensions is not null || !taken.Add(key.TokenKeyId))
            {
                return $"a key of plan {id} has extensions, or is another plan's or period's key too";
            }
        }

        return null;
    }

    private static string? FindFaultInGateways(IssuerDirectory directory)
    {
        if (directory.Gateways.Count > IssuerDirectory.MaxGateways)
        {
            return "too many gateways";
        }

        HashSet<string> names = new(StringComparer.OrdinalIgnoreCase);
        foreach (DirectoryGateway gateway in directory.Gateways)
        {
            if (!IsName(gateway.Name) || !names.Add(gateway.Name))
            {
                return "gateway names are distinct, 1 to 255 printable ASCII characters without commas";
            }

            if (gateway.Urls.Count is 0 or > IssuerDirectory.MaxUrls || !gateway.Urls.All(IsHttpUrl))
            {
                return $"gateway {gateway.Name}: urls are 1 to {IssuerDirectory.MaxUrls} http or https URLs, those of onion services of version 3";
            }
        }

        return null;
    }

    private static string? FindFaultInPseudonyms(IssuerDirectory directory)
    {
        HashSet<string> gateways = new(StringComparer.OrdinalIgnoreCase);
        HashSet<ReadOnlyMemory<byte>> taken = new(MemoryComparer.Instance);
        foreach (byte[] id in directory.Plans.SelectMany(plan => plan.Keys).Select(key => key.TokenKeyId))
        {
            taken.Add(id);
        }

        foreach (DirectoryPseudonyms entry in directory.Pseudonyms)
        {
            string name = entry.Offer.Gateway;
            if (!gateways.Add(name) || !directory.Gateways.Any(gateway => string.Equals(gateway.Name, name, StringComparison.OrdinalIgnoreCase)))
            {
                return "pseudonyms name a gateway that is not listed, or one twice";
            }

            HashSet<(PseudonymKind, Period?)> seen = [];
            foreach (PseudonymKey key in entry.Keys)
            {
                // One key a kind and epoch: with two, an account would have two pseudonyms, and each user could be shown a key of their own.
                if (key.Gateway != name || !entry.Offer.Kinds.Contains(key.Kind) || !seen.Add((key.Kind, key.Epoch))
                    || key.Epoch is null != (key.Kind == PseudonymKind.Permanent) || (key.Epoch is { } period && period.Kind != entry.Offer.Period))
                {
                    return $"a pseudonym key of gateway {name} is not of its policy, or one of two for the same";
                }

                if (key.Epoch is { } epoch && (key.NotBefore < epoch.IssueFrom || key.NotBefore >= epoch.Deadline))
                {
                    return $"a pseudonym key of gateway {name} issues outside its epoch";
                }

                if (directory.FindTokenKey(key.TokenKeyId) is not { Type: TokenType.BlindRsa } || !taken.Add(key.TokenKeyId))
                {
                    return $"a pseudonym key of gateway {name} is not among the token-keys, or is used for something else";
                }
            }

            if (entry.Keys.Any(key => key.Kind == PseudonymKind.Transient && entry.FindRotated(key) is null))
            {
                return $"a transient pseudonym key of gateway {name} has no key for rotations";
            }
        }

        return null;
    }

    private static string? FindFaultInSealingKeys(IssuerDirectory directory)
    {
        HashSet<string> gateways = new(StringComparer.OrdinalIgnoreCase);
        foreach (DirectorySealingKeys entry in directory.SealingKeys)
        {
            if (!gateways.Add(entry.Gateway) || !directory.Gateways.Any(gateway => gateway.Name == entry.Gateway))
            {
                return "sealing-keys name a gateway that is not listed, or one twice";
            }

            string? fault = SealingKeyList.FindFault(entry.Gateway, [.. entry.Keys.Select(key => key.Key)]);
            if (fault is not null || entry.Keys.Any(key => key.Signature.Length != IssuerDirectory.SignatureSizeInBytes))
            {
                return fault ?? $"a sealing key of {entry.Gateway} has no signature of 64 bytes";
            }
        }

        return null;
    }

    private static bool IsName(string name) =>
        name.Length is > 0 and <= 255 && !name.Contains(',', StringComparison.Ordinal) && !name.AsSpan().ContainsAnyExceptInRange('!', '~');

    // Not "//host": a path that begins with two slashes names another host.
    private static bool IsRequestUri(string uri) =>
        IsHttpUrl(uri)
        || (uri[0] == '/' && !uri.StartsWith("//", StringComparison.Ordinal) && !uri.AsSpan().ContainsAnyExceptInRange('!', '~')
            && !uri.Contains('\\', StringComparison.Ordinal));

    private static bool IsHttpUrl(string url) =>
        url.Length <= MaxUriLength && !url.AsSpan().ContainsAnyExceptInRange('!', '~')
        && Uri.TryCreate(url, UriKind.Absolute, out Uri? uri)
        && (uri.Scheme == Uri.UriSchemeHttps || uri.Scheme == Uri.UriSchemeHttp) && uri.UserInfo.Length == 0
        && (!OnionAddress.IsOnionHost(uri.Host) || OnionAddress.IsValid(uri.Host));
}
