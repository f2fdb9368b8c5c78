namespace Tacit.Client.Transports;

/// <summary>A circuit as it stands.</summary>
/// <param name="IsBuilt">Whether it leads where it shall; else it is on its way there.</param>
public sealed record CircuitStatus(bool IsBuilt, CircuitFacts Circuit);
