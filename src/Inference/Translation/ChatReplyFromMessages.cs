using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A message of Anthropic's API as a chat completion, whole or in chunks.</summary>
/// <param name="includeUsage">Whether the request asked for the chunk that tells what the reply cost.</param>
/// <param name="created">Unix seconds.</param>
internal sealed class ChatReplyFromMessages(bool includeUsage, long created) : ReplyTranslator
{
    private byte[] _id = [];
    private byte[] _model = [];
    private bool _isOpen;
    private int _index = -1;
    private int _calls;
    private Block _block;
    private bool _hasInput;
    private byte[] _finish = [];
    private Cost _cost;

    /// <summary>What kind of block is open.</summary>
    private enum Block
    {
        None,
        Text,
        Tool,

        /// <summary>Thinking, or what has no counterpart.</summary>
        Other,
    }

    public override bool TryEvent(JsonSlice data, SensitiveBuffer into)
    {
        JsonSlice type = data["type"u8];
        if (type.Is("content_block_delta"u8))
        {
            return TryDelta(data, into);
        }

        if (type.Is("message_start"u8))
        {
            return TryStart(data["message"u8], into);
        }

        if (type.Is("content_block_start"u8))
        {
            return TryStartBlock(data, into);
        }

        if (type.Is("content_block_stop"u8))
        {
            return TryStopBlock(data, into);
        }

        if (type.Is("message_delta"u8))
        {
            return TryFinish(data, into);
        }

        if (type.Is("message_stop"u8))
        {
            return TryStop(into);
        }

        // New kinds of events may be added to the API (its page on versions says so); a ping is one that says nothing.
        return !type.Is("error"u8);
    }

    public override bool TryWhole(JsonSlice reply, SensitiveBuffer into)
    {
        if (!reply["content"u8].IsArray || !reply["type"u8].Is("message"u8))
        {
            return false;
        }

        _id = NameOr(reply["id"u8], "chatcmpl"u8);
        _model = NameOr(reply["model"u8], "model"u8);
        _cost.Read(reply["usage"u8]);
        Head("chat.completion"u8, into);
        into.Write("\"message\":{\"role\":\"assistant\",\"content\":"u8);
        bool hasText = WriteJoined(reply["content"u8], "text"u8, into);
        into.Write(hasText ? "\""u8 : "null"u8);
        into.Write(",\"refusal\":null"u8);
        if (HasBlock(reply["content"u8], "thinking"u8))
        {
            into.Write(",\"reasoning_content\":"u8);
            into.Write(WriteJoined(reply["content"u8], "thinking"u8, into) ? "\""u8 : "null"u8);
        }

        int calls = 0;
        foreach (JsonSlice block in reply["content"u8].Elements)
        {
            if (block["type"u8].Is("tool_use"u8))
            {
                if (!block["id"u8].IsString || !block["name"u8].IsString || !block["input"u8].IsObject)
                {
                    return false;
                }

                into.Write(calls++ == 0 ? ",\"tool_calls\":[{\"id\":"u8 : ",{\"id\":"u8);
                into.Write(block["id"u8].Raw);
                into.Write(",\"type\":\"function\",\"function\":{\"name\":"u8);
                into.Write(block["name"u8].Raw);
                into.Write(",\"arguments\":\""u8);
                into.WriteAsContent(block["input"u8].Raw);
                into.Write("\"}}"u8);
            }
        }

        into.Write(calls > 0 ? "]},"u8 : "},"u8);
        into.Write("\"logprobs\":null,\"finish_reason\":\""u8);
        into.Write(FinishReason(reply["stop_reason"u8]));
        into.Write("\"}]"u8);
        Usage(into);
        into.Write("}"u8);
        return true;
    }

    private bool TryStart(JsonSlice message, SensitiveBuffer into)
    {
        if (_isOpen || !message.IsObject)
        {
            return false;
        }

        _isOpen = true;
        _id = NameOr(message["id"u8], "chatcmpl"u8);
        _model = NameOr(message["model"u8], "model"u8);
        _cost.Read(message["usage"u8]);
        BeginChunk(into);
        into.Write("\"role\":\"assistant\",\"content\":\"\""u8);
        EndChunk(into);
        return true;
    }

    private bool TryStartBlock(JsonSlice data, SensitiveBuffer into)
    {
        long index = data["index"u8].Count();
        JsonSlice block = data["content_block"u8];
        if (!_isOpen || _finish.Length > 0 || _block != Block.None || index != _index + 1)
        {
            return false;
        }

        _index = (int)index;
        _hasInput = false;
        JsonSlice type = block["type"u8];
        if (type.Is("text"u8))
        {
            _block = Block.Text;
            Content("\"content\":\""u8, block["text"u8], into);
            return true;
        }

        if (!type.Is("tool_use"u8))
        {
            _block = Block.Other;
            Content("\"reasoning_content\":\""u8, block["thinking"u8], into);
            return true;
        }

        if (!block["id"u8].IsString || !block["name"u8].IsString)
        {
            return false;
        }

        _block = Block.Tool;
        BeginChunk(into);
        into.Write("\"tool_calls\":[{\"index\":"u8);
        into.WriteNumber(_calls++);
        into.Write(",\"id\":"u8);
        into.Write(block["id"u8].Raw);
        into.Write(",\"type\":\"function\",\"function\":{\"name\":"u8);
        into.Write(block["name"u8].Raw);
        into.Write(",\"arguments\":\""u8);
        // The API opens with an empty object and sends the input in pieces; a server that sends it at once has it here.
        foreach (JsonMember _ in block["input"u8].Members)
        {
            _hasInput = true;
            into.WriteAsContent(block["input"u8].Raw);
            break;
        }

        into.Write("\"}}]"u8);
        EndChunk(into);
        return true;
    }

    private bool TryDelta(JsonSlice data, SensitiveBuffer into)
    {
        if (_block == Block.None || data["index"u8].Count() != _index)
        {
            return false;
        }

        JsonSlice delta = data["delta"u8];
        JsonSlice type = delta["type"u8];
        if (type.Is("text_delta"u8))
        {
            Content("\"content\":\""u8, delta["text"u8], into);
            return _block == Block.Text;
        }

        if (type.Is("thinking_delta"u8))
        {
            Content("\"reasoning_content\":\""u8, delta["thinking"u8], into);
            return _block == Block.Other;
        }

        if (!type.Is("input_json_delta"u8))
        {
            // Signatures and citations have no counterpart.
            return true;
        }

        if (_block == Block.Other)
        {
            return true;
        }

        JsonSlice piece = delta["partial_json"u8];
        if (_block != Block.Tool || !piece.IsString)
        {
            return false;
        }

        if (!piece.Escaped.IsEmpty)
        {
            _hasInput = true;
            Arguments(piece.Escaped, into);
        }

        return true;
    }

    private bool TryStopBlock(JsonSlice data, SensitiveBuffer into)
    {
        if (_block == Block.None || data["index"u8].Count() != _index)
        {
            return false;
        }

        if (_block == Block.Tool && !_hasInput)
        {
            // A call without arguments has an empty object over there and is no JSON without one.
            Arguments("{}"u8, into);
        }

        _block = Block.None;
        return true;
    }

    private bool TryFinish(JsonSlice data, SensitiveBuffer into)
    {
        if (!_isOpen || _block != Block.None)
        {
            return false;
        }

        _cost.Read(data["usage"u8]);
        JsonSlice reason = data["delta"u8]["stop_reason"u8];
        if (reason.IsAbsent || _finish.Length > 0)
        {
            return true;
        }

        _finish = FinishReason(reason).ToArray();
        Head("chat.completion.chunk"u8, into, asEvent: true);
        into.Write("\"delta\":{},\"logprobs\":null,\"finish_reason\":\""u8);
        into.Write(_finish);
        into.Write("\"}]}\n\n"u8);
        return true;
    }

    private bool TryStop(SensitiveBuffer into)
    {
        if (_finish.Length == 0)
        {
            return false;
        }

        if (includeUsage)
        {
            Top("chat.completion.chunk"u8, into, asEvent: true);
            into.Write(",\"choices\":[]"u8);
            Usage(into);
            into.Write("}\n\n"u8);
        }

        into.Write("data: [DONE]\n\n"u8);
        IsEnded = true;
        return true;
    }

    private void Content(ReadOnlySpan<byte> start, JsonSlice text, SensitiveBuffer into)
    {
        if (!text.Escaped.IsEmpty)
        {
            BeginChunk(into);
            into.Write(start);
            into.Write(text.Escaped);
            into.Write("\""u8);
            EndChunk(into);
        }
    }

    private void Arguments(ReadOnlySpan<byte> escaped, SensitiveBuffer into)
    {
        BeginChunk(into);
        into.Write("\"tool_calls\":[{\"index\":"u8);
        into.WriteNumber(_calls - 1);
        into.Write(",\"function\":{\"arguments\":\""u8);
        into.Write(escaped);
        into.Write("\"}}]"u8);
        EndChunk(into);
    }

    private void BeginChunk(SensitiveBuffer into)
    {
        Head("chat.completion.chunk"u8, into, asEvent: true);
        into.Write("\"delta\":{"u8);
    }

    private static void EndChunk(SensitiveBuffer into) => into.Write("},\"logprobs\":null,\"finish_reason\":null}]}\n\n"u8);

    private void Head(ReadOnlySpan<byte> kind, SensitiveBuffer into, bool asEvent = false)
    {
        Top(kind, into, asEvent);
        into.Write(",\"choices\":[{\"index\":0,"u8);
    }

    private void Top(ReadOnlySpan<byte> kind, SensitiveBuffer into, bool asEvent)
    {
        into.Write(asEvent ? "data: {\"id\":"u8 : "{\"id\":"u8);
        into.Write(_id);
        into.Write(",\"object\":\""u8);
        into.Write(kind);
        into.Write("\",\"created\":"u8);
        into.WriteNumber(created);
        into.Write(",\"model\":"u8);
        into.Write(_model);
    }

    private void Usage(SensitiveBuffer into)
    {
        into.Write(",\"usage\":{\"prompt_tokens\":"u8);
        into.WriteNumber(_cost.Input);
        into.Write(",\"completion_tokens\":"u8);
        into.WriteNumber(_cost.Output);
        into.Write(",\"total_tokens\":"u8);
        into.WriteNumber(_cost.Input + _cost.Output);
        into.Write(",\"prompt_tokens_details\":{\"cached_tokens\":"u8);
        into.WriteNumber(_cost.Cached);
        into.Write("}}"u8);
    }

    /// <summary>Appends a quote and the text of all blocks of this type. False, with nothing appended, if there are none.</summary>
    private static bool WriteJoined(JsonSlice content, ReadOnlySpan<byte> type, SensitiveBuffer into)
    {
        bool any = false;
        foreach (JsonSlice block in content.Elements)
        {
            // A block of text has it in a member of its type's name; so has one of thinking.
            if (block["type"u8].Is(type) && block[type].IsString)
            {
                into.Write(any ? default : "\""u8);
                into.Write(block[type].Escaped);
                any = true;
            }
        }

        return any;
    }

    private static bool HasBlock(JsonSlice content, ReadOnlySpan<byte> type)
    {
        foreach (JsonSlice block in content.Elements)
        {
            if (block["type"u8].Is(type))
            {
                return true;
            }
        }

        return false;
    }

    private static ReadOnlySpan<byte> FinishReason(JsonSlice stop) =>
        stop.Is("max_tokens"u8) || stop.Is("model_context_window_exceeded"u8) ? "length"u8
        : stop.Is("tool_use"u8) ? "tool_calls"u8
        : stop.Is("refusal"u8) ? "content_filter"u8
        : "stop"u8;

    /// <summary>What the reply cost, as its last word has it; what one event leaves out an earlier one told.</summary>
    private struct Cost
    {
        private long _plain;
        private long _written;

        public long Cached { get; private set; }

        public long Output { get; private set; }

        public readonly long Input => _plain + _written + Cached;

        public void Read(JsonSlice usage)
        {
            _plain = usage["input_tokens"u8].IsNumber ? CountOr0(usage["input_tokens"u8]) : _plain;
            _written = usage["cache_creation_input_tokens"u8].IsNumber ? CountOr0(usage["cache_creation_input_tokens"u8]) : _written;
            Cached = usage["cache_read_input_tokens"u8].IsNumber ? CountOr0(usage["cache_read_input_tokens"u8]) : Cached;
            Output = usage["output_tokens"u8].IsNumber ? CountOr0(usage["output_tokens"u8]) : Output;
        }
    }
}
