using System.Text.Json;

namespace Tacit.Inference;

/// <summary>Writes the demo model's answer as a message, whole or in its events.</summary>
internal sealed class DemoMessages(DemoReply reply, DemoPrompt prompt, DemoAnswer answer)
{
    private readonly string _id = DemoModel.NewId("msg_");

    public void Write()
    {
        if (!reply.IsEventStream)
        {
            using (var json = new Utf8JsonWriter(reply.Text))
            {
                Message(json, whole: true, null);
            }

            reply.EndPiece();
            return;
        }

        Event("message_start", json => Message(json, whole: false, "message"), ends: false);
        Event("content_block_start", json =>
        {
            json.WriteNumber("index"u8, 0);
            json.WriteStartObject("content_block"u8);
            Text(json, string.Empty);
            json.WriteEndObject();
        }, ends: false);
        Event("ping", static _ => { });
        foreach (string piece in answer.Pieces)
        {
            Event("content_block_delta", json =>
            {
                json.WriteNumber("index"u8, 0);
                json.WriteStartObject("delta"u8);
                json.WriteString("type"u8, "text_delta"u8);
                json.WriteString("text"u8, piece);
                json.WriteEndObject();
            });
        }

        Event("content_block_stop", static json => json.WriteNumber("index"u8, 0));
        Event("message_delta", json =>
        {
            json.WriteStartObject("delta"u8);
            Stop(json, whole: true);
            json.WriteEndObject();
            Usage(json, answer.Tokens);
        });
        Event("message_stop", static _ => { });
    }

    private void Event(string type, Action<Utf8JsonWriter> members, bool ends = true)
    {
        reply.Text.Write("event: "u8);
        reply.Text.Write(System.Text.Encoding.ASCII.GetBytes(type));
        reply.Text.Write("\ndata: "u8);
        using (var json = new Utf8JsonWriter(reply.Text))
        {
            json.WriteStartObject();
            json.WriteString("type"u8, type);
            members(json);
            json.WriteEndObject();
        }

        reply.Text.Write("\n\n"u8);
        if (ends)
        {
            reply.EndPiece();
        }
    }

    private void Message(Utf8JsonWriter json, bool whole, string? name)
    {
        if (name is null)
        {
            json.WriteStartObject();
        }
        else
        {
            json.WriteStartObject(name);
        }

        json.WriteString("id"u8, _id);
        json.WriteString("type"u8, "message"u8);
        json.WriteString("role"u8, "assistant"u8);
        json.WriteString("model"u8, InferenceRouter.DemoModelName);
        json.WriteStartArray("content"u8);
        if (whole)
        {
            json.WriteStartObject();
            Text(json, answer.Text);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        Stop(json, whole);
        Usage(json, whole ? answer.Tokens : 1);
        json.WriteEndObject();
    }

    private static void Text(Utf8JsonWriter json, string text)
    {
        json.WriteString("type"u8, "text"u8);
        json.WriteString("text"u8, text);
        json.WriteNull("citations"u8);
    }

    private void Stop(Utf8JsonWriter json, bool whole)
    {
        json.WriteString("stop_reason"u8, !whole ? null : answer.IsCut ? "max_tokens" : "end_turn");
        json.WriteNull("stop_sequence"u8);
    }

    private void Usage(Utf8JsonWriter json, int output)
    {
        json.WriteStartObject("usage"u8);
        json.WriteNumber("input_tokens"u8, prompt.Words);
        json.WriteNumber("cache_creation_input_tokens"u8, 0);
        json.WriteNumber("cache_read_input_tokens"u8, 0);
        json.WriteNumber("output_tokens"u8, output);
        json.WriteEndObject();
    }
}
