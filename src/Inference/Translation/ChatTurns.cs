using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// The messages of a chat as those of Anthropic's API: what the system and the developer say goes before all, neighbours of one role become one message, and a
/// tool's result is said by the user.
/// </summary>
internal static class ChatTurns
{
    /// <summary>Appends <c>,"messages":[…]</c> and <c>,"system":[…]</c>.</summary>
    public static Refusal? Write(JsonSlice messages, SensitiveBuffer output)
    {
        output.Write(",\"messages\":["u8);
        var turns = new Turns(output);
        bool hasSystem = false;
        int index = 0;
        foreach (JsonSlice element in messages.Elements)
        {
            var message = new Message(element);
            JsonSlice role = message.Role;
            Refusal? refusal = null;
            if (role.Is("system"u8) || role.Is("developer"u8))
            {
                hasSystem = true;
            }
            else if (role.Is("user"u8))
            {
                refusal = User(message, ref turns);
            }
            else if (role.Is("assistant"u8))
            {
                refusal = Assistant(message, ref turns);
            }
            else if (role.Is("tool"u8))
            {
                refusal = ToolResult(message, ref turns);
            }
            else
            {
                refusal = ChatToMessages.Untranslatable("role");
            }

            refusal ??= Unsaid(message);
            if (refusal is not null)
            {
                return refusal.Under(index);
            }

            index++;
        }

        turns.End();
        output.Write("]"u8);
        return hasSystem ? System(messages, output) : null;
    }

    private static Refusal? System(JsonSlice messages, SensitiveBuffer output)
    {
        output.Write(",\"system\":["u8);
        bool first = true;
        int index = 0;
        foreach (JsonSlice message in messages.Elements)
        {
            if (message["role"u8].Is("system"u8) || message["role"u8].Is("developer"u8))
            {
                JsonSlice content = message["content"u8];
                if (content.IsString)
                {
                    Add(content, output, ref first);
                }

                int part = 0;
                foreach (JsonSlice piece in content.Elements)
                {
                    if (!piece["type"u8].Is("text"u8))
                    {
                        return ChatToMessages.Untranslatable("type").Under(part).Under("content").Under(index);
                    }

                    Add(piece["text"u8], output, ref first);
                    part++;
                }
            }

            index++;
        }

        output.Write("]"u8);
        return null;

        static void Add(JsonSlice text, SensitiveBuffer output, ref bool first)
        {
            if (text.Escaped.IsEmpty)
            {
                return;
            }

            output.Write(first ? "{\"type\":\"text\",\"text\":"u8 : ",{\"type\":\"text\",\"text\":"u8);
            output.Write(text.Raw);
            output.Write("}"u8);
            first = false;
        }
    }

    private static Refusal? User(in Message message, ref Turns turns)
    {
        turns.Begin(isUser: true);
        return Content(message.Content, ref turns);
    }

    private static Refusal? Assistant(in Message message, ref Turns turns)
    {
        turns.Begin(isUser: false);
        if (Content(message.Content, ref turns) is { } refusal)
        {
            return refusal;
        }

        turns.Text(message.Refusal);
        int index = 0;
        foreach (JsonSlice call in message.ToolCalls.Elements)
        {
            JsonSlice function = call["function"u8];
            if (!function.IsObject || !call["id"u8].IsString || !function["name"u8].IsString)
            {
                return ChatToMessages.Untranslatable("function").Under(index).Under("tool_calls");
            }

            using var input = new SensitiveBuffer(function["arguments"u8].Raw.Length + 2);
            if (!input.TryWriteArguments(function["arguments"u8]))
            {
                return Refusal.Value("This model takes a call's arguments only where they are one JSON object.", "arguments").Under("function").Under(index).Under("tool_calls");
            }

            turns.Block("{\"type\":\"tool_use\",\"id\":"u8);
            turns.Output.Write(call["id"u8].Raw);
            turns.Output.WriteMember("name"u8, function["name"u8]);
            turns.Output.Write(",\"input\":"u8);
            turns.Output.Write(input.WrittenSpan);
            turns.Output.Write("}"u8);
            index++;
        }

        return null;
    }

    private static Refusal? ToolResult(in Message message, ref Turns turns)
    {
        turns.Begin(isUser: true);
        if (!message.ToolCallId.IsString)
        {
            return Refusal.Value("A tool's result names its call.", "tool_call_id");
        }

        turns.Block("{\"type\":\"tool_result\",\"tool_use_id\":"u8);
        turns.Output.Write(message.ToolCallId.Raw);
        JsonSlice content = message.Content;
        if (content.IsString)
        {
            turns.Output.WriteMember("content"u8, content);
        }
        else if (content.IsArray)
        {
            turns.Output.Write(",\"content\":["u8);
            var inner = new Turns(turns.Output) { IsInside = true };
            if (Content(content, ref inner) is { } refusal)
            {
                return refusal;
            }

            turns.Output.Write("]"u8);
        }

        turns.Output.Write("}"u8);
        return null;
    }

    private static Refusal? Content(JsonSlice content, ref Turns turns)
    {
        if (content.IsString)
        {
            turns.Text(content);
            return null;
        }

        int index = 0;
        foreach (JsonSlice part in content.Elements)
        {
            JsonSlice type = part["type"u8];
            Refusal? refusal = null;
            if (type.Is("text"u8))
            {
                turns.Text(part["text"u8]);
            }
            else if (type.Is("refusal"u8))
            {
                turns.Text(part["refusal"u8]);
            }
            else if (type.Is("image_url"u8))
            {
                JsonSlice image = part["image_url"u8];
                refusal = Data(image.IsString ? image : image["url"u8], "image"u8, "image/"u8, default, ref turns)?.Under("image_url");
            }
            else if (type.Is("file"u8))
            {
                JsonSlice file = part["file"u8];
                refusal = Data(file["file_data"u8], "document"u8, "application/pdf"u8, file["filename"u8], ref turns)?.Under("file_data").Under("file");
            }
            else
            {
                refusal = ChatToMessages.Untranslatable("type");
            }

            if (refusal is not null)
            {
                return refusal.Under(index).Under("content");
            }

            index++;
        }

        return null;
    }

    /// <summary>An image or a document. By value only: what an address shows would be fetched by the provider.</summary>
    private static Refusal? Data(JsonSlice url, ReadOnlySpan<byte> type, ReadOnlySpan<byte> mediaType, JsonSlice title, ref Turns turns)
    {
        using var plain = new SensitiveBuffer(url.Raw.Contains((byte)'\\') ? url.Raw.Length : 0);
        ReadOnlySpan<byte> text = url.Escaped;
        if (text.Contains((byte)'\\'))
        {
            plain.TryWriteUnescaped(url);
            text = plain.WrittenSpan;
        }

        if (!DataUrl.TryParse(text, out DataUrl data) || !data.MediaType.StartsWith(mediaType))
        {
            return Refusal.Value("This model takes images and PDF documents by value only: a data: address in base64.");
        }

        turns.Block("{\"type\":\""u8);
        turns.Output.Write(type);
        turns.Output.Write("\",\"source\":{\"type\":\"base64\",\"media_type\":\""u8);
        turns.Output.Write(data.MediaType);
        turns.Output.Write("\",\"data\":\""u8);
        turns.Output.Write(data.Data);
        turns.Output.Write("\"}"u8);
        turns.Output.WriteMember("title"u8, title);
        turns.Output.Write("}"u8);
        return null;
    }

    /// <summary>What a message says besides its content and has no place over there. Earlier reasoning and annotations are no part of what was said.</summary>
    private static Refusal? Unsaid(in Message message) =>
        !message.Name.IsAbsent ? ChatToMessages.Untranslatable("name")
        : !message.FunctionCall.IsAbsent ? ChatToMessages.Untranslatable("function_call")
        : null;

    /// <summary>A message's members, found in one pass.</summary>
    private readonly ref struct Message
    {
        public readonly JsonSlice Role;
        public readonly JsonSlice Content;
        public readonly JsonSlice Refusal;
        public readonly JsonSlice ToolCalls;
        public readonly JsonSlice ToolCallId;
        public readonly JsonSlice Name;
        public readonly JsonSlice FunctionCall;

        public Message(JsonSlice message)
        {
            foreach (JsonMember member in message.Members)
            {
                switch (member.Name)
                {
                    case var name when name.SequenceEqual("role"u8):
                        Role = member.Value;
                        break;
                    case var name when name.SequenceEqual("content"u8):
                        Content = member.Value;
                        break;
                    case var name when name.SequenceEqual("refusal"u8):
                        Refusal = member.Value;
                        break;
                    case var name when name.SequenceEqual("tool_calls"u8):
                        ToolCalls = member.Value;
                        break;
                    case var name when name.SequenceEqual("tool_call_id"u8):
                        ToolCallId = member.Value;
                        break;
                    case var name when name.SequenceEqual("name"u8):
                        Name = member.Value;
                        break;
                    case var name when name.SequenceEqual("function_call"u8):
                        FunctionCall = member.Value;
                        break;
                }
            }
        }
    }

    /// <summary>Writes messages and their blocks, joining neighbours of one role. A text that says nothing is no block: the API refuses empty ones.</summary>
    private ref struct Turns(SensitiveBuffer output)
    {
        private bool _isOpen;
        private bool _isUser;
        private bool _hasTurns;
        private bool _hasBlocks;
        private bool _isBegun;

        public SensitiveBuffer Output { get; } = output;

        /// <summary>Whether these are only blocks, inside a tool's result.</summary>
        public bool IsInside { get; init; }

        public void Begin(bool isUser)
        {
            if (_isOpen && _isUser != isUser)
            {
                Output.Write("]}"u8);
                _isOpen = false;
            }

            _isUser = isUser;
            _isBegun = true;
        }

        public void Text(JsonSlice text)
        {
            if (!text.Escaped.IsEmpty)
            {
                Block("{\"type\":\"text\",\"text\":"u8);
                Output.Write(text.Raw);
                Output.Write("}"u8);
            }
        }

        public void Block(ReadOnlySpan<byte> start)
        {
            if (_isBegun && !_isOpen && !IsInside)
            {
                Output.Write(_hasTurns ? ",{\"role\":\""u8 : "{\"role\":\""u8);
                Output.Write(_isUser ? "user"u8 : "assistant"u8);
                Output.Write("\",\"content\":["u8);
                (_isOpen, _hasTurns, _hasBlocks) = (true, true, false);
            }

            Output.Write(_hasBlocks ? ","u8 : default);
            _hasBlocks = true;
            Output.Write(start);
        }

        public void End()
        {
            if (_isOpen)
            {
                Output.Write("]}"u8);
                _isOpen = false;
            }
        }
    }
}
