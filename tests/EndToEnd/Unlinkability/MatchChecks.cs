using System.Security.Cryptography;

namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// Tries to pair tokens with issuances by everything else that is known of both: their order, batch, place, sizes and each stored column. Where nothing links,
/// the true pairing is a random permutation of the crowd, whatever was measured; that is the null distribution of all comparisons here.
/// </summary>
internal static class MatchChecks
{
    /// <summary>Smaller crowds hide so little that there is nothing to measure.</summary>
    private const int SmallestCrowd = 20;

    public static IReadOnlyList<string> Run(IReadOnlyList<TruePair> pairs)
    {
        List<string> findings = [];
        foreach (IGrouping<string, TruePair> crowd in pairs.GroupBy(pair => pair.Issuance.Crowd))
        {
            findings.AddRange(RunOn($"crowd {crowd.Key}", [.. crowd.Where(pair => pair.IsOrdinary)]));

            // The same with the wallet given away, and whether it asked or exchanged: what is left is how it chooses among its own tokens.
            List<TruePair[]> wallets = [.. crowd.GroupBy(pair => (pair.Wallet, pair.Redemption.Seen["path"].Value)).Select(group => group.ToArray()).Where(group => group.Length > 1)];
            findings.AddRange(WithinWallets($"crowd {crowd.Key}, wallets known", wallets));
        }

        return findings;
    }

    private static IEnumerable<string> RunOn(string where, TruePair[] pairs)
    {
        if (pairs.Length < SmallestCrowd)
        {
            yield break;
        }

        Column[] issuer = Columns(pairs, pair => pair.Issuance.Seen);
        Column[] gateway = Columns(pairs, pair => pair.Redemption.Seen);
        foreach (Column left in issuer)
        {
            foreach (Column right in gateway)
            {
                // 1. Rank correlation: the sum of products of ranks over a random permutation has mean 0 and a variance that is known exactly.
                double z = Correlation(left.Ranks, right.Ranks);
                if (Math.Abs(z) > Chance.PermutationLimit)
                {
                    yield return $"{where}: {left.Name} goes with {right.Name}, {z:F1} standard deviations";
                }

                // 2. The k-th by one with the k-th by the other, and from the other end.
                int matches = Math.Max(Matches(left.Order, right.Order), Matches(left.Order, [.. right.Order.Reverse()]));
                if (matches >= Chance.MatchLimit)
                {
                    yield return $"{where}: by {left.Name} and {right.Name} {matches} tokens of {pairs.Length} are matched";
                }
            }
        }

        foreach (string finding in Adjacency(where, pairs).Concat(Learned(where, pairs, issuer, gateway)))
        {
            yield return finding;
        }
    }

    /// <summary>The same correlations, each within its wallet, alone and summed: under the null their variances add.</summary>
    private static IEnumerable<string> WithinWallets(string where, List<TruePair[]> wallets)
    {
        Dictionary<(string, string), (double Sum, double Variance)> sums = [];
        foreach (TruePair[] wallet in wallets)
        {
            Column[] gateway = Columns(wallet, pair => pair.Redemption.Seen);
            foreach (Column left in Columns(wallet, pair => pair.Issuance.Seen))
            {
                foreach (Column right in gateway)
                {
                    (double sum, double variance) = Moments(left.Ranks, right.Ranks);
                    (double total, double spread) = sums.GetValueOrDefault((left.Name, right.Name));
                    sums[(left.Name, right.Name)] = (total + sum, spread + variance);
                    if (wallet.Length >= SmallestCrowd && Chance.OfCorrelation(sum, variance, wallet.Length) > Chance.CorrelationLimit)
                    {
                        yield return $"{where}, {wallet[0].Wallet}: {left.Name} goes with {right.Name}";
                    }
                }
            }

            foreach (string finding in Adjacency($"{where}, {wallet[0].Wallet}", wallet))
            {
                yield return finding;
            }
        }

        foreach (((string left, string right), (double sum, double variance)) in sums)
        {
            double z = variance > 0 ? sum / Math.Sqrt(variance) : 0;
            if (Math.Abs(z) > Chance.PermutationLimit)
            {
                yield return $"{where}: {left} goes with {right}, {z:F1} standard deviations";
            }
        }
    }

    /// <summary>Neighbours at the gateway that are of one batch, or neighbours in it. Both are sums of many rare events, for which Poisson's law bounds the tail.</summary>
    private static IEnumerable<string> Adjacency(string where, TruePair[] pairs)
    {
        TruePair[] order = [.. pairs.OrderBy(pair => pair.Redemption.Seen["order"].Value)];
        double expectedBatch = pairs.GroupBy(BatchOf).Sum(batch => (double)batch.Count() * (batch.Count() - 1)) / pairs.Length;
        HashSet<(double, double)> places = [.. pairs.Select(pair => (BatchOf(pair), PlaceOf(pair)))];
        double expectedPlace = 2.0 * places.Count(place => places.Contains((place.Item1, place.Item2 + 1))) / pairs.Length;
        int batch = 0;
        int place = 0;
        for (int i = 1; i < order.Length; i++)
        {
            bool same = BatchOf(order[i]) == BatchOf(order[i - 1]);
            batch += same ? 1 : 0;
            place += same && Math.Abs(PlaceOf(order[i]) - PlaceOf(order[i - 1])) == 1 ? 1 : 0;
        }

        if (Chance.OfAtLeast(batch, expectedBatch) < Chance.Limit)
        {
            yield return $"{where}: {batch} times tokens of one batch follow each other at the gateway, {expectedBatch:F1} expected";
        }

        if (Chance.OfAtLeast(place, expectedPlace) < Chance.Limit)
        {
            yield return $"{where}: {place} times neighbours of a batch follow each other at the gateway, {expectedPlace:F1} expected";
        }

        static double BatchOf(TruePair pair) => pair.Issuance.Seen["batch"].Value;
        static double PlaceOf(TruePair pair) => pair.Issuance.Seen["place in batch"].Value;
    }

    /// <summary>
    /// All features at once: how each of one side goes with each of the other is learned from half of the true pairs, and the others are matched by it. Their sum
    /// of scores is again one over a random permutation.
    /// </summary>
    private static IEnumerable<string> Learned(string where, TruePair[] pairs, Column[] issuer, Column[] gateway)
    {
        int[] shuffled = [.. Enumerable.Range(0, pairs.Length)];
        RandomNumberGenerator.Shuffle<int>(shuffled);
        int[] known = shuffled[..(pairs.Length / 2)];
        int[] unknown = shuffled[(pairs.Length / 2)..];
        double[,] weights = new double[issuer.Length, gateway.Length];
        for (int a = 0; a < issuer.Length; a++)
        {
            for (int b = 0; b < gateway.Length; b++)
            {
                weights[a, b] = known.Sum(i => issuer[a].Ranks[i] * gateway[b].Ranks[i]) / known.Length;
            }
        }

        // What each issuance would look like at the gateway, then each redemption beside it.
        int n = unknown.Length;
        double[][] expected = [.. unknown.Select(i => Enumerable.Range(0, gateway.Length).Select(b => Enumerable.Range(0, issuer.Length).Sum(a => issuer[a].Ranks[i] * weights[a, b])).ToArray())];
        double[][] seen = [.. unknown.Select(i => gateway.Select(column => column.Ranks[i]).ToArray())];
        double[] rows = new double[n];
        double[] columns = new double[n];
        double[,] scores = new double[n, n];
        double total = 0;
        int matches = 0;
        for (int i = 0; i < n; i++)
        {
            int best = 0;
            for (int j = 0; j < n; j++)
            {
                double score = 0;
                for (int b = 0; b < gateway.Length; b++)
                {
                    score += expected[i][b] * seen[j][b];
                }

                scores[i, j] = score;
                rows[i] += score / n;
                columns[j] += score / n;
                total += score / n;
                best = score > scores[i, best] ? j : best;
            }

            matches += best == i ? 1 : 0;
        }

        double mean = total / n;
        double sum = 0;
        double variance = 0;
        for (int i = 0; i < n; i++)
        {
            sum += scores[i, i] - mean;
            for (int j = 0; j < n; j++)
            {
                double centred = scores[i, j] - rows[i] - columns[j] + mean;
                variance += centred * centred / (n - 1);
            }
        }

        double z = variance > 0 ? sum / Math.Sqrt(variance) : 0;
        if (z > Chance.PermutationLimit || matches >= Chance.MatchLimit)
        {
            yield return $"{where}: a matcher that learned from half of the pairs finds {matches} of the others, {z:F1} standard deviations";
        }
    }

    private static double Correlation(double[] left, double[] right)
    {
        (double sum, double variance) = Moments(left, right);
        return variance > 0 ? sum / Math.Sqrt(variance) : 0;
    }

    /// <summary>Σ aᵢ·bᵢ of centred ranks, and its variance over all permutations: Σa²·Σb²/(n − 1).</summary>
    private static (double Sum, double Variance) Moments(double[] left, double[] right)
    {
        double sum = 0;
        double a = 0;
        double b = 0;
        for (int i = 0; i < left.Length; i++)
        {
            sum += left[i] * right[i];
            a += left[i] * left[i];
            b += right[i] * right[i];
        }

        return (sum, left.Length > 1 ? a * b / (left.Length - 1) : 0);
    }

    private static int Matches(int[] left, int[] right)
    {
        int matches = 0;
        for (int i = 0; i < left.Length; i++)
        {
            matches += left[i] == right[i] ? 1 : 0;
        }

        return matches;
    }

    /// <summary>The features that vary within the pairs, each as centred ranks (ties share theirs) and as an order (ties fall at random).</summary>
    private static Column[] Columns(TruePair[] pairs, Func<TruePair, IReadOnlyDictionary<string, Feature>> seen)
    {
        List<Column> columns = [];
        foreach (string name in pairs.SelectMany(pair => seen(pair).Keys).Distinct().Order(StringComparer.Ordinal))
        {
            double[] values = [.. pairs.Select(pair => seen(pair).TryGetValue(name, out Feature value) ? value.Value : double.MinValue)];
            if (values.Distinct().Skip(1).Any())
            {
                columns.Add(new Column(name, Ranks(values), Order(values)));
            }
        }

        return [.. columns];
    }

    private static int[] Order(double[] values)
    {
        int[] order = [.. Enumerable.Range(0, values.Length)];
        RandomNumberGenerator.Shuffle<int>(order);
        return [.. order.OrderBy(i => values[i])];
    }

    private static double[] Ranks(double[] values)
    {
        int[] order = [.. Enumerable.Range(0, values.Length).OrderBy(i => values[i])];
        double[] ranks = new double[values.Length];
        for (int start = 0; start < order.Length;)
        {
            int end = start;
            while (end < order.Length && values[order[end]] == values[order[start]])
            {
                end++;
            }

            for (int k = start; k < end; k++)
            {
                ranks[order[k]] = ((start + end - 1) / 2.0) - ((values.Length - 1) / 2.0);
            }

            start = end;
        }

        return ranks;
    }

    private sealed record Column(string Name, double[] Ranks, int[] Order);
}
