using System.Text.Json;

namespace Tacit.Inference;

/// <summary>Writes the demo model's answer as a chat completion, whole or in chunks.</summary>
internal sealed class DemoChat(DemoReply reply, DemoPrompt prompt, DemoAnswer answer, string id, long created)
{
    public void Write()
    {
        if (reply.IsEventStream)
        {
            WriteChunks();
        }
        else
        {
            WriteWhole();
        }
    }

    private string Finish => answer.IsCut ? "length" : "stop";

    private void WriteWhole()
    {
        using var json = new Utf8JsonWriter(reply.Text);
        Head(json, "chat.completion");
        json.WriteStartArray("choices"u8);
        for (int i = 0; i < prompt.Choices; i++)
        {
            json.WriteStartObject();
            json.WriteNumber("index"u8, i);
            json.WriteStartObject("message"u8);
            json.WriteString("role"u8, "assistant"u8);
            json.WriteString("content"u8, answer.Text);
            json.WriteNull("refusal"u8);
            json.WriteStartArray("annotations"u8);
            json.WriteEndArray();
            json.WriteEndObject();
            json.WriteNull("logprobs"u8);
            json.WriteString("finish_reason"u8, Finish);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        Usage(json);
        json.WriteEndObject();
        json.Flush();
        reply.EndPiece();
    }

    private void WriteChunks()
    {
        for (int choice = 0; choice < prompt.Choices; choice++)
        {
            Chunk(choice, string.Empty, isFirst: true, finish: null);
        }

        foreach (string piece in answer.Pieces)
        {
            for (int choice = 0; choice < prompt.Choices; choice++)
            {
                Chunk(choice, piece, isFirst: false, finish: null);
            }
        }

        for (int choice = 0; choice < prompt.Choices; choice++)
        {
            Chunk(choice, null, isFirst: false, Finish);
        }

        if (prompt.IncludeUsage)
        {
            reply.Text.Write("data: "u8);
            using (var json = new Utf8JsonWriter(reply.Text))
            {
                Head(json, "chat.completion.chunk");
                json.WriteStartArray("choices"u8);
                json.WriteEndArray();
                Usage(json);
                json.WriteEndObject();
            }

            EndEvent();
        }

        reply.Text.Write("data: [DONE]\n\n"u8);
        reply.EndPiece();
    }

    private void Chunk(int choice, string? content, bool isFirst, string? finish)
    {
        reply.Text.Write("data: "u8);
        using (var json = new Utf8JsonWriter(reply.Text))
        {
            Head(json, "chat.completion.chunk");
            json.WriteStartArray("choices"u8);
            json.WriteStartObject();
            json.WriteNumber("index"u8, choice);
            json.WriteStartObject("delta"u8);
            if (isFirst)
            {
                json.WriteString("role"u8, "assistant"u8);
            }

            if (content is not null)
            {
                json.WriteString("content"u8, content);
            }

            json.WriteEndObject();
            json.WriteNull("logprobs"u8);
            json.WriteString("finish_reason"u8, finish);
            json.WriteEndObject();
            json.WriteEndArray();
            if (prompt.IncludeUsage)
            {
                json.WriteNull("usage"u8);
            }

            json.WriteEndObject();
        }

        EndEvent();
    }

    private void EndEvent()
    {
        reply.Text.Write("\n\n"u8);
        reply.EndPiece();
    }

    private void Head(Utf8JsonWriter json, string kind)
    {
        json.WriteStartObject();
        json.WriteString("id"u8, id);
        json.WriteString("object"u8, kind);
        json.WriteNumber("created"u8, created);
        json.WriteString("model"u8, InferenceRouter.DemoModelName);
    }

    private void Usage(Utf8JsonWriter json)
    {
        long completion = (long)answer.Tokens * prompt.Choices;
        json.WriteStartObject("usage"u8);
        json.WriteNumber("prompt_tokens"u8, prompt.Words);
        json.WriteNumber("completion_tokens"u8, completion);
        json.WriteNumber("total_tokens"u8, prompt.Words + completion);
        json.WriteEndObject();
    }
}
