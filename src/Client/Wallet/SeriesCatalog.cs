using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>The series that the directory offers: which key, metadata and challenge a plan's tokens have at a gateway. Taken from nowhere else.</summary>
internal static class SeriesCatalog
{
    /// <summary>The gateway of that name, or the directory's first.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.PlanUnavailable"/>.</exception>
    public static DirectoryGateway Gateway(IssuerDirectory directory, string? name) =>
        directory.Gateways.FirstOrDefault(gateway => name is null || string.Equals(gateway.Name, name, StringComparison.OrdinalIgnoreCase))
        ?? throw new ClientException(
            ClientError.PlanUnavailable,
            name is null ? "The issuer's directory names no gateway." : $"The issuer's directory names no gateway {name}.");

    /// <summary>Whether the directory has a key that sells a plan's tokens now; any plan's if none is named.</summary>
    public static bool Sells(IssuerDirectory directory, string? planId, DateTimeOffset now) =>
        directory.Plans.Any(plan => (planId is null || plan.Plan.Id == planId) && plan.LiveKeysAt(now).Count > 0);

    /// <summary>The newest key of the plan that sells now: its tokens last longest.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.PlanUnavailable"/>.</exception>
    public static TokenSeries Newest(IssuerDirectory directory, DirectoryGateway gateway, string planId, TokenNamespace space, DateTimeOffset now)
    {
        DirectoryPlan plan = directory.FindPlan(planId) ?? throw new ClientException(ClientError.PlanUnavailable, $"The issuer offers no plan {planId}.");
        return plan.LiveKeysAt(now) is [.., PlanKey newest]
            ? Of(directory, gateway, plan, newest, space)
            : throw new ClientException(
                ClientError.PlanUnavailable,
                $"No key of plan {planId} is live now. Either the stored directory is too old and the issuer cannot be reached, or this machine's clock is wrong.");
    }

    /// <summary>The series of a plan's live keys, the oldest first.</summary>
    public static IEnumerable<TokenSeries> Live(IssuerDirectory directory, DirectoryGateway gateway, string planId, TokenNamespace space, DateTimeOffset now) =>
        directory.FindPlan(planId) is DirectoryPlan plan ? plan.LiveKeysAt(now).Select(key => Of(directory, gateway, plan, key, space)) : [];

    /// <summary>Every series of account-issued tokens that could still be worth something.</summary>
    public static IEnumerable<TokenSeries> Restorable(IssuerDirectory directory, DateTimeOffset now) =>
        from plan in directory.Plans
        // A chain cannot be restored: nobody but its journal knows its tokens.
        where plan.Plan.Kind == PlanKind.Request
        from key in plan.Keys
        where key.IsExchangeableAt(now)
        from gateway in directory.Gateways
        select Of(directory, gateway, plan, key, TokenNamespace.AccountIssued);

    private static TokenSeries Of(IssuerDirectory directory, DirectoryGateway gateway, DirectoryPlan plan, PlanKey key, TokenNamespace space)
    {
        DirectoryTokenKey publicKey = directory.FindTokenKey(key.TokenKeyId)
            ?? throw new ClientException(ClientError.PlanUnavailable, $"The directory has no public key for plan {plan.Plan.Id}.");
        return new TokenSeries
        {
            Issuer = directory.IssuerName,
            Type = publicKey.Type,
            KeyId = publicKey.TokenKeyId,
            Extensions = key.Extensions?.ToArray() ?? [],
            ChallengeDigest = TokenChallenge.ForGateway(publicKey.Type, directory.IssuerName, gateway.Name).Digest(),
            Namespace = space,
            Plan = plan.Plan.Id,
            Gateway = gateway.Name,
            PublicKey = publicKey.SubjectPublicKeyInfo,
            Deadline = key.Deadline,
            ExchangeUntil = key.ExchangeUntil,
        };
    }
}
