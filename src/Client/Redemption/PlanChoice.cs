using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>Which plans buy a request.</summary>
internal static class PlanChoice
{
    /// <summary>Whether some plan buys requests of the model.</summary>
    public static bool Knows(IssuerDirectory directory, string model) => directory.Plans.Any(entry => Buys(entry.Plan, model));

    /// <summary>The plans that buy the request, the cheapest first; at one price the smaller one first.</summary>
    /// <exception cref="ClientException"><see cref="ClientError.ModelNotFound"/> or <see cref="ClientError.RequestTooLarge"/>.</exception>
    public static IReadOnlyList<string> Choose(IssuerDirectory directory, PromptBody body)
    {
        List<Plan> forModel =
        [
            .. directory.Plans.Select(entry => entry.Plan)
                .Where(plan => Buys(plan, body.Model))
                .OrderBy(plan => plan.Price).ThenBy(plan => plan.MaxInputBytes).ThenBy(plan => plan.Id, StringComparer.Ordinal),
        ];
        if (forModel.Count == 0)
        {
            throw new ClientException(
                ClientError.ModelNotFound, "No plan of this issuer buys the model; GET /v1/models lists those that can be bought.", ErrorCodes.ModelNotFound, "model");
        }
        List<Plan> fitting = forModel.FindAll(plan => plan.MaxInputBytes >= body.Content.Length);
        if (fitting.Count == 0)
        {
            throw new ClientException(
                ClientError.RequestTooLarge,
                $"The request has {body.Content.Length} bytes; the largest plan for its model takes {forModel.Max(plan => plan.MaxInputBytes)}.",
                ErrorCodes.RequestTooLarge);
        }
        List<Plan> generous = fitting.FindAll(plan => plan.MaxOutputTokens >= body.OutputCap);
        return generous.Count > 0
            ? [.. generous.Select(plan => plan.Id)]
            : throw new ClientException(
                ClientError.InvalidRequest,
                $"The request asks for up to {body.OutputCap} tokens of output; the largest plan for its model allows {fitting.Max(plan => plan.MaxOutputTokens)}.",
                ErrorCodes.OutputCapExceeded);
    }

    private static bool Buys(Plan plan, string model) => plan.Kind == PlanKind.Request && plan.Models.Contains(model, StringComparer.Ordinal);
}
