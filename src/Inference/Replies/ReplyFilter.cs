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
        var cuts = new Cuts();
        if (!TryFind(json, shape, ref cuts))
        {
            return false;
        }

        Write(json, cuts, output);
        return true;
    }

    /// <summary>Finds what has to go.</summary>
    /// <returns>False if <paramref name="json"/> is not one well-formed object.</returns>
    public static bool TryFind(ReadOnlySpan<byte> json, Shape shape, ref Cuts cuts)
    {
        if (!Utf8.IsValid(json))
        {
            return false;
        }

        try
        {
            var reader = new Utf8JsonReader(json, Strict);
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject || !Object(ref reader, shape, ref cuts))
            {
                return false;
            }

            // Throws unless only white space follows.
            reader.Read();
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <summary>Appends what stays.</summary>
    public static void Write(ReadOnlySpan<byte> json, in Cuts cuts, SensitiveBuffer output)
    {
        int from = 0;
        for (int i = 0; i < cuts.Count; i++)
        {
            (int start, int end) = cuts.Places[i];
            output.Write(json[from..start]);
            from = end;
        }

        output.Write(json[from..]);
    }

    private static bool Object(ref Utf8JsonReader reader, Shape shape, ref Cuts cuts)
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
                cuts.Places[cuts.Count++] = (cutStart, start);
                cutStart = -1;
            }

            reader.Read();
            Shape inner = shape.Members![index].Shape;
            if (inner.Members is not null && reader.TokenType == JsonTokenType.StartObject)
            {
                if (!Object(ref reader, inner, ref cuts))
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
            cuts.Places[cuts.Count++] = (keptEnd, checked((int)reader.TokenStartIndex));
        }

        return true;
    }

    /// <summary>The bytes to leave out, in order. Lives on the stack.</summary>
    public struct Cuts
    {
        public int Count;
        public CutPlaces Places;
    }

    [InlineArray(MostCuts)]
    public struct CutPlaces
    {
        private (int Start, int End) _first;
    }
}
