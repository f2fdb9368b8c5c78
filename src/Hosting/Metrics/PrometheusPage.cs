using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Tacit.Hosting.Metrics;

/// <summary>
/// What one role's instruments have counted, in Prometheus' text exposition format 0.0.4. Listens from its making on. An instrument has at most one tag: what is
/// told apart by two could be one user's. More are refused by being left out, so that a mistake shows nothing instead of too much.
/// </summary>
internal sealed class PrometheusPage : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    /// <summary>More values of one tag than any instrument has: what comes beyond is a mistake, and would fill the memory of both ends.</summary>
    private const int MaxSeries = 256;

    /// <summary>For histograms that advise none, in seconds.</summary>
    private static readonly double[] s_bounds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60];

    private readonly MeterListener _listener = new();
    private readonly ConcurrentDictionary<string, Family> _families = new(StringComparer.Ordinal);

    /// <param name="meters">Whose instruments are shown; made before or after this.</param>
    public PrometheusPage(IMeterFactory meters)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (ReferenceEquals(instrument.Meter.Scope, meters))
            {
                var family = new Family(instrument);
                if (_families.TryAdd(family.Name, family))
                {
                    listener.EnableMeasurementEvents(instrument, family);
                }
            }
        };
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, state) => ((Family)state!).Take(value, tags));
        _listener.SetMeasurementEventCallback<int>(static (_, value, tags, state) => ((Family)state!).Take(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, state) => ((Family)state!).Take(value, tags));
        _listener.Start();
    }

    public string Write()
    {
        // Backends come and go with settings only, so what was observed once is observed again.
        _listener.RecordObservableInstruments();
        var text = new StringBuilder(8192);
        foreach (Family family in _families.Values.OrderBy(family => family.Name, StringComparer.Ordinal))
        {
            family.Write(text);
        }

        return text.ToString();
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>The series of one instrument.</summary>
    private sealed class Family
    {
        private readonly ConcurrentDictionary<string, MetricSeries> _tagged = new(StringComparer.Ordinal);
        private readonly MetricSeries _plain;
        private readonly double[] _bounds = [];
        private readonly string _help;
        private readonly string _type;
        private readonly bool _isObserved;
        private bool _isPlain;
        private string? _tag;

        public Family(Instrument instrument)
        {
            _isObserved = instrument.IsObservable;
            Type kind = instrument.GetType().GetGenericTypeDefinition();
            _type = kind == typeof(Histogram<>) ? "histogram" : kind == typeof(Counter<>) || kind == typeof(ObservableCounter<>) ? "counter" : "gauge";
            if (_type == "histogram")
            {
                _bounds = [.. (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries ?? s_bounds];
            }

            _plain = new MetricSeries(null, _bounds);
            _help = instrument.Description ?? "";
            Name = NameOf(instrument, _type);
        }

        public string Name { get; }

        public void Take(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            MetricSeries? series = _plain;
            if (tags.Length > 1)
            {
                return;
            }

            if (tags.Length == 1)
            {
                string key = tags[0].Value as string ?? "";
                _tag ??= tags[0].Key;
                if (!_tagged.TryGetValue(key, out series))
                {
                    if (_tagged.Count >= MaxSeries || tags[0].Key != _tag)
                    {
                        return;
                    }

                    series = _tagged.GetOrAdd(key, new MetricSeries(key, _bounds));
                }
            }
            else
            {
                _isPlain = true;
            }

            if (_isObserved)
            {
                series.Set(value);
            }
            else if (_type == "histogram")
            {
                series.Observe(value);
            }
            else
            {
                series.Add(value);
            }
        }

        public void Write(StringBuilder text)
        {
            text.Append("# HELP ").Append(Name).Append(' ').Append(_help.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal)).Append('\n');
            text.Append("# TYPE ").Append(Name).Append(' ').Append(_type).Append('\n');
            // A counter that stands at nothing is told from the start: a rate needs the point before the first event.
            if (_isPlain || (_tagged.IsEmpty && !_isObserved))
            {
                Write(text, _plain);
            }

            foreach (MetricSeries series in _tagged.Values.OrderBy(series => series.Value, StringComparer.Ordinal))
            {
                Write(text, series);
            }
        }

        private void Write(StringBuilder text, MetricSeries series)
        {
            string label = series.Value is null ? "" : $"{_tag!.Replace('.', '_')}=\"{Escape(series.Value)}\"";
            if (_type != "histogram")
            {
                Line(text, "", label, Number(series.Sum));
                return;
            }

            Span<long> buckets = stackalloc long[_bounds.Length + 1];
            double sum = series.Read(buckets);
            long count = 0;
            for (int i = 0; i < buckets.Length; i++)
            {
                count += buckets[i];
                string bound = $"le=\"{(i < _bounds.Length ? Number(_bounds[i]) : "+Inf")}\"";
                Line(text, "_bucket", label.Length == 0 ? bound : label + "," + bound, Number(count));
            }

            Line(text, "_sum", label, Number(sum));
            Line(text, "_count", label, Number(count));
        }

        private void Line(StringBuilder text, string suffix, string labels, string value)
        {
            text.Append(Name).Append(suffix);
            if (labels.Length > 0)
            {
                text.Append('{').Append(labels).Append('}');
            }

            text.Append(' ').Append(value).Append('\n');
        }

        private static string Number(double value) =>
            double.IsNaN(value) ? "NaN" : double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf" : value.ToString("R", CultureInfo.InvariantCulture);

        private static string Escape(string value) =>
            value.Replace("\\", @"\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", @"\n", StringComparison.Ordinal);

        /// <summary>As OpenTelemetry maps names to Prometheus': dots are underscores, the unit and a counter's <c>_total</c> stand behind.</summary>
        private static string NameOf(Instrument instrument, string type)
        {
            string name = instrument.Name.Replace('.', '_');
            string unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
            return name + (name.EndsWith(unit, StringComparison.Ordinal) ? "" : unit) + (type == "counter" ? "_total" : "");
        }
    }
}
