namespace Tacit.Gateway.Sealing;

/// <summary>The time that a sealing key is used: from the first moment to before the second.</summary>
internal readonly record struct KeyTime(DateTimeOffset From, DateTimeOffset Until)
{
    public bool Contains(DateTimeOffset time) => time >= From && time < Until;
}

/// <summary>When sealing keys are made, opened with, and erased. Pure: the same for every instance.</summary>
internal static class SealingSchedule
{
    /// <summary>How long before its time a key opens requests already: for clients whose clocks are ahead.</summary>
    public static readonly TimeSpan Skew = TimeSpan.FromMinutes(5);

    /// <summary>How long after its time a key still opens requests: for clients whose clocks, or whose copies of the directory, are behind. Then it is erased.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromHours(1);

    /// <summary>
    /// The times that have no key yet, of the one that contains <paramref name="now"/> and the one after it. Times begin and end at multiples of the lifetime since
    /// 1970, except where an earlier lifetime left an edge elsewhere; they never overlap what is taken.
    /// </summary>
    /// <param name="taken">The times of keys that there are, here or in the directory.</param>
    /// <param name="now">The moment.</param>
    /// <param name="lifetime">How long a key is used.</param>
    public static IReadOnlyList<KeyTime> FindMissing(IEnumerable<KeyTime> taken, DateTimeOffset now, TimeSpan lifetime)
    {
        List<KeyTime> all = [.. taken];
        List<KeyTime> missing = [];
        DateTimeOffset moment = now;
        for (int i = 0; i < 2; i++)
        {
            int found = all.FindIndex(time => time.Contains(moment));
            if (found < 0)
            {
                KeyTime made = Fit(all, moment, lifetime);
                missing.Add(made);
                all.Add(made);
                found = all.Count - 1;
            }

            moment = all[found].Until;
        }

        return missing;
    }

    private static KeyTime Fit(List<KeyTime> taken, DateTimeOffset moment, TimeSpan lifetime)
    {
        long sinceEpoch = (moment - DateTimeOffset.UnixEpoch).Ticks;
        DateTimeOffset from = DateTimeOffset.UnixEpoch.AddTicks(sinceEpoch - (sinceEpoch % lifetime.Ticks));
        DateTimeOffset until = from + lifetime;
        foreach (KeyTime time in taken)
        {
            if (time.Until <= moment && time.Until > from)
            {
                from = time.Until;
            }

            if (time.From > moment && time.From < until)
            {
                until = time.From;
            }
        }

        return new KeyTime(from, until);
    }
}
