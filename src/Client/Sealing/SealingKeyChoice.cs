using Tacit.Protocol;

namespace Tacit.Client;

/// <summary>Why there is nothing to seal with, by what can be done about it.</summary>
internal enum SealingKeyProblem
{
    /// <summary>The directory does not list a gateway of that name.</summary>
    GatewayUnknown,

    /// <summary>The gateway takes nothing that is sealed.</summary>
    NoKeys,

    /// <summary>It has keys, and none is for this moment: no newer directory could be had, or a clock is wrong.</summary>
    NotCurrent,

    /// <summary>The policy asks for evidence, and there is none for the key.</summary>
    EvidenceMissing,

    /// <summary>The policy asks for evidence, and what there is does not show what it should.</summary>
    EvidenceRefused,
}

/// <summary>What requests to a gateway are to be sealed with now, or why nothing.</summary>
/// <param name="Key">The key; null with a <paramref name="Problem"/>.</param>
/// <param name="Problem">Why there is none; null with a <paramref name="Key"/>.</param>
/// <param name="Says">For people: the problem, or what the evidence shows if the policy is to look at it; else null.</param>
internal sealed record SealingKeyChoice(SealingKey? Key, SealingKeyProblem? Problem, string? Says)
{
    public static SealingKeyChoice None(SealingKeyProblem problem, string says) => new(null, problem, says);

    /// <exception cref="ClientException"><see cref="ClientError.SealingKeyUnavailable"/>.</exception>
    public ObliviousKeyConfiguration ToConfiguration() => ObliviousKeyConfiguration.TryParse(KeyOrThrow().Config, out ObliviousKeyConfiguration? configuration)
        ? configuration
        : throw new ClientException(ClientError.SealingKeyUnavailable, $"The sealing key of {Key!.Gateway} cannot be read.");

    /// <exception cref="ClientException"><see cref="ClientError.SealingKeyUnavailable"/>.</exception>
    public SealingKey KeyOrThrow() => Key ?? throw new ClientException(ClientError.SealingKeyUnavailable, Says!);
}

/// <summary>Where sealing keys come from that are believed: an issuer's directory, or a gateway of one's own.</summary>
internal interface ISealingKeySource
{
    /// <summary>The key to seal requests to the gateway of that name with, now.</summary>
    /// <exception cref="ClientException">The source itself cannot be had, or is refused.</exception>
    Task<SealingKeyChoice> FindSealingKeyAsync(string gateway, CancellationToken cancellationToken);
}
