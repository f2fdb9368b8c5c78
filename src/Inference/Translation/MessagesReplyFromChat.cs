using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A chat completion as a message of Anthropic's API, whole or in events.</summary>
/// <param name="showThinking">Whether the request asked for the model's thinking, which some servers send beside the answer.</param>
internal sealed class MessagesReplyFromChat(bool showThinking) : ReplyTranslator
{
    private byte[] _id = [];
    private byte[] _model = [];
    private bool _isOpen;
    private int _index = -1;
    private long _call = -1;
    private Block _block;
    private Reason _stop;
    private bool _hasCalls;
    private long _input;
    private long _cached;
    private long _output;

    /// <summary>Why a reply stopped.</summary>
    private enum Reason
    {
        None,
        EndTurn,
        MaxTokens,
        ToolUse,
        Refusal,
    }

    /// <summary>What kind of block is open.</summary>
    private enum Block
    {
        None,
        Text,
        Thinking,
        Tool,
    }

    public override bool TryEvent(JsonSlice data, SensitiveBuffer into)
    {
        if (!data["error"u8].IsAbsent)
        {
            return false;
        }

        if (_id.Length == 0)
        {
            _id = NameOr(data["id"u8], "msg"u8);
            _model = NameOr(data["model"u8], "model"u8);
        }

        ReadUsage(data["usage"u8]);
        foreach (JsonSlice choice in data["choices"u8].Elements)
        {
            if (choice["index"u8].Count() > 0)
            {
                // One was asked for.
                continue;
            }

            if (!TryDelta(choice["delta"u8], into))
            {
                return false;
            }

            if (choice["finish_reason"u8].IsString)
            {
                _stop = StopReason(choice["finish_reason"u8], _hasCalls);
            }
        }

        return true;
    }

    public override bool TryDone(SensitiveBuffer into)
    {
        if (_stop == Reason.None)
        {
            return false;
        }

        Open(into);
        Close(into);
        into.Write("event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{"u8);
        Stop(_stop, into);
        into.Write("},\"usage\":"u8);
        Usage(_output, into);
        into.Write("}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"u8);
        IsEnded = true;
        return true;
    }

    // A stream that says why it stopped is whole, though OpenAI's have one more line.
    public override bool TryEnd(SensitiveBuffer into) => TryDone(into);

    public override bool TryWhole(JsonSlice reply, SensitiveBuffer into)
    {
        JsonSlice choice = default;
        foreach (JsonSlice one in reply["choices"u8].Elements)
        {
            choice = one;
            break;
        }

        JsonSlice message = choice["message"u8];
        if (!message.IsObject)
        {
            return false;
        }

        _id = NameOr(reply["id"u8], "msg"u8);
        _model = NameOr(reply["model"u8], "model"u8);
        ReadUsage(reply["usage"u8]);
        Head(into);
        bool first = true;
        if (showThinking)
        {
            Text("thinking"u8, Thinking(message), ",\"signature\":\"\"}"u8, into, ref first);
        }

        Text("text"u8, message["content"u8], ",\"citations\":null}"u8, into, ref first);
        Text("text"u8, message["refusal"u8], ",\"citations\":null}"u8, into, ref first);
        bool isCut = choice["finish_reason"u8].Is("length"u8);
        foreach (JsonSlice call in message["tool_calls"u8].Elements)
        {
            if (!TryCall(call, isCut, into, ref first))
            {
                return false;
            }
        }

        into.Write("],"u8);
        Stop(!message["refusal"u8].Escaped.IsEmpty ? Reason.Refusal : StopReason(choice["finish_reason"u8], _hasCalls), into);
        into.Write(",\"usage\":"u8);
        Usage(_output, into);
        into.Write("}"u8);
        return true;
    }

    private bool TryCall(JsonSlice call, bool isCut, SensitiveBuffer into, ref bool first)
    {
        JsonSlice function = call["function"u8];
        if (!function["name"u8].IsString)
        {
            return false;
        }

        JsonSlice arguments = function["arguments"u8];
        using var input = new SensitiveBuffer(arguments.Raw.Length + 2);
        if (!input.TryWriteArguments(arguments))
        {
            if (isCut)
            {
                // A call that the output's cap cut off is none; the reason to stop says so.
                return true;
            }

            // What the model wrote is for the caller to judge, and a prompt can make it write so: no fault of the backend's. In the form in which this API's own
            // documentation has broken JSON handed back.
            input.Clear();
            input.Write("{\"INVALID_JSON\":"u8);
            input.Write(arguments.Raw);
            input.Write("}"u8);
        }

        into.Write(first ? default : ","u8);
        first = false;
        _hasCalls = true;
        StartCall(call, into);
        into.Write(",\"input\":"u8);
        into.Write(input.WrittenSpan);
        into.Write("}"u8);
        return true;
    }

    private bool TryDelta(JsonSlice delta, SensitiveBuffer into)
    {
        if (showThinking && !Piece(Block.Thinking, Thinking(delta), into))
        {
            return false;
        }

        if (!Piece(Block.Text, delta["content"u8], into) || !Piece(Block.Text, delta["refusal"u8], into))
        {
            return false;
        }

        foreach (JsonSlice call in delta["tool_calls"u8].Elements)
        {
            JsonSlice function = call["function"u8];
            long index = call["index"u8].IsNumber ? call["index"u8].Count() : call["id"u8].IsString ? _call + 1 : _call;
            if (_block != Block.Tool || index != _call)
            {
                // Blocks come one after the other: what is closed is not opened again.
                if (index <= _call || !function["name"u8].IsString)
                {
                    return false;
                }

                _call = index;
                _hasCalls = true;
                Begin(Block.Tool, into);
                StartCall(call, into);
                into.Write(",\"input\":{}}}\n\n"u8);
            }

            JsonSlice arguments = function["arguments"u8];
            if (arguments.IsObject)
            {
                // Whole, and not as the text of it, as some servers have it.
                using var text = new SensitiveBuffer(arguments.Raw.Length + 2);
                text.Write("\""u8);
                text.WriteAsContent(arguments.Raw);
                text.Write("\""u8);
                Delta("input_json_delta\",\"partial_json"u8, new JsonSlice(text.WrittenSpan), into);
            }
            else if (!arguments.Escaped.IsEmpty)
            {
                Delta("input_json_delta\",\"partial_json"u8, arguments, into);
            }
        }

        return true;
    }

    /// <summary>A piece of text or thinking; none is as good as an empty one.</summary>
    private bool Piece(Block block, JsonSlice text, SensitiveBuffer into)
    {
        if (text.Escaped.IsEmpty)
        {
            return text.IsAbsent || text.IsString;
        }

        if (_block != block)
        {
            Begin(block, into);
            into.Write(block == Block.Text ? "{\"type\":\"text\",\"text\":\"\",\"citations\":null}}\n\n"u8 : "{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"u8);
        }

        Delta(block == Block.Text ? "text_delta\",\"text"u8 : "thinking_delta\",\"thinking"u8, text, into);
        return true;
    }

    private void Delta(ReadOnlySpan<byte> typeAndMember, JsonSlice text, SensitiveBuffer into)
    {
        into.Write("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":"u8);
        into.WriteNumber(_index);
        into.Write(",\"delta\":{\"type\":\""u8);
        into.Write(typeAndMember);
        into.Write("\":"u8);
        into.Write(text.Raw);
        into.Write("}}\n\n"u8);
    }

    private void Begin(Block block, SensitiveBuffer into)
    {
        Open(into);
        Close(into);
        _block = block;
        _index++;
        into.Write("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":"u8);
        into.WriteNumber(_index);
        into.Write(",\"content_block\":"u8);
    }

    private void Open(SensitiveBuffer into)
    {
        if (!_isOpen)
        {
            _isOpen = true;
            into.Write("event: message_start\ndata: {\"type\":\"message_start\",\"message\":"u8);
            Head(into);
            into.Write("],"u8);
            Stop(Reason.None, into);
            into.Write(",\"usage\":"u8);
            Usage(0, into);
            into.Write("}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n"u8);
        }
    }

    private void Close(SensitiveBuffer into)
    {
        if (_block != Block.None)
        {
            _block = Block.None;
            into.Write("event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":"u8);
            into.WriteNumber(_index);
            into.Write("}\n\n"u8);
        }
    }

    private void Head(SensitiveBuffer into)
    {
        into.Write("{\"id\":"u8);
        into.Write(_id);
        into.Write(",\"type\":\"message\",\"role\":\"assistant\",\"model\":"u8);
        into.Write(_model);
        into.Write(",\"content\":["u8);
    }

    private static void StartCall(JsonSlice call, SensitiveBuffer into)
    {
        into.Write("{\"type\":\"tool_use\",\"id\":"u8);
        if (call["id"u8].Escaped.IsEmpty)
        {
            into.Write("\""u8);
            into.Write(System.Text.Encoding.ASCII.GetBytes(DemoModel.NewId("toolu_")));
            into.Write("\""u8);
        }
        else
        {
            into.Write(call["id"u8].Raw);
        }

        into.Write(",\"name\":"u8);
        into.Write(call["function"u8]["name"u8].Raw);
    }

    private static void Text(ReadOnlySpan<byte> type, JsonSlice text, ReadOnlySpan<byte> end, SensitiveBuffer into, ref bool first)
    {
        if (!text.Escaped.IsEmpty)
        {
            into.Write(first ? "{\"type\":\""u8 : ",{\"type\":\""u8);
            first = false;
            into.Write(type);
            into.Write("\",\""u8);
            into.Write(type);
            into.Write("\":"u8);
            into.Write(text.Raw);
            into.Write(end);
        }
    }

    private static JsonSlice Thinking(JsonSlice message) => message["reasoning_content"u8].IsAbsent ? message["reasoning"u8] : message["reasoning_content"u8];

    private static Reason StopReason(JsonSlice finish, bool hasCalls) =>
        finish.Is("length"u8) ? Reason.MaxTokens
        : finish.Is("content_filter"u8) ? Reason.Refusal
        : hasCalls || finish.Is("tool_calls"u8) ? Reason.ToolUse
        : Reason.EndTurn;

    private static void Stop(Reason reason, SensitiveBuffer into)
    {
        into.Write("\"stop_reason\":"u8);
        into.Write(reason switch
        {
            Reason.MaxTokens => "\"max_tokens\""u8,
            Reason.Refusal => "\"refusal\""u8,
            Reason.ToolUse => "\"tool_use\""u8,
            Reason.EndTurn => "\"end_turn\""u8,
            _ => "null"u8,
        });
        into.Write(",\"stop_sequence\":null"u8);
    }

    private void ReadUsage(JsonSlice usage)
    {
        if (usage.IsObject)
        {
            _cached = CountOr0(usage["prompt_tokens_details"u8]["cached_tokens"u8]);
            _input = Math.Max(0, CountOr0(usage["prompt_tokens"u8]) - _cached);
            _output = CountOr0(usage["completion_tokens"u8]);
        }
    }

    private void Usage(long output, SensitiveBuffer into)
    {
        into.Write("{\"input_tokens\":"u8);
        into.WriteNumber(_input);
        into.Write(",\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":"u8);
        into.WriteNumber(_cached);
        into.Write(",\"output_tokens\":"u8);
        into.WriteNumber(output);
        into.Write("}"u8);
    }
}
