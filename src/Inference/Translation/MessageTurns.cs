using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// The system prompt and the messages of Anthropic's API as those of a chat: a tool's result, there a block of what the user says, is a message of its own, and
/// so stands before what the user says with it; that the tool failed is its first line. An earlier reply's thinking is no part of what was said and stays behind: only its own provider could read it.
/// </summary>
internal static class MessageTurns
{
    /// <summary>Appends <c>,"messages":[…]</c>.</summary>
    public static Refusal? Write(JsonSlice system, JsonSlice messages, SensitiveBuffer output)
    {
        output.Write(",\"messages\":["u8);
        bool first = true;
        if (!system.IsAbsent)
        {
            if (Plain(system, "system"u8, output, ref first) is { } refusal)
            {
                return refusal.Under("system");
            }
        }

        int index = 0;
        foreach (JsonSlice message in messages.Elements)
        {
            JsonSlice role = message["role"u8];
            JsonSlice content = message["content"u8];
            Refusal? refusal = role.Is("user"u8) ? User(content, output, ref first)?.Under("content")
                : role.Is("assistant"u8) ? Assistant(content, output, ref first)?.Under("content")
                : role.Is("system"u8) ? Plain(content, "system"u8, output, ref first)?.Under("content")
                : ChatToMessages.Untranslatable("role");
            if (refusal is not null)
            {
                return refusal.Under(index).Under("messages");
            }

            index++;
        }

        output.Write("]"u8);
        return null;
    }

    /// <summary>A message that is nothing but text.</summary>
    private static Refusal? Plain(JsonSlice content, ReadOnlySpan<byte> role, SensitiveBuffer output, ref bool first)
    {
        Begin(role, output, ref first);
        output.Write(",\"content\":"u8);
        if (!content.IsArray)
        {
            output.Write(content.IsString ? content.Raw : "\"\""u8);
            output.Write("}"u8);
            return null;
        }

        output.Write("["u8);
        int index = 0;
        foreach (JsonSlice block in content.Elements)
        {
            if (!block["type"u8].Is("text"u8))
            {
                return ChatToMessages.Untranslatable("type").Under(index);
            }

            output.Write(index++ > 0 ? ","u8 : default);
            Text(block["text"u8], output);
        }

        output.Write("]}"u8);
        return null;
    }

    private static Refusal? User(JsonSlice content, SensitiveBuffer output, ref bool first)
    {
        if (!content.IsArray)
        {
            return Plain(content, "user"u8, output, ref first);
        }

        int index = 0;
        int others = 0;
        foreach (JsonSlice block in content.Elements)
        {
            if (!block["type"u8].Is("tool_result"u8))
            {
                others++;
            }
            else if (ToolResult(block, output, ref first) is { } refusal)
            {
                return refusal.Under(index);
            }

            index++;
        }

        if (others == 0)
        {
            return null;
        }

        Begin("user"u8, output, ref first);
        output.Write(",\"content\":["u8);
        index = 0;
        bool isFirst = true;
        foreach (JsonSlice block in content.Elements)
        {
            if (!block["type"u8].Is("tool_result"u8))
            {
                output.Write(isFirst ? default : ","u8);
                isFirst = false;
                if (Part(block, output) is { } refusal)
                {
                    return refusal.Under(index);
                }
            }

            index++;
        }

        output.Write("]}"u8);
        return null;
    }

    private static Refusal? Part(JsonSlice block, SensitiveBuffer output)
    {
        JsonSlice type = block["type"u8];
        if (type.Is("text"u8))
        {
            Text(block["text"u8], output);
            return null;
        }

        JsonSlice source = block["source"u8];
        if (block["citations"u8]["enabled"u8].IsTrue)
        {
            return ChatToMessages.Untranslatable("citations");
        }

        if (!block["context"u8].IsAbsent)
        {
            return ChatToMessages.Untranslatable("context");
        }

        if (type.Is("document"u8) && source["type"u8].Is("text"u8) && source["data"u8].IsString)
        {
            // Its title is the first line.
            output.Write("{\"type\":\"text\",\"text\":\""u8);
            output.Write(block["title"u8].Escaped);
            output.Write(block["title"u8].IsString ? "\\n"u8 : default);
            output.Write(source["data"u8].Escaped);
            output.Write("\"}"u8);
            return null;
        }

        bool isImage = type.Is("image"u8);
        if ((!isImage && !type.Is("document"u8)) || !source["type"u8].Is("base64"u8) || !source["data"u8].IsString || !source["media_type"u8].IsString)
        {
            return ChatToMessages.Untranslatable(isImage || type.Is("document"u8) ? "source" : "type");
        }

        output.Write(isImage ? "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:"u8 : "{\"type\":\"file\",\"file\":{\"file_data\":\"data:"u8);
        output.Write(source["media_type"u8].Escaped);
        output.Write(";base64,"u8);
        output.Write(source["data"u8].Escaped);
        output.Write("\""u8);
        if (!isImage)
        {
            output.Write(",\"filename\":"u8);
            output.Write(block["title"u8].IsString ? block["title"u8].Raw : "\"document.pdf\""u8);
        }

        output.Write("}}"u8);
        return null;
    }

    private static Refusal? ToolResult(JsonSlice block, SensitiveBuffer output, ref bool first)
    {
        Begin("tool"u8, output, ref first);
        output.Write(",\"tool_call_id\":"u8);
        output.Write(block["tool_use_id"u8].IsString ? block["tool_use_id"u8].Raw : "\"\""u8);
        output.Write(",\"content\":\""u8);
        JsonSlice content = block["content"u8];
        bool isFailure = block["is_error"u8].IsTrue;
        // A chat has no mark for it, and a model that is not told takes what it reads for the tool's answer.
        output.Write(isFailure ? "Error:"u8 : default);
        output.Write(isFailure && !content.Escaped.IsEmpty ? "\\n"u8 : default);
        output.Write(content.Escaped);
        int index = 0;
        foreach (JsonSlice inner in content.Elements)
        {
            if (!inner["type"u8].Is("text"u8))
            {
                return ChatToMessages.Untranslatable("type").Under(index).Under("content");
            }

            output.Write(isFailure || index > 0 ? "\\n"u8 : default);
            index++;
            output.Write(inner["text"u8].Escaped);
        }

        output.Write("\"}"u8);
        return null;
    }

    private static Refusal? Assistant(JsonSlice content, SensitiveBuffer output, ref bool first)
    {
        if (!content.IsArray)
        {
            return Plain(content, "assistant"u8, output, ref first);
        }

        Begin("assistant"u8, output, ref first);
        int calls = 0;
        int index = 0;
        bool hasText = false;
        foreach (JsonSlice block in content.Elements)
        {
            JsonSlice type = block["type"u8];
            if (type.Is("text"u8))
            {
                output.Write(hasText ? default : ",\"content\":\""u8);
                output.Write(block["text"u8].Escaped);
                hasText = true;
            }
            else if (type.Is("tool_use"u8))
            {
                calls++;
            }
            else if (!type.Is("thinking"u8) && !type.Is("redacted_thinking"u8))
            {
                return ChatToMessages.Untranslatable("type").Under(index);
            }

            index++;
        }

        output.Write(hasText ? "\""u8 : calls > 0 ? ",\"content\":null"u8 : ",\"content\":\"\""u8);
        if (calls > 0)
        {
            Calls(content, output);
        }

        output.Write("}"u8);
        return null;
    }

    private static void Calls(JsonSlice content, SensitiveBuffer output)
    {
        bool first = true;
        foreach (JsonSlice block in content.Elements)
        {
            if (block["type"u8].Is("tool_use"u8))
            {
                output.Write(first ? ",\"tool_calls\":[{\"type\":\"function\",\"id\":"u8 : ",{\"type\":\"function\",\"id\":"u8);
                first = false;
                output.Write(block["id"u8].IsString ? block["id"u8].Raw : "\"\""u8);
                output.Write(",\"function\":{\"name\":"u8);
                output.Write(block["name"u8].IsString ? block["name"u8].Raw : "\"\""u8);
                output.Write(",\"arguments\":\""u8);
                JsonSlice input = block["input"u8];
                if (input.IsAbsent)
                {
                    output.Write("{}"u8);
                }
                else
                {
                    output.WriteAsContent(input.Raw);
                }

                output.Write("\"}}"u8);
            }
        }

        output.Write("]"u8);
    }

    private static void Begin(ReadOnlySpan<byte> role, SensitiveBuffer output, ref bool first)
    {
        output.Write(first ? "{\"role\":\""u8 : ",{\"role\":\""u8);
        output.Write(role);
        output.Write("\""u8);
        first = false;
    }

    private static void Text(JsonSlice text, SensitiveBuffer output)
    {
        output.Write("{\"type\":\"text\",\"text\":"u8);
        output.Write(text.IsString ? text.Raw : "\"\""u8);
        output.Write("}"u8);
    }
}
