using System.Globalization;
using System.Text.Json;
using Microsoft.Playwright;

namespace Tacit.Bench.Page;

/// <summary>What the browser's own trace says of the frames between two moments.</summary>
internal sealed class FrameTrace
{
    // What the timeline of the developer tools draws its frames from.
    private const string Categories = "disabled-by-default-devtools.timeline.frame";

    private readonly ICDPSession _session;
    private readonly List<(string Name, double At, int Process)> _events = [];
    private readonly TaskCompletionSource _complete = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private FrameTrace(ICDPSession session)
    {
        _session = session;
        session.Event("Tracing.dataCollected").OnEvent += (_, data) =>
        {
            foreach (JsonElement one in data!.Value.GetProperty("value").EnumerateArray())
            {
                string name = one.GetProperty("name").GetString()!;
                if (name is "DrawFrame" or "DroppedFrame")
                {
                    _events.Add((name, one.GetProperty("ts").GetDouble() / 1000, one.GetProperty("pid").GetInt32()));
                }
            }
        };
        session.Event("Tracing.tracingComplete").OnEvent += (_, _) => _complete.TrySetResult();
    }

    internal static async Task<FrameTrace> BeginAsync(IBrowser browser)
    {
        var trace = new FrameTrace(await browser.NewBrowserCDPSessionAsync());
        await trace._session.SendAsync("Tracing.start", new Dictionary<string, object> { ["categories"] = Categories, ["transferMode"] = "ReportEvents" });
        return trace;
    }

    /// <summary>Ends the trace.</summary>
    /// <returns>The frames of the process that drew most, the page's.</returns>
    internal async Task<Frames> EndAsync()
    {
        await _session.SendAsync("Tracing.end");
        await _complete.Task;
        await _session.DetachAsync();
        int page = _events.Where(one => one.Name == "DrawFrame").GroupBy(one => one.Process).MaxBy(group => group.Count())?.Key
            ?? throw new InvalidOperationException("The browser drew nothing.");
        double[] drawn = [.. _events.Where(one => one.Name == "DrawFrame" && one.Process == page).Select(one => one.At).Order()];
        int dropped = _events.Count(one => one.Name == "DroppedFrame" && one.Process == page);
        return new Frames([.. drawn.Zip(drawn.Skip(1), (one, next) => next - one)], dropped);
    }
}

/// <param name="Times">Milliseconds from one drawn frame to the next.</param>
/// <param name="Dropped">Frames that the browser wanted to draw and could not in time.</param>
internal sealed record Frames(IReadOnlyList<double> Times, int Dropped)
{
    internal double Percentile(double part) => FirstTokens.Percentile(Times, part);

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"p50 {Percentile(0.5):0.0} ms, longest {Times.Max():0.0} ms, {Times.Count + 1} frames drawn, {100.0 * Dropped / (Dropped + Times.Count + 1):0.0} % dropped");
}
