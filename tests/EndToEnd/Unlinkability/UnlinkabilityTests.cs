using System.Globalization;
using System.Text;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// The claim of the whole system: who holds everything that issuer, signer and gateway saw and wrote, keys included, can pair no token with its purchase better
/// than by guessing among all of its crowd.
/// </summary>
public sealed class UnlinkabilityTests(ITestOutputHelper output)
{
    private static bool IsSoak => Environment.GetEnvironmentVariable("TACIT_SOAK") == "1";

    [Fact]
    public async Task Nothing_that_issuer_and_gateway_hold_together_links_a_token_to_its_purchase()
    {
        long start = TimeProvider.System.GetTimestamp();
        await using Fleet fleet = await Fleet.RunAsync(IsSoak ? 250 : 50);
        using Transcript transcript = TranscriptReader.Read(fleet);
        Report($"a run of {transcript.Pairs.Count} tokens");
        Assert.True(transcript.Pairs.Count >= (IsSoak ? 10_000 : 2_000));

        List<string> findings = Judge.Run(
            transcript,
            new Holdings
            {
                IssuerWire = [.. fleet.Issuer.Seen],
                GatewayWire = [.. fleet.Gateway.Seen],
                IssuerDisk =
                [
                    .. fleet.IssuerSnapshots.SelectMany(snapshot => Evidence.Of("issuer", snapshot)),
                    .. fleet.SignerSnapshots.SelectMany(snapshot => Evidence.Of("signer", snapshot)),
                ],
                GatewayDisk = [.. fleet.GatewaySnapshots.SelectMany(snapshot => Evidence.Of("gateway", snapshot))],
                Logs = [new Evidence("the logs", Encoding.UTF8.GetBytes(string.Join('\n', fleet.Operators.Log.Lines)))],
            },
            Secrets(fleet), Report);
        findings.AddRange(SignerChanges(fleet));
        foreach (IGrouping<string, TruePair> crowd in transcript.Pairs.GroupBy(pair => pair.Issuance.Crowd))
        {
            output.WriteLine($"crowd {crowd.Key}: {crowd.Count()} tokens of {crowd.Select(pair => pair.Wallet).Distinct().Count()} wallets");
        }

        Assert.True(findings.Count == 0, string.Join('\n', findings));

        void Report(string what) => output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetElapsedTime(start).TotalSeconds:F1} s: {what}"));
    }

    /// <summary>The secrets that belong to no single token.</summary>
    private static SecretChecks Secrets(Fleet fleet)
    {
        var secrets = new SecretChecks();
        foreach (FleetWallet wallet in fleet.Wallets)
        {
            secrets.AddWallet(wallet.Seed, wallet.AccountKey, wallet.Vouchers);
        }

        foreach (StoredRow row in fleet.GatewaySnapshots[^1].Rows)
        {
            secrets.AddGatewayRow(row);
        }

        foreach (StoredRow row in fleet.IssuerSnapshots[^1].Rows)
        {
            secrets.AddIssuerRow(row);
        }

        return secrets;
    }

    /// <summary>The signer stores keys and nothing else: while no key changes, no row does, whatever is signed.</summary>
    private static IEnumerable<string> SignerChanges(Fleet fleet)
    {
        foreach ((Snapshot before, Snapshot after) in fleet.SignerSnapshots.Zip(fleet.SignerSnapshots.Skip(1)))
        {
            string[] keys = [.. Texts(before, "signing_key"), .. Texts(before, "key_use")];
            if (keys.SequenceEqual([.. Texts(after, "signing_key"), .. Texts(after, "key_use")]) && !Texts(before, "").SequenceEqual(Texts(after, "")))
            {
                yield return $"signer.db changed between \"{before.Moment}\" and \"{after.Moment}\"";
            }
        }

        static IEnumerable<string> Texts(Snapshot snapshot, string table) =>
            // Totals of a plan and period count what was signed and hold nothing of it.
            snapshot.Rows.Where(row => row.Table.StartsWith(table, StringComparison.Ordinal) && row.Table != "signed_total").Select(row => row.ToString());
    }
}
