using System.Text.Json;

namespace Tacit.Inference;

/// <summary>
/// Finds in a reply what it says it cost (<c>usage</c>), whole events or a whole JSON at a time. What says nothing is estimated: four bytes a token, one token an
/// event. Keeps numbers only. Not thread safe.
/// </summary>
public sealed class UsageReader
{
    private long _input = -1;
    private long _output;
    private long _events;
    private long _bytes;

    /// <summary>As the reply says it; null as long as it does not.</summary>
    public long? InputTokens => _input < 0 ? null : _input;

    /// <summary>As the reply says it, or estimated.</summary>
    public long OutputTokens => _input < 0 ? Estimate : _output;

    /// <summary>The estimate, whatever the reply says: what it said last may be long ago where it broke off.</summary>
    public long Estimate => _events + ((_bytes + 3) / 4);

    /// <param name="bytes">The next of the reply: whole events, or the whole JSON.</param>
    public void See(ReadOnlySpan<byte> bytes, bool isEventStream)
    {
        if (!isEventStream)
        {
            _bytes += bytes.Length;
            Read(bytes);
            return;
        }

        foreach (Range line in bytes.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> text = bytes[line];
            if (!text.StartsWith("data:"u8))
            {
                continue;
            }

            _events++;
            if (text.IndexOf("\"usage\""u8) >= 0)
            {
                Read(text[5..].Trim((byte)' '));
            }
        }
    }

    /// <summary>From the object itself, or from the <c>response</c> or <c>message</c> in it (an event of the Responses or the Messages API). The last word counts.</summary>
    private void Read(ReadOnlySpan<byte> json)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            while (reader.Read())
            {
                if (reader.TokenType != JsonTokenType.PropertyName || reader.CurrentDepth > 2)
                {
                    continue;
                }

                if (reader.CurrentDepth == 1 && (reader.ValueTextEquals("response"u8) || reader.ValueTextEquals("message"u8)))
                {
                    continue;
                }

                bool isUsage = reader.ValueTextEquals("usage"u8);
                reader.Read();
                if (isUsage && reader.TokenType == JsonTokenType.StartObject)
                {
                    ReadUsage(ref reader);
                }
                else
                {
                    reader.Skip();
                }
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // The latter for half a surrogate pair in a name. Then it is estimated.
        }
    }

    private void ReadUsage(ref Utf8JsonReader reader)
    {
        long input = -1, cached = 0, output = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            // Anthropic counts what it reads from a cache, or writes to one, apart from the rest of the input.
            bool isCached = reader.ValueTextEquals("cache_creation_input_tokens"u8) || reader.ValueTextEquals("cache_read_input_tokens"u8);
            bool isInput = reader.ValueTextEquals("prompt_tokens"u8) || reader.ValueTextEquals("input_tokens"u8);
            bool isOutput = reader.ValueTextEquals("completion_tokens"u8) || reader.ValueTextEquals("output_tokens"u8);
            reader.Read();
            // A number that no reply can have is a provider's mistake, and must not block the key for ever.
            if ((isInput || isCached || isOutput) && reader.TokenType == JsonTokenType.Number && reader.TryGetInt64(out long count) && count is >= 0 and <= 100_000_000)
            {
                input = isInput ? count : input;
                cached += isCached ? count : 0;
                output = isOutput ? count : output;
            }

            reader.Skip();
        }

        // Anthropic's last event may leave out the input, which its first one told.
        _input = input >= 0 ? input + cached : Math.Max(_input, cached);
        _output = output;
    }
}
