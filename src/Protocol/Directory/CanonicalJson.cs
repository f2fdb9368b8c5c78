using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Tacit.Protocol;

/// <summary>
/// The JSON Canonicalization Scheme (RFC 8785) for documents of objects, arrays, strings, whole numbers, true, false and null. Numbers with a
/// fraction or exponent, whole ones beyond ±(2^53−1), repeated names and lone surrogates are refused (I-JSON, RFC 7493): two parsers could
/// read them as different things, and what is signed has to be one thing.
/// </summary>
public static class CanonicalJson
{
    private const long MaxInteger = (1L << 53) - 1;

    /// <summary>How deep a document may be nested.</summary>
    public const int MaxDepth = 16;

    private static readonly JsonDocumentOptions Strict = new()
    {
        AllowDuplicateProperties = false, AllowTrailingCommas = false, CommentHandling = JsonCommentHandling.Disallow, MaxDepth = MaxDepth,
    };

    /// <summary>Reads a document by the rules above, or gives null and the reason.</summary>
    internal static JsonDocument? TryRead(ReadOnlyMemory<byte> json, [NotNullWhen(false)] out string? fault)
    {
        JsonDocument? document = null;
        try
        {
            // The reader replaces broken UTF-8 inside strings only when asked for the string, so it is checked first.
            if (!System.Text.Unicode.Utf8.IsValid(json.Span))
            {
                fault = "the document is not UTF-8";
                return null;
            }

            document = JsonDocument.Parse(json, Strict);
            fault = FindFault(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // JsonException: no JSON, repeated names, too deep. InvalidOperationException: a lone surrogate in an escape.
            fault = "the document is not strict JSON";
        }

        if (fault is null)
        {
            return document;
        }

        document?.Dispose();
        return null;
    }

    /// <summary>The canonical form of a document, without the top-level member <paramref name="omit"/> if that is named.</summary>
    public static bool TryCanonicalize(ReadOnlyMemory<byte> json, string? omit, [NotNullWhen(true)] out byte[]? canonical)
    {
        canonical = null;
        using JsonDocument? document = TryRead(json, out _);
        if (document is null)
        {
            return false;
        }

        canonical = Canonicalize(document.RootElement, omit);
        return true;
    }

    /// <summary>The canonical form of an element that <see cref="TryRead"/> let pass.</summary>
    internal static byte[] Canonicalize(JsonElement element, string? omit = null)
    {
        ArrayBufferWriter<byte> destination = new();
        Write(element, omit, destination);
        return destination.WrittenSpan.ToArray();
    }

    private static string? FindFault(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    _ = property.Name;
                    if (FindFault(property.Value) is string fault)
                    {
                        return fault;
                    }
                }

                return null;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    if (FindFault(item) is string fault)
                    {
                        return fault;
                    }
                }

                return null;
            case JsonValueKind.String:
                // Throws for a lone surrogate.
                _ = element.GetString();
                return null;
            case JsonValueKind.Number:
                return IsWhole(element) ? null : "a number is not a whole number within 2^53";
            default:
                return null;
        }
    }

    private static bool IsWhole(JsonElement number)
    {
        string text = number.GetRawText();
        return !text.AsSpan().ContainsAny('.', 'e', 'E') && text != "-0"
            && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long value)
            && value is >= -MaxInteger and <= MaxInteger;
    }

    private static void Write(JsonElement element, string? omit, ArrayBufferWriter<byte> destination)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.Object:
                WriteObject(element, omit, destination);
                break;
            case JsonValueKind.Array:
                WriteArray(element, destination);
                break;
            case JsonValueKind.String:
                WriteString(element.GetString()!, destination);
                break;
            default:
                // Whole numbers within 2^53 and literals are in canonical form as they stand: JSON has no leading zeros or plus signs.
                destination.Write(Encoding.UTF8.GetBytes(element.GetRawText()));
                break;
        }
    }

    private static void WriteObject(JsonElement element, string? omit, ArrayBufferWriter<byte> destination)
    {
        destination.Write("{"u8);
        bool first = true;

        // Section 3.2.3: names are ordered by their UTF-16 code units, which is what ordinal comparison does.
        foreach (JsonProperty property in element.EnumerateObject().OrderBy(property => property.Name, StringComparer.Ordinal))
        {
            if (omit is not null && property.NameEquals(omit))
            {
                continue;
            }

            destination.Write(first ? ""u8 : ","u8);
            first = false;
            WriteString(property.Name, destination);
            destination.Write(":"u8);
            Write(property.Value, null, destination);
        }

        destination.Write("}"u8);
    }

    private static void WriteArray(JsonElement element, ArrayBufferWriter<byte> destination)
    {
        destination.Write("["u8);
        bool first = true;
        foreach (JsonElement item in element.EnumerateArray())
        {
            destination.Write(first ? ""u8 : ","u8);
            first = false;
            Write(item, null, destination);
        }

        destination.Write("]"u8);
    }

    // Section 3.2.2.2: only quote, backslash and the control characters are escaped, the latter in their short form where there is one.
    private static void WriteString(string text, ArrayBufferWriter<byte> destination)
    {
        StringBuilder escaped = new(text.Length + 2);
        escaped.Append('"');
        foreach (char c in text)
        {
            _ = c switch
            {
                '"' => escaped.Append("\\\""),
                '\\' => escaped.Append("\\\\"),
                '\b' => escaped.Append("\\b"),
                '\t' => escaped.Append("\\t"),
                '\n' => escaped.Append("\\n"),
                '\f' => escaped.Append("\\f"),
                '\r' => escaped.Append("\\r"),
                < ' ' => escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                _ => escaped.Append(c),
            };
        }

        escaped.Append('"');
        destination.Write(Encoding.UTF8.GetBytes(escaped.ToString()));
    }
}
