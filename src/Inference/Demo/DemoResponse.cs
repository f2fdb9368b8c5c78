using System.Text.Json;

namespace Tacit.Inference;

/// <summary>Writes the demo model's answer as a response, whole or in its events.</summary>
internal sealed class DemoResponse(DemoReply reply, DemoPrompt prompt, DemoAnswer answer, long created)
{
    private readonly string _id = DemoModel.NewId("resp_");
    private readonly string _itemId = DemoModel.NewId("msg_");
    private int _sequence;

    public void Write()
    {
        if (!reply.IsEventStream)
        {
            using (var json = new Utf8JsonWriter(reply.Text))
            {
                Response(json, End, whole: true);
            }

            reply.EndPiece();
            return;
        }

        Event("response.created", json => Response(json, "in_progress", whole: false, "response"));
        Event("response.in_progress", json => Response(json, "in_progress", whole: false, "response"));
        Event("response.output_item.added", json =>
        {
            json.WriteNumber("output_index"u8, 0);
            Item(json, "in_progress", whole: false, "item");
        });
        Event("response.content_part.added", json =>
        {
            Place(json);
            Part(json, string.Empty, "part");
        });
        foreach (string piece in answer.Pieces)
        {
            Event("response.output_text.delta", json =>
            {
                Place(json);
                json.WriteString("delta"u8, piece);
                Empty(json, "logprobs");
            });
        }

        Event("response.output_text.done", json =>
        {
            Place(json);
            json.WriteString("text"u8, answer.Text);
            Empty(json, "logprobs");
        });
        Event("response.content_part.done", json =>
        {
            Place(json);
            Part(json, answer.Text, "part");
        });
        Event("response.output_item.done", json =>
        {
            json.WriteNumber("output_index"u8, 0);
            Item(json, End, whole: true, "item");
        });
        Event("response." + End, json => Response(json, End, whole: true, "response"));
    }

    /// <summary>How the response ends, as its status and its last event's name say it.</summary>
    private string End => answer.IsCut ? "incomplete" : "completed";

    private void Event(string type, Action<Utf8JsonWriter> members)
    {
        reply.Text.Write("event: "u8);
        reply.Text.Write(System.Text.Encoding.ASCII.GetBytes(type));
        reply.Text.Write("\ndata: "u8);
        using (var json = new Utf8JsonWriter(reply.Text))
        {
            json.WriteStartObject();
            json.WriteString("type"u8, type);
            json.WriteNumber("sequence_number"u8, _sequence++);
            members(json);
            json.WriteEndObject();
        }

        reply.Text.Write("\n\n"u8);
        reply.EndPiece();
    }

    private void Place(Utf8JsonWriter json)
    {
        json.WriteString("item_id"u8, _itemId);
        json.WriteNumber("output_index"u8, 0);
        json.WriteNumber("content_index"u8, 0);
    }

    private void Response(Utf8JsonWriter json, string status, bool whole, string? name = null)
    {
        Start(json, name);
        json.WriteString("id"u8, _id);
        json.WriteString("object"u8, "response"u8);
        json.WriteNumber("created_at"u8, created);
        json.WriteString("status"u8, status);
        json.WriteBoolean("background"u8, false);
        json.WriteNull("error"u8);
        if (whole && answer.IsCut)
        {
            json.WriteStartObject("incomplete_details"u8);
            json.WriteString("reason"u8, "max_output_tokens"u8);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("incomplete_details"u8);
        }

        json.WriteNull("instructions"u8);
        json.WriteNumber("max_output_tokens"u8, prompt.OutputCap);
        json.WriteString("model"u8, InferenceRouter.DemoModelName);
        json.WriteStartArray("output"u8);
        if (whole)
        {
            Item(json, status, whole: true, null);
        }

        json.WriteEndArray();
        json.WriteBoolean("parallel_tool_calls"u8, true);
        json.WriteBoolean("store"u8, false);
        json.WriteNumber("temperature"u8, 1);
        json.WriteStartObject("text"u8);
        json.WriteStartObject("format"u8);
        json.WriteString("type"u8, "text"u8);
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteString("tool_choice"u8, "auto"u8);
        Empty(json, "tools");
        json.WriteNumber("top_p"u8, 1);
        json.WriteString("truncation"u8, "disabled"u8);
        if (whole)
        {
            json.WriteStartObject("usage"u8);
            json.WriteNumber("input_tokens"u8, prompt.Words);
            json.WriteStartObject("input_tokens_details"u8);
            json.WriteNumber("cached_tokens"u8, 0);
            json.WriteEndObject();
            json.WriteNumber("output_tokens"u8, answer.Tokens);
            json.WriteStartObject("output_tokens_details"u8);
            json.WriteNumber("reasoning_tokens"u8, 0);
            json.WriteEndObject();
            json.WriteNumber("total_tokens"u8, prompt.Words + answer.Tokens);
            json.WriteEndObject();
        }
        else
        {
            json.WriteNull("usage"u8);
        }

        json.WriteEndObject();
    }

    private void Item(Utf8JsonWriter json, string status, bool whole, string? name)
    {
        Start(json, name);
        json.WriteString("id"u8, _itemId);
        json.WriteString("type"u8, "message"u8);
        json.WriteString("status"u8, status);
        json.WriteString("role"u8, "assistant"u8);
        json.WriteStartArray("content"u8);
        if (whole)
        {
            Part(json, answer.Text, null);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void Part(Utf8JsonWriter json, string text, string? name)
    {
        Start(json, name);
        json.WriteString("type"u8, "output_text"u8);
        json.WriteString("text"u8, text);
        Empty(json, "annotations");
        Empty(json, "logprobs");
        json.WriteEndObject();
    }

    private static void Empty(Utf8JsonWriter json, string name)
    {
        json.WriteStartArray(name);
        json.WriteEndArray();
    }

    private static void Start(Utf8JsonWriter json, string? name)
    {
        if (name is null)
        {
            json.WriteStartObject();
        }
        else
        {
            json.WriteStartObject(name);
        }
    }
}
