namespace Tacit.Client;

/// <summary>A prompt to be answered.</summary>
/// <param name="Operation">Which operation of the API.</param>
/// <param name="Body">The JSON body as an OpenAI client writes it. Must stay as it is until the reply is disposed.</param>
/// <param name="Conversation">
/// The conversation it belongs to, if the caller names one; at most 256 characters, never sent. Requests of one conversation may share a connection.
/// </param>
/// <param name="Plan">The plan that is to pay; null takes the cheapest.</param>
public sealed record PromptRequest(PromptOperation Operation, ReadOnlyMemory<byte> Body, string? Conversation = null, string? Plan = null)
{
    public const int MaxConversationLength = 256;

    /// <summary>Told what becomes of it; null, as a rule, for nobody.</summary>
    public PromptTrace? Trace { get; init; }

    /// <summary>Told the plan of a token that was taken from the wallet for it, before anything is sent; not where an earlier request's is used again. Null, as a rule, for nobody.</summary>
    public Action<string>? TokenTaken { get; init; }

    /// <summary>
    /// Only takes up the same request of earlier, which a program that ended left in the journal: costs no token, and is refused with
    /// <see cref="ClientError.NothingPending"/> where nothing waits. Default false.
    /// </summary>
    public bool OnlyPending { get; init; }
}

/// <summary>What became of the token that paid for a request.</summary>
public enum TokenOutcome
{
    /// <summary>Spent: a further request costs another.</summary>
    Spent,

    /// <summary>Not spent: a repetition of the request costs nothing.</summary>
    Kept,
}
