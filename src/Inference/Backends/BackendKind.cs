namespace Tacit.Inference;

/// <summary>Which API a backend speaks.</summary>
public enum BackendKind
{
    /// <summary>OpenAI's: <c>/chat/completions</c>, <c>/responses</c>, <c>/embeddings</c>.</summary>
    OpenAI,

    /// <summary>Anthropic's: <c>/messages</c>.</summary>
    Anthropic,
}
