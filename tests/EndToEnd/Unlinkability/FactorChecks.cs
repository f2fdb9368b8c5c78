using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// What blinding rests on: every token fits every blinded element of its crowd with exactly one factor, so that only the factors' distribution could tell the
/// true pairs from the others. If theirs is even, independent of what the gateway sees, there is nothing to tell them by.
/// </summary>
internal static class FactorChecks
{
    /// <summary>Below n · 2^−44, or nearer than that to n, or two that share 62 leading or 64 trailing bits: less than once in 1e8 runs of 10,000.</summary>
    private const ulong Tiny = 1UL << 20;
    private const ulong Near = 1UL << 2;

    /// <summary>r of each true pair, in the order of issuance. Also proves the pair true: the factor is the one that the wallet's secrets give.</summary>
    public static List<byte[]> Recover(Transcript transcript, List<string> findings)
    {
        List<byte[]> factors = [];
        foreach (TruePair pair in transcript.Pairs)
        {
            KeyArithmetic key = transcript.Keys[pair.Issuance.Crowd];
            byte[] factor = key.Factor(pair.Issuance.BlindSignature, pair.Redemption.Token.Authenticator);
            if (!key.Fits(key.EncodedMessage(pair.Redemption.Token.Authenticator), factor, pair.Issuance.Blinded))
            {
                findings.Add("A pair that should be true does not fit.");
            }

            factors.Add(factor);
        }

        return factors;
    }

    public static IReadOnlyList<string> Run(Transcript transcript)
    {
        List<string> findings = [];
        List<byte[]> factors = Recover(transcript, findings);
        findings.AddRange(RunOn(transcript, factors));

        // What the gateway sees of a token must not show in the factor that hides it.
        var search = new SecretSearch();
        foreach (TruePair pair in transcript.Pairs)
        {
            search.Add("nonce", pair.Redemption.Token.Nonce);
            search.Add("authenticator", pair.Redemption.Token.Authenticator);
            search.AddHashes("token input", pair.Redemption.Token.TokenInput);
        }

        findings.AddRange(factors.SelectMany(factor => search.Find("a blinding factor", factor)).Distinct());
        return findings;
    }

    /// <summary>
    /// Any token with any element of its crowd, at the example of some: there is always a factor, and those of false pairs are as even as the true ones.
    /// </summary>
    public static IReadOnlyList<string> RunOnFalsePairs(Transcript transcript, int atMost)
    {
        List<string> findings = [];
        var mixed = new Transcript();
        List<byte[]> factors = [];
        foreach (IGrouping<string, TruePair> crowd in transcript.Pairs.GroupBy(pair => pair.Issuance.Crowd))
        {
            KeyArithmetic key = transcript.Keys[crowd.Key];
            mixed.Keys[crowd.Key] = key;
            TruePair[] pairs = [.. crowd.Take(atMost)];
            int shift = 1 + RandomNumberGenerator.GetInt32(Math.Max(1, pairs.Length - 1));
            for (int i = 0; i < pairs.Length; i++)
            {
                Redemption other = pairs[(i + shift) % pairs.Length].Redemption;
                byte[] factor = key.Factor(pairs[i].Issuance.BlindSignature, other.Token.Authenticator);
                if (key.Fraction(factor) == 0 || !key.Fits(key.EncodedMessage(other.Token.Authenticator), factor, pairs[i].Issuance.Blinded))
                {
                    findings.Add("A token does not fit an issuance of its crowd.");
                }

                mixed.Pairs.Add(pairs[i] with { Redemption = other });
                factors.Add(factor);
            }
        }

        findings.AddRange(RunOn(mixed, factors));
        return findings;
    }

    private static IEnumerable<string> RunOn(Transcript transcript, List<byte[]> factors)
    {
        int repeats = UniformChecks.Repeats(factors);
        if (repeats > 0)
        {
            yield return $"{repeats} blinding factors were used before";
        }

        List<byte[]> values = [];
        List<byte[]> differences = [];
        List<byte[]> quotients = [];
        foreach (IGrouping<string, int> crowd in Enumerable.Range(0, factors.Count).GroupBy(i => transcript.Pairs[i].Issuance.Crowd))
        {
            KeyArithmetic key = transcript.Keys[crowd.Key];
            byte[][] own = [.. crowd.Select(i => factors[i])];
            foreach (string finding in Spacing(key, own))
            {
                yield return finding;
            }

            values.AddRange(own.Select(factor => Even(key, factor)));
            foreach ((byte[] before, byte[] after) in own.Zip(own.Skip(1)))
            {
                differences.Add(Even(key, key.Difference(after, before)));
                quotients.Add(Even(key, key.Quotient(after, before)));
            }
        }

        foreach (string finding in UniformChecks.Run("blinding factors", values)
            .Concat(UniformChecks.Run("differences of successive blinding factors", differences))
            .Concat(UniformChecks.Run("quotients of successive blinding factors", quotients)))
        {
            yield return finding;
        }
    }

    private static IEnumerable<string> Spacing(KeyArithmetic key, byte[][] factors)
    {
        ulong[] fractions = [.. factors.Select(factor => key.Fraction(factor)).Order()];
        if (fractions[0] < Tiny || fractions[^1] > ulong.MaxValue - Tiny)
        {
            yield return "a blinding factor is far too near to 0 or to n";
        }

        if (fractions.Zip(fractions.Skip(1)).Any(pair => pair.Second - pair.First < Near))
        {
            yield return "two blinding factors share their leading bits";
        }

        if (factors.Select(factor => BinaryPrimitives.ReadUInt64BigEndian(factor.AsSpan(^8))).Distinct().Count() < factors.Length)
        {
            yield return "two blinding factors share their trailing bits";
        }
    }

    /// <summary>
    /// The bits of a value below n that are even if the value is: its leading ones as a fraction of n, and those so far down that n is a multiple of their range but
    /// for 2^−128.
    /// </summary>
    private static byte[] Even(KeyArithmetic key, byte[] value)
    {
        byte[] bits = new byte[sizeof(ulong) + (KeyArithmetic.Size - 16)];
        BinaryPrimitives.WriteUInt64BigEndian(bits, key.Fraction(value));
        value.AsSpan(16).CopyTo(bits.AsSpan(sizeof(ulong)));
        return bits;
    }
}
