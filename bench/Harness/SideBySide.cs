namespace Tacit.Bench.Harness;

/// <summary>
/// Measures several things in turn, round after round, so that whatever else the machine does meets all of them alike; keeps the median
/// of each.
/// </summary>
internal sealed class SideBySide
{
    private readonly List<(string Name, Func<CancellationToken, Task<double>> Measure, List<double> Figures)> _entries = [];

    /// <summary>Adds something measured; the delegate gives one figure.</summary>
    internal void Add(string name, Func<CancellationToken, Task<double>> measure) => _entries.Add((name, measure, []));

    internal async Task RunAsync(int rounds, Action<string> say, CancellationToken cancellationToken)
    {
        for (int round = 1; round <= rounds; round++)
        {
            foreach ((string name, Func<CancellationToken, Task<double>> measure, List<double> figures) in _entries)
            {
                cancellationToken.ThrowIfCancellationRequested();
                say($"round {round} of {rounds}: {name}");
                figures.Add(await measure(cancellationToken));
            }
        }
    }

    internal double Median(string name)
    {
        List<double> figures = [.. _entries.Single(entry => entry.Name == name).Figures];
        figures.Sort();
        return figures.Count % 2 == 1 ? figures[figures.Count / 2] : (figures[(figures.Count / 2) - 1] + figures[figures.Count / 2]) / 2;
    }
}
