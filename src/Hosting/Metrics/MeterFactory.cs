using System.Diagnostics.Metrics;

namespace Tacit.Hosting.Metrics;

/// <summary>
/// The meters of one role of one process: each is of the factory's scope, so that two roles in one process (the demo, tests) don't count into each other's figures.
/// </summary>
public sealed class MeterFactory : IMeterFactory
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Meter> _meters = [];

    public Meter Create(MeterOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        lock (_gate)
        {
            if (!_meters.TryGetValue(options.Name, out Meter? meter))
            {
                _meters[options.Name] = meter = new Meter(new MeterOptions(options.Name) { Version = options.Version, Scope = this });
            }

            return meter;
        }
    }

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (Meter meter in _meters.Values)
            {
                meter.Dispose();
            }

            _meters.Clear();
        }
    }
}
