using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using Tacit.Fuzz;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Replies of one API as the other's, however the bytes arrive and whatever a server sends.</summary>
public sealed class ReplyTranslationTests
{
    private const string Start = """{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":20,"cache_creation_input_tokens":1,"cache_read_input_tokens":4,"output_tokens":1}}}""";

    private static readonly string s_message = Events(
        Start,
        """{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}""",
        """{"type":"ping"}""",
        """{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}""",
        """{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}""",
        """{"type":"content_block_stop","index":0}""",
        """{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}""",
        """{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Zürich \ud83d"}}""",
        """{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\ude00 \"x\"\n"}}""",
        """{"type":"content_block_stop","index":1}""",
        """{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"toolu_1","name":"f","input":{}}}""",
        """{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":""}}""",
        """{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"q\": \"a"}}""",
        """{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"b\"}"}}""",
        """{"type":"content_block_stop","index":2}""",
        """{"type":"content_block_start","index":3,"content_block":{"type":"tool_use","id":"toolu_2","name":"g","input":{}}}""",
        """{"type":"content_block_stop","index":3}""",
        """{"type":"a_new_kind"}""",
        """{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"output_tokens":9}}""",
        """{"type":"message_stop"}""");

    private static readonly string s_chat = string.Concat(((string[])
    [
        """{"id":"c1","object":"chat.completion.chunk","created":1,"model":"gpt","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}""",
        """{"id":"c1","model":"gpt","choices":[{"index":0,"delta":{"reasoning_content":"hm"},"finish_reason":null}]}""",
        """{"id":"c1","model":"gpt","choices":[{"index":0,"delta":{"content":"Zürich \ud83d"},"finish_reason":null}]}""",
        """{"id":"c1","model":"gpt","choices":[{"index":0,"delta":{"content":"\ude00 \"x\"\n"},"finish_reason":null}]}""",
        """{"id":"c1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"f","arguments":""}}]},"finish_reason":null}]}""",
        """{"id":"c1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"q\": \"a"}}]},"finish_reason":null}]}""",
        """{"id":"c1","model":"gpt","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"b\"}"}},{"index":1,"id":"call_2","function":{"name":"g","arguments":"{}"}}]},"finish_reason":null}]}""",
        """{"id":"c1","model":"gpt","choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}""",
        """{"id":"c1","model":"gpt","choices":[],"usage":{"prompt_tokens":25,"completion_tokens":9,"prompt_tokens_details":{"cached_tokens":4}}}""",
        "[DONE]",
    ]).Select(data => $"data: {data}\n\n"));

    private static string Events(params string[] data) =>
        string.Concat(data.Select(one => $"event: {JsonNode.Parse(one)!["type"]}\ndata: {one}\n\n"));

    [Fact]
    public async Task Stream_of_a_message_becomes_chunks_of_a_chat()
    {
        string text = await TranslateAsync(Operation.Messages, s_message, new ChatReplyFromMessages(includeUsage: true, 7));
        JsonNode[] chunks = Chunks(text);
        Assert.All(chunks, chunk => Assert.Equal(("msg_1", "claude", "chat.completion.chunk", 7), ((string?)chunk["id"], (string?)chunk["model"], (string?)chunk["object"], (int?)chunk["created"])));
        string[] deltas = [.. Choices(text).Select(choice => choice.GetProperty("delta").GetRawText())];
        Assert.Equal("""{"role":"assistant","content":""}""", deltas[0]);
        Assert.Equal("""{"reasoning_content":"hm"}""", deltas[1]);
        Assert.Equal(
            ["toolu_1 f", " ", " ", "toolu_2 g", " "],
            deltas.Where(delta => delta.Contains("tool_calls", StringComparison.Ordinal)).Select(delta => JsonNode.Parse(delta)!["tool_calls"]![0]!).Select(call => $"{call["id"]} {call["function"]!["name"]}"));
        (string said, string[] calls, string stop) = ReadChat(text);
        Assert.Equal(("Zürich \U0001f600 \"x\"\n", "tool_calls"), (said, stop));
        Assert.Equal(["f {\"q\": \"ab\"}", "g {}"], calls);
        JsonNode usage = chunks[^1]["usage"]!;
        Assert.Equal((25, 9, 34, 4), ((int?)usage["prompt_tokens"], (int?)usage["completion_tokens"], (int?)usage["total_tokens"], (int?)usage["prompt_tokens_details"]!["cached_tokens"]));
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        Assert.DoesNotContain("usage", await TranslateAsync(Operation.Messages, s_message, new ChatReplyFromMessages(includeUsage: false, 7)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_of_a_chat_becomes_events_of_a_message()
    {
        string text = await TranslateAsync(Operation.ChatCompletions, s_chat, new MessagesReplyFromChat(showThinking: true));
        string[] lines = text.Split('\n');
        Assert.Equal(
            [
                "message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop", "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop",
                "content_block_start", "content_block_delta", "content_block_delta", "content_block_stop", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop",
            ],
            lines.Where(line => line.StartsWith("event: ", StringComparison.Ordinal)).Select(line => line[7..]));
        JsonNode[] events = [.. lines.Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => JsonNode.Parse(line[6..])!)];
        Assert.Equal(lines.Where(line => line.StartsWith("event: ", StringComparison.Ordinal)).Select(line => line[7..]), events.Select(one => (string?)one["type"]));
        Assert.True(JsonNode.DeepEquals(
            JsonNode.Parse("""{"id":"c1","type":"message","role":"assistant","model":"gpt","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}"""),
            events[0]["message"]));
        Assert.Equal([0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3], events.Where(one => one["index"] is not null).Select(one => (int)one["index"]!));
        Assert.Equal("""{"type":"tool_use","id":"call_1","name":"f","input":{}}""", events[9]["content_block"]!.ToJsonString());
        Assert.True(JsonNode.DeepEquals(
            JsonNode.Parse("""{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":21,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":9}}"""), events[^2]));
        Assert.DoesNotContain("thinking", await TranslateAsync(Operation.ChatCompletions, s_chat, new MessagesReplyFromChat(showThinking: false)), StringComparison.Ordinal);
    }

    [Fact]
    public Task Any_split_of_the_bytes_gives_the_same_translation() => EverySplitAsync(
        (Operation.Messages, s_message, () => new ChatReplyFromMessages(includeUsage: true, 7)),
        (Operation.ChatCompletions, s_chat, () => new MessagesReplyFromChat(showThinking: true)));

    [Fact]
    public async Task Message_translated_there_and_back_says_the_same()
    {
        string chat = await TranslateAsync(Operation.Messages, s_message, new ChatReplyFromMessages(includeUsage: true, 7));
        string back = await TranslateAsync(Operation.ChatCompletions, chat, new MessagesReplyFromChat(showThinking: true));
        string chatAgain = await TranslateAsync(Operation.Messages, back, new ChatReplyFromMessages(includeUsage: true, 7));
        Assert.Equal(ReadChat(chat).Text, ReadChat(chatAgain).Text);
        Assert.Equal(ReadChat(chat).Calls, ReadChat(chatAgain).Calls);
        Assert.Equal(Chunks(chat)[^1].ToJsonString(), Chunks(chatAgain)[^1].ToJsonString());
    }

    [Fact]
    public void Any_answer_of_a_chat_says_the_same_as_a_message() => Property.Holds(
        from pieces in Gen.ArrayOf(Gen.Elements("a", "é", "\"", "\\", "\n", "\u0001", "\U0001f600", "{", "", "</s>"))
        from calls in Gen.ArrayOf(Gen.Elements("{}", "{\"a\":1}", "{\"é\":\"\\\"\\u0007\"}", "{\"n\":{\"m\":[null]}}"), 2)
        from cut in Gen.Choose(0, 7)
        select (pieces, calls, cut),
        sample =>
        {
            string stream = string.Concat(
                sample.pieces.Select(piece => (object)new { content = piece })
                    .Concat(sample.calls.SelectMany((arguments, i) => (object[])
                    [
                        new { tool_calls = new[] { new { index = i, id = "c" + i, function = new { name = "f", arguments = arguments[..Math.Min(sample.cut, arguments.Length)] } } } },
                        new { tool_calls = new[] { new { index = i, function = new { arguments = arguments[Math.Min(sample.cut, arguments.Length)..] } } } },
                    ]))
                    .Select(delta => $"data: {JsonSerializer.Serialize(new { id = "c", model = "m", choices = new[] { new { index = 0, delta } } })}\n\n"))
                + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
            string message = TranslateAsync(Operation.ChatCompletions, stream, new MessagesReplyFromChat(false)).GetAwaiter().GetResult();
            string back = TranslateAsync(Operation.Messages, message, new ChatReplyFromMessages(false, 1)).GetAwaiter().GetResult();
            Assert.Equal(string.Concat(sample.pieces), ReadChat(back).Text);
            Assert.Equal(sample.calls.Select(arguments => "f " + arguments), ReadChat(back).Calls);
        });

    [Fact]
    public async Task Whole_message_becomes_a_chat_completion()
    {
        string text = await WholeAsync(
            new ChatReplyFromMessages(true, 7),
            """{"id":"msg_1","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"text","text":"a\u00e9"},{"type":"text","text":"\"b\""},{"type":"tool_use","id":"t","name":"f","input":{"q":"\"\\"}}],"stop_reason":"max_tokens","usage":{"input_tokens":2,"output_tokens":3}}""");
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(
            """{"id":"msg_1","object":"chat.completion","created":7,"model":"claude","choices":[{"index":0,"message":{"role":"assistant","content":"aé\"b\"","refusal":null,"reasoning_content":"hm","tool_calls":[{"id":"t","type":"function","function":{"name":"f","arguments":"{\"q\":\"\\\"\\\\\"}"}}]},"logprobs":null,"finish_reason":"length"}],"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5,"prompt_tokens_details":{"cached_tokens":0}}}"""),
            JsonNode.Parse(text)), text);
    }

    [Theory]
    [InlineData("stop", "end_turn")]
    [InlineData("length", "max_tokens")]
    [InlineData("content_filter", "refusal")]
    public async Task Whole_chat_completion_becomes_a_message(string finish, string stop)
    {
        string text = await WholeAsync(
            new MessagesReplyFromChat(true),
            $$$"""{"id":"c1","object":"chat.completion","created":1,"model":"gpt","choices":[{"index":0,"message":{"role":"assistant","reasoning":"hm","content":"a\u00e9"},"finish_reason":"{{{finish}}}"}],"usage":{"prompt_tokens":2,"completion_tokens":3}}""");
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(
            $$$"""{"id":"c1","type":"message","role":"assistant","model":"gpt","content":[{"type":"thinking","thinking":"hm","signature":""},{"type":"text","text":"aé","citations":null}],"stop_reason":"{{{stop}}}","stop_sequence":null,"usage":{"input_tokens":2,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":3}}"""),
            JsonNode.Parse(text)), text);
    }

    [Fact]
    public async Task Call_that_the_cap_cut_off_is_left_out()
    {
        string reply = """{"id":"c","model":"m","choices":[{"index":0,"message":{"content":"a","tool_calls":[{"id":"1","function":{"name":"f","arguments":"{\"q\":"}}]},"finish_reason":"length"}]}""";
        JsonNode message = JsonNode.Parse(await WholeAsync(new MessagesReplyFromChat(false), reply))!;
        Assert.Equal((1, "max_tokens"), (message["content"]!.AsArray().Count, (string?)message["stop_reason"]));
    }

    /// <summary>A prompt can bring it about, so it must neither give a token back nor count against the backend.</summary>
    [Theory]
    [InlineData("""{\"q\":""")]
    [InlineData("""[1]""")]
    [InlineData("""plain words""")]
    [InlineData("""\ud83d""")]
    public async Task Call_whose_arguments_are_no_object_is_handed_on_as_the_model_wrote_it(string arguments)
    {
        string reply = $$$"""{"id":"c","model":"m","choices":[{"index":0,"message":{"content":null,"tool_calls":[{"id":"1","function":{"name":"f","arguments":"{{{arguments}}}"}}]},"finish_reason":"tool_calls"}]}""";
        string message = await WholeAsync(new MessagesReplyFromChat(false), reply);
        Assert.Contains($$$"""{"type":"tool_use","id":"1","name":"f","input":{"INVALID_JSON":"{{{arguments}}}"}}""", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Arguments_that_are_an_object_already_reach_the_caller_as_they_are()
    {
        const string Call = """{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":{"q": "a\"b"}}}""";
        string whole = await WholeAsync(
            new MessagesReplyFromChat(false),
            $$$"""{"id":"c","model":"m","choices":[{"index":0,"message":{"content":null,"tool_calls":[{{{Call}}}]},"finish_reason":"tool_calls"}]}""");
        Assert.Equal("a\"b", (string?)JsonNode.Parse(whole)!["content"]![0]!["input"]!["q"]);

        string streamed = await TranslateAsync(
            Operation.ChatCompletions,
            $$$"""
            data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant","tool_calls":[{{{Call}}}]}}]}

            data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}

            data: [DONE]


            """,
            new MessagesReplyFromChat(false));
        Assert.Contains("""{"type":"input_json_delta","partial_json":"{\"q\": \"a\\\"b\"}"}""", streamed, StringComparison.Ordinal);
    }

    /// <summary>What no server may send, with what of the reply is handed on before it is noticed.</summary>
    public static TheoryData<string, bool> Disorders => new()
    {
        // No end.
        { Events(Start), false },
        { Events(Start, Text(0), Delta(0)), true },
        { Events(Start, Text(0), Delta(0), Stop(0)), true },
        { Events(Start, Text(0), Delta(0), Stop(0), Finish), true },
        { Events(Start, Text(0), Delta(0), """{"type":"message_stop"}"""), true },
        // Wrong order.
        { Events(Text(0), Delta(0)), false },
        { Events(Delta(0)), false },
        { Events(Start, Delta(0)), false },
        { Events(Start, Text(1)), false },
        { Events(Start, Text(0), Delta(1)), true },
        { Events(Start, Text(0), Text(1)), true },
        { Events(Start, Text(0), Stop(1)), true },
        { Events(Start, Text(0), Start), true },
        { Events(Start, Text(0), Finish), true },
        { Events(Start, Text(0), """{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{}"}}"""), true },
        // Not what they say.
        { Events(Start, """{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","name":"f"}}"""), false },
        { Events("""{"type":"message_start","message":1}""", Text(0)), false },
        { Events(Start, """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"""), false },
        { Events(Start, Text(0), Delta(0), """{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"""), true },
        { "event: ping\ndata: 1\n\n", false },
    };

    [Theory]
    [MemberData(nameof(Disorders))]
    public async Task Message_in_disorder_is_a_failure_before_content_and_an_interruption_after(string stream, bool begun)
    {
        await using var source = new CutSource(Operation.Messages, Encoding.UTF8.GetBytes(stream), 40, 80, 120, 160, 200, 300, 400, 440, 500, 600);
        await using var reply = new TranslatedReply(source, new ChatReplyFromMessages(true, 1));
        using var text = new SensitiveBuffer();
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(async () =>
        {
            while (await reply.ReadAsync(text, default))
            {
            }
        });
        Assert.Equal((begun ? ErrorCodes.ReplyInterrupted : ErrorCodes.ProviderError, false), (failure.Error.Code, failure.ClientProvoked));
        Assert.Equal(begun, text.WrittenCount > 0);
        Chunks(Encoding.UTF8.GetString(text.WrittenSpan));
    }

    [Theory]
    [InlineData("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n")]
    [InlineData("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":[\"a\"]}}]}\n\ndata: [DONE]\n\n")]
    [InlineData("data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n")]
    [InlineData("data: {\"error\":{\"message\":\"x\"}}\n\n")]
    [InlineData("data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"a\"}}]}}]}\n\n")]
    [InlineData("data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"1\",\"function\":{\"name\":\"f\"}},{\"index\":0,\"id\":\"0\",\"function\":{\"name\":\"f\"}}]}}]}\n\n")]
    public async Task Chat_in_disorder_is_a_failure(string stream) =>
        await Assert.ThrowsAsync<ProviderException>(() => TranslateAsync(Operation.ChatCompletions, stream, new MessagesReplyFromChat(true)));

    [Fact]
    public void Whatever_a_server_sends_comes_out_as_whole_events_or_as_a_failure()
    {
        (Operation Operation, byte[] Stream, Func<ReplyTranslator> New)[] directions =
        [
            (Operation.Messages, Encoding.UTF8.GetBytes(s_message), () => new ChatReplyFromMessages(true, 1)),
            (Operation.ChatCompletions, Encoding.UTF8.GetBytes(s_chat), () => new MessagesReplyFromChat(true)),
        ];
        long count = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 500_000 : 2_000;
        foreach ((Operation operation, byte[] stream, Func<ReplyTranslator> create) in directions)
        {
            var target = new FuzzTarget("translation", [stream], bytes =>
            {
                using var text = new SensitiveBuffer();
                try
                {
                    ReadAsync(new TranslatedReply(new CutSource(operation, bytes, bytes.Length / 2), create()), text).GetAwaiter().GetResult();
                }
                catch (ProviderException)
                {
                }

                foreach (string line in Encoding.UTF8.GetString(text.WrittenSpan).Split('\n'))
                {
                    Assert.True(
                        line.Length == 0 || line == "data: [DONE]" || line.StartsWith("event: ", StringComparison.Ordinal)
                            || (line.StartsWith("data: {", StringComparison.Ordinal) && JsonDocument.Parse(line[6..]).RootElement.ValueKind == JsonValueKind.Object), line);
                }

                return text.WrittenCount > 0;
            });
            Assert.True(target.RunMany(3, count, limit: null, TimeProvider.System).Taken > 0);
        }
    }

    private const string Finish = """{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}""";

    private static string Text(int index) => $$$"""{"type":"content_block_start","index":{{{index}}},"content_block":{"type":"text","text":""}}""";

    private static string Delta(int index) => $$$"""{"type":"content_block_delta","index":{{{index}}},"delta":{"type":"text_delta","text":"x"}}""";

    private static string Stop(int index) => $$$"""{"type":"content_block_stop","index":{{{index}}}}""";

    private static async Task EverySplitAsync(params (Operation Operation, string Stream, Func<ReplyTranslator> New)[] directions)
    {
        foreach ((Operation operation, string stream, Func<ReplyTranslator> create) in directions)
        {
            byte[] bytes = Encoding.UTF8.GetBytes(stream);
            string whole = await TranslateAsync(operation, stream, create());
            for (int cut = 1; cut < bytes.Length; cut++)
            {
                Assert.Equal(whole, await TranslateAsync(operation, stream, create(), cut));
            }

            Assert.Equal(whole, await TranslateAsync(operation, stream, create(), [.. Enumerable.Range(1, bytes.Length - 1)]));
            Assert.Equal(whole, await TranslateAsync(operation, stream.Replace("\n", "\r\n", StringComparison.Ordinal), create(), 7, 100, 1000));
        }
    }

    private static async Task<string> TranslateAsync(Operation operation, string stream, ReplyTranslator translator, params int[] cuts)
    {
        using var text = new SensitiveBuffer();
        await ReadAsync(new TranslatedReply(new CutSource(operation, Encoding.UTF8.GetBytes(stream), cuts), translator), text);
        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    private static async Task ReadAsync(ReplySource reply, SensitiveBuffer text)
    {
        await using (reply)
        {
            while (await reply.ReadAsync(text, default))
            {
            }
        }
    }

    private static async Task<string> WholeAsync(ReplyTranslator translator, string json)
    {
        using var text = new SensitiveBuffer();
        await ReadAsync(new TranslatedReply(new CutSource(null, Encoding.UTF8.GetBytes(json)), translator), text);
        return Encoding.UTF8.GetString(text.WrittenSpan);
    }

    private static JsonNode[] Chunks(string text) =>
        [.. text.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal)).Select(line => JsonNode.Parse(line[6..])!)];

    private static (string Text, string[] Calls, string Stop) ReadChat(string text)
    {
        var said = new StringBuilder();
        var calls = new List<string>();
        string stop = "";
        foreach (JsonElement choice in Choices(text))
        {
            JsonElement delta = choice.GetProperty("delta");
            if (delta.TryGetProperty("content", out JsonElement content))
            {
                said.Append(Unescape(content.GetRawText()));
            }

            foreach (JsonElement call in delta.TryGetProperty("tool_calls", out JsonElement list) ? list.EnumerateArray().ToArray() : [])
            {
                JsonElement function = call.GetProperty("function");
                if (call.TryGetProperty("id", out _))
                {
                    calls.Add(function.GetProperty("name").GetString() + " ");
                }

                calls[call.GetProperty("index").GetInt32()] += function.GetProperty("arguments").GetString();
            }

            stop = choice.GetProperty("finish_reason").GetString() ?? stop;
        }

        return (said.ToString(), [.. calls], stop);
    }

    private static JsonElement[] Choices(string text) =>
    [
        .. text.Split('\n').Where(line => line.StartsWith("data: {", StringComparison.Ordinal))
            .SelectMany(line => JsonDocument.Parse(line[6..]).RootElement.GetProperty("choices").EnumerateArray()),
    ];

    /// <summary>By hand: the framework refuses half a surrogate pair, which two deltas may share.</summary>
    private static string Unescape(string quoted)
    {
        var text = new StringBuilder();
        for (int i = 1; quoted[i] != '"'; i++)
        {
            if (quoted[i] != '\\')
            {
                text.Append(quoted[i]);
                continue;
            }

            i++;
            text.Append(quoted[i] switch
            {
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'b' => '\b',
                'f' => '\f',
                'u' => (char)Convert.ToInt32(quoted.Substring(i + 1, 4), 16),
                char plain => plain,
            });
            i += quoted[i] == 'u' ? 4 : 0;
        }

        return text.ToString();
    }

    /// <summary>A reply whose bytes arrive in pieces cut at these places, read as those of a server are. Without an operation: whole, as JSON.</summary>
    private sealed class CutSource(Operation? operation, byte[] bytes, params int[] cuts) : ReplySource
    {
        private readonly EventParser _parser = new(operation is { } events ? ReplyShapes.OfEvent(events) : ReplyShapes.OfReply(Operation.Messages), operation == Operation.Messages);
        private readonly SensitiveBuffer _received = new();
        private readonly SensitiveBuffer _held = new();
        private int _next;
        private int _from;
        private bool _begun;

        public override bool IsEventStream => operation is not null;

        public override ValueTask<bool> ReadAsync(SensitiveBuffer into, CancellationToken cancellationToken)
        {
            if (operation is null)
            {
                into.Write(bytes);
                bool first = _next++ == 0;
                into.Truncate(first ? into.WrittenCount : 0);
                return ValueTask.FromResult(first);
            }

            while (true)
            {
                bool isEnd = _from >= bytes.Length;
                _parser.TakeWhole(_received, _held, isEnd);
                if (_parser.HasContent && _held.WrittenCount > 0)
                {
                    into.Write(_held.WrittenSpan);
                    _held.Clear();
                    _begun = true;
                    return ValueTask.FromResult(true);
                }

                if (_parser.IsDone)
                {
                    return ValueTask.FromResult(false);
                }

                if (_parser.IsBroken || (isEnd && (operation == Operation.Messages || _received.WrittenCount > 0 || !_begun)))
                {
                    throw Failures.Broken(_begun);
                }

                if (isEnd)
                {
                    return ValueTask.FromResult(false);
                }

                int to = _next < cuts.Length ? Math.Clamp(cuts[_next++], _from, bytes.Length) : bytes.Length;
                _received.Write(bytes.AsSpan(_from, to - _from));
                _from = to;
            }
        }

        public override ValueTask DisposeAsync()
        {
            _received.Dispose();
            _held.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
