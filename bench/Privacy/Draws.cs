namespace Tacit.Bench.Privacy;

/// <summary>Known draws from a seed (xorshift64*), so that a simulated year can be run again; for no secret.</summary>
internal sealed class Draws
{
    private ulong _state;

    public Draws(ulong seed, ulong stream = 0) => _state = unchecked(((seed + 1) * 0x9E3779B97F4A7C15) ^ ((stream + 1) * 0xD1B54A32D192ED03)) | 1;

    /// <summary>Evenly from 0 to below 1.</summary>
    public double Fraction()
    {
        unchecked
        {
            _state ^= _state >> 12;
            _state ^= _state << 25;
            _state ^= _state >> 27;
            return ((_state * 0x2545F4914F6CDD1D) >> 11) * (1.0 / (1UL << 53));
        }
    }

    public int Below(int count) => (int)(Fraction() * count);

    public double Between(double low, double high) => low + ((high - low) * Fraction());

    public double Exponential(double mean) => -mean * Math.Log(1 - Fraction());

    public double Normal() => Math.Sqrt(-2 * Math.Log(1 - Fraction())) * Math.Cos(2 * Math.PI * Fraction());

    public int Poisson(double mean)
    {
        if (mean > 60)
        {
            return Math.Max(0, (int)Math.Round(mean + (Math.Sqrt(mean) * Normal())));
        }
        int count = 0;
        for (double product = Fraction(), bound = Math.Exp(-mean); product > bound; product *= Fraction())
        {
            count++;
        }
        return count;
    }

    /// <summary>An index, each with the chance of its weight.</summary>
    public int Weighted(ReadOnlySpan<double> weights)
    {
        double total = 0;
        foreach (double weight in weights)
        {
            total += weight;
        }
        double at = Fraction() * total;
        for (int i = 0; i < weights.Length; i++)
        {
            at -= weights[i];
            if (at < 0)
            {
                return i;
            }
        }
        return weights.Length - 1;
    }
}
