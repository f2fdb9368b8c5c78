using System.Text.Json;

namespace Tacit.Inference;

/// <summary>Checks one value of a request against its allow-list. Pure; the reader is left on the value's last token.</summary>
internal static class RequestWalk
{
    /// <summary>No schema is deeper, and the reader refuses before any recursion of ours could matter.</summary>
    public const int MaxDepth = 64;

    public static Refusal? Value(ref Utf8JsonReader reader, Shape shape, ref RequestCuts cuts)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartObject:
                if (shape.AllowsAnything)
                {
                    reader.Skip();
                    return null;
                }

                return shape.Members is null ? Refusal.Value("An object does not fit here.") : Object(ref reader, shape, ref cuts);

            case JsonTokenType.StartArray:
                if (shape.AllowsAnything)
                {
                    reader.Skip();
                    return null;
                }

                return shape.Element is null ? Refusal.Value("A list does not fit here.") : List(ref reader, shape.Element, ref cuts);

            case JsonTokenType.Null:
                return null;

            default:
                return shape.AllowsAnything ? null : Scalar(ref reader, shape);
        }
    }

    private static Refusal? Object(ref Utf8JsonReader reader, Shape shape, ref RequestCuts cuts)
    {
        ulong seen = 0;
        ulong present = 0;
        int keptEnd = checked((int)reader.BytesConsumed);
        int cutStart = -1;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int start = checked((int)reader.TokenStartIndex);
            if (Enter(ref reader, shape, ref seen, out int index) is { } misnamed)
            {
                return misnamed;
            }

            Member member = shape.Members![index];
            bool removed = member.Treatment == Treatment.Remove;
            if (!removed && cutStart >= 0)
            {
                // Up to the next name: the removed members' own commas go with them.
                cuts.Add(cutStart, start);
                cutStart = -1;
            }

            if (Member(ref reader, member, ref cuts) is { } refusal)
            {
                return refusal;
            }

            if (removed)
            {
                cutStart = cutStart < 0 ? start : cutStart;
            }
            else
            {
                keptEnd = checked((int)reader.BytesConsumed);
            }

            if (reader.TokenType != JsonTokenType.Null)
            {
                present |= 1UL << index;
            }
        }

        if (cutStart >= 0)
        {
            // At the end it is the comma before them that goes.
            cuts.Add(keptEnd, checked((int)reader.TokenStartIndex));
        }

        if (shape.NeedsOneOf != 0 && (present & shape.NeedsOneOf) == 0)
        {
            return Refusal.Stateful(null, "An item without type and role refers to a stored one. Send the item itself.");
        }

        if (shape.IdNeedsOneOf != 0 && (present & shape.IdNeedsOneOf) == 0 && IdIn(shape, present))
        {
            return Refusal.Stateful("id", "An id without content refers to a stored item. Send the item itself.");
        }

        return null;
    }

    private static bool IdIn(Shape shape, ulong present)
    {
        int id = shape.Find("id"u8);
        return id >= 0 && (present & (1UL << id)) != 0;
    }

    /// <summary>From a member's name to the first token of its value. The name must be on the list, plainly written, and new.</summary>
    public static Refusal? Enter(ref Utf8JsonReader reader, Shape shape, ref ulong seen, out int index)
    {
        // No name on any list needs an escape. One written with escapes is refused rather than resolved: parsers differ in what they make of it.
        index = reader.ValueIsEscaped ? -1 : shape.Find(reader.ValueSpan);
        if (index < 0)
        {
            return Refusal.Unknown(reader.ValueSpan);
        }

        if ((seen & (1UL << index)) != 0)
        {
            return Refusal.Json("This member is there twice.", shape.Members![index].Text);
        }

        seen |= 1UL << index;
        reader.Read();
        return null;
    }

    /// <summary>One member's value, by the member's treatment.</summary>
    public static Refusal? Member(ref Utf8JsonReader reader, in Member member, ref RequestCuts cuts)
    {
        if (member.Treatment == Treatment.Refuse)
        {
            return reader.TokenType is JsonTokenType.Null or JsonTokenType.False ? null : Refusal.Stateful(member.Text);
        }

        return Value(ref reader, member.Shape, ref cuts)?.Under(member.Text);
    }

    private static Refusal? List(ref Utf8JsonReader reader, Shape element, ref RequestCuts cuts)
    {
        for (int i = 0; reader.Read() && reader.TokenType != JsonTokenType.EndArray; i++)
        {
            if (Value(ref reader, element, ref cuts) is { } refusal)
            {
                return refusal.Under(i);
            }
        }

        return null;
    }

    private static Refusal? Scalar(ref Utf8JsonReader reader, Shape shape)
    {
        if (!shape.AllowsScalar)
        {
            return Refusal.Value("A plain value does not fit here.");
        }

        if (shape.Words is { } words)
        {
            if (reader.TokenType == JsonTokenType.String && !reader.ValueIsEscaped)
            {
                foreach (byte[] word in words)
                {
                    if (reader.ValueSpan.SequenceEqual(word))
                    {
                        return null;
                    }
                }
            }

            return Refusal.Stateful(null, "Only what carries its whole content passes: no hosted tools, and nothing the provider has stored.");
        }

        if (shape.IsAddress && (reader.TokenType != JsonTokenType.String || !IsContentAddress(reader.ValueSpan)))
        {
            return Refusal.Stateful(null, "Only data: and https: addresses pass.");
        }

        return null;
    }

    /// <summary>Looks at the raw string: a scheme has nothing that an encoder would escape, and one escaped all the same is refused.</summary>
    private static bool IsContentAddress(ReadOnlySpan<byte> raw) =>
        System.Text.Ascii.EqualsIgnoreCase(raw[..Math.Min(raw.Length, 5)], "data:"u8)
        || System.Text.Ascii.EqualsIgnoreCase(raw[..Math.Min(raw.Length, 6)], "https:"u8);
}
