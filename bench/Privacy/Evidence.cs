namespace Tacit.Bench.Privacy;

/// <summary>
/// What the issuer's log says of one account, put so that it can be compared to sightings at the gateway quickly: issuer and gateway are one adversary here.
/// </summary>
internal sealed class Dossier
{
    private readonly long[][] _at = new long[World.Plans][];
    private readonly int[][] _total = new int[World.Plans][];

    public Dossier(Account account)
    {
        Account = account;
        for (int plan = 0; plan < World.Plans; plan++)
        {
            Issuance[] bought = [.. account.Issuances.Where(line => line.Plan == plan && !line.IsRestore)];
            _at[plan] = [.. bought.Select(line => line.At)];
            int total = 0;
            _total[plan] = [0, .. bought.Select(line => total += line.Count)];
        }
        ByPlan = [.. Enumerable.Range(0, World.Plans).Select(plan => account.Issuances.Where(line => line.Plan == plan && !line.IsRestore).ToArray())];
        All = [.. account.Issuances.Where(line => !line.IsRestore)];
        Restores = [.. account.Issuances.Where(line => line.IsRestore).Select(line => line.At)];
        Volume = account.Issuances.Sum(line => line.Plan == World.Subscription ? 0 : line.Count);
        double months = Math.Max(1, (account.Until - account.Joined) / (30.0 * World.Day));
        VolumeClass = Volume == 0 ? 0 : 1 + (int)Math.Log2(Math.Max(1, Volume / months));
    }

    public Account Account { get; }

    public Issuance[][] ByPlan { get; }

    public Issuance[] All { get; }

    public long[] Restores { get; }

    /// <summary>Tokens bought in all the year.</summary>
    public int Volume { get; }

    /// <summary>Tokens a month, by powers of two.</summary>
    public int VolumeClass { get; }

    /// <summary>How many issuances of a plan came before a time.</summary>
    public int Before(int plan, long at)
    {
        int index = Array.BinarySearch(_at[plan], at);
        return index < 0 ? ~index : index + 1;
    }

    /// <summary>How many tokens of a plan were bought before a time.</summary>
    public int BoughtBefore(int plan, long at) => _total[plan][Before(plan, at)];
}

/// <summary>What a piece of evidence is about.</summary>
internal enum Subject
{
    /// <summary>How long since and until a purchase.</summary>
    Waits,

    /// <summary>Batch sizes, purchases of the key, how many about this time.</summary>
    Amounts,

    /// <summary>Hours and days of the week of purchases against those of the sighting.</summary>
    Rhythm,

    /// <summary>The account's last purchase.</summary>
    Last,

    /// <summary>Returned tokens, exchanges, restores.</summary>
    Exceptions,

    /// <summary>What the books tell without a purchase: where the account is, how much it buys in all, and when it was made.</summary>
    Books,

    /// <summary>How much of what was bought could be left.</summary>
    Stock,
}

/// <summary>
/// Everything that might tell whether a sighting is an account's, as a list of statements that are true of the pair, each of which a matcher gives a weight:
/// times since and until purchases, the rhythm of purchases against the hour of the sighting, amounts, keys, ages, returns, restores, and what the books tell.
/// </summary>
internal sealed class Evidence
{
    private const int Hour = 3600;

    // Bounds in seconds: minutes, hours, days, months.
    private static readonly long[] Waits = [120, 300, 900, Hour, 3 * Hour, 8 * Hour, 24 * Hour, 48 * Hour, 96 * Hour, 8L * World.Day, 16L * World.Day, 32L * World.Day, 64L * World.Day];
    private static readonly double[] Ratios = [0.05, 0.2, 0.5, 0.8, 1.2, 1.6, 2.2, 3.2, 5];

    private readonly List<int> _true = [];
    private readonly Subject? _only;
    private Subject _subject;
    private int _base;

    /// <param name="only">To look at one thing alone; null for all.</param>
    public Evidence(Subject? only = null) => _only = only;

    /// <summary>Room for weights.</summary>
    public const int Size = 1400;

    /// <summary>The statements that hold, by number.</summary>
    public List<int> Of(in Sighting seen, Dossier account)
    {
        _true.Clear();
        _base = 0;
        Issuance[] bought = account.ByPlan[seen.Plan];
        int before = account.Before(seen.Plan, seen.At);
        long since = before == 0 ? long.MaxValue : seen.At - bought[before - 1].At;
        long until = before == bought.Length ? long.MaxValue : bought[before].At - seen.At;

        _subject = Subject.Waits;
        // A purchase shortly before, or a refill that follows use.
        Say(Bin(Waits, since), 15);
        Say(Bin(Waits, until), 15);
        Say(since == long.MaxValue || until == long.MaxValue ? 10 : (int)(since * 10.0 / (since + until + 1)), 11);

        _subject = Subject.Amounts;
        // Batches: of the last purchase, and what had been bought of this key.
        Say(before == 0 ? 0 : 1 + Math.Min(10, (int)Math.Log2(bought[before - 1].Count)), 12);
        int ofKey = 0;
        int near = 0;
        int around = 0;
        for (int i = 0; i < bought.Length; i++)
        {
            ofKey += bought[i].Key == seen.Key && bought[i].At <= seen.At ? bought[i].Count : 0;
            long distance = Math.Abs(bought[i].At - seen.At);
            near += distance < 7L * World.Day ? 1 : 0;
            around += distance < 28L * World.Day ? 1 : 0;
        }
        Say(ofKey == 0 ? 0 : 1 + Math.Min(12, (int)Math.Log2(ofKey)), 14);
        Say(Math.Min(near, 7), 8);
        Say(Math.Min(around, 11), 12);

        _subject = Subject.Rhythm;
        // The rhythm: how much more often than evenly the account buys at this hour, and in this part of the week.
        int samples = account.All.Length >= 24 ? 3 : account.All.Length >= 9 ? 2 : account.All.Length >= 4 ? 1 : 0;
        Say((samples * 10) + Bin(Ratios, Rhythm(seen.At, account)), 40);
        bool weekend = IsWeekend(seen.At + (account.Account.Zone * Hour));
        Say((samples * 12) + (weekend ? 6 : 0) + (int)(WeekendShare(account) * 5.99), 48);

        _subject = Subject.Last;
        // When it was last heard of.
        Say(account.All.Length == 0 ? 14 : Bin(Waits, account.All[^1].At - seen.At), 15);

        _subject = Subject.Exceptions;
        // A returned token that was exchanged near a purchase; spent tokens shown soon after a restore.
        Say(seen.ExchangedAt == 0 ? 15 : Bin(Waits, Nearest(account, seen.ExchangedAt)), 16);
        long restored = account.Restores.Length == 0 ? -1 : seen.At - account.Restores[0];
        Say((seen.SpentTries > 0 ? 15 : 0) + (restored < 0 ? 14 : Bin(Waits, restored)), 30);

        _subject = Subject.Books;
        // What the books tell: where the account is, how much it buys; against the local hour and the length of the talk. And when it was made, by hand.
        long local = seen.At + (account.Account.Zone * Hour);
        int hour = (int)(((local % World.Day) + World.Day) % World.Day / Hour);
        Say((weekend ? 24 : 0) + hour, 48);
        int volume = Math.Min(account.VolumeClass, 13);
        Say((volume * 12) + (weekend ? 6 : 0) + (hour / 4), 168);
        Say((volume * 8) + Math.Min(7, (int)Math.Log2(seen.Turns + 1)), 112);
        long age = seen.At - account.Account.Joined;
        Say(Bin(Waits, age), 14);
        long apart = ((age % World.Day) + World.Day) % World.Day;
        Say((int)(Math.Min(apart, World.Day - apart) / Hour), 13);
        Say((IsWeekend(account.Account.Joined + (account.Account.Zone * Hour)) ? 2 : 0) + (weekend ? 1 : 0), 4);

        _subject = Subject.Stock;
        // How much of what was bought could be left, by the mean use so far; and the season.
        double days = Math.Max(1, age / (double)World.Day);
        double mean = account.Volume / Math.Max(20.0, (account.All.Length == 0 ? 0 : account.All[^1].At - account.Account.Joined) / (double)World.Day);
        double left = account.BoughtBefore(seen.Plan, seen.At) - (mean * days);
        Say(mean == 0 ? 20 : Math.Clamp(10 + (int)(left / mean / 6), 0, 19), 21);
        return _true;
    }

    /// <summary>How often, against evenly, an account's purchases come at the hour of the day.</summary>
    public static double Rhythm(long at, Dossier account)
    {
        if (account.All.Length == 0)
        {
            return 1;
        }
        double sum = 0;
        foreach (Issuance line in account.All)
        {
            long apart = Math.Abs(line.At - at) % World.Day;
            double hours = Math.Min(apart, World.Day - apart) / (double)Hour;
            sum += hours < 5 ? Math.Exp(-hours * hours / 4.5) : 0;
        }
        // The kernel's area is 1.5 √(2π) hours.
        return sum / account.All.Length * 24 / (1.5 * 2.5066);
    }

    /// <summary>The least time between a moment and a purchase.</summary>
    public static long Nearest(Dossier account, long at)
    {
        long nearest = long.MaxValue;
        foreach (Issuance line in account.All)
        {
            nearest = Math.Min(nearest, Math.Abs(line.At - at));
        }
        return nearest;
    }

    private static bool IsWeekend(long at) => at / World.Day % 7 >= 5;

    private static double WeekendShare(Dossier account)
    {
        int weekend = 0;
        foreach (Issuance line in account.All)
        {
            weekend += IsWeekend(line.At + (account.Account.Zone * Hour)) ? 1 : 0;
        }
        return account.All.Length == 0 ? 0 : weekend / (double)account.All.Length;
    }

    private void Say(int which, int of)
    {
        if (_only is null || _only == _subject)
        {
            _true.Add(_base + which);
        }
        _base += of;
    }

    private static int Bin(long[] bounds, long value)
    {
        if (value == long.MaxValue)
        {
            return bounds.Length + 1;
        }
        int bin = 0;
        while (bin < bounds.Length && value >= bounds[bin])
        {
            bin++;
        }
        return bin;
    }

    private static int Bin(double[] bounds, double value)
    {
        int bin = 0;
        while (bin < bounds.Length && value >= bounds[bin])
        {
            bin++;
        }
        return bin;
    }
}
