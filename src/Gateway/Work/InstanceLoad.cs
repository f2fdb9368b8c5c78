using Tacit.Gateway.Admission;
using Tacit.Gateway.Replies;

namespace Tacit.Gateway.Work;

/// <summary>How busy this instance is, by what it can see of itself. Asked by one timer.</summary>
internal sealed class InstanceLoad(SignatureQueue signatures, ReplyStore replies, GatewayOptions options, TimeProvider time)
{
    private TimeSpan _processor = Environment.CpuUsage.TotalTime;
    private long _at = time.GetTimestamp();

    public WorkLoad Look()
    {
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        long now = time.GetTimestamp();
        double available = time.GetElapsedTime(_at, now).TotalSeconds * Environment.ProcessorCount;
        double used = (processor - _processor).TotalSeconds;
        (_processor, _at) = (processor, now);
        return new WorkLoad(
            (double)signatures.Waiting / options.SignatureQueueLength,
            (double)replies.Live / options.Work.FullAtReplies,
            available <= 0 ? 0 : used / available);
    }
}
