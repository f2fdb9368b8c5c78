namespace Tacit.Inference;

/// <summary>What a prompt asks for. Each operation has its own allow-list of members (law 5).</summary>
public enum Operation
{
    /// <summary><c>POST /v1/chat/completions</c>.</summary>
    ChatCompletions,

    /// <summary><c>POST /v1/responses</c>.</summary>
    Responses,

    /// <summary><c>POST /v1/embeddings</c>.</summary>
    Embeddings,

    /// <summary><c>POST /v1/messages</c>, Anthropic's.</summary>
    Messages,
}
