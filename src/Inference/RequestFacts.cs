namespace Tacit.Inference;

/// <summary>What the gateway saw of a request besides its body, as labels and values that its own demo model may tell the one who asked. Never stored or logged.</summary>
public sealed record RequestFacts
{
    /// <summary>No facts.</summary>
    public static readonly RequestFacts None = new();

    /// <summary>Label and value, in the order to be told: <c>("plan", "chat")</c>. Neither holds a secret.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Items { get; init; } = [];
}
