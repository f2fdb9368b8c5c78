namespace Tacit.Client;

/// <summary>What a token can be asked for: the operations of OpenAI's and Anthropic's HTTP APIs that the gateway answers.</summary>
public enum PromptOperation
{
    ChatCompletions,
    Responses,
    Embeddings,

    /// <summary>Anthropic's Messages.</summary>
    Messages,
}

internal static class PromptOperations
{
    public static string Path(this PromptOperation operation) => operation switch
    {
        PromptOperation.ChatCompletions => "/v1/chat/completions",
        PromptOperation.Responses => "/v1/responses",
        PromptOperation.Embeddings => "/v1/embeddings",
        PromptOperation.Messages => "/v1/messages",
        _ => throw new ArgumentOutOfRangeException(nameof(operation), operation, null),
    };
}
