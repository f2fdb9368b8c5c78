using Tacit.Protocol;

namespace Tacit.Client.Evidence;

/// <summary>Applies the user's policy to a key's evidence.</summary>
internal sealed class EvidenceJudge
{
    private readonly EvidenceOptions _options;
    private readonly IReadOnlyList<IEvidenceVerifier> _verifiers;

    public EvidenceJudge(EvidenceOptions options)
        : this(options, [new SevSnpVerifier()])
    {
    }

    public EvidenceJudge(EvidenceOptions options, IReadOnlyList<IEvidenceVerifier> verifiers)
    {
        _options = options;
        _verifiers = verifiers;
    }

    public SealingKeyChoice Judge(SealingKey key, DateTimeOffset now)
    {
        if (_options.Policy == EvidencePolicy.Ignore)
        {
            return new SealingKeyChoice(key, null, null);
        }
        bool isRequired = _options.Policy == EvidencePolicy.Require;
        if (key.Evidence is not { } evidence)
        {
            string missing = $"There is no evidence for the sealing key of {key.Gateway}.";
            return isRequired ? SealingKeyChoice.None(SealingKeyProblem.EvidenceMissing, missing) : new SealingKeyChoice(key, null, missing);
        }
        (bool isGood, string says) = Look(key, evidence, now);
        return isRequired && !isGood
            ? SealingKeyChoice.None(SealingKeyProblem.EvidenceRefused, $"The evidence for the sealing key of {key.Gateway} does not do: {says}.")
            : new SealingKeyChoice(key, null, says);
    }

    private (bool IsGood, string Says) Look(SealingKey key, KeyEvidence evidence, DateTimeOffset now)
    {
        if (_verifiers.FirstOrDefault(verifier => verifier.Format == evidence.Format) is not { } verifier)
        {
            return (false, $"its format {evidence.Format} is not known here");
        }
        EvidenceFinding finding = verifier.Verify(evidence.Bytes, key.Config, now);
        if (finding.Measurement is not byte[] measurement)
        {
            return (false, finding.Says);
        }
        bool isKnown = _options.Measurements.Any(known => Convert.FromHexString(known).AsSpan().SequenceEqual(measurement));
        return (isKnown, $"{finding.Says}, measurement {Convert.ToHexStringLower(measurement)}, which is {(isKnown ? "" : "not ")}among those that are trusted here");
    }
}
