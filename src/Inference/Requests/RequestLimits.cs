namespace Tacit.Inference;

/// <summary>What the plan of the presented token allows this request.</summary>
/// <param name="MaxOutputTokens">The most tokens the reply may have, over all its choices; 0 for a plan that buys embeddings only.</param>
public readonly record struct RequestLimits(int MaxOutputTokens);

/// <summary>What routing needs to know of a request that passed the filter. Holds nothing of the prompt.</summary>
/// <param name="Model">The public model name the request asks for; at most 256 bytes, no control characters.</param>
/// <param name="Stream">Whether the reply is wanted as server-sent events.</param>
/// <param name="OutputTokens">The cap on each choice's tokens that goes to the provider; 0 where the operation has none.</param>
public readonly record struct FilteredRequest(string Model, bool Stream, int OutputTokens)
{
    /// <summary>The cap on the tokens of all choices together; 0 where the operation has none.</summary>
    public long AllOutputTokens { get; init; } = OutputTokens;
}
