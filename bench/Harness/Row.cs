using System.Text.Json;
using System.Text.Json.Serialization;

namespace Tacit.Bench.Harness;

/// <summary>One measured figure beside what it is compared to.</summary>
/// <param name="Name">What was measured; names a row across runs.</param>
/// <param name="Value">The figure.</param>
/// <param name="Unit">Its unit.</param>
/// <param name="Reference">What it is compared to and that one's figure, measured in the same run.</param>
/// <param name="Ratio">Figure over reference; null where the figure itself is judged, or none.</param>
/// <param name="Goal">Bound for the ratio, or for the value where there is no ratio; null where the figure is only named.</param>
/// <param name="Better">"higher" or "lower".</param>
internal sealed record Row(string Name, double Value, string Unit, string Reference, double? Ratio, double? Goal, string Better)
{
    internal const string Higher = "higher";
    internal const string Lower = "lower";

    [JsonIgnore]
    internal bool? IsMet => Goal is not { } goal ? null : Better == Lower ? (Ratio ?? Value) <= goal : (Ratio ?? Value) >= goal;
}

[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(IReadOnlyList<Row>))]
internal sealed partial class RowContext : JsonSerializerContext;
