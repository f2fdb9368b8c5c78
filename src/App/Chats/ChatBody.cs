using System.Buffers;
using System.Text;
using System.Text.Json;

namespace Tacit.App;

/// <summary>
/// A branch as a chat completion asks for it. The same branch always gives the same bytes: a retry is then a repetition to the wallet, which does not pay twice
/// for what it has not got.
/// </summary>
internal static class ChatBody
{
    /// <param name="path">The branch to answer, ending with a question.</param>
    /// <param name="contents">The contents of the branch's attachments by their ids.</param>
    public static void Write(
        IBufferWriter<byte> destination, string model, string? system, IReadOnlyList<ChatMessage> path, IReadOnlyDictionary<string, byte[]> contents)
    {
        using var json = new Utf8JsonWriter(destination);
        json.WriteStartObject();
        json.WriteString("model"u8, model);
        json.WriteStartArray("messages"u8);
        if (!string.IsNullOrWhiteSpace(system))
        {
            WriteText(json, "system"u8, system);
        }
        foreach (ChatMessage message in path)
        {
            if (message.Role == MessageRole.Assistant)
            {
                // One that failed before its first word says nothing to a model.
                if (message.Text.Length > 0)
                {
                    WriteText(json, "assistant"u8, message.Text);
                }
            }
            else if (message.Attachments.Count == 0)
            {
                WriteText(json, "user"u8, message.Text);
            }
            else
            {
                WriteParts(json, message, contents);
            }
        }
        json.WriteEndArray();
        json.WriteBoolean("stream"u8, true);
        json.WriteStartObject("stream_options"u8);
        json.WriteBoolean("include_usage"u8, true);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteText(Utf8JsonWriter json, ReadOnlySpan<byte> role, string text)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, role);
        json.WriteString("content"u8, text);
        json.WriteEndObject();
    }

    private static void WriteParts(Utf8JsonWriter json, ChatMessage message, IReadOnlyDictionary<string, byte[]> contents)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, "user"u8);
        json.WriteStartArray("content"u8);
        foreach (ChatAttachment file in message.Attachments)
        {
            if (!contents.TryGetValue(file.Id, out byte[]? content))
            {
                continue;
            }
            json.WriteStartObject();
            if (file.IsImage)
            {
                json.WriteString("type"u8, "image_url"u8);
                json.WriteStartObject("image_url"u8);
                json.WriteString("url"u8, $"data:{file.MediaType};base64,{Convert.ToBase64String(content)}");
                json.WriteEndObject();
            }
            else
            {
                json.WriteString("type"u8, "text"u8);
                json.WriteString("text"u8, $"File \"{file.Name}\":\n\n{Encoding.UTF8.GetString(content)}");
            }
            json.WriteEndObject();
        }
        if (message.Text.Length > 0)
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "text"u8);
            json.WriteString("text"u8, message.Text);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
