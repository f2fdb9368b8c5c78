namespace Tacit.Inference;

/// <summary>
/// The requests' allow-lists: the members that OpenAI's API reference documents for inference (chat completions, responses, embeddings),
/// and what the assistant's messages of earlier replies carry when they are sent back. Extras of single servers are not among them.
/// </summary>
internal static class RequestShapes
{
    private static readonly Shape FunctionOrCustom = Shape.OneOf("function", "custom");

    private static readonly Shape CustomFormat = Shape.Object(
        Member.Keep("type"),
        Member.Keep("definition"),
        Member.Keep("syntax"),
        Member.Keep("grammar", Shape.Object(Member.Keep("definition"), Member.Keep("syntax"))));

    /// <summary>A tool the caller runs itself, in the nested form (chat completions) and the flat one (responses). Hosted ones are refused by their type.</summary>
    private static readonly Shape Tool = Shape.Object(
        Member.Keep("type", FunctionOrCustom),
        Member.Keep("name"),
        Member.Keep("description"),
        Member.Keep("parameters", Shape.Any),
        Member.Keep("output_schema", Shape.Any),
        Member.Keep("strict"),
        Member.Keep("format", CustomFormat),
        Member.Keep("function", Function()),
        Member.Keep("custom", Shape.Object(Member.Keep("name"), Member.Keep("description"), Member.Keep("format", CustomFormat))),
        // Both hand the tool to a hosted one: programmatic calling, tool search.
        Member.Refuse("allowed_callers"),
        Member.Refuse("defer_loading"));

    private static readonly Shape ToolName = Shape.Object(
        Member.Keep("type", FunctionOrCustom),
        Member.Keep("name"),
        Member.Keep("function", Shape.Object(Member.Keep("name"))),
        Member.Keep("custom", Shape.Object(Member.Keep("name"))));

    private static readonly Shape ToolChoice = new()
    {
        AllowsScalar = true,
        Members =
        [
            Member.Keep("type", Shape.OneOf("function", "custom", "allowed_tools")),
            Member.Keep("name"),
            Member.Keep("mode"),
            Member.Keep("tools", Shape.List(ToolName)),
            Member.Keep("function", Shape.Object(Member.Keep("name"))),
            Member.Keep("custom", Shape.Object(Member.Keep("name"))),
            Member.Keep("allowed_tools", Shape.Object(Member.Keep("mode"), Member.Keep("tools", Shape.List(ToolName)))),
        ],
    };

    /// <summary>Notes on a text that an earlier reply carried. One that names a stored file is refused like the file itself.</summary>
    private static readonly Shape Annotations = Shape.List(Shape.Object(
        Member.Keep("type"),
        Member.Keep("start_index"),
        Member.Keep("end_index"),
        Member.Keep("url"),
        Member.Keep("title"),
        Member.Keep("url_citation", Shape.Object(
            Member.Keep("start_index"), Member.Keep("end_index"), Member.Keep("url"), Member.Keep("title"))),
        Member.Refuse("file_id"),
        Member.Refuse("container_id")));

    /// <summary>A piece of a message: text, an image, sound or a file, by value. What names something stored is refused.</summary>
    private static readonly Shape Content = new()
    {
        AllowsScalar = true,
        Element = Shape.Object(
            Member.Keep("type", Shape.OneOf(
                "text", "image_url", "input_audio", "file", "refusal",
                "input_text", "output_text", "input_image", "input_file", "summary_text", "reasoning_text")),
            Member.Keep("text"),
            Member.Keep("refusal"),
            Member.Keep("image_url", new Shape
            {
                AllowsScalar = true,
                IsAddress = true,
                Members = [Member.Keep("url", Shape.Address), Member.Keep("detail")],
            }),
            Member.Keep("detail"),
            Member.Keep("input_audio", Shape.Object(Member.Keep("data"), Member.Keep("format"))),
            Member.Keep("file", Shape.Object(Member.Keep("file_data"), Member.Keep("filename"), Member.Refuse("file_id"))),
            Member.Keep("file_data"),
            Member.Keep("filename"),
            Member.Keep("file_url", Shape.Address),
            Member.Keep("annotations", Annotations),
            Member.Keep("logprobs", Shape.Any),
            Member.Refuse("file_id"),
            Member.Refuse("prompt_cache_breakpoint")),
    };

    private static readonly Shape ChatMessage = Shape.Object(
        Member.Keep("role"),
        Member.Keep("content", Content),
        Member.Keep("name"),
        Member.Keep("refusal"),
        Member.Keep("tool_call_id"),
        Member.Keep("tool_calls", Shape.List(Shape.Object(
            Member.Keep("id"),
            Member.Keep("type"),
            Member.Keep("index"),
            Member.Keep("function", Shape.Object(Member.Keep("name"), Member.Keep("arguments"))),
            Member.Keep("custom", Shape.Object(Member.Keep("name"), Member.Keep("input")))))),
        Member.Keep("function_call", Shape.Object(Member.Keep("name"), Member.Keep("arguments"))),
        Member.Keep("annotations", Annotations),
        // Open models' replies carry their reasoning here, and want it back in the next turn.
        Member.Keep("reasoning_content"),
        Member.Keep("reasoning"),
        // Names a reply's sound that the provider stored.
        Member.Refuse("audio"));

    private static readonly Shape Moderation = Shape.Object(
        Member.Keep("model"),
        Member.Keep("policy", Shape.Object(
            Member.Keep("input", Shape.Object(Member.Keep("mode"))),
            Member.Keep("output", Shape.Object(Member.Keep("mode"))))));

    /// <summary>What says who asks, how the provider should remember, or which of the operator's tariffs to use: not the prompt's business.</summary>
    private static readonly Member[] Removed =
    [
        Member.Remove("user"),
        Member.Remove("metadata"),
        Member.Remove("safety_identifier"),
        Member.Remove("prompt_cache_key"),
        Member.Remove("prompt_cache_options"),
        Member.Remove("prompt_cache_retention"),
        Member.Remove("service_tier"),
    ];

    private static readonly Shape ChatCompletions = Shape.Object(
    [
        Member.Keep("model"),
        Member.Keep("stream"),
        Member.Keep("max_completion_tokens"),
        Member.Keep("max_tokens"),
        Member.Keep("n"),
        Member.Remove("store"),
        Member.Keep("messages", Shape.List(ChatMessage)),
        Member.Keep("audio", Shape.Object(
            Member.Keep("format"),
            Member.Keep("voice", new Shape { AllowsScalar = true, Members = [Member.Refuse("id")] }))),
        Member.Keep("frequency_penalty"),
        Member.Keep("function_call", new Shape { AllowsScalar = true, Members = [Member.Keep("name")] }),
        Member.Keep("functions", Shape.List(Function())),
        Member.Keep("logit_bias", Shape.Any),
        Member.Keep("logprobs"),
        Member.Keep("modalities", Shape.Scalars),
        Member.Keep("moderation", Moderation),
        Member.Keep("parallel_tool_calls"),
        Member.Keep("prediction", Shape.Object(Member.Keep("type"), Member.Keep("content", Content))),
        Member.Keep("presence_penalty"),
        Member.Keep("reasoning_effort"),
        Member.Keep("response_format", Shape.Object(
            Member.Keep("type"),
            Member.Keep("json_schema", Shape.Object(
                Member.Keep("name"), Member.Keep("description"), Member.Keep("schema", Shape.Any), Member.Keep("strict"))))),
        Member.Keep("seed"),
        Member.Keep("stop", Shape.Scalars),
        Member.Keep("stream_options", Shape.Object(Member.Keep("include_usage"), Member.Keep("include_obfuscation"))),
        Member.Keep("temperature"),
        Member.Keep("tool_choice", ToolChoice),
        Member.Keep("tools", Shape.List(Tool)),
        Member.Keep("top_logprobs"),
        Member.Keep("top_p"),
        Member.Keep("verbosity"),
        Member.Refuse("web_search_options"),
        .. Removed,
    ]);

    private static readonly Shape Responses = Shape.Object(
    [
        Member.Keep("model"),
        Member.Keep("stream"),
        Member.Keep("max_output_tokens"),
        Member.Remove("store"),
        Member.Keep("input", new Shape { AllowsScalar = true, Element = Item() }),
        Member.Keep("context_management", Shape.List(Shape.Object(
            Member.Keep("type", Shape.OneOf("compaction")), Member.Keep("compact_threshold")))),
        Member.Keep("include", Shape.Scalars),
        Member.Keep("instructions"),
        Member.Keep("moderation", Moderation),
        Member.Keep("parallel_tool_calls"),
        Member.Keep("reasoning", Shape.Object(
            Member.Keep("effort"), Member.Keep("summary"), Member.Keep("generate_summary"), Member.Keep("mode"), Member.Keep("context"))),
        Member.Keep("stream_options", Shape.Object(Member.Keep("include_obfuscation"))),
        Member.Keep("temperature"),
        Member.Keep("text", Shape.Object(
            Member.Keep("verbosity"),
            Member.Keep("format", Shape.Object(
                Member.Keep("type"),
                Member.Keep("name"),
                Member.Keep("description"),
                Member.Keep("schema", Shape.Any),
                Member.Keep("strict"))))),
        Member.Keep("tool_choice", ToolChoice),
        Member.Keep("tools", Shape.List(Tool)),
        Member.Keep("top_logprobs"),
        Member.Keep("top_p"),
        Member.Keep("truncation"),
        Member.Refuse("background"),
        Member.Refuse("conversation"),
        // Bounds the calls of hosted tools, of which there are none.
        Member.Remove("max_tool_calls"),
        Member.Refuse("previous_response_id"),
        Member.Refuse("prompt"),
        .. Removed,
    ]);

    private static readonly Shape Embeddings = Shape.Object(
    [
        Member.Keep("model"),
        // Text, texts, token ids, or lists of token ids.
        Member.Keep("input", new Shape { AllowsScalar = true, Element = Shape.Scalars }),
        Member.Keep("dimensions"),
        Member.Keep("encoding_format"),
        .. Removed,
    ]);

    public static Shape Of(Operation operation) => operation switch
    {
        Operation.ChatCompletions => ChatCompletions,
        Operation.Responses => Responses,
        Operation.Embeddings => Embeddings,
        Operation.Messages => MessagesShapes.Request,
        _ => throw new ArgumentOutOfRangeException(nameof(operation)),
    };

    private static Shape Function() => Shape.Object(
        Member.Keep("name"), Member.Keep("description"), Member.Keep("parameters", Shape.Any), Member.Keep("strict"));

    /// <summary>One turn of a response's input. Items of hosted tools are refused by their type, references to stored items by having nothing but an id.</summary>
    private static Shape Item()
    {
        Member[] members =
        [
            Member.Keep("type", Shape.OneOf(
                "message", "function_call", "function_call_output", "custom_tool_call", "custom_tool_call_output", "reasoning", "compaction")),
            Member.Keep("role"),
            Member.Keep("content", Content),
            Member.Keep("id"),
            Member.Keep("status"),
            Member.Keep("phase"),
            Member.Keep("call_id"),
            Member.Keep("name"),
            Member.Keep("namespace"),
            Member.Keep("caller", Shape.Object(Member.Keep("type", Shape.OneOf("direct")))),
            Member.Keep("arguments"),
            Member.Keep("input"),
            Member.Keep("output", Content),
            Member.Keep("summary", Content),
            Member.Keep("encrypted_content"),
        ];
        return new Shape
        {
            Members = members,
            NeedsOneOf = Shape.Mask(members, "type", "role"),
            IdNeedsOneOf = Shape.Mask(members, "content", "arguments", "input", "output", "encrypted_content"),
        };
    }
}
