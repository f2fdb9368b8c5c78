namespace Tacit.Inference;

/// <summary>
/// The replies' allow-lists: OpenAI's documented members without those that say who asked or where state is kept. Only the outermost
/// members are looked at, and those of a response inside its events: what lies within is the model's answer.
/// </summary>
internal static class ReplyShapes
{
    /// <summary>A chat completion and each chunk of one have the same members.</summary>
    private static readonly Shape ChatCompletions = Shape.Object(
        Any("choices"),
        Any("id"),
        Any("object"),
        Any("created"),
        Any("model"),
        Any("usage"),
        Any("system_fingerprint"),
        Any("service_tier"),
        Any("moderation"),
        // Random padding against guessing a text by its chunks' lengths.
        Any("obfuscation"),
        Any("error"));

    private static readonly Shape Response = Shape.Object(
        Any("id"),
        Any("object"),
        Any("created_at"),
        Any("completed_at"),
        Any("status"),
        Any("background"),
        Any("error"),
        Any("incomplete_details"),
        Any("instructions"),
        Any("max_output_tokens"),
        Any("max_tool_calls"),
        Any("model"),
        Any("moderation"),
        Any("output"),
        Any("parallel_tool_calls"),
        Any("reasoning"),
        Any("service_tier"),
        Any("store"),
        Any("temperature"),
        Any("text"),
        Any("tool_choice"),
        Any("tools"),
        Any("top_logprobs"),
        Any("top_p"),
        Any("truncation"),
        Any("usage"));

    private static readonly Shape ResponseEvent = Shape.Object(
        Any("type"),
        Any("sequence_number"),
        Any("item_id"),
        Any("output_index"),
        Any("content_index"),
        Any("summary_index"),
        Any("annotation_index"),
        Any("delta"),
        Any("logprobs"),
        Any("obfuscation"),
        Any("text"),
        Any("refusal"),
        Any("arguments"),
        Any("input"),
        Any("name"),
        Any("part"),
        Any("item"),
        Any("annotation"),
        Any("status"),
        Any("code"),
        Any("message"),
        Any("param"),
        Any("error"),
        Member.Keep("response", Response));

    private static readonly Shape Embeddings = Shape.Object(Any("object"), Any("data"), Any("model"), Any("usage"), Any("error"));

    /// <summary>The list for a whole JSON reply.</summary>
    public static Shape OfReply(Operation operation) => operation switch
    {
        Operation.ChatCompletions => ChatCompletions,
        Operation.Responses => Response,
        Operation.Messages => MessagesShapes.Reply,
        _ => Embeddings,
    };

    /// <summary>The list for the data of one server-sent event.</summary>
    public static Shape OfEvent(Operation operation) => operation switch
    {
        Operation.ChatCompletions => ChatCompletions,
        Operation.Responses => ResponseEvent,
        Operation.Messages => MessagesShapes.Event,
        _ => Embeddings,
    };

    private static Member Any(string name) => Member.Keep(name, Shape.Any);
}
