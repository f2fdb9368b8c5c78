namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// A pseudonym links the requests of one account to each other, and not to the account: who holds everything that issuer and gateway saw and wrote can say of none whose
/// it is better than by guessing among all that were signed under its key. That holds for one that took a stolen one's place, too.
/// </summary>
public sealed class PseudonymUnlinkabilityTests
{
    private static readonly int s_accounts = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 500 : 120;

    [Fact]
    public async Task Nothing_that_issuer_and_gateway_hold_together_says_whose_a_pseudonym_is()
    {
        await using PseudonymFleet fleet = await PseudonymFleet.RunAsync(s_accounts);
        (Transcript transcript, SecretChecks secrets) = await PseudonymReader.ReadAsync(fleet);
        using Transcript owned = transcript;

        // A permanent and a transient one each, and the rotated ones that were put in place.
        Assert.Equal([s_accounts / 2, s_accounts, s_accounts], transcript.Pairs.CountBy(pair => pair.Issuance.Crowd).Select(crowd => crowd.Value).Order());
        List<string> findings = Judge.Run(transcript, fleet.Holdings, secrets);
        Assert.True(findings.Count == 0, string.Join('\n', findings));
    }

    [Fact]
    public async Task Wallet_that_has_its_pseudonym_signed_at_its_first_prompt_is_found()
    {
        await using PseudonymFleet fleet = await PseudonymFleet.RunAsync(accounts: 40, fetchAtPrompt: true);
        (Transcript transcript, SecretChecks secrets) = await PseudonymReader.ReadAsync(fleet);
        using Transcript owned = transcript;
        Assert.Contains(Judge.Run(transcript, fleet.Holdings, secrets), finding => finding.Contains("by order and order 40 tokens of 40", StringComparison.Ordinal));
    }
}
