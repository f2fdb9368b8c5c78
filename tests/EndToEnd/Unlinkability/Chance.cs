namespace Tacit.EndToEnd.Unlinkability;

/// <summary>
/// How likely an observation is by chance alone. A check reports what is less likely than <see cref="Limit"/>; one look at a transcript makes fewer than
/// 50,000 comparisons, so that it raises a false alarm less than once in two million runs.
/// </summary>
internal static class Chance
{
    public const double Limit = 1e-11;

    /// <summary>Standard deviations beyond which a sum over a random permutation is reported: 3e-12 for the normal distribution it tends to.</summary>
    public const double PermutationLimit = 7;

    /// <summary>The same for <see cref="OfCorrelation"/>, whose tail is less sure at the size of one wallet.</summary>
    public const double CorrelationLimit = 9;

    /// <summary>
    /// Matches beyond which a matching is reported. Those of a random one are Poisson distributed with mean 1, nearly independent of its size: 14 or more
    /// come once in 2e11.
    /// </summary>
    public const int MatchLimit = 14;

    /// <summary>At most the probability that the number of heads in <paramref name="flips"/> fair flips is this far from half (Hoeffding's inequality).</summary>
    public static double OfHeads(long heads, long flips)
    {
        double distance = heads - (flips / 2.0);
        return 2 * Math.Exp(-2 * distance * distance / flips);
    }

    /// <summary>
    /// Fisher's transformation of a rank correlation over n pairs, in standard deviations: unlike the plain sum it is not bounded by √n, so that a small crowd in
    /// perfect order stands out. Ranks have shorter tails than the normal variables it was made for.
    /// </summary>
    public static double OfCorrelation(double sum, double variance, int pairs) =>
        variance > 0 ? Math.Abs(Math.Atanh(Math.Clamp(sum / Math.Sqrt(variance * (pairs - 1)), -0.9999999, 0.9999999))) * Math.Sqrt(pairs - 3) : 0;

    /// <summary>At least this many of rare events of which so many are expected (Chernoff's bound for Poisson's distribution).</summary>
    public static double OfAtLeast(int seen, double expected) =>
        seen <= expected ? 1 : expected <= 0 ? 0 : Math.Exp(seen - expected - (seen * Math.Log(seen / expected)));

    /// <summary>The probability that even counts over so many cells give a chi-square at least this large. Wants ten or more expected in each cell.</summary>
    public static double OfChiSquare(double chiSquare, int cells) => UpperGamma((cells - 1) / 2.0, chiSquare / 2);

    /// <summary>Chi-square of counts against the even distribution.</summary>
    public static double ChiSquare(ReadOnlySpan<int> counts)
    {
        double total = 0;
        foreach (int count in counts)
        {
            total += count;
        }

        double expected = total / counts.Length;
        double sum = 0;
        foreach (int count in counts)
        {
            sum += (count - expected) * (count - expected) / expected;
        }

        return sum;
    }

    /// <summary>The regularized upper incomplete gamma function Q(a, x), by series below a + 1 and by continued fraction (Lentz) above.</summary>
    private static double UpperGamma(double a, double x)
    {
        if (x <= 0)
        {
            return 1;
        }

        double scale = Math.Exp((a * Math.Log(x)) - x - LogGamma(a));
        if (x < a + 1)
        {
            double term = 1 / a;
            double sum = term;
            for (double n = a + 1; term > sum * 1e-16; n++)
            {
                term *= x / n;
                sum += term;
            }

            return 1 - (scale * sum);
        }

        double b = x + 1 - a;
        double c = 1e300;
        double d = 1 / b;
        double h = d;
        for (int i = 1; i < 10_000; i++)
        {
            double step = -i * (i - a);
            b += 2;
            d = 1 / ((step * d) + b);
            c = b + (step / c);
            h *= d * c;
            if (Math.Abs((d * c) - 1) < 1e-15)
            {
                break;
            }
        }

        return scale * h;
    }

    /// <summary>Stirling's series, after moving the argument above 10.</summary>
    private static double LogGamma(double x)
    {
        double shift = 0;
        for (; x < 10; x++)
        {
            shift += Math.Log(x);
        }

        double square = 1 / (x * x);
        return ((x - 0.5) * Math.Log(x)) - x + (Math.Log(2 * Math.PI) / 2) + ((1 - (square * ((1 / 30.0) - (square / 105)))) / (12 * x)) - shift;
    }
}
