using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;

namespace Tacit.EndToEnd.Canary;

/// <summary>Everything that a program with metrics and tracing turned on all the way would export: of every meter and every source in the process.</summary>
internal sealed class Telemetry : IDisposable
{
    private readonly ConcurrentQueue<string> _seen = new();
    private readonly MeterListener _meters = new();
    private readonly ActivityListener _activities;

    public Telemetry()
    {
        _meters.InstrumentPublished = (instrument, listener) =>
        {
            _seen.Enqueue($"{instrument.Meter.Name} {instrument.Name} {instrument.Description}");
            listener.EnableMeasurementEvents(instrument);
        };
        _meters.SetMeasurementEventCallback<byte>(Take);
        _meters.SetMeasurementEventCallback<short>(Take);
        _meters.SetMeasurementEventCallback<int>(Take);
        _meters.SetMeasurementEventCallback<long>(Take);
        _meters.SetMeasurementEventCallback<float>(Take);
        _meters.SetMeasurementEventCallback<double>(Take);
        _meters.SetMeasurementEventCallback<decimal>(Take);
        _meters.Start();
        _activities = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            SampleUsingParentId = (ref ActivityCreationOptions<string> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = Take,
        };
        ActivitySource.AddActivityListener(_activities);
    }

    public int Count => _seen.Count;

    public byte[] Text
    {
        get
        {
            _meters.RecordObservableInstruments();
            return Encoding.UTF8.GetBytes(string.Join('\n', _seen));
        }
    }

    public void Dispose()
    {
        _activities.Dispose();
        _meters.Dispose();
    }

    private void Take<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state) =>
        _seen.Enqueue($"{instrument.Meter.Name} {instrument.Name} {value} {Join(tags.ToArray())}");

    private void Take(Activity activity)
    {
        var text = new StringBuilder();
        text.Append($"{activity.Source.Name} {activity.OperationName} {activity.DisplayName} {activity.Id} {activity.ParentId} {activity.TraceStateString} {activity.StatusDescription} ");
        text.Append(Join(activity.TagObjects)).Append(' ').Append(string.Join(' ', activity.Baggage));
        foreach (ActivityEvent happened in activity.Events)
        {
            text.Append($" {happened.Name} {Join(happened.Tags)}");
        }

        _seen.Enqueue(text.ToString());
    }

    private static string Join(IEnumerable<KeyValuePair<string, object?>> tags) => string.Join(' ', tags.Select(tag => $"{tag.Key}={tag.Value}"));
}
