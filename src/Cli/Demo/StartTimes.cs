using System.Diagnostics;

namespace Tacit.Cli.Demo;

/// <summary>Where the time to the answer goes. Counts from the start of the process, the runtime's own included.</summary>
internal sealed class StartTimes(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly List<Lap> _laps = [];
    private readonly long _start = time.GetTimestamp();

    /// <summary>What passed between the start of the process and the start of this clock.</summary>
    private readonly TimeSpan _before = SinceProcessStart(time);

    public IReadOnlyList<Lap> Laps
    {
        get
        {
            lock (_gate)
            {
                return [.. _laps.OrderBy(lap => lap.End)];
            }
        }
    }

    /// <summary>Milliseconds since the process was started.</summary>
    public double Now => (_before + time.GetElapsedTime(_start)).TotalMilliseconds;

    /// <summary>Notes that <paramref name="what"/> lasted from <paramref name="begin"/> (of <see cref="Now"/>) until now. Laps may overlap: parts start side by side.</summary>
    public void Add(string what, double begin)
    {
        lock (_gate)
        {
            _laps.Add(new Lap(what, Math.Round(begin, 1), Math.Round(Now, 1)));
        }
    }

    public async Task<T> MeasureAsync<T>(string what, Func<Task<T>> work)
    {
        double begin = Now;
        T result = await work();
        Add(what, begin);
        return result;
    }

    private static TimeSpan SinceProcessStart(TimeProvider time)
    {
        using Process self = Process.GetCurrentProcess();
        return time.GetUtcNow() - self.StartTime.ToUniversalTime();
    }
}

/// <summary>One piece of work, in milliseconds from the start of the process.</summary>
internal sealed record Lap(string What, double Begin, double End)
{
    public double Duration => Math.Round(End - Begin, 1);
}
