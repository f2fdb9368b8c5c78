using System.Text.Json;

namespace Tacit.Client;

/// <summary>
/// Leaves out a conversation's oldest turns until it fits its plan. A turn is a user's message and all that follows up to the next one, so a call of a tool
/// never loses its result, nor a result its call. System and developer messages stay, and so does the newest turn. Every other byte stays as it was.
/// </summary>
internal static class PromptTrimmer
{
    private const int MaxDepth = 128;

    /// <summary>False, and nothing changed, if the newest turn alone is too large, or if this is no list of messages.</summary>
    public static bool TryTrim(PromptBody body, PromptOperation operation, int maxBytes)
    {
        ReadOnlySpan<byte> member = operation switch
        {
            PromptOperation.ChatCompletions or PromptOperation.Messages => "messages"u8,
            PromptOperation.Responses => "input"u8,
            _ => default,
        };
        if (member.IsEmpty || !TryFind(body.Content.Span, member, out List<Item> items))
        {
            return false;
        }
        int excess = body.Content.Length - maxBytes;
        int newest = items.FindLastIndex(item => item.BeginsTurn);
        bool[] dropped = new bool[items.Count];
        int count = 0;
        for (int i = 0; i < newest && excess > 0;)
        {
            // To the end of its turn, whatever that saves.
            int end = i + 1;
            while (end < newest && !items[end].BeginsTurn)
            {
                end++;
            }
            for (; i < end; i++)
            {
                if (!items[i].IsInstruction)
                {
                    dropped[i] = true;
                    count++;
                    // With the comma after it.
                    excess -= items[i].End - items[i].Start + 1;
                }
            }
        }
        if (excess > 0 || count == 0)
        {
            return false;
        }
        body.Trim(Keep(items, dropped, body.Content.Length), count);
        return true;
    }

    /// <summary>All but the dropped items, each with what stands between it and the next.</summary>
    private static List<Range> Keep(List<Item> items, bool[] dropped, int length)
    {
        List<Range> kept = [];
        int from = 0;
        for (int i = 0; i < items.Count; i++)
        {
            if (dropped[i])
            {
                // The newest turn is never dropped, so another item follows.
                kept.Add(from..items[i].Start);
                from = items[i + 1].Start;
            }
        }
        kept.Add(from..length);
        return kept;
    }

    private static bool TryFind(ReadOnlySpan<byte> body, ReadOnlySpan<byte> member, out List<Item> items)
    {
        items = [];
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = MaxDepth });
        reader.Read();
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool found = reader.ValueTextEquals(member);
            reader.Read();
            if (!found || reader.TokenType != JsonTokenType.StartArray)
            {
                reader.Skip();
                continue;
            }
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                items.Add(ReadItem(ref reader));
            }
            return items.Count > 1;
        }
        return false;
    }

    private static Item ReadItem(ref Utf8JsonReader reader)
    {
        int start = checked((int)reader.TokenStartIndex);
        bool user = false;
        bool instruction = false;
        bool result = false;
        if (reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
            {
                bool role = reader.ValueTextEquals("role"u8);
                bool content = reader.ValueTextEquals("content"u8);
                reader.Read();
                if (role && reader.TokenType == JsonTokenType.String)
                {
                    user = reader.ValueTextEquals("user"u8);
                    instruction = reader.ValueTextEquals("system"u8) || reader.ValueTextEquals("developer"u8);
                }
                if (content && reader.TokenType == JsonTokenType.StartArray)
                {
                    result = HasToolResult(ref reader);
                }
                reader.Skip();
            }
        }
        return new Item(start, checked((int)reader.BytesConsumed), user && !result, instruction);
    }

    /// <summary>In Anthropic's API a tool's result comes as a user's message, and belongs to the turn of its call.</summary>
    private static bool HasToolResult(ref Utf8JsonReader reader)
    {
        bool found = false;
        int depth = reader.CurrentDepth;
        while (reader.Read() && reader.CurrentDepth > depth)
        {
            bool type = reader.CurrentDepth == depth + 2 && reader.TokenType == JsonTokenType.PropertyName && reader.ValueTextEquals("type"u8);
            if (type && reader.Read() && reader.TokenType == JsonTokenType.String)
            {
                found |= reader.ValueTextEquals("tool_result"u8);
            }
        }
        return found;
    }

    /// <summary>One message, from its first byte to the one after its last.</summary>
    private readonly record struct Item(int Start, int End, bool BeginsTurn, bool IsInstruction);
}
