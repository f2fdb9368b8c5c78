namespace Tacit.App;

/// <summary>A plan that buys a model.</summary>
/// <param name="Kind"><c>request</c> or <c>subscription</c>.</param>
/// <param name="Price">Credits for one request; of a subscription, for a whole period.</param>
/// <param name="MaxInputBytes">Largest request.</param>
/// <param name="MaxOutputTokens">Longest answer.</param>
/// <param name="Period"><c>day</c>, <c>week</c> or <c>month</c>, UTC.</param>
/// <param name="Held">Tokens that are ready; of a subscription, requests at a time.</param>
/// <param name="Until">Until when what is held pays; null if nothing is.</param>
/// <param name="Crowd">How many accounts share the newest key, as the issuer says, rounded down to a power of two; null if it says nothing.</param>
internal sealed record ModelPlan(
    string Id, string Kind, long Price, int MaxInputBytes, int MaxOutputTokens, string Period, long Held, DateTimeOffset? Until = null, long? Crowd = null);

/// <summary>A model that can be asked, with the plans that buy it, the cheapest first. None for a device, which pays with nothing.</summary>
internal sealed record ModelView(string Id, IReadOnlyList<ModelPlan> Plans);

/// <summary>What can be asked, and how requests are carried and served there.</summary>
/// <param name="Unavailable">Why the list is not what it could be, and what to do; null if it is.</param>
/// <param name="Way">The way of carrying that requests take now (<see cref="Ways"/>); null if the settings allow none.</param>
/// <param name="Serving">The way of serving, as far as a client can know it.</param>
internal sealed record ModelsView(IReadOnlyList<ModelView> Models, string? Unavailable = null, string? Way = null, string? Serving = null);
