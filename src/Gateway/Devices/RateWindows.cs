namespace Tacit.Gateway.Devices;

/// <summary>The limits on requests that a device or an address has; null where there is none.</summary>
internal readonly record struct RateLimits(int? Burst, int? PerMinute, int? PerHour, int? PerDay)
{
    public bool IsNone => this == default;

    /// <summary>What so many of them may do together.</summary>
    public RateLimits Times(int count) => new(Times(Burst, count), Times(PerMinute, count), Times(PerHour, count), Times(PerDay, count));

    private static int? Times(int? limit, int count) => limit is int one ? (int)Math.Min((long)one * count, int.MaxValue) : null;
}

/// <summary>The sliding windows of one device or address: ten seconds, a minute, an hour, a day. Not thread safe.</summary>
internal sealed class RateWindows
{
    private readonly SlidingWindow[] _windows = [new(10, 10), new(60, 12), new(3600, 12), new(86400, 24)];

    public int SizeInBytes => _windows.Sum(window => window.SizeInBytes);

    public bool IsEmpty(long now) => Array.TrueForAll(_windows, window => window.IsEmpty(now));

    /// <summary>How many seconds until a request is within all limits; 0 and counted if it is now.</summary>
    public long TryTake(long now, RateLimits limits)
    {
        long longest = 0;
        int?[] each = [limits.Burst, limits.PerMinute, limits.PerHour, limits.PerDay];
        for (int i = 0; i < each.Length; i++)
        {
            if (each[i] is int limit)
            {
                longest = Math.Max(longest, _windows[i].Wait(now, limit));
            }
        }

        if (longest == 0)
        {
            for (int i = 0; i < each.Length; i++)
            {
                if (each[i] is not null)
                {
                    _windows[i].Add(now);
                }
            }
        }

        return longest;
    }

    public void GiveBack(long then, long now)
    {
        foreach (SlidingWindow window in _windows)
        {
            window.Remove(then, now);
        }
    }

    public void Write(Span<byte> destination)
    {
        foreach (SlidingWindow window in _windows)
        {
            window.Write(destination);
            destination = destination[window.SizeInBytes..];
        }
    }

    public void Read(ReadOnlySpan<byte> source)
    {
        foreach (SlidingWindow window in _windows)
        {
            window.Read(source);
            source = source[window.SizeInBytes..];
        }
    }
}
