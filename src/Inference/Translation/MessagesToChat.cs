using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// Writes a request of Anthropic's Messages as a chat completion's, with <c>model</c> and the output cap first as <see cref="RequestFilter"/> would have them.
/// Reads only what that filter wrote. Either all that the request says is in what comes out, or it is refused by the member that has no counterpart.
/// </summary>
internal static class MessagesToChat
{
    /// <summary>Appends the request.</summary>
    /// <returns>Null, or the member that cannot be translated; what was appended then means nothing.</returns>
    public static Refusal? Translate(ReadOnlySpan<byte> body, SensitiveBuffer output)
    {
        var request = new JsonSlice(body);
        JsonSlice system = default, messages = default, tools = default, choice = default, config = default;
        foreach (JsonMember member in request.Members)
        {
            // In one pass: a request is nearly all messages, and each look goes past them.
            switch (member.Name)
            {
                case var name when name.SequenceEqual("system"u8):
                    system = member.Value;
                    break;
                case var name when name.SequenceEqual("messages"u8):
                    messages = member.Value;
                    break;
                case var name when name.SequenceEqual("tools"u8):
                    tools = member.Value;
                    break;
                case var name when name.SequenceEqual("tool_choice"u8):
                    choice = member.Value;
                    break;
                case var name when name.SequenceEqual("output_config"u8):
                    config = member.Value;
                    break;
            }
        }

        // The filter puts these two first.
        output.Write("{\"model\":"u8);
        output.Write(request["model"u8].Raw);
        output.WriteMember("max_completion_tokens"u8, request["max_tokens"u8]);
        if (MessageTurns.Write(system, messages, output) is { } turn)
        {
            return turn;
        }

        foreach (JsonMember member in request.Members)
        {
            JsonSlice value = member.Value;
            if (value.IsAbsent)
            {
                continue;
            }

            if (member.Name.SequenceEqual("stream"u8))
            {
                output.WriteMember("stream"u8, value);
                // Anthropic's streams tell what they cost.
                output.Write(value.IsTrue ? ",\"stream_options\":{\"include_usage\":true}"u8 : default);
            }
            else if (member.Name.SequenceEqual("temperature"u8) || member.Name.SequenceEqual("top_p"u8))
            {
                output.WriteMember(member.Name, value);
            }
            else if (member.Name.SequenceEqual("stop_sequences"u8))
            {
                output.WriteMember("stop"u8, value);
            }
            else if (member.Name.SequenceEqual("top_k"u8))
            {
                return ChatToMessages.Untranslatable("top_k");
            }
            else if (member.Name.SequenceEqual("thinking"u8) && value["type"u8].Is("enabled"u8))
            {
                // A number of tokens has no counterpart. That the model may think as it likes needs none.
                return ChatToMessages.Untranslatable("thinking.budget_tokens");
            }
        }

        Refusal? refusal = Tools(tools, choice, output) ?? OutputConfig(config, output);
        output.Write(",\"store\":false}"u8);
        return refusal;
    }

    private static Refusal? Tools(JsonSlice tools, JsonSlice choice, SensitiveBuffer output)
    {
        bool first = true;
        int index = 0;
        foreach (JsonSlice tool in tools.Elements)
        {
            Refusal? refusal = !tool["type"u8].IsAbsent && !tool["type"u8].Is("custom"u8) ? ChatToMessages.Untranslatable("type")
                : !tool["input_examples"u8].IsAbsent ? ChatToMessages.Untranslatable("input_examples")
                : !tool["name"u8].IsString ? Refusal.Value("A tool has a name.", "name")
                : null;
            if (refusal is not null)
            {
                return refusal.Under(index).Under("tools");
            }

            output.Write(first ? ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"u8 : ",{\"type\":\"function\",\"function\":{\"name\":"u8);
            output.Write(tool["name"u8].Raw);
            output.WriteMember("description"u8, tool["description"u8]);
            output.WriteMember("parameters"u8, tool["input_schema"u8]);
            output.WriteMember("strict"u8, tool["strict"u8]);
            output.Write("}}"u8);
            first = false;
            index++;
        }

        output.Write(first ? default : "]"u8);
        if (choice.IsAbsent)
        {
            return null;
        }

        JsonSlice type = choice["type"u8];
        if (type.Is("tool"u8))
        {
            output.Write(",\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":"u8);
            output.Write(choice["name"u8].IsString ? choice["name"u8].Raw : "\"\""u8);
            output.Write("}}"u8);
        }
        else
        {
            output.Write(type.Is("any"u8) ? ",\"tool_choice\":\"required\""u8 : type.Is("none"u8) ? ",\"tool_choice\":\"none\""u8 : ",\"tool_choice\":\"auto\""u8);
        }

        output.Write(choice["disable_parallel_tool_use"u8].IsTrue ? ",\"parallel_tool_calls\":false"u8 : default);
        return null;
    }

    private static Refusal? OutputConfig(JsonSlice config, SensitiveBuffer output)
    {
        JsonSlice effort = config["effort"u8];
        // The highest level has no counterpart but the one below it.
        ReadOnlySpan<byte> level = effort.Is("max"u8) ? "\"xhigh\""u8 : effort.Raw;
        if (!effort.IsAbsent)
        {
            output.Write(",\"reasoning_effort\":"u8);
            output.Write(level);
        }

        JsonSlice schema = config["format"u8]["schema"u8];
        if (!schema.IsAbsent)
        {
            output.Write(",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"reply\",\"strict\":true"u8);
            output.WriteMember("schema"u8, schema);
            output.Write("}}"u8);
        }

        return null;
    }
}
