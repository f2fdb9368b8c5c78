namespace Tacit.Client.Evidence;

/// <summary>What evidence turned out to show.</summary>
/// <param name="Measurement">What was started in the machine that holds the key; null if the evidence shows nothing.</param>
/// <param name="Says">What it shows, or why it shows nothing: for people.</param>
internal sealed record EvidenceFinding(byte[]? Measurement, string Says)
{
    public static EvidenceFinding Nothing(string why) => new(null, why);
}

/// <summary>
/// Judges evidence of one format. A trust boundary: whoever implements it decides what counts as a genuine machine; the policy decides about the measurement.
/// </summary>
internal interface IEvidenceVerifier
{
    /// <summary>The format that it knows.</summary>
    string Format { get; }

    /// <summary>Whether the evidence shows that a genuine machine made exactly this key. Never throws on hostile bytes.</summary>
    /// <param name="evidence">As the directory has it.</param>
    /// <param name="config">The key configuration that it is about.</param>
    /// <param name="now">For the validity of certificates.</param>
    EvidenceFinding Verify(ReadOnlyMemory<byte> evidence, ReadOnlyMemory<byte> config, DateTimeOffset now);
}
