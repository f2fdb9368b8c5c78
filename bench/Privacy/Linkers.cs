namespace Tacit.Bench.Privacy;

/// <summary>A way to tell whose a sighting is: the higher the score, the likelier the account.</summary>
internal abstract class Linker
{
    public abstract string Name { get; }

    public abstract double Score(in Sighting seen, Dossier account);

    public static IReadOnlyList<Linker> Simple { get; } =
    [
        new ByRule("purchase before", (seen, account) => account.Before(seen.Plan, seen.At) is > 0 and int n ? -(seen.At - account.ByPlan[seen.Plan][n - 1].At) : double.NegativeInfinity),
        new ByRule(
            "purchase after",
            (seen, account) => account.Before(seen.Plan, seen.At) is int n && n < account.ByPlan[seen.Plan].Length ? -(account.ByPlan[seen.Plan][n].At - seen.At) : double.NegativeInfinity),
        new ByRule("rhythm", (seen, account) => Evidence.Rhythm(seen.At, account)),
        new ByRule("amount", (_, account) => account.Volume),
        new ByRule("key", (seen, account) => account.ByPlan[seen.Plan].LastOrDefault(line => line.Key == seen.Key && line.At <= seen.At).Count),
        new ByRule("exchange", (seen, account) => seen.ExchangedAt == 0 ? 0 : -Evidence.Nearest(account, seen.ExchangedAt)),
        new ByRule("restore", (seen, account) => seen.SpentTries > 0 && account.Restores.Length > 0 && account.Restores[0] <= seen.At ? account.Restores[0] - seen.At : double.NegativeInfinity),
    ];

    private sealed class ByRule(string name, Func<Sighting, Dossier, double> score) : Linker
    {
        public override string Name => name;

        public override double Score(in Sighting seen, Dossier account) => score(seen, account);
    }
}

/// <summary>
/// The learned matcher: logistic regression on the difference of two accounts' evidence, with a weight for each statement. Learns from people whose truth it is
/// told, and is judged on others.
/// </summary>
internal sealed class LearnedLinker : Linker
{
    private const int Rounds = 3;
    private const double Pull = 1e-3;

    private readonly double[] _weights = new double[Evidence.Size];
    private readonly Evidence _evidence;
    private readonly string _name;

    private LearnedLinker(Subject? only)
    {
        _evidence = new Evidence(only);
        _name = only is { } subject ? $"learned, {subject} only" : "learned";
    }

    public override string Name => _name;

    /// <param name="pairs">The sighting, whose it was, and another account of its crowd.</param>
    public static LearnedLinker Learn(IReadOnlyList<Pair> pairs, ulong seed, Subject? only = null)
    {
        var linker = new LearnedLinker(only);
        double[] weights = linker._weights;
        double[] squares = new double[Evidence.Size];
        double[] mean = new double[Evidence.Size];
        var draws = new Draws(seed, 77);
        var own = new int[32];
        long steps = 0;
        long averaged = 0;
        for (int round = 0; round < Rounds; round++)
        {
            for (int i = 0; i < pairs.Count; i++)
            {
                Pair pair = pairs[draws.Below(pairs.Count)];
                List<int> statements = linker._evidence.Of(pair.Seen, pair.Truth);
                int count = statements.Count;
                statements.CopyTo(own);
                List<int> others = linker._evidence.Of(pair.Seen, pair.Other);
                double score = 0;
                for (int s = 0; s < count; s++)
                {
                    score += weights[own[s]] - weights[others[s]];
                }
                double slope = 1 / (1 + Math.Exp(score));
                for (int s = 0; s < count; s++)
                {
                    if (own[s] != others[s])
                    {
                        Step(own[s], slope);
                        Step(others[s], -slope);
                    }
                }
                steps++;
                if (round > 0 && steps % 64 == 0)
                {
                    averaged++;
                    for (int w = 0; w < weights.Length; w++)
                    {
                        mean[w] += weights[w];
                    }
                }
            }
        }
        for (int w = 0; averaged > 0 && w < weights.Length; w++)
        {
            weights[w] = mean[w] / averaged;
        }
        return linker;

        void Step(int statement, double slope)
        {
            double gradient = slope - (Pull * weights[statement]);
            squares[statement] += gradient * gradient;
            weights[statement] += 0.15 * gradient / Math.Sqrt(squares[statement] + 1);
        }
    }

    public override double Score(in Sighting seen, Dossier account)
    {
        double score = 0;
        foreach (int statement in _evidence.Of(seen, account))
        {
            score += _weights[statement];
        }
        return score;
    }
}

/// <summary>A sighting, whose it was, and another account that could have been.</summary>
internal readonly record struct Pair(Sighting Seen, Dossier Truth, Dossier Other);
