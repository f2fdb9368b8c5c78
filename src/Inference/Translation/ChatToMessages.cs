using System.Buffers.Text;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// Writes a chat completion's request as one of Anthropic's Messages. Reads only what <see cref="RequestFilter"/> wrote. Either all that the request says is in
/// what comes out, or it is refused by the member that has no counterpart; what asks for nothing (null, a default) is left out.
/// </summary>
internal static class ChatToMessages
{
    /// <summary>Appends the request.</summary>
    /// <returns>Null, or the member that cannot be translated; what was appended then means nothing.</returns>
    public static Refusal? Translate(ReadOnlySpan<byte> body, SensitiveBuffer output)
    {
        var request = new JsonSlice(body);
        var parts = new Parts(request);
        output.Write("{\"model\":"u8);
        output.Write(parts.Model.Raw);
        output.WriteMember("max_tokens"u8, parts.Cap);
        if (ChatTurns.Write(parts.Messages, output) is { } turn)
        {
            return turn.Under("messages");
        }

        foreach (JsonMember member in request.Members)
        {
            if (!member.Value.IsAbsent && Setting(member, output) is { } refusal)
            {
                return refusal;
            }
        }

        if (Tools(parts, output) is { } tool)
        {
            return tool;
        }

        if (OutputConfig(parts, output) is { } config)
        {
            return config;
        }

        output.Write("}"u8);
        return null;
    }

    private static Refusal? Setting(in JsonMember member, SensitiveBuffer output)
    {
        JsonSlice value = member.Value;
        switch (member.Name)
        {
            // Written elsewhere, or says only how OpenAI's own service should answer.
            case var name when name.SequenceEqual("model"u8) || name.SequenceEqual("messages"u8) || name.SequenceEqual("max_tokens"u8)
                || name.SequenceEqual("max_completion_tokens"u8) || name.SequenceEqual("store"u8) || name.SequenceEqual("stream_options"u8)
                || name.SequenceEqual("tools"u8) || name.SequenceEqual("tool_choice"u8) || name.SequenceEqual("parallel_tool_calls"u8)
                || name.SequenceEqual("response_format"u8) || name.SequenceEqual("reasoning_effort"u8):
                return null;

            case var name when name.SequenceEqual("stream"u8):
                output.WriteMember("stream"u8, value);
                return null;

            case var name when name.SequenceEqual("top_p"u8):
                output.WriteMember("top_p"u8, value);
                return null;

            case var name when name.SequenceEqual("temperature"u8):
                if (!Utf8Parser.TryParse(value.Raw, out double heat, out int used) || used != value.Raw.Length || heat is < 0 or > 1)
                {
                    return Refusal.Value("This model takes a temperature of 0 to 1.", "temperature");
                }

                output.WriteMember("temperature"u8, value);
                return null;

            case var name when name.SequenceEqual("stop"u8):
                output.Write(",\"stop_sequences\":"u8);
                output.Write(value.IsString ? "["u8 : default);
                output.Write(value.Raw);
                output.Write(value.IsString ? "]"u8 : default);
                return null;

            // Their defaults ask for nothing.
            case var name when name.SequenceEqual("n"u8):
                return value.Count() == 1 ? null : Untranslatable("n");

            case var name when name.SequenceEqual("logprobs"u8):
                return value.IsFalse ? null : Untranslatable("logprobs");

            case var name when name.SequenceEqual("top_logprobs"u8) || name.SequenceEqual("frequency_penalty"u8) || name.SequenceEqual("presence_penalty"u8):
                return Utf8Parser.TryParse(value.Raw, out double number, out _) && number == 0 ? null : Untranslatable(Name(member));

            case var name when name.SequenceEqual("verbosity"u8):
                return value.Is("medium"u8) ? null : Untranslatable("verbosity");

            case var name when name.SequenceEqual("modalities"u8):
                foreach (JsonSlice modality in value.Elements)
                {
                    if (!modality.Is("text"u8))
                    {
                        return Untranslatable("modalities");
                    }
                }

                return null;

            default:
                return Untranslatable(Name(member));
        }
    }

    private static Refusal? Tools(in Parts request, SensitiveBuffer output)
    {
        bool first = true;
        int index = 0;
        foreach (JsonSlice tool in request.Tools.Elements)
        {
            JsonSlice function = tool["function"u8];
            if (!tool["type"u8].Is("function"u8) || !function.IsObject)
            {
                return Untranslatable("type").Under(index).Under("tools");
            }

            output.Write(first ? ",\"tools\":[{\"name\":"u8 : ",{\"name\":"u8);
            output.Write(function["name"u8].IsString ? function["name"u8].Raw : "\"\""u8);
            output.WriteMember("description"u8, function["description"u8]);
            JsonSlice schema = function["parameters"u8];
            output.Write(",\"input_schema\":"u8);
            output.Write(schema.IsAbsent ? "{\"type\":\"object\",\"properties\":{}}"u8 : schema.Raw);
            output.WriteMember("strict"u8, function["strict"u8]);
            output.Write("}"u8);
            first = false;
            index++;
        }

        output.Write(first ? default : "]"u8);
        bool oneAtATime = request.ParallelCalls.IsFalse;
        JsonSlice choice = request.ToolChoice;
        ReadOnlySpan<byte> type = choice.IsAbsent ? (oneAtATime && !first ? "auto"u8 : default)
            : choice.Is("auto"u8) ? "auto"u8
            : choice.Is("required"u8) ? "any"u8
            : choice.Is("none"u8) ? "none"u8
            : choice["type"u8].Is("function"u8) && choice["function"u8]["name"u8].IsString ? "tool"u8
            : default;
        if (type.IsEmpty)
        {
            return choice.IsAbsent ? null : Untranslatable("tool_choice");
        }

        output.Write(",\"tool_choice\":{\"type\":\""u8);
        output.Write(type);
        output.Write("\""u8);
        if (type.SequenceEqual("tool"u8))
        {
            output.WriteMember("name"u8, choice["function"u8]["name"u8]);
        }

        output.Write(oneAtATime && !type.SequenceEqual("none"u8) ? ",\"disable_parallel_tool_use\":true}"u8 : "}"u8);
        return null;
    }

    private static Refusal? OutputConfig(in Parts request, SensitiveBuffer output)
    {
        JsonSlice effort = request.Effort;
        ReadOnlySpan<byte> level = effort.Is("minimal"u8) || effort.Is("low"u8) ? "\"effort\":\"low\""u8
            : effort.Is("medium"u8) ? "\"effort\":\"medium\""u8
            : effort.Is("high"u8) ? "\"effort\":\"high\""u8
            : effort.Is("xhigh"u8) ? "\"effort\":\"xhigh\""u8
            : default;
        if (effort.Is("none"u8))
        {
            output.Write(",\"thinking\":{\"type\":\"disabled\"}"u8);
        }
        else if (level.IsEmpty && !effort.IsAbsent)
        {
            return Untranslatable("reasoning_effort");
        }

        JsonSlice format = request.Format;
        JsonSlice schema = default;
        if (format["type"u8].Is("json_schema"u8))
        {
            schema = format["json_schema"u8]["schema"u8];
        }

        if (!format.IsAbsent && !format["type"u8].Is("text"u8) && !schema.IsObject)
        {
            return Untranslatable("response_format");
        }

        if (!level.IsEmpty || schema.IsObject)
        {
            output.Write(",\"output_config\":{"u8);
            output.Write(level);
            if (schema.IsObject)
            {
                output.Write(level.IsEmpty ? "\"format\":{\"type\":\"json_schema\""u8 : ",\"format\":{\"type\":\"json_schema\""u8);
                output.WriteMember("schema"u8, schema);
                output.Write("}"u8);
            }

            output.Write("}"u8);
        }

        return null;
    }

    /// <summary>A listed member's name: none is longer than its list has it.</summary>
    private static string Name(in JsonMember member) => System.Text.Encoding.ASCII.GetString(member.Name);

    internal static Refusal Untranslatable(string? param) =>
        Refusal.Value("This model's provider speaks another API, in which there is no such thing. Leave it out, or ask another model.", param);

    /// <summary>The members that are not written where they stand, found in one pass: a request is nearly all messages, and each look goes past them.</summary>
    private readonly ref struct Parts
    {
        public readonly JsonSlice Model;
        public readonly JsonSlice Cap;
        public readonly JsonSlice Messages;
        public readonly JsonSlice Tools;
        public readonly JsonSlice ToolChoice;
        public readonly JsonSlice ParallelCalls;
        public readonly JsonSlice Format;
        public readonly JsonSlice Effort;

        public Parts(JsonSlice request)
        {
            foreach (JsonMember member in request.Members)
            {
                switch (member.Name)
                {
                    case var name when name.SequenceEqual("model"u8):
                        Model = member.Value;
                        break;
                    // The filter lets one of the two through.
                    case var name when name.SequenceEqual("max_completion_tokens"u8) || name.SequenceEqual("max_tokens"u8):
                        Cap = member.Value;
                        break;
                    case var name when name.SequenceEqual("messages"u8):
                        Messages = member.Value;
                        break;
                    case var name when name.SequenceEqual("tools"u8):
                        Tools = member.Value;
                        break;
                    case var name when name.SequenceEqual("tool_choice"u8):
                        ToolChoice = member.Value;
                        break;
                    case var name when name.SequenceEqual("parallel_tool_calls"u8):
                        ParallelCalls = member.Value;
                        break;
                    case var name when name.SequenceEqual("response_format"u8):
                        Format = member.Value;
                        break;
                    case var name when name.SequenceEqual("reasoning_effort"u8):
                        Effort = member.Value;
                        break;
                }
            }
        }
    }
}
