namespace Tacit.Inference;

/// <summary>When a backend that fails is left alone, and for how long.</summary>
public sealed record BreakerOptions
{
    /// <summary>The time over which failures are counted. Default: 30 seconds.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Fewer failures than this in a window open nothing. Default: 5.</summary>
    public int MinFailures { get; init; } = 5;

    /// <summary>The share of a window's calls that must fail, in percent. Default: 50.</summary>
    public int FailurePercent { get; init; } = 50;

    /// <summary>How long it is left alone the first time; twice as long each time it fails its trial. Default: 5 seconds.</summary>
    public TimeSpan OpenFor { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The longest that it is left alone. Default: 1 minute.</summary>
    public TimeSpan OpenForAtMost { get; init; } = TimeSpan.FromMinutes(1);

    internal void Validate(string at)
    {
        InferenceOptions.Require(Window >= TimeSpan.FromSeconds(1) && Window <= TimeSpan.FromHours(1), $"{at}:Window", "set 1 second to 1 hour");
        InferenceOptions.Require(MinFailures is >= 1 and <= 10_000, $"{at}:MinFailures", "set 1 to 10000");
        InferenceOptions.Require(FailurePercent is >= 1 and <= 100, $"{at}:FailurePercent", "set 1 to 100");
        InferenceOptions.Require(OpenFor > TimeSpan.Zero && OpenFor <= OpenForAtMost, $"{at}:OpenFor", "set more than 0 and no more than OpenForAtMost");
        InferenceOptions.Require(OpenForAtMost <= TimeSpan.FromHours(1), $"{at}:OpenForAtMost", "set at most 1 hour");
    }
}
