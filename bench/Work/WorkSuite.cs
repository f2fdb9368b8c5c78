using System.Security.Cryptography;
using Tacit.Bench.Harness;
using Tacit.Crypto;
using Tacit.Gateway.Work;
using Tacit.Protocol;

namespace Tacit.Bench.Work;

/// <summary>Checking a proof of work beside the one hash that it needs, and finding one.</summary>
internal sealed class WorkSuite : Suite
{
    private const int PerCall = 1000;
    private const string Hash = "SHA-256";
    private const string Check = "check";
    private const string Solve = "solve";

    internal override string Name => "work";

    internal override string Summary => "proof of work: checked beside SHA-256's own speed";

    internal override async Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken)
    {
        await using var gate = new WorkGate(
            new WorkOptions { For = [WorkKinds.Sealed], MinBits = 1 }, new byte[WorkGate.SecretSizeInBytes], () => default, TimeProvider.System);
        byte[] digest = SHA256.HashData("a request"u8);
        byte[] message = new byte[69];
        byte[] hash = new byte[32];
        string challenge = "";
        string stamp = "";
        ulong next = 0;

        SideBySide side = new();
        side.Add(Hash, cancelled => OneCore.RateAsync(
            () =>
            {
                for (int i = 0; i < PerCall; i++)
                {
                    ShortDigest.Sha256(message, hash);
                }
            },
            PerCall, effort.PerMeasurement));
        side.Add(Check, cancelled => OneCore.RateAsync(
            () =>
            {
                WorkAnnouncement asked = gate.Announce();
                string current = Convert.ToHexString(asked.Challenge.Span);
                if (current != challenge)
                {
                    // One that was taken: read, hashed and looked up like any other, and the table does not grow.
                    challenge = current;
                    _ = new WorkStamp(asked.Challenge.Span, 0).TrySolve(digest, asked.Bits, int.MaxValue, out WorkStamp found);
                    stamp = found.ToString();
                    gate.Judge(digest, stamp);
                }

                for (int i = 0; i < PerCall; i++)
                {
                    if (gate.Judge(digest, stamp) != WorkVerdict.Reused)
                    {
                        throw new InvalidOperationException("The stamp was not the one that was taken.");
                    }
                }
            },
            PerCall, effort.PerMeasurement));
        side.Add(Solve, cancelled => OneCore.RateAsync(
            () =>
            {
                _ = new WorkStamp(new byte[16], next).TrySolve(digest, WorkStamp.MaxBits, PerCall, out WorkStamp after);
                next = after.Counter;
            },
            PerCall, effort.PerMeasurement));
        await side.RunAsync(effort.Rounds, say, cancellationToken);

        double bare = side.Median(Hash);
        double checks = side.Median(Check);
        double tries = side.Median(Solve);
        string reference = string.Create(System.Globalization.CultureInfo.InvariantCulture, $"SHA-256 of 69 bytes, {1e6 / bare:0.00} µs");
        return
        [
            new Row("proof of work: check a stamp, one core", 1e6 / checks, "µs", reference, bare / checks, null, Row.Lower),
            new Row("proof of work: tries, one core", tries, "/s", string.Create(System.Globalization.CultureInfo.InvariantCulture, $"SHA-256 of 69 bytes, {bare:#,0} /s"), tries / bare, null, Row.Higher),
        ];
    }
}
