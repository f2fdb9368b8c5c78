using System.Buffers;
using System.Net.ServerSentEvents;
using System.Text;
using System.Text.Json;
using Tacit.Cli.Chat;

namespace Tacit.Cli.Wallets;

/// <summary>What one side said in a conversation.</summary>
/// <param name="Role"><c>user</c>, <c>assistant</c> or <c>system</c>.</param>
internal sealed record ChatTurn(string Role, string Text, IReadOnlyList<QuestionFile> Files)
{
    public ChatTurn(string role, string text)
        : this(role, text, [])
    {
    }
}

/// <summary>A question and its answer in OpenAI's chat completion form.</summary>
internal static class ChatReply
{
    private const int MaxErrorBytes = 64 * 1024;

    /// <summary>Of a whole reply with its framing, which can be fifty times its text.</summary>
    private const long MaxReplyBytes = 64L << 20;

    public static byte[] Question(string model, string text) => Question(model, null, [new ChatTurn("user", text)]);

    /// <param name="system">What is told the model before anything else; null tells it nothing.</param>
    /// <param name="turns">The conversation so far; the last is the question.</param>
    public static byte[] Question(string model, string? system, IEnumerable<ChatTurn> turns)
    {
        ArrayBufferWriter<byte> body = new();
        using (Utf8JsonWriter json = new(body))
        {
            json.WriteStartObject();
            json.WriteString("model"u8, model);
            json.WriteBoolean("stream"u8, true);
            json.WriteStartArray("messages"u8);
            if (system is not null)
            {
                Write(json, new ChatTurn("system", system));
            }
            foreach (ChatTurn turn in turns)
            {
                Write(json, turn);
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return body.WrittenSpan.ToArray();
    }

    private static void Write(Utf8JsonWriter json, ChatTurn turn)
    {
        json.WriteStartObject();
        json.WriteString("role"u8, turn.Role);
        string text = string.Join("\n\n", [.. turn.Text.Length > 0 ? [turn.Text] : Array.Empty<string>(), .. turn.Files.Where(file => file.Text is not null).Select(file => file.Fenced())]);
        if (turn.Files.All(file => file.Image is null))
        {
            json.WriteString("content"u8, text);
            json.WriteEndObject();
            return;
        }
        json.WriteStartArray("content"u8);
        if (text.Length > 0)
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "text"u8);
            json.WriteString("text"u8, text);
            json.WriteEndObject();
        }
        foreach (QuestionFile file in turn.Files.Where(file => file.Image is not null))
        {
            json.WriteStartObject();
            json.WriteString("type"u8, "image_url"u8);
            json.WriteStartObject("image_url"u8);
            json.WriteString("url"u8, file.Image);
            json.WriteEndObject();
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The pieces of the answer as they come.</summary>
    /// <exception cref="CommandException">An error, in the words of whoever sent it; or a reply that ends before its end.</exception>
    public static async IAsyncEnumerable<string> ReadAsync(AskReply reply, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using Stream body = new CappedStream(reply.Body, MaxReplyBytes);
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
        try
        {
            using JsonDocument json = JsonDocument.Parse(data);
            return Pieces(json.RootElement);
        }
        // Of half a surrogate pair no string can be made.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new CommandException("The reply is not in the form of a chat completion.");
        }
    }

    private static List<string> Pieces(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            throw new JsonException();
        }
        if (root.TryGetProperty("error"u8, out JsonElement error) && error.ValueKind == JsonValueKind.Object)
        {
            throw new CommandException(Describe(error, 0));
        }
        List<string> pieces = [];
        if (root.TryGetProperty("choices"u8, out JsonElement choices) && choices.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement choice in choices.EnumerateArray())
            {
                if (choice.ValueKind == JsonValueKind.Object && choice.TryGetProperty("delta"u8, out JsonElement delta) && delta.ValueKind == JsonValueKind.Object
                    && delta.TryGetProperty("content"u8, out JsonElement content) && content.ValueKind == JsonValueKind.String && content.GetString() is { Length: > 0 } text)
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
        // Of half a surrogate pair no string can be made.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
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
}
