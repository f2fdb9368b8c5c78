namespace Tacit.Bench.Harness;

/// <summary>Rows that are measured together. A new suite is a class and a line in Program.</summary>
internal abstract class Suite
{
    /// <summary>The word on the command line.</summary>
    internal abstract string Name { get; }

    /// <summary>What it measures, and what it needs installed.</summary>
    internal abstract string Summary { get; }

    internal abstract Task<IReadOnlyList<Row>> RunAsync(Effort effort, Action<string> say, CancellationToken cancellationToken);
}

/// <summary>How long to measure. Ratios are of medians over the rounds, so more rounds calm them.</summary>
internal sealed record Effort(int Rounds, TimeSpan PerMeasurement)
{
    internal static Effort Full { get; } = new(7, TimeSpan.FromSeconds(1));

    internal static Effort Quick { get; } = new(3, TimeSpan.FromSeconds(0.3));
}
