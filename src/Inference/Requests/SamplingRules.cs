namespace Tacit.Inference;

/// <summary>What an operator allows of one number in requests. A request that leaves it out gets the provider's default, unless it is forced.</summary>
public sealed record NumberRule
{
    /// <summary>The least. Default: not limited.</summary>
    public decimal? Min { get; init; }

    /// <summary>The most. Default: not limited.</summary>
    public decimal? Max { get; init; }

    /// <summary>What every request gets, whatever it asks for. Default: nothing is forced.</summary>
    public decimal? Force { get; init; }

    /// <summary>Whether what is outside becomes the nearest that is allowed, instead of being refused. Default false.</summary>
    public bool Clamp { get; init; }

    internal bool IsSound => (Min ?? decimal.MinValue) <= (Max ?? decimal.MaxValue);

    /// <summary>What becomes of a value; null if it is refused.</summary>
    internal decimal? Apply(decimal value)
    {
        if (Force is decimal forced)
        {
            return forced;
        }

        decimal nearest = value < Min ? Min.Value : value > Max ? Max.Value : value;
        return nearest == value || Clamp ? nearest : null;
    }
}

/// <summary>
/// What an operator allows of sampling parameters, by their names in the API: ranges that refuse or clamp, and forced values. They are applied to the body before the
/// allow-list and the plan's cap are.
/// </summary>
public sealed record SamplingRules
{
    public NumberRule? Temperature { get; init; }

    public NumberRule? TopP { get; init; }

    public NumberRule? TopK { get; init; }

    /// <summary>How many choices (<c>n</c>).</summary>
    public NumberRule? Choices { get; init; }

    /// <summary>The cap on output, under each of its names.</summary>
    public NumberRule? MaxTokens { get; init; }

    /// <summary>How many stop sequences; <see cref="NumberRule.Max"/> only. Clamped, the first ones stay.</summary>
    public NumberRule? StopCount { get; init; }

    public NumberRule? PresencePenalty { get; init; }

    public NumberRule? FrequencyPenalty { get; init; }

    public NumberRule? TopLogprobs { get; init; }

    /// <summary>Whether there is any.</summary>
    public bool IsOn => this != new SamplingRules();

    /// <summary>The first rule that cannot be kept, by its name; null if all can.</summary>
    public string? FindFault()
    {
        foreach ((string name, NumberRule? rule) in new[]
        {
            (nameof(Temperature), Temperature), (nameof(TopP), TopP), (nameof(TopK), TopK), (nameof(Choices), Choices), (nameof(MaxTokens), MaxTokens), (nameof(StopCount), StopCount),
            (nameof(PresencePenalty), PresencePenalty), (nameof(FrequencyPenalty), FrequencyPenalty), (nameof(TopLogprobs), TopLogprobs),
        })
        {
            if (rule is not null && (!rule.IsSound || (ReferenceEquals(rule, StopCount) && (rule.Min ?? rule.Force) is not null)))
            {
                return name;
            }
        }

        return null;
    }

    /// <summary>The rule for a top-level member and whether it counts a list; null if there is none.</summary>
    internal (NumberRule Rule, bool IsCount)? Find(ReadOnlySpan<byte> member) =>
        member.SequenceEqual("temperature"u8) ? Of(Temperature)
        : member.SequenceEqual("top_p"u8) ? Of(TopP)
        : member.SequenceEqual("top_k"u8) ? Of(TopK)
        : member.SequenceEqual("n"u8) ? Of(Choices)
        : member.SequenceEqual("max_tokens"u8) || member.SequenceEqual("max_completion_tokens"u8) || member.SequenceEqual("max_output_tokens"u8) ? Of(MaxTokens)
        : member.SequenceEqual("stop"u8) || member.SequenceEqual("stop_sequences"u8) ? (StopCount is null ? null : (StopCount, true))
        : member.SequenceEqual("presence_penalty"u8) ? Of(PresencePenalty)
        : member.SequenceEqual("frequency_penalty"u8) ? Of(FrequencyPenalty)
        : member.SequenceEqual("top_logprobs"u8) ? Of(TopLogprobs)
        : null;

    /// <summary>Members that a request of this operation gets whether or not it names them.</summary>
    internal IEnumerable<(byte[] Name, decimal Value)> Forced(Operation operation)
    {
        Shape shape = RequestShapes.Of(operation);
        foreach ((string name, NumberRule? rule) in new[]
        {
            ("temperature", Temperature), ("top_p", TopP), ("top_k", TopK), ("n", Choices), ("presence_penalty", PresencePenalty),
            ("frequency_penalty", FrequencyPenalty), ("top_logprobs", TopLogprobs),
            // The first that the operation knows; each has one that is not out of date.
            (Array.Find(["max_completion_tokens", "max_output_tokens", "max_tokens"], cap => shape.Find(System.Text.Encoding.ASCII.GetBytes(cap)) >= 0) ?? "", MaxTokens),
        })
        {
            byte[] member = System.Text.Encoding.ASCII.GetBytes(name);
            if (rule?.Force is decimal value && shape.Find(member) >= 0)
            {
                yield return (member, value);
            }
        }
    }

    private static (NumberRule, bool)? Of(NumberRule? rule) => rule is null ? null : (rule, false);
}
