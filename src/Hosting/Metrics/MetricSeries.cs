namespace Tacit.Hosting.Metrics;

/// <summary>One line of figures, or one histogram. Thread safe.</summary>
/// <param name="value">The one tag's value; null without a tag.</param>
/// <param name="bounds">Upper bounds of a histogram's buckets, rising; none otherwise.</param>
internal sealed class MetricSeries(string? value, double[] bounds)
{
    private readonly Lock _gate = new();
    private readonly long[] _buckets = new long[bounds.Length + 1];
    private double _sum;

    public string? Value => value;

    public double Sum
    {
        get
        {
            lock (_gate)
            {
                return _sum;
            }
        }
    }

    public void Add(double amount)
    {
        lock (_gate)
        {
            _sum += amount;
        }
    }

    public void Set(double amount)
    {
        lock (_gate)
        {
            _sum = amount;
        }
    }

    /// <summary>Counts a value into its bucket.</summary>
    public void Observe(double amount)
    {
        int bucket = 0;
        while (bucket < bounds.Length && amount > bounds[bucket])
        {
            bucket++;
        }

        lock (_gate)
        {
            _buckets[bucket]++;
            _sum += amount;
        }
    }

    /// <param name="buckets">Gets how many fell into each; one more than there are bounds.</param>
    /// <returns>The sum of all values.</returns>
    public double Read(Span<long> buckets)
    {
        lock (_gate)
        {
            _buckets.CopyTo(buckets);
            return _sum;
        }
    }
}
