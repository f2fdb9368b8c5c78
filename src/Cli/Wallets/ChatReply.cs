using System.Buffers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;

namespace Tacit.Cli.Wallets;

/// <summary>A question and its answer in OpenAI's chat completion form.</summary>
internal static class ChatReply
{
    private const int MaxErrorBytes = 64 * 1024;

    public static byte[] Question(string model, string text)
    {
        ArrayBufferWriter<byte> body = new();
        using (Utf8JsonWriter json = new(body))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, model);
            json.WriteBoolean("stream"u8, true);
            json.WriteStartArray("messages"u8);
            json.WriteStartObject();
            json.WriteString("role"u8, "user"u8);
            json.WriteString("content"u8, text);
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return body.WrittenSpan.ToArray();
    }

    /// <summary>The pieces of the answer as they come.</summary>
    /// <exception cref="CommandException">An error, in the words of whoever sent it; or a reply that ends before its end.</exception>
    public static async IAsyncEnumerable<string> ReadAsync(AskReply reply, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using Stream body = reply.Body;
        if (reply.Status != 200 || !reply.IsEventStream)
        {
            throw await ErrorAsync(reply.Status, body, cancellationToken);
        }
        bool done = false;
        await foreach (SseItem<byte[]> item in SseParser.Create(body, (_, data) => data.ToArray()).EnumerateAsync(cancellationToken))
        {
            if (item.Data.AsSpan().SequenceEqual("[DONE]"u8))
            {
                done = true;
                continue;
            }
            foreach (string piece in Pieces(item.Data))
            {
                yield return piece;
            }
        }
        if (!done)
        {
            throw new CommandException("The reply broke off. The same question asked again within ten minutes gets it without a new token.");
        }
    }

    private static List<string> Pieces(byte[] data)
    {
        using JsonDocument json = Parse(data);
        JsonElement root = json.RootElement;
        if (root.TryGetProperty("error"u8, out JsonElement error))
        {
            throw new CommandException(Describe(error, 0));
        }
        List<string> pieces = [];
        if (root.TryGetProperty("choices"u8, out JsonElement choices) && choices.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement choice in choices.EnumerateArray())
            {
                if (choice.TryGetProperty("delta"u8, out JsonElement delta) && delta.TryGetProperty("content"u8, out JsonElement content) && content.GetString() is { Length: > 0 } text)
                {
                    pieces.Add(text);
                }
            }
        }
        return pieces;
    }

    private static async Task<CommandException> ErrorAsync(int status, Stream body, CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[MaxErrorBytes];
        int length = await body.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        // To its end, so that the request counts as delivered.
        while (length == buffer.Length && await body.ReadAsync(new byte[4096], cancellationToken) > 0)
        {
        }
        return new CommandException(ExplainError(buffer.AsMemory(0, length), status) ?? $"The reply was not what was asked for (status {status}).");
    }

    /// <summary>An error in OpenAI's shape, in the words of whoever sent it; null if it is none.</summary>
    public static string? ExplainError(ReadOnlyMemory<byte> body, int status = 0)
    {
        try
        {
            using JsonDocument json = JsonDocument.Parse(body);
            return json.RootElement.ValueKind == JsonValueKind.Object && json.RootElement.TryGetProperty("error"u8, out JsonElement error) && error.ValueKind == JsonValueKind.Object
                ? Describe(error, status)
                : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static string Describe(JsonElement error, int status)
    {
        StringBuilder text = new();
        text.Append(error.TryGetProperty("message"u8, out JsonElement message) && message.ValueKind == JsonValueKind.String ? message.GetString() : $"The request failed with status {status}.");
        if (error.TryGetProperty("code"u8, out JsonElement code) && code.ValueKind == JsonValueKind.String)
        {
            text.Append(" (").Append(code.GetString()).Append(')');
        }
        return text.ToString();
    }

    private static JsonDocument Parse(byte[] data)
    {
        try
        {
            return JsonDocument.Parse(data);
        }
        catch (JsonException)
        {
            throw new CommandException("The reply is not in the form of a chat completion.");
        }
    }
}
