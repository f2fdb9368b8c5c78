using System.Diagnostics;

namespace Tacit.Hosting;

/// <summary>
/// Trace headers are neither read nor written (law 5). The framework's own "no output" propagator writes none but reads them: with tracing turned on, a caller's
/// trace id would name each of its requests in our traces.
/// </summary>
internal sealed class NoPropagation : DistributedContextPropagator
{
    public override IReadOnlyCollection<string> Fields => [];

    public override void Inject(Activity? activity, object? carrier, PropagatorSetterCallback? setter)
    {
    }

    public override void ExtractTraceIdAndState(object? carrier, PropagatorGetterCallback? getter, out string? traceId, out string? traceState) =>
        (traceId, traceState) = (null, null);

    public override IEnumerable<KeyValuePair<string, string?>>? ExtractBaggage(object? carrier, PropagatorGetterCallback? getter) => null;
}
