using System.Globalization;
using System.Text;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>Applies an operator's <see cref="SamplingRules"/> to a request's body. What it does not touch stays byte for byte, and whatever is malformed is left to the allow-list.</summary>
public static class SamplingGuard
{
    /// <param name="operation">Whose parameters can be forced.</param>
    /// <param name="body">As it came.</param>
    /// <param name="rules">The operator's.</param>
    /// <param name="output">Receives the body to go on with, where it is another; else untouched.</param>
    /// <param name="isChanged">Whether it is.</param>
    /// <returns>Null, or <c>sampling_refused</c> with the member.</returns>
    public static ApiError? Apply(Operation operation, ReadOnlySpan<byte> body, SamplingRules rules, SensitiveBuffer output, out bool isChanged)
    {
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(output);
        isChanged = false;
        var edits = new List<(int Start, int End, byte[] Text)>();
        try
        {
            if (Collect(operation, body, rules, edits) is { } refused)
            {
                return refused;
            }
        }
        catch (JsonException)
        {
            // The allow-list says what is wrong with it.
            return null;
        }

        if (edits.Count == 0)
        {
            return null;
        }

        isChanged = true;
        int from = 0;
        foreach ((int start, int end, byte[] text) in edits)
        {
            output.Write(body[from..start]);
            output.Write(text);
            from = end;
        }

        output.Write(body[from..]);
        return null;
    }

    private static ApiError? Collect(Operation operation, ReadOnlySpan<byte> body, SamplingRules rules, List<(int Start, int End, byte[] Text)> edits)
    {
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = RequestWalk.MaxDepth });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return null;
        }

        List<(byte[] Name, decimal Value)> forced = [.. rules.Forced(operation)];
        bool isEmpty = true;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            isEmpty = false;
            // A name with escapes is refused by the allow-list, so nothing slips by under another spelling.
            ReadOnlySpan<byte> name = reader.ValueSpan;
            (NumberRule Rule, bool IsCount)? found = rules.Find(name);
            string text = found is null ? "" : Encoding.ASCII.GetString(name);
            reader.Read();
            int start = checked((int)reader.TokenStartIndex);
            if (found is not { } rule)
            {
                reader.Skip();
                continue;
            }

            Forget(forced, text);
            if (rule.IsCount)
            {
                if (Count(ref reader, rule.Rule, text, edits) is { } tooMany)
                {
                    return tooMany;
                }

                continue;
            }

            if (reader.TokenType == JsonTokenType.Null ? rule.Rule.Force is null : reader.TokenType != JsonTokenType.Number)
            {
                // Nothing asked for; or what no number is, which the provider may refuse.
                if (reader.TokenType is not JsonTokenType.Null)
                {
                    return Refuse(text, rule.Rule);
                }

                continue;
            }

            // A number that is too long for a decimal is outside of any range that somebody writes down.
            decimal value = 0;
            bool isNumber = reader.TokenType == JsonTokenType.Null || reader.TryGetDecimal(out value);
            decimal? allowed = isNumber ? rule.Rule.Apply(value) : rule.Rule.Force;
            if (allowed is null)
            {
                return Refuse(text, rule.Rule);
            }

            if (!isNumber || allowed != value || reader.TokenType == JsonTokenType.Null)
            {
                edits.Add((start, checked((int)reader.BytesConsumed), Number(allowed.Value)));
            }
        }

        int end = checked((int)reader.TokenStartIndex);
        foreach ((byte[] name, decimal value) in forced)
        {
            edits.Add((end, end, [.. isEmpty ? "\""u8 : ",\""u8, .. name, .. "\":"u8, .. Number(value)]));
            isEmpty = false;
        }

        return null;
    }

    /// <summary>One for a string, as many as a list has; what is too many is cut off at the back, or refused.</summary>
    private static ApiError? Count(ref Utf8JsonReader reader, NumberRule rule, string name, List<(int Start, int End, byte[] Text)> edits)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            bool isOne = reader.TokenType == JsonTokenType.String;
            reader.Skip();
            return isOne && rule.Max < 1 ? Refuse(name, rule) : null;
        }

        int count = 0;
        int lastKept = checked((int)reader.BytesConsumed);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            reader.Skip();
            if (++count <= rule.Max)
            {
                lastKept = checked((int)reader.BytesConsumed);
            }
        }

        if (!(count > rule.Max))
        {
            return null;
        }

        if (!rule.Clamp)
        {
            return Refuse(name, rule);
        }

        edits.Add((lastKept, checked((int)reader.TokenStartIndex), []));
        return null;
    }

    /// <summary>A cap that is named under one of its names is not forced under another.</summary>
    private static void Forget(List<(byte[] Name, decimal Value)> forced, string member)
    {
        bool isCap = member.StartsWith("max_", StringComparison.Ordinal);
        forced.RemoveAll(entry => Encoding.ASCII.GetString(entry.Name) is var name && (name == member || (isCap && name.StartsWith("max_", StringComparison.Ordinal))));
    }

    private static byte[] Number(decimal value) => Encoding.ASCII.GetBytes(value.ToString(CultureInfo.InvariantCulture));

    private static ApiError Refuse(string member, NumberRule rule) => ApiError.Create(
        ErrorCodes.SamplingRefused,
        (rule.Min, rule.Max) switch
        {
            (decimal min, decimal max) => string.Create(CultureInfo.InvariantCulture, $"The operator allows {min} to {max} here."),
            (decimal min, null) => string.Create(CultureInfo.InvariantCulture, $"The operator allows {min} or more here."),
            (null, decimal max) => string.Create(CultureInfo.InvariantCulture, $"The operator allows at most {max} here."),
            _ => "This member is a number.",
        },
        member);
}
