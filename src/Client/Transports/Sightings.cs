namespace Tacit.Client.Transports;

/// <summary>What is known of a server without asking it.</summary>
/// <param name="LastAnswered">When it last answered, to the minute; null if it has not since the program started.</param>
/// <param name="Problem">Why the last call failed; null if it did not.</param>
public sealed record Sighting(DateTimeOffset? LastAnswered, string? Problem);

/// <summary>Which servers answered and which did not, for people who look. In memory only: a file would tell when prompts were asked. Thread safe.</summary>
internal sealed class Sightings(TimeProvider time)
{
    private const int MaxServers = 64;

    private readonly Dictionary<string, Sighting> _servers = [];

    public void Answered(Route route)
    {
        DateTimeOffset now = time.GetUtcNow();
        Put(route, _ => new Sighting(new DateTimeOffset(now.Ticks - (now.Ticks % TimeSpan.TicksPerMinute), now.Offset), null));
    }

    public void Failed(Route route, string problem) => Put(route, before => new Sighting(before?.LastAnswered, problem));

    public Sighting? Of(Route route)
    {
        lock (_servers)
        {
            return _servers.GetValueOrDefault(route.Server);
        }
    }

    private void Put(Route route, Func<Sighting?, Sighting> next)
    {
        lock (_servers)
        {
            Sighting? before = _servers.GetValueOrDefault(route.Server);
            if (before is not null || _servers.Count < MaxServers)
            {
                _servers[route.Server] = next(before);
            }
        }
    }
}
