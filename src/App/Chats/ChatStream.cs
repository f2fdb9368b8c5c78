using System.Text;
using System.Text.Json;

namespace Tacit.App;

/// <summary>
/// What a chat completion says, piece by piece, from the events of its stream: text, reasoning, calls of tools (as text, since the app has no tools), usage, errors. An
/// event of another form is passed over. Does no I/O; not thread safe.
/// </summary>
/// <param name="append">Gets each piece, and whether it is reasoning.</param>
internal sealed class ChatStream(Action<string, bool> append) : IDisposable
{
    private readonly EventReader _events = new();
    private int? _openCall;

    /// <summary>What the stream says went wrong, as code and message.</summary>
    public (string Code, string Message)? Error { get; private set; }

    public MessageUsage? Usage { get; private set; }

    /// <summary>Why the model stopped; null until it did.</summary>
    public string? FinishReason { get; private set; }

    /// <summary>Whether the stream said that it is whole.</summary>
    public bool IsWhole { get; private set; }

    /// <returns>False if the reply is in no form that is read on.</returns>
    public bool Feed(ReadOnlySpan<byte> bytes) => _events.Feed(bytes, Take);

    /// <summary>A reply that came as one JSON document instead.</summary>
    public void TakeDocument(ReadOnlySpan<byte> json)
    {
        Take(json);
        IsWhole = FinishReason is not null;
    }

    /// <summary>Nothing follows: what is open is closed.</summary>
    public void End() => CloseCall();

    public void Dispose() => _events.Dispose();

    private void Take(ReadOnlySpan<byte> data)
    {
        if (data.SequenceEqual("[DONE]"u8))
        {
            IsWhole = true;
            return;
        }
        var reader = new Utf8JsonReader(data);
        try
        {
            using JsonDocument json = JsonDocument.ParseValue(ref reader);
            Take(json.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter for a name with half a surrogate pair. Half a line, or a provider's own: what is missing shows at the end.
        }
    }

    private void Take(JsonElement root)
    {
        if (root.ValueKind != JsonValueKind.Object)
        {
            return;
        }
        if (Member(root, "error"u8, JsonValueKind.Object) is JsonElement error)
        {
            Error ??= (Text(error, "code"u8) ?? "provider_error", Text(error, "message"u8) ?? "The reply ended with an error.");
        }
        if (Member(root, "usage"u8, JsonValueKind.Object) is JsonElement usage
            && Count(usage, "prompt_tokens"u8) is long input && Count(usage, "completion_tokens"u8) is long output)
        {
            Usage = new MessageUsage(input, output);
        }
        if (Member(root, "choices"u8, JsonValueKind.Array) is JsonElement choices)
        {
            // One answer was asked for.
            foreach (JsonElement choice in choices.EnumerateArray().Take(1).Where(choice => choice.ValueKind == JsonValueKind.Object))
            {
                if ((Member(choice, "delta"u8, JsonValueKind.Object) ?? Member(choice, "message"u8, JsonValueKind.Object)) is JsonElement delta)
                {
                    TakeDelta(delta);
                }
                FinishReason = Text(choice, "finish_reason"u8) ?? FinishReason;
            }
        }
    }

    private void TakeDelta(JsonElement delta)
    {
        Append(Text(delta, "reasoning_content"u8) ?? Text(delta, "reasoning"u8), isReasoning: true);
        Append(Text(delta, "content"u8), isReasoning: false);
        if (Member(delta, "content"u8, JsonValueKind.Array) is JsonElement parts)
        {
            foreach (JsonElement part in parts.EnumerateArray().Where(part => part.ValueKind == JsonValueKind.Object))
            {
                Append(Text(part, "text"u8), isReasoning: false);
            }
        }
        Append(Text(delta, "refusal"u8), isReasoning: false);
        if (Member(delta, "tool_calls"u8, JsonValueKind.Array) is JsonElement calls)
        {
            foreach (JsonElement call in calls.EnumerateArray().Where(call => call.ValueKind == JsonValueKind.Object))
            {
                TakeCall(call);
            }
        }
    }

    /// <summary>Shown as what it is: nothing here runs it.</summary>
    private void TakeCall(JsonElement call)
    {
        int index = (int)Math.Clamp(Count(call, "index"u8) ?? 0, 0, int.MaxValue);
        JsonElement? function = Member(call, "function"u8, JsonValueKind.Object);
        if (_openCall != index)
        {
            CloseCall();
            _openCall = index;
            append($"\n\nTool call: {(function is JsonElement named ? Text(named, "name"u8) : null) ?? "unnamed"}\n\n````json\n", false);
        }
        if (function is JsonElement called && Text(called, "arguments"u8) is { Length: > 0 } arguments)
        {
            append(arguments, false);
        }
    }

    private void CloseCall()
    {
        if (_openCall is not null)
        {
            append("\n````\n\n", false);
            _openCall = null;
        }
    }

    private void Append(string? text, bool isReasoning)
    {
        if (text is { Length: > 0 })
        {
            CloseCall();
            append(text, isReasoning);
        }
    }

    private static JsonElement? Member(JsonElement of, ReadOnlySpan<byte> name, JsonValueKind kind) =>
        of.TryGetProperty(name, out JsonElement member) && member.ValueKind == kind ? member : null;

    private static long? Count(JsonElement of, ReadOnlySpan<byte> name) =>
        Member(of, name, JsonValueKind.Number) is JsonElement number && number.TryGetInt64(out long value) && value >= 0 ? value : null;

    private static string? Text(JsonElement of, ReadOnlySpan<byte> name)
    {
        if (Member(of, name, JsonValueKind.String) is not JsonElement text)
        {
            return null;
        }
        try
        {
            return text.GetString();
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair: JSON, but no text.
            return Rune.ReplacementChar.ToString();
        }
    }
}
