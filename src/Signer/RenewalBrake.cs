using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>
/// Bounds how fast chains of one plan can be renewed, by a token bucket. The signer cannot see whether a renewal has a spent token behind it, so this is what
/// a gateway in wrong hands can make at most until the totals give it away.
/// </summary>
internal sealed class RenewalBrake
{
    /// <summary>What a plan can use at once, in seconds of its rate: chains of a plan move together when many people begin to work.</summary>
    private const int BurstSeconds = 10;

    private readonly Dictionary<string, (double Level, long Timestamp)> _plans = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private readonly int _perSecond;
    private readonly TimeProvider _time;

    public RenewalBrake(int perSecond, TimeProvider time)
    {
        _perSecond = perSecond;
        _time = time;
    }

    private double Burst => (double)_perSecond * BurstSeconds;

    /// <summary>Takes so many; false, and nothing is taken, if there are not as many.</summary>
    public bool TryTake(PlanKey plan, int count)
    {
        lock (_gate)
        {
            long now = _time.GetTimestamp();
            double level = _plans.TryGetValue(plan.PlanId, out (double Level, long Timestamp) bucket)
                ? Math.Min(Burst, bucket.Level + (_time.GetElapsedTime(bucket.Timestamp, now).TotalSeconds * _perSecond))
                : Burst;
            bool enough = level >= count;
            _plans[plan.PlanId] = (enough ? level - count : level, now);
            return enough;
        }
    }
}
