using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>What may pay for a request.</summary>
/// <param name="Subscriptions">Ids of subscription plans that the wallet has chains of: they cost nothing more, so they come first.</param>
/// <param name="Plans">Ids of request plans, the cheapest first.</param>
internal sealed record PlanOffer(IReadOnlyList<string> Subscriptions, IReadOnlyList<string> Plans)
{
    /// <summary>The plan that would pay for a smaller request; null where the request fits it.</summary>
    public string? Outgrown { get; init; }

    /// <summary>To how many bytes the request's oldest turns are to be trimmed first, if that can be done; null if not at all.</summary>
    public int? TrimTo { get; init; }

    /// <summary>A subscription that buys the model and whose chains have all ended, refused or lost; null if there is none.</summary>
    public string? Ended { get; init; }

    public string First => Subscriptions.Count > 0 ? Subscriptions[0] : Plans.Count > 0 ? Plans[0] : "";
}

/// <summary>Which plans buy a request.</summary>
internal static class PlanChoice
{
    /// <summary>Whether some plan buys requests of the model.</summary>
    public static bool Knows(IssuerDirectory directory, string model) => directory.SoldPlans.Any(entry => Buys(entry.Plan, model));

    /// <summary>The plans that buy the request: subscriptions that are there, then request plans, the cheapest first, at one price the smaller one first.</summary>
    /// <param name="subscribed">The plans of which the wallet has chains for now, and whether one of them has not ended.</param>
    /// <param name="wanted">The plan that the caller names; null leaves the choice to the wallet.</param>
    /// <param name="policy">What happens to a request that is larger than the first plan takes.</param>
    /// <exception cref="ClientException">
    /// <see cref="ClientError.ModelNotFound"/>, <see cref="ClientError.RequestTooLarge"/>, <see cref="ClientError.PlanUnavailable"/>,
    /// <see cref="ClientError.PlanOutgrown"/>, or <see cref="ClientError.WalletEmpty"/>: only a subscription buys it that the wallet does not have.
    /// </exception>
    public static PlanOffer Choose(
        IssuerDirectory directory, PromptBody body, IReadOnlyList<(string Plan, bool IsLive)> subscribed, string? wanted, OutgrownPlan policy)
    {
        List<Plan> forModel = [.. directory.SoldPlans.Select(entry => entry.Plan).Where(plan => Buys(plan, body.Model) && (wanted is null || plan.Id == wanted))];
        if (forModel.Count == 0)
        {
            throw wanted is null
                ? new ClientException(
                    ClientError.ModelNotFound, "No plan of this issuer buys the model; GET /v1/models lists those that can be bought.", ErrorCodes.ModelNotFound, "model")
                : new ClientException(ClientError.PlanUnavailable, $"No plan {wanted} of this issuer buys the model. `tacit plans` shows what each buys.");
        }
        HashSet<string> live = [.. subscribed.Where(entry => entry.IsLive).Select(entry => entry.Plan)];
        string? ended = forModel.Find(plan => subscribed.Contains((plan.Id, false)))?.Id;
        List<Plan> usable =
        [
            .. forModel.Where(plan => plan.Kind == PlanKind.Request || live.Contains(plan.Id))
                .OrderBy(plan => plan.Kind == PlanKind.Request)
                .ThenBy(plan => plan.Price).ThenBy(plan => plan.MaxInputBytes).ThenBy(plan => plan.Id, StringComparer.Ordinal),
        ];
        if (usable.Count == 0)
        {
            throw new ClientException(
                ClientError.WalletEmpty,
                ended is not null
                    ? $"The chains of the subscription {ended} have ended for this period: `tacit wallet show` says why, and no request plan buys this model."
                    : $"A subscription buys this model, and the wallet has none: tacit wallet subscribe {forModel[0].Id}.",
                "wallet_empty");
        }
        List<Plan> fitting = Fit(usable, body);
        PlanOffer offer = new(
            [.. fitting.Where(plan => plan.Kind == PlanKind.Subscription).Select(plan => plan.Id)],
            [.. fitting.Where(plan => plan.Kind == PlanKind.Request).Select(plan => plan.Id)])
        {
            Ended = ended,
        };
        Plan first = usable[0];
        bool canTrim = policy == OutgrownPlan.Trim && first.MaxInputBytes < body.Content.Length && first.MaxOutputTokens >= body.OutputCap;
        if (fitting.Count > 0 && fitting[0] == first)
        {
            return offer;
        }
        if (canTrim)
        {
            return offer with { TrimTo = first.MaxInputBytes, Outgrown = first.Id };
        }
        if (fitting.Count == 0)
        {
            throw TooLarge(usable, body);
        }
        return policy == OutgrownPlan.Ask
            ? throw new ClientException(
                ClientError.PlanOutgrown,
                $"The conversation no longer fits the plan {first.Id} ({first.MaxInputBytes} bytes, {first.MaxOutputTokens} tokens of output). "
                + $"The plan {fitting[0].Id} takes it, at {fitting[0].Price} credits: ask again with the header Tacit-Plan: {fitting[0].Id}, or --plan {fitting[0].Id}.",
                "plan_outgrown")
            : offer with { Outgrown = first.Id };
    }

    private static List<Plan> Fit(List<Plan> plans, PromptBody body) =>
        plans.FindAll(plan => plan.MaxInputBytes >= body.Content.Length && plan.MaxOutputTokens >= body.OutputCap);

    private static ClientException TooLarge(List<Plan> plans, PromptBody body)
    {
        List<Plan> fitting = plans.FindAll(plan => plan.MaxInputBytes >= body.Content.Length);
        return fitting.Count == 0
            ? new ClientException(
                ClientError.RequestTooLarge,
                $"The request has {body.Content.Length} bytes; the largest plan for its model takes {plans.Max(plan => plan.MaxInputBytes)}.",
                ErrorCodes.RequestTooLarge)
            : new ClientException(
                ClientError.InvalidRequest,
                $"The request asks for up to {body.OutputCap} tokens of output; the largest plan for its model allows {fitting.Max(plan => plan.MaxOutputTokens)}.",
                ErrorCodes.OutputCapExceeded);
    }

    private static bool Buys(Plan plan, string model) => plan.Models.Contains(model, StringComparer.Ordinal);
}
