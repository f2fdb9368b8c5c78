using Tacit.Client.Tests.Support;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>What the two sides hold, byte for byte.</summary>
internal sealed record Holdings
{
    public IReadOnlyList<Passing> IssuerWire { get; init; } = [];

    public IReadOnlyList<Passing> GatewayWire { get; init; } = [];

    public IReadOnlyList<Evidence> IssuerDisk { get; init; } = [];

    public IReadOnlyList<Evidence> GatewayDisk { get; init; } = [];

    public IReadOnlyList<Evidence> Logs { get; init; } = [];

    /// <summary>Whether prompts show pseudonyms, each its owner's.</summary>
    public bool ShowsPseudonyms { get; init; }
}

/// <summary>All checks over a run, a real one or one with a planted fault.</summary>
internal static class Judge
{
    private const int FalsePairs = 100;

    /// <returns>What links, one line each; nothing if nothing does.</returns>
    public static List<string> Run(Transcript transcript, Holdings holdings, SecretChecks secrets, Action<string>? report = null)
    {
        // (a) The blinding factors.
        List<string> findings = [.. FactorChecks.Run(transcript)];
        report?.Invoke("blinding factors");
        findings.AddRange(FactorChecks.RunOnFalsePairs(transcript, FalsePairs));
        report?.Invoke("false pairs");

        // (b) Everything else that is known of both ends.
        findings.AddRange(MatchChecks.Run(transcript.Pairs));
        findings.AddRange(WireChecks.Run(holdings.IssuerWire, holdings.GatewayWire, holdings.ShowsPseudonyms));
        report?.Invoke("matchers");

        // (c) Each side's secrets at the other.
        foreach (TruePair pair in transcript.Pairs)
        {
            secrets.Add(transcript.Keys[pair.Issuance.Crowd], pair);
        }

        report?.Invoke($"{secrets.Patterns} patterns");
        findings.AddRange(secrets.InIssuersWire(holdings.IssuerWire.Select(passing => Evidence.Of("issuer", passing))));
        findings.AddRange(secrets.InGatewaysWire(holdings.GatewayWire.Select(passing => Evidence.Of("gateway", passing))));
        findings.AddRange(secrets.OnIssuersDisk(holdings.IssuerDisk));
        findings.AddRange(secrets.OnGatewaysDisk(holdings.GatewayDisk));
        findings.AddRange(secrets.InLogs(holdings.Logs));
        report?.Invoke("search");
        return findings;
    }
}
