using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>A provider's refusal of a request, reduced to what its sender needs. It may quote the prompt, so it goes to the sender and nowhere else.</summary>
internal static class ProviderError
{
    private const int MaxMessageLength = 4096;

    /// <param name="status">The provider's 4xx status.</param>
    /// <param name="body">What of its body was read.</param>
    /// <param name="key">The key the request was made with: text that repeats it is dropped.</param>
    public static ApiError Read(int status, ReadOnlySpan<byte> body, ProviderKey? key)
    {
        string? message = null;
        string? type = null;
        string? param = null;
        string? code = null;
        try
        {
            var reader = new Utf8JsonReader(body);
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            JsonElement error = document.RootElement;
            if (error.ValueKind == JsonValueKind.Object && error.TryGetProperty("error"u8, out JsonElement inner))
            {
                error = inner;
            }

            if (error.ValueKind == JsonValueKind.String)
            {
                message = error.GetString();
            }
            else if (error.ValueKind == JsonValueKind.Object)
            {
                message = Text(error, "message"u8);
                type = Word(Text(error, "type"u8));
                param = Word(Text(error, "param"u8));
                code = Word(Text(error, "code"u8));
            }
        }
        catch (Exception failure) when (failure is JsonException or InvalidOperationException)
        {
            // Not JSON, or not text: the status is all there is to tell.
        }

        if (message is null || (key is not null && key.IsIn(message)))
        {
            message = "The provider refuses this request.";
        }
        else if (message.Length > MaxMessageLength)
        {
            message = message[..(char.IsHighSurrogate(message[MaxMessageLength - 1]) ? MaxMessageLength - 1 : MaxMessageLength)];
        }

        ApiError result = ApiError.ProviderRejected(status, code is null ? message : $"{message} (provider's code: {code})");
        return result with { Type = type ?? result.Type, Param = param };
    }

    private static string? Text(JsonElement error, ReadOnlySpan<byte> name) =>
        error.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>An identifier or a member's path; anything longer or odder is not passed on.</summary>
    private static string? Word(string? text) =>
        text is { Length: > 0 and <= 128 } && !text.AsSpan().ContainsAnyExceptInRange('!', '~') ? text : null;
}
