using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Tacit.Issuer.Payments.Providers;

/// <summary>Reads the bodies of webhooks. They are signed, yet what does not fit is refused, never guessed.</summary>
internal static class NoticeReader
{
    /// <summary>Ids are stored and shown; theirs have some thirty characters.</summary>
    private const int MaxTextLength = 255;

    public static bool TryRead(ReadOnlySpan<byte> body, Func<JsonElement, PaymentNotice> read, [NotNullWhen(true)] out PaymentNotice? notice)
    {
        notice = null;
        try
        {
            var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = 64 });
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            if (reader.Read())
            {
                return false;
            }

            notice = read(document.RootElement);
            return true;
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException or OverflowException)
        {
            return false;
        }
    }

    public static string Text(JsonElement element, string name) =>
        OptionalText(element, name) ?? throw new FormatException($"{name} is no text.");

    public static string? OptionalText(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String && value.GetString() is { Length: > 0 and <= MaxTextLength } text
            ? text
            : null;
}
