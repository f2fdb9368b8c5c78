using System.Text.Json;

namespace Tacit.Inference;

/// <summary>What the demo model takes from a request: counts and settings, nothing of its text.</summary>
internal sealed class DemoPrompt
{
    public int Bytes { get; private init; }

    /// <summary>Messages of a chat, items of a response's input, texts to embed.</summary>
    public int Items { get; private set; }

    public int Words { get; private set; }

    public int Images { get; private set; }

    public int Attachments { get; private set; }

    public int Tools { get; private set; }

    public int Choices { get; private set; } = 1;

    /// <summary>The most tokens a choice may have.</summary>
    public int OutputCap { get; private set; } = int.MaxValue;

    public bool IncludeUsage { get; private set; }

    /// <summary>Embeddings: whether vectors are wanted as base64, as SDKs do.</summary>
    public bool Base64 { get; private set; }

    /// <summary>Embeddings: how many numbers a vector has, or 0 where the request does not say.</summary>
    public long Dimensions { get; private set; }

    /// <param name="body">As the request filter wrote it, so well-formed and of known shape.</param>
    public static DemoPrompt Read(ReadOnlySpan<byte> body)
    {
        var prompt = new DemoPrompt { Bytes = body.Length };
        var reader = new Utf8JsonReader(body);
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (reader.ValueTextEquals("messages"u8) || reader.ValueTextEquals("input"u8))
            {
                reader.Read();
                prompt.Content(ref reader);
            }
            else if (reader.ValueTextEquals("instructions"u8) || reader.ValueTextEquals("system"u8))
            {
                reader.Read();
                prompt.Instructions(ref reader);
            }
            else if (reader.ValueTextEquals("tools"u8) || reader.ValueTextEquals("functions"u8))
            {
                reader.Read();
                prompt.Tools += Elements(ref reader);
            }
            else if (reader.ValueTextEquals("n"u8))
            {
                prompt.Choices = (int)Number(ref reader, 1);
            }
            else if (reader.ValueTextEquals("max_completion_tokens"u8) || reader.ValueTextEquals("max_tokens"u8) || reader.ValueTextEquals("max_output_tokens"u8))
            {
                prompt.OutputCap = (int)Math.Min(Number(ref reader, int.MaxValue), int.MaxValue);
            }
            else if (reader.ValueTextEquals("stream_options"u8))
            {
                reader.Read();
                prompt.StreamOptions(ref reader);
            }
            else if (reader.ValueTextEquals("encoding_format"u8))
            {
                reader.Read();
                prompt.Base64 = reader.TokenType == JsonTokenType.String && reader.ValueTextEquals("base64"u8);
                reader.Skip();
            }
            else if (reader.ValueTextEquals("dimensions"u8))
            {
                prompt.Dimensions = Number(ref reader, 0);
            }
            else
            {
                reader.Skip();
            }
        }

        return prompt;
    }

    /// <summary>Separates words as white space does, escaped or not, in a JSON string's raw bytes.</summary>
    internal static int CountWords(ReadOnlySpan<byte> raw)
    {
        int words = 0;
        bool inside = false;
        for (int i = 0; i < raw.Length; i++)
        {
            bool space = raw[i] == ' ';
            if (raw[i] == '\\' && i + 1 < raw.Length)
            {
                i++;
                space = raw[i] is (byte)'n' or (byte)'r' or (byte)'t';
            }

            if (!space && !inside)
            {
                words++;
            }

            inside = !space;
        }

        return words;
    }

    private void Content(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            Items = 1;
            Words += WordsIn(ref reader);
            return;
        }

        int depth = reader.CurrentDepth;
        bool isText = true;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray | reader.CurrentDepth > depth)
        {
            if (reader.CurrentDepth == depth + 1 && reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray or JsonTokenType.String or JsonTokenType.Number)
            {
                Items++;
            }

            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName when reader.ValueIsEscaped:
                    // No name of the allow-list: a map's, and maybe no text at all.
                    isText = false;
                    break;
                case JsonTokenType.PropertyName when reader.ValueTextEquals("type"u8):
                    reader.Read();
                    Type(ref reader);
                    break;
                case JsonTokenType.PropertyName:
                    isText = reader.ValueTextEquals("content"u8) || reader.ValueTextEquals("text"u8) || reader.ValueTextEquals("output"u8);
                    break;
                case JsonTokenType.String when isText:
                    Words += WordsIn(ref reader);
                    break;
            }
        }
    }

    /// <summary>A text, or as Anthropic's API has it also a list of them; none is a message.</summary>
    private void Instructions(ref Utf8JsonReader reader)
    {
        int items = Items;
        Content(ref reader);
        Items = items;
    }

    private void Type(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.String || reader.ValueIsEscaped)
        {
            return;
        }

        if (reader.ValueTextEquals("image_url"u8) || reader.ValueTextEquals("input_image"u8) || reader.ValueTextEquals("image"u8))
        {
            Images++;
        }
        else if (reader.ValueTextEquals("input_audio"u8) || reader.ValueTextEquals("file"u8) || reader.ValueTextEquals("input_file"u8) || reader.ValueTextEquals("document"u8))
        {
            Attachments++;
        }
    }

    private void StreamOptions(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartObject)
        {
            return;
        }

        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool usage = reader.ValueTextEquals("include_usage"u8);
            reader.Read();
            IncludeUsage |= usage && reader.TokenType == JsonTokenType.True;
            reader.Skip();
        }
    }

    private static int WordsIn(ref Utf8JsonReader reader) => reader.TokenType == JsonTokenType.String ? CountWords(reader.ValueSpan) : 0;

    private static int Elements(ref Utf8JsonReader reader)
    {
        int count = 0;
        if (reader.TokenType == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                reader.Skip();
                count++;
            }
        }

        return count;
    }

    private static long Number(ref Utf8JsonReader reader, long otherwise)
    {
        reader.Read();
        if (reader.TokenType == JsonTokenType.Number)
        {
            return reader.TryGetInt64(out long value) ? value : -1;
        }

        reader.Skip();
        return otherwise;
    }
}
