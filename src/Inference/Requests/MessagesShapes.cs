namespace Tacit.Inference;

/// <summary>
/// The allow-lists of Anthropic's Messages API, of requests and of replies: what its official SDKs document for inference without an <c>anthropic-beta</c>
/// header. What the provider would fetch (addresses), has stored (files, containers, threads) or runs itself (server tools, MCP) is refused.
/// </summary>
/// <remarks>
/// <c>cache_control</c> is removed wherever it stands: a cached prompt stays with the provider, under the operator's account, where the time and the usage of
/// another user's request would tell that it was asked. Clients send it by habit and the answer does not need it, so it is not refused.
/// </remarks>
internal static class MessagesShapes
{
    private static readonly Shape Citations = new()
    {
        AllowsScalar = true,
        // Of a document: whether to cite it.
        Members = [Member.Keep("enabled")],
        // Of a text that an earlier reply carried.
        Element = Shape.Object(
            Member.Keep("type", Shape.OneOf("char_location", "page_location", "content_block_location", "search_result_location")),
            Member.Keep("cited_text"),
            Member.Keep("document_index"),
            Member.Keep("document_title"),
            Member.Keep("start_char_index"),
            Member.Keep("end_char_index"),
            Member.Keep("start_page_number"),
            Member.Keep("end_page_number"),
            Member.Keep("start_block_index"),
            Member.Keep("end_block_index"),
            Member.Keep("search_result_index"),
            Member.Keep("source"),
            Member.Keep("title"),
            Member.Refuse("file_id")),
    };

    private static readonly Shape TextBlocks = new()
    {
        AllowsScalar = true,
        Element = Shape.Object(
            Member.Keep("type", Shape.OneOf("text")), Member.Keep("text"), Member.Keep("citations", Citations), Member.Remove("cache_control")),
    };

    /// <summary>A tool the caller runs itself: its own, or one of those whose description the model knows. What the provider runs is refused by its type.</summary>
    private static readonly Shape Tool = Shape.Object(
        Member.Keep("type", Shape.OneOf(
            "custom", "bash_20250124", "text_editor_20250124", "text_editor_20250429", "text_editor_20250728", "memory_20250818")),
        Member.Keep("name"),
        Member.Keep("description"),
        Member.Keep("input_schema", Shape.Any),
        Member.Keep("input_examples", Shape.Any),
        Member.Keep("strict"),
        Member.Keep("eager_input_streaming"),
        Member.Keep("max_characters"),
        Member.Keep("allowed_callers", Shape.List(Shape.OneOf("direct"))),
        Member.Remove("cache_control"),
        Member.Refuse("defer_loading"));

    private static readonly Shape Block = Content(Content(TextBlocks));

    /// <summary>The list for a request.</summary>
    public static readonly Shape Request = Shape.Object(
        Member.Keep("model"),
        Member.Keep("stream"),
        Member.Keep("max_tokens"),
        Member.Keep("messages", Shape.List(Shape.Object(Member.Keep("role"), Member.Keep("content", Block)))),
        Member.Keep("system", TextBlocks),
        Member.Keep("temperature"),
        Member.Keep("top_p"),
        Member.Keep("top_k"),
        Member.Keep("stop_sequences", Shape.Scalars),
        Member.Keep("tools", Shape.List(Tool)),
        Member.Keep("tool_choice", Shape.Object(
            Member.Keep("type", Shape.OneOf("auto", "any", "tool", "none")), Member.Keep("name"), Member.Keep("disable_parallel_tool_use"))),
        Member.Keep("thinking", Shape.Object(
            Member.Keep("type", Shape.OneOf("enabled", "disabled", "adaptive", "between_tools")), Member.Keep("budget_tokens"), Member.Keep("display"))),
        Member.Keep("output_config", Shape.Object(
            Member.Keep("effort"),
            Member.Keep("format", Shape.Object(Member.Keep("type", Shape.OneOf("json_schema")), Member.Keep("schema", Shape.Any))))),
        // Who asks, how the provider should remember, and which of the operator's tariffs to use.
        Member.Remove("metadata"),
        Member.Remove("cache_control"),
        Member.Remove("service_tier"),
        Member.Remove("speed"),
        Member.Remove("inference_geo"),
        Member.Refuse("container"),
        Member.Refuse("mcp_servers"),
        Member.Refuse("thread"),
        Member.Refuse("diagnostics"));

    /// <summary>The list for a whole reply, which is also what a stream begins with. Its container and diagnostics would say what is kept where.</summary>
    public static readonly Shape Reply = Shape.Object(
        Any("id"),
        Any("type"),
        Any("role"),
        Any("content"),
        Any("model"),
        Any("stop_reason"),
        Any("stop_sequence"),
        Any("stop_details"),
        Any("usage"),
        Any("error"));

    /// <summary>The list for the data of one event.</summary>
    public static readonly Shape Event = Shape.Object(
        Any("type"),
        Any("index"),
        Any("content_block"),
        Any("usage"),
        Any("error"),
        Member.Keep("message", Reply),
        Member.Keep("delta", Shape.Object(
            Any("type"),
            Any("text"),
            Any("partial_json"),
            Any("thinking"),
            Any("signature"),
            Any("citation"),
            Any("stop_reason"),
            Any("stop_sequence"),
            Any("stop_details"))));

    /// <summary>The content of a message, or with <paramref name="inner"/> of a tool's result or a document in it.</summary>
    private static Shape Content(Shape inner) => new()
    {
        AllowsScalar = true,
        Element = Shape.Object(
            Member.Keep("type", Shape.OneOf("text", "image", "document", "search_result", "thinking", "redacted_thinking", "tool_use", "tool_result")),
            Member.Keep("text"),
            Member.Keep("citations", Citations),
            Member.Keep("source", new Shape
            {
                // A search result's is the name of where it was found, which nobody looks at; an image's and a document's is what holds it.
                AllowsScalar = true,
                Members =
                [
                    Member.Keep("type", Shape.OneOf("base64", "text", "content")),
                    Member.Keep("media_type"),
                    Member.Keep("data"),
                    Member.Keep("content", inner),
                    Member.Refuse("url"),
                    Member.Refuse("file_id"),
                ],
            }),
            Member.Keep("title"),
            Member.Keep("context"),
            Member.Keep("content", inner),
            Member.Keep("thinking"),
            Member.Keep("signature"),
            Member.Keep("data"),
            Member.Keep("id"),
            Member.Keep("name"),
            Member.Keep("input", Shape.Any),
            Member.Keep("caller", Shape.Object(Member.Keep("type", Shape.OneOf("direct")))),
            Member.Keep("toolset_name"),
            Member.Keep("tool_use_id"),
            Member.Keep("is_error"),
            Member.Remove("cache_control")),
    };

    private static Member Any(string name) => Member.Keep(name, Shape.Any);
}
