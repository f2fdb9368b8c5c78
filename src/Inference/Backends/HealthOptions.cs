namespace Tacit.Inference;

/// <summary>What a backend is asked to see whether it is well.</summary>
public enum HealthKind
{
    /// <summary><c>GET /v1/models</c> lists the models: any OpenAI-compatible server, LM Studio among them.</summary>
    Models,

    /// <summary>llama.cpp's server: <c>/health</c> says that its model is loaded, <c>/v1/models</c> that there is one. It ignores model names.</summary>
    LlamaCpp,

    /// <summary>vLLM: <c>/health</c> says that its engine is alive, <c>/v1/models</c> lists the models.</summary>
    Vllm,

    /// <summary>Ollama: <c>/api/tags</c> lists the models that it has and loads when asked.</summary>
    Ollama,
}

/// <summary>How a backend's health is checked.</summary>
public sealed record HealthOptions
{
    /// <summary>What it is asked. Default: <see cref="HealthKind.Models"/>.</summary>
    public HealthKind Kind { get; init; }

    /// <summary>From the end of one check to the next. Default: 5 seconds.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>For one check in all. Default: 3 seconds.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How many checks in a row must fail before a backend that was well counts as down; the first of all is enough. Default: 2.</summary>
    public int Failures { get; init; } = 2;

    internal void Validate(string at)
    {
        InferenceOptions.Require(Enum.IsDefined(Kind), $"{at}:Kind", "set models, llamacpp, vllm or ollama");
        InferenceOptions.Require(Interval >= TimeSpan.FromMilliseconds(100) && Interval <= TimeSpan.FromHours(1), $"{at}:Interval", "set 100 milliseconds to 1 hour");
        InferenceOptions.Require(Timeout > TimeSpan.Zero && Timeout <= TimeSpan.FromMinutes(5), $"{at}:Timeout", "set more than 0 and at most 5 minutes");
        InferenceOptions.Require(Failures is >= 1 and <= 100, $"{at}:Failures", "set 1 to 100");
    }
}
