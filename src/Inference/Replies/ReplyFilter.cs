using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.Unicode;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>The allow-list of a reply (law 5): cuts members that are not listed out of the bytes and leaves every other byte alone.</summary>
internal static class ReplyFilter
{
    /// <summary>Runs of cuts lie between listed members, and no listed member comes twice: at most 65 for an object and as many for one inside it.</summary>
    private const int MostCuts = 130;

    private static readonly JsonReaderOptions Strict = new() { MaxDepth = 128 };

    /// <summary>Appends the JSON object that passes.</summary>
    /// <returns>False, with nothing appended, if <paramref name="json"/> is not one well-formed object.</returns>
    public static bool TryFilter(ReadOnlySpan<byte> json, Shape shape, SensitiveBuffer output)
    {
        if (!Utf8.IsValid(json))
        {
            return false;
        }

        var cuts = new Cuts();
        int count = 0;
        try
        {
            var reader = new Utf8JsonReader(json, Strict);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject || !Object(ref reader, shape, cuts, ref count))
            {
                return false;
            }

            // Throws unless only white space follows.
            reader.Read();
        }
        catch (JsonException)
        {
            return false;
        }

        int from = 0;
        for (int i = 0; i < count; i++)
        {
            (int start, int end) = cuts[i];
            output.Write(json[from..start]);
            from = end;
        }

        output.Write(json[from..]);
        return true;
    }

    private static bool Object(ref Utf8JsonReader reader, Shape shape, scoped Span<(int Start, int End)> cuts, ref int count)
    {
        ulong seen = 0;
        int keptEnd = checked((int)reader.BytesConsumed);
        int cutStart = -1;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            int start = checked((int)reader.TokenStartIndex);
            int index = reader.ValueIsEscaped ? -1 : shape.Find(reader.ValueSpan);
            if (index < 0)
            {
                if (cutStart < 0)
                {
                    cutStart = start;
                }

                reader.Skip();
                continue;
            }

            if ((seen & (1UL << index)) != 0)
            {
                return false;
            }

            seen |= 1UL << index;
            if (cutStart >= 0)
            {
                // Up to the next name: the cut members' own commas go with them.
                cuts[count++] = (cutStart, start);
                cutStart = -1;
            }

            reader.Read();
            Shape inner = shape.Members![index].Shape;
            if (inner.Members is not null && reader.TokenType == JsonTokenType.StartObject)
            {
                if (!Object(ref reader, inner, cuts, ref count))
                {
                    return false;
                }
            }
            else
            {
                reader.Skip();
            }

            keptEnd = checked((int)reader.BytesConsumed);
        }

        if (cutStart >= 0)
        {
            // At the end it is the comma before them that goes.
            cuts[count++] = (keptEnd, checked((int)reader.TokenStartIndex));
        }

        return true;
    }

    [InlineArray(MostCuts)]
    private struct Cuts
    {
        private (int Start, int End) _first;
    }
}
