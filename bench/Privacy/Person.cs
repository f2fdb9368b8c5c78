namespace Tacit.Bench.Privacy;

internal enum RunningHours
{
    /// <summary>The app runs day and night.</summary>
    Always,

    /// <summary>From getting up to going to bed.</summary>
    WakingHours,

    /// <summary>Only around the talks.</summary>
    WhileUsed,
}

/// <summary>A conversation: requests that the gateway can tell belong together, as they repeat each other's text.</summary>
internal record struct Talk(long Start, int Plan, int Turns);

/// <summary>
/// Somebody's habits and what came of them in a year: when they talk, when their machine runs. Drawn from a seed alone, so that every policy meets the same people.
/// </summary>
internal sealed class Person
{
    // Hours east of Greenwich, and how many live there.
    private static readonly int[] Zones = [-8, -5, 0, 1, 3, 5, 8, 9];
    private static readonly double[] ZoneWeights = [0.12, 0.20, 0.10, 0.25, 0.05, 0.12, 0.10, 0.06];

    // By kind of person: at the office, in the evening, all day, at night.
    private static readonly double[] KindWeights = [0.4, 0.3, 0.2, 0.1];
    private static readonly double[] MedianAMonth = [70, 35, 120, 50];
    private static readonly double[] WeekendFactor = [0.15, 1.6, 0.7, 1.2];
    private static readonly (double From, double To)[] Hours = [(8.5, 18), (18, 24), (8, 24), (20, 28)];

    public Person(int id, ulong seed, World world, RunningHours? everybody = null)
    {
        var draws = new Draws(seed, (ulong)id);
        Id = id;
        Zone = Zones[draws.Weighted(ZoneWeights)];
        int kind = draws.Weighted(KindWeights);
        double shift = draws.Normal();
        double perMonth = Math.Min(MedianAMonth[kind] * Math.Exp(draws.Normal()), 3000);
        double turns = draws.Between(1.5, 9);
        RunningHours own = (RunningHours)draws.Weighted([0.35, 0.45, 0.2]);
        Runs = everybody ?? own;
        IsSubscriber = draws.Fraction() < 0.12;
        double large = draws.Fraction() < 0.3 ? 0.15 : 0;
        bool isNew = draws.Fraction() < 0.4;
        Joined = (long)(isNew ? draws.Between(world.JudgedFrom, world.End * 0.95) : draws.Between(0, world.JudgedFrom * 0.6));
        Leaves = draws.Fraction() < 0.2 ? (long)draws.Between(Joined + (20 * World.Day), world.End + (60 * World.Day)) : long.MaxValue;
        RestoresAt = draws.Fraction() < 0.03 ? (long)draws.Between(world.JudgedFrom, world.End) : long.MaxValue;
        Draw(draws, world, kind, shift, perMonth / 30 / turns, turns, large);
    }

    public int Id { get; }

    public int Zone { get; }

    public RunningHours Runs { get; }

    public bool IsSubscriber { get; }

    public long Joined { get; }

    public long Leaves { get; }

    /// <summary>When the wallet is lost and made again from its seed.</summary>
    public long RestoresAt { get; }

    /// <summary>By their start.</summary>
    public List<Talk> Talks { get; } = [];

    /// <summary>Times of requests and the number of their talk, by time.</summary>
    public List<(long At, int Talk)> Prompts { get; } = [];

    /// <summary>When the app runs, in order, apart from each other.</summary>
    public List<(long From, long To)> Running { get; } = [];

    private void Draw(Draws draws, World world, int kind, double shift, double talksADay, double turns, double large)
    {
        (int From, int To)[] holidays = [.. Enumerable.Range(0, 1 + draws.Below(3)).Select(_ => draws.Below(world.Days)).Select(from => (from, from + 4 + draws.Below(15)))];
        bool goesDark = draws.Fraction() < 0.6;
        double week = 1;
        var days = new List<(long, long)>();
        for (int day = (int)(Joined / World.Day); day < world.Days; day++)
        {
            bool isWeekend = (day % 7) >= 5;
            if (day % 7 == 0 || week == 1)
            {
                week = Math.Exp(0.6 * draws.Normal()) * (draws.Fraction() < 0.03 ? 4 : 1);
            }
            long midnight = ((long)day * World.Day) - (Zone * 3600L);
            bool away = Array.Exists(holidays, block => day >= block.From && day < block.To);
            if (midnight > Leaves)
            {
                break;
            }
            if (!away || !goesDark)
            {
                double up = Math.Min(7 + shift + (0.7 * draws.Normal()) + (isWeekend ? 1.3 : 0), Hours[kind].From + shift);
                double bed = Math.Max(23 + shift + (0.8 * draws.Normal()), Hours[kind].To + shift);
                days.Add((midnight + (long)(up * 3600), midnight + (long)(bed * 3600)));
            }
            double mean = away ? 0 : talksADay * week * Math.Exp(0.5 * draws.Normal()) * (isWeekend ? WeekendFactor[kind] : 1);
            for (int i = draws.Poisson(mean); i > 0; i--)
            {
                long start = midnight + (long)((draws.Between(Hours[kind].From, Hours[kind].To) + shift) * 3600);
                int plan = IsSubscriber && draws.Fraction() < 0.6 ? World.Subscription : draws.Fraction() < large ? World.Large : World.Chat;
                Talks.Add(new Talk(start, plan, 1 + (int)draws.Exponential(turns - 0.5)));
            }
        }
        // A person joins because of a question.
        Talks.Add(new Talk(Joined + 60 + draws.Below(1800), IsSubscriber ? World.Subscription : World.Chat, 1 + (int)draws.Exponential(turns - 0.5)));
        Talks.RemoveAll(talk => talk.Start <= Joined || talk.Start >= world.End || talk.Start > Leaves);
        Talks.Sort((one, other) => one.Start.CompareTo(other.Start));
        for (int i = 0; i < Talks.Count; i++)
        {
            long at = Talks[i].Start;
            for (int turn = 0; turn < Talks[i].Turns && at < world.End; turn++)
            {
                Prompts.Add((at, i));
                at += 3 + (long)draws.Exponential(100);
            }
        }
        Prompts.Sort();
        Run(draws, world, days);
    }

    private void Run(Draws draws, World world, List<(long, long)> days)
    {
        if (Runs == RunningHours.Always)
        {
            Running.Add((Joined, world.End));
            return;
        }
        // Opened for a while that a few requests are part of.
        var spans = Runs == RunningHours.WakingHours ? days : [];
        foreach ((long at, _) in Prompts)
        {
            spans.Add((Math.Max(Joined, at - 300 - draws.Below(3300)), at + 600 + draws.Below(6600)));
        }
        spans.Sort();
        foreach ((long from, long to) in spans)
        {
            if (Running.Count > 0 && from <= Running[^1].To + 600)
            {
                Running[^1] = (Running[^1].From, Math.Max(Running[^1].To, to));
            }
            else if (to > from && to > Joined)
            {
                Running.Add((Math.Max(from, Joined), to));
            }
        }
    }
}
