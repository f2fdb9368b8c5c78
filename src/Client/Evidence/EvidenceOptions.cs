namespace Tacit.Client.Evidence;

/// <summary>What the evidence for a gateway's sealing keys is worth to a user.</summary>
public enum EvidencePolicy
{
    /// <summary>It is not looked at.</summary>
    Ignore,

    /// <summary>It is looked at and what it shows is told; nothing depends on it.</summary>
    Show,

    /// <summary>Nothing is sealed with a key whose evidence does not show that a known program has it on a genuine machine.</summary>
    Require,
}

/// <summary>How evidence for sealing keys is judged: the group <c>Evidence</c> of the app's settings.</summary>
public sealed record EvidenceOptions
{
    /// <summary><c>ignore</c>, <c>show</c> or <c>require</c>. Default: ignore.</summary>
    public EvidencePolicy Policy { get; init; }

    /// <summary>
    /// The launch measurements of machines that are trusted with prompts, 96 hexadecimal digits each: the operator publishes them with what they were built from. Without any,
    /// no evidence satisfies <c>require</c>.
    /// </summary>
    public IReadOnlyList<string> Measurements { get; init; } = [];

    /// <summary>What is wrong with it, or null.</summary>
    public string? FindFault() => Measurements.All(text => text.Length == 96 && text.All(char.IsAsciiHexDigit)) ? null
        : "a measurement is 96 hexadecimal digits";
}
