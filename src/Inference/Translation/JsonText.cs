using System.Buffers.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// Writes JSON from parts that are JSON already. A string's escaped content is copied as it is, so that even half of an escaped pair, cut apart by a stream's
/// events, goes on unchanged.
/// </summary>
internal static class JsonText
{
    /// <summary>Appends a whole number.</summary>
    public static void WriteNumber(this SensitiveBuffer output, long number)
    {
        Span<byte> room = output.GetSpan(20);
        Utf8Formatter.TryFormat(number, room, out int written);
        output.Advance(written);
    }

    /// <summary>Appends <c>,"name":value</c> unless the value is not there.</summary>
    public static void WriteMember(this SensitiveBuffer output, ReadOnlySpan<byte> name, JsonSlice value)
    {
        if (!value.IsAbsent)
        {
            output.Write(",\""u8);
            output.Write(name);
            output.Write("\":"u8);
            output.Write(value.Raw);
        }
    }

    /// <summary>Appends JSON as the content of a JSON string: what stands there has to be escaped once more.</summary>
    public static void WriteAsContent(this SensitiveBuffer output, ReadOnlySpan<byte> json)
    {
        while (!json.IsEmpty)
        {
            int plain = json.IndexOfAny(s_escaped);
            if (plain < 0)
            {
                output.Write(json);
                return;
            }

            output.Write(json[..plain]);
            switch (json[plain])
            {
                case (byte)'"':
                    output.Write("\\\""u8);
                    break;
                case (byte)'\\':
                    output.Write("\\\\"u8);
                    break;
                case (byte)'\n':
                    output.Write("\\n"u8);
                    break;
                case (byte)'\r':
                    output.Write("\\r"u8);
                    break;
                default:
                    // JSON has no other control character outside a string's content than this, and none inside.
                    output.Write("\\t"u8);
                    break;
            }

            json = json[(plain + 1)..];
        }
    }

    /// <summary>Appends a string's content without its escapes. False, with nothing appended, if it is no text.</summary>
    public static bool TryWriteUnescaped(this SensitiveBuffer output, JsonSlice text)
    {
        if (!text.IsString)
        {
            return false;
        }

        var reader = new Utf8JsonReader(text.Raw);
        reader.Read();
        try
        {
            output.Advance(reader.CopyString(output.GetSpan(Math.Max(1, text.Raw.Length))));
            return true;
        }
        catch (InvalidOperationException)
        {
            // Half a surrogate pair, which is JSON and no text.
            return false;
        }
    }

    /// <summary>Appends a call's arguments, of a chat, as the object that they say: none are an empty one, and some servers send the object itself.</summary>
    /// <returns>False if they are no object; something may have been appended.</returns>
    public static bool TryWriteArguments(this SensitiveBuffer output, JsonSlice arguments)
    {
        if (arguments.IsAbsent || (arguments.IsString && arguments.Escaped.Trim(" "u8).IsEmpty))
        {
            output.Write("{}"u8);
            return true;
        }

        if (arguments.IsObject)
        {
            output.Write(arguments.Raw);
            return true;
        }

        return output.TryWriteUnescaped(arguments) && IsObject(output.WrittenSpan);
    }

    /// <summary>Whether this is one well-formed JSON object.</summary>
    public static bool IsObject(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = RequestWalk.MaxDepth });
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            reader.Skip();
            return !reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }
    }

    private static readonly System.Buffers.SearchValues<byte> s_escaped = System.Buffers.SearchValues.Create("\"\\\n\r\t"u8);
}
