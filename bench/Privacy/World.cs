using Tacit.Client.Policy;
using Tacit.Protocol;

namespace Tacit.Bench.Privacy;

/// <summary>What is the same for everybody: the plans, their monthly keys, and the time that is simulated, in seconds from its start.</summary>
internal sealed class World
{
    public const int Chat = 0;
    public const int Large = 1;
    public const int Subscription = 2;
    public const int Plans = 3;
    public const int Day = 86400;

    /// <summary>Monday, 3 November 2025: two months in which wallets find their stride come before the year that is judged.</summary>
    public static readonly DateTimeOffset Start = new(2025, 11, 3, 0, 0, 0, TimeSpan.Zero);

    /// <summary>What is sold: two plans by the request, each the cheapest for a model of its own, and a subscription.</summary>
    public static readonly Plan[] Offer =
    [
        Sold("chat", PlanKind.Request, "small", 1),
        Sold("chat-large", PlanKind.Request, "large", 4),
        Sold("subscription", PlanKind.Subscription, "other", 100),
    ];

    private readonly Period[] _periods;

    public World(int days)
    {
        Days = days;
        End = (long)days * Day;
        var periods = new List<Period> { Period.Containing(PeriodKind.Month, Start) };
        while (periods[^1].Start <= Start.AddSeconds(End))
        {
            periods.Add(periods[^1].Next);
        }
        _periods = [.. periods];
        Deadlines = [.. _periods.Select(period => Seconds(period.Deadline))];
        Opens = [.. _periods.Select(period => Seconds(period.IssueFrom))];
        Starts = [.. _periods.Select(period => Seconds(period.Start))];
        Ends = [.. _periods.Select(period => new KeyDeadline(period.Deadline, period.ExchangeUntil))];
        GraceEnds = [.. _periods.Select(period => Seconds(period.ExchangeUntil))];
    }

    public int Days { get; }

    public long End { get; }

    /// <summary>From here on the linkers are asked.</summary>
    public long JudgedFrom => (long)Math.Min(58, Days / 4) * Day;

    public int Keys => _periods.Length;

    public long[] Opens { get; }

    public long[] Starts { get; }

    public long[] Deadlines { get; }

    public long[] GraceEnds { get; }

    public KeyDeadline[] Ends { get; }

    /// <summary>The key that a purchase gets: the newest that is live.</summary>
    public int Newest(long at)
    {
        int key = 0;
        while (key + 1 < Keys && Opens[key + 1] <= at)
        {
            key++;
        }
        return key;
    }

    private static Plan Sold(string id, PlanKind kind, string model, long price) => new()
    {
        Id = id,
        Kind = kind,
        Models = [model],
        MaxInputBytes = 1 << 18,
        MaxOutputTokens = 4096,
        Price = new Credits(price),
        Period = PeriodKind.Month,
        TokenType = kind == PlanKind.Request ? TokenType.BlindRsa : TokenType.PartiallyBlindRsa,
    };

    public static DateTimeOffset Time(long seconds) => Start.AddTicks(seconds * TimeSpan.TicksPerSecond);

    public static long Seconds(DateTimeOffset time) => (time - Start).Ticks / TimeSpan.TicksPerSecond;
}
