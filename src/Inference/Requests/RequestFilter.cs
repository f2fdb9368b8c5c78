using System.Buffers.Text;
using System.Text.Json;
using System.Text.Unicode;
using Tacit.Protocol;

namespace Tacit.Inference;

/// <summary>
/// The allow-list of an anonymous request (law 5) and the plan's cap on its output. A pure function of its arguments: the request
/// either comes out with nothing but listed members, their values byte for byte as they came, or is refused with the member's name.
/// </summary>
/// <remarks>
/// What comes out is one JSON object: <c>model</c> first, then the output cap, then the rest in the order they came, then
/// <c>"store":false</c> where the operation has it. Routing relies on the first two.
/// </remarks>
public static class RequestFilter
{
    /// <summary>The longest model name, in bytes.</summary>
    public const int MaxModelNameInBytes = 256;

    private static readonly Dictionary<Operation, Places> Known = Enum.GetValues<Operation>().ToDictionary(o => o, o => new Places(o));

    /// <summary>Filters one request.</summary>
    /// <param name="operation">Which allow-list applies.</param>
    /// <param name="body">The request's body as it came; not kept.</param>
    /// <param name="limits">What the token's plan allows.</param>
    /// <param name="output">Receives the filtered body; untouched on refusal. Room for 64 bytes more than the body has spares it growing.</param>
    /// <param name="request">What routing needs to know; default on refusal.</param>
    /// <returns>Null, or why the request is refused: <c>invalid_json</c>, <c>invalid_value</c>, <c>unknown_member</c>, <c>stateful_member_refused</c> or <c>output_cap_exceeded</c>, each status 400.</returns>
    public static ApiError? Filter(
        Operation operation, ReadOnlySpan<byte> body, in RequestLimits limits, SensitiveBuffer output, out FilteredRequest request)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentOutOfRangeException.ThrowIfNegative(limits.MaxOutputTokens, nameof(limits));
        Refusal? refusal;
        var cuts = new RequestCuts();
        try
        {
            refusal = Run(Known[operation], body, limits, output, ref cuts, out request);
        }
        catch (JsonException)
        {
            // The reader reports bad syntax and too much depth only this way. Its message quotes the body, so it goes nowhere.
            request = default;
            refusal = Refusal.Json("The body is not one well-formed JSON object.");
        }
        finally
        {
            cuts.Dispose();
        }

        return refusal?.ToError();
    }

    private static Refusal? Run(Places places, ReadOnlySpan<byte> body, in RequestLimits limits, SensitiveBuffer output, ref RequestCuts cuts, out FilteredRequest request)
    {
        request = default;

        // 1. The reader takes string contents as they are, so their encoding is checked here, once for all.
        if (!Utf8.IsValid(body))
        {
            return Refusal.Json("The body is not UTF-8.");
        }

        // 2. Walk the whole body against the allow-list, noting where each top-level value lies.
        var reader = new Utf8JsonReader(body, new JsonReaderOptions { MaxDepth = RequestWalk.MaxDepth });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
        {
            return Refusal.Json("The body is not a JSON object.");
        }

        Shape shape = places.Shape;
        Span<Value> values = stackalloc Value[shape.Members!.Length];
        values.Clear();
        Span<byte> order = stackalloc byte[shape.Members.Length];
        int count = 0;
        ulong seen = 0;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            if (RequestWalk.Enter(ref reader, shape, ref seen, out int index) is { } misnamed)
            {
                return misnamed;
            }

            int start = checked((int)reader.TokenStartIndex);
            JsonTokenType kind = reader.TokenType;
            if (RequestWalk.Member(ref reader, shape.Members[index], ref cuts) is { } refused)
            {
                return refused;
            }

            values[index] = new Value(start, checked((int)reader.BytesConsumed), kind);
            order[count++] = (byte)index;
        }

        // Reads to the end: anything but white space after the object makes the reader throw.
        reader.Read();

        // 3. What routing and the cap need.
        if (Model(body, values[places.Model], out string? model) is { } unnamed)
        {
            return unnamed;
        }

        if (values[places.Prompt].IsAbsent)
        {
            return Refusal.Value("This member is missing.", shape.Members[places.Prompt].Text);
        }

        bool stream = false;
        if (places.Stream >= 0 && Flag(values[places.Stream], out stream) is { } flag)
        {
            return flag.Under("stream");
        }

        int capIndex = -1;
        int cap = 0;
        long all = 0;
        if (places.Caps.Length > 0 && Cap(places, body, values, limits.MaxOutputTokens, out capIndex, out cap, out all) is { } capped)
        {
            return capped;
        }

        // 4. Write what passes.
        var copy = new Copy(output, body.Length);
        copy.Add(shape.Members[places.Model].Name, values[places.Model].In(body));
        if (capIndex >= 0)
        {
            ReadOnlySpan<byte> name = shape.Members[capIndex].Name;
            if (values[capIndex].IsAbsent)
            {
                copy.Add(name, cap);
            }
            else
            {
                copy.Add(name, values[capIndex].In(body));
            }
        }

        foreach (byte index in order[..count])
        {
            Member member = shape.Members[index];
            if (member.Treatment == Treatment.Keep && index != places.Model && !places.Caps.Contains(index))
            {
                copy.Add(member.Name, body, values[index], ref cuts);
            }
        }

        if (places.Store >= 0)
        {
            copy.Add("store"u8, "false"u8);
        }

        copy.End();
        request = new FilteredRequest(model!, stream, cap) { AllOutputTokens = all };
        return null;
    }

    private static Refusal? Model(ReadOnlySpan<byte> body, Value value, out string? model)
    {
        model = null;
        if (value.Kind != JsonTokenType.String)
        {
            return Refusal.Value("The name of a model is needed here.", "model");
        }

        ReadOnlySpan<byte> raw = body[(value.Start + 1)..(value.End - 1)];
        if (raw.IsEmpty || raw.Length > MaxModelNameInBytes)
        {
            return Refusal.Value("The name of a model is 1 to 256 bytes.", "model");
        }

        // Escapes and controls have no place in a model's name (JSON has no raw controls); what is compared is what is sent on.
        if (raw.Contains((byte)'\\') || raw.Contains((byte)0x7f))
        {
            return Refusal.Value("The name of a model has no escapes.", "model");
        }

        model = System.Text.Encoding.UTF8.GetString(raw);
        return null;
    }

    private static Refusal? Flag(Value value, out bool flag)
    {
        flag = value.Kind == JsonTokenType.True;
        return value.IsAbsent || value.Kind is JsonTokenType.True or JsonTokenType.False
            ? null
            : Refusal.Value("This member is true or false.");
    }

    /// <summary>The plan's cap holds for all choices of a reply together.</summary>
    private static Refusal? Cap(Places places, ReadOnlySpan<byte> body, Span<Value> values, int limit, out int index, out int cap, out long all)
    {
        index = places.Caps[0];
        cap = 0;
        all = 0;
        long choices = 1;
        if (places.Choices >= 0 && Whole(body, values[places.Choices], ref choices) is { } wrong)
        {
            return wrong.Under("n");
        }

        // Refused before the multiplication could overflow.
        if (choices > limit)
        {
            return Exceeded(values[places.Choices >= 0 ? places.Choices : places.Caps[0]].IsAbsent ? null : "n", limit);
        }

        bool named = false;
        long tokens = limit / choices;
        foreach (int place in places.Caps)
        {
            if (values[place].IsAbsent)
            {
                continue;
            }

            string name = places.Shape.Members![place].Text;
            if (named)
            {
                return Refusal.Value("Only one of the two caps on output may be given.", name);
            }

            named = true;
            index = place;
            if (Whole(body, values[place], ref tokens) is { } odd)
            {
                return odd.Under(name);
            }

            if (tokens > limit / choices)
            {
                return Exceeded(name, limit);
            }
        }

        cap = (int)tokens;
        all = tokens * choices;
        return null;
    }

    private static Refusal Exceeded(string? param, int limit) => new(
        ErrorCodes.OutputCapExceeded,
        $"The token's plan pays for at most {limit} tokens of output, over all choices together.",
        param);

    private static Refusal? Whole(ReadOnlySpan<byte> body, Value value, ref long number)
    {
        if (value.IsAbsent)
        {
            return null;
        }

        ReadOnlySpan<byte> raw = body[value.Start..value.End];
        return value.Kind == JsonTokenType.Number && Utf8Parser.TryParse(raw, out long parsed, out int used) && used == raw.Length && parsed > 0
            ? Take(parsed, ref number)
            : Refusal.Value("This member is a whole number above zero.");

        static Refusal? Take(long parsed, ref long number)
        {
            number = parsed;
            return null;
        }
    }

    /// <summary>Where a top-level value lies in the body. The default is a member that is not there.</summary>
    private readonly record struct Value(int Start, int End, JsonTokenType Kind)
    {
        public ReadOnlySpan<byte> In(ReadOnlySpan<byte> body) => body[Start..End];

        /// <summary>Null asks for nothing, so it counts as not there.</summary>
        public bool IsAbsent => Kind is JsonTokenType.None or JsonTokenType.Null;
    }

    /// <summary>The places of the members with a meaning to us in an operation's allow-list; -1 where it has none.</summary>
    private sealed class Places(Operation operation)
    {
        public readonly Shape Shape = RequestShapes.Of(operation);
        public readonly int Model = RequestShapes.Of(operation).Find("model"u8);
        public readonly int Stream = RequestShapes.Of(operation).Find("stream"u8);
        public readonly int Store = RequestShapes.Of(operation).Find("store"u8);
        public readonly int Choices = RequestShapes.Of(operation).Find("n"u8);
        public readonly int Prompt = RequestShapes.Of(operation).Find(operation is Operation.ChatCompletions or Operation.Messages ? "messages"u8 : "input"u8);
        public readonly int[] Caps = operation switch
        {
            Operation.ChatCompletions =>
            [
                RequestShapes.Of(operation).Find("max_completion_tokens"u8),
                RequestShapes.Of(operation).Find("max_tokens"u8),
            ],
            Operation.Responses => [RequestShapes.Of(operation).Find("max_output_tokens"u8)],
            Operation.Messages => [RequestShapes.Of(operation).Find("max_tokens"u8)],
            _ => [],
        };
    }

    /// <summary>Writes the filtered object.</summary>
    private ref struct Copy
    {
        private readonly SensitiveBuffer _output;
        private byte _separator = (byte)'{';

        public Copy(SensitiveBuffer output, int bodyLength)
        {
            _output = output;
            // Room for all at once, what we add included: growing would copy the prompt about.
            output.GetSpan(bodyLength + 64);
        }

        public void Add(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> value)
        {
            Span<byte> span = _output.GetSpan(name.Length + 4 + value.Length);
            span[0] = _separator;
            span[1] = (byte)'"';
            name.CopyTo(span[2..]);
            span[name.Length + 2] = (byte)'"';
            span[name.Length + 3] = (byte)':';
            value.CopyTo(span[(name.Length + 4)..]);
            _output.Advance(name.Length + 4 + value.Length);
            _separator = (byte)',';
        }

        /// <summary>A value without what the allow-list removes inside it. Values come in the body's order, and so do the cuts.</summary>
        public void Add(scoped ReadOnlySpan<byte> name, scoped ReadOnlySpan<byte> body, Value value, ref RequestCuts cuts)
        {
            if (!cuts.TryNext(value.End, out (int Start, int End) cut))
            {
                Add(name, value.In(body));
                return;
            }

            Add(name, body[value.Start..cut.Start]);
            int from = cut.End;
            while (cuts.TryNext(value.End, out cut))
            {
                _output.Write(body[from..cut.Start]);
                from = cut.End;
            }

            _output.Write(body[from..value.End]);
        }

        public void Add(scoped ReadOnlySpan<byte> name, int number)
        {
            Span<byte> digits = stackalloc byte[10];
            Utf8Formatter.TryFormat(number, digits, out int written);
            Add(name, digits[..written]);
        }

        public readonly void End() => _output.Write("}"u8);
    }
}
