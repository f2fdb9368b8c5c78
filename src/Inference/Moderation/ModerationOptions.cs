using System.Text;

namespace Tacit.Inference;

/// <summary>Which prompts are judged before a provider sees them, and by what. Checked once, at start.</summary>
public sealed record ModerationOptions
{
    /// <summary>The policies by which prompts are judged.</summary>
    public IReadOnlyList<ModerationPolicy> Policies { get; init; } = [];

    /// <summary>The policy of plans that <see cref="Plans"/> does not name; null judges nothing.</summary>
    public string? Default { get; init; }

    /// <summary>Plan id → name of its policy; empty for none.</summary>
    public IReadOnlyDictionary<string, string> Plans { get; init; } = new Dictionary<string, string>();

    internal void Validate()
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < Policies.Count; i++)
        {
            Policies[i].Validate($"Moderation:Policies:{i}");
            InferenceOptions.Require(names.Add(Policies[i].Name), $"Moderation:Policies:{i}:Name", "give each policy its own name");
        }

        InferenceOptions.Require(Default is null || names.Contains(Default), "Moderation:Default", "name one of Policies, or leave it out");
        foreach ((string plan, string policy) in Plans)
        {
            InferenceOptions.Require(policy.Length == 0 || names.Contains(policy), $"Moderation:Plans:{plan}", "name one of Policies, or nothing for none");
        }
    }
}

/// <summary>What becomes of a prompt that could not be judged.</summary>
public enum ModerationFailure
{
    /// <summary>Fail closed: it goes no further.</summary>
    Refuse,

    /// <summary>Fail open: it goes to the provider unjudged.</summary>
    Allow,
}

/// <summary>One way to judge prompts: a list of rules, a service, or both.</summary>
public sealed record ModerationPolicy
{
    public const int MaxRules = 10_000;

    /// <summary>What settings call it.</summary>
    public required string Name { get; init; }

    /// <summary>Regular expressions of .NET; a prompt that one matches is refused. Letter case counts unless a rule begins with <c>(?i)</c>.</summary>
    public IReadOnlyList<string> Rules { get; init; } = [];

    /// <summary>How long one rule may take for one prompt; ten times as long where it can be matched in linear time. Default: 100 ms.</summary>
    public TimeSpan RuleTimeout { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>A service of OpenAI's moderation API, asked about what no rule refused; null for none.</summary>
    public ModerationServiceOptions? Service { get; init; }

    /// <summary>What becomes of a prompt when the service does not answer or a rule runs out of time. Default: it is refused.</summary>
    public ModerationFailure OnFailure { get; init; } = ModerationFailure.Refuse;

    /// <summary>What becomes of a prompt with parts that this policy cannot look into: sound, files, token numbers, images without a service, and more images than the service is asked about. Default: it is refused.</summary>
    public ModerationFailure OnUnchecked { get; init; } = ModerationFailure.Refuse;

    /// <summary>Whether a refused prompt gives its token back, the first time only: a refusal is something that a client can provoke. Default: no.</summary>
    public bool ReturnToken { get; init; }

    /// <summary>Whether a refused prompt ends the chain of the subscription that paid for it. Default: no.</summary>
    public bool EndChain { get; init; }

    internal void Validate(string at)
    {
        InferenceOptions.Require(!string.IsNullOrWhiteSpace(Name) && Name.Length <= 64, $"{at}:Name", "give a name of 1 to 64 characters");
        InferenceOptions.Require(Rules.Count > 0 || Service is not null, at, "give it Rules or a Service");
        InferenceOptions.Require(Rules.Count <= MaxRules, $"{at}:Rules", $"list at most {MaxRules}");
        InferenceOptions.Require(RuleTimeout >= TimeSpan.FromMilliseconds(1) && RuleTimeout <= TimeSpan.FromSeconds(10), $"{at}:RuleTimeout", "set 1 ms to 10 seconds");
        for (int i = 0; i < Rules.Count; i++)
        {
            InferenceOptions.Require(RuleList.IsRule(Rules[i]), $"{at}:Rules:{i}", "write a regular expression of .NET that does not match an empty text");
        }

        Service?.Validate($"{at}:Service");
    }
}

/// <summary>A service that speaks OpenAI's moderation API (<c>POST …/moderations</c>).</summary>
public sealed record ModerationServiceOptions
{
    /// <summary>Up to and with the version: <c>https://api.openai.com/v1</c>.</summary>
    public required Uri BaseUrl { get; init; }

    /// <summary>Its key; null for a service that wants none.</summary>
    public ProviderKey? Key { get; init; }

    /// <summary>The model to name. Default: <c>omni-moderation-latest</c>.</summary>
    public string Model { get; init; } = "omni-moderation-latest";

    /// <summary>The categories that refuse a prompt; empty for whatever the service flags.</summary>
    public IReadOnlyList<string> Categories { get; init; } = [];

    /// <summary>For all that one prompt needs to ask. Default: 10 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The longest text that is sent as one input, in bytes of UTF-8; longer ones are cut into overlapping pieces. Default: 16 KiB.</summary>
    public int MaxInputBytes { get; init; } = 16 << 10;

    /// <summary>The most images of one prompt that are asked about, each a call; a prompt with more has parts that cannot be looked into. Default: 32.</summary>
    public int MaxImages { get; init; } = 32;

    internal void Validate(string at)
    {
        InferenceOptions.Require(
            BaseUrl is { IsAbsoluteUri: true } && BaseUrl.Scheme is "http" or "https" && BaseUrl.UserInfo.Length == 0 && BaseUrl.Query.Length == 0,
            $"{at}:BaseUrl", "give an absolute http or https URL without user and query, such as https://api.openai.com/v1");
        InferenceOptions.Require(Model.Length is > 0 and <= 256, $"{at}:Model", "name a model of 1 to 256 characters");
        InferenceOptions.Require(Categories.All(category => Encoding.UTF8.GetByteCount(category) is > 0 and <= 128), $"{at}:Categories", "a category has 1 to 128 bytes");
        InferenceOptions.Require(Timeout > TimeSpan.Zero && Timeout <= TimeSpan.FromMinutes(5), $"{at}:Timeout", "set more than 0 and at most 5 minutes");
        InferenceOptions.Require(MaxInputBytes is >= 1024 and <= 1 << 20, $"{at}:MaxInputBytes", "set 1 KiB to 1 MiB");
        InferenceOptions.Require(MaxImages is >= 0 and <= 10_000, $"{at}:MaxImages", "set 0 to 10,000");
    }
}
