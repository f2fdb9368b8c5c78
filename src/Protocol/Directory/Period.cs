using System.Diagnostics.CodeAnalysis;

namespace Tacit.Protocol;

/// <summary>How long the keys of a plan live. All periods are UTC and the same for everyone.</summary>
public enum PeriodKind
{
    Day,

    /// <summary>From Monday to Monday.</summary>
    Week,
    Month,
}

/// <summary>
/// One period of a plan. Its key may issue and redeem from <see cref="IssueFrom"/> (the overlap with the period before) to
/// <see cref="Deadline"/>; an unspent token can be exchanged until <see cref="ExchangeUntil"/>.
/// </summary>
[SuppressMessage("Naming", "CA1716", Justification = "Next is the word for it.")]
public readonly record struct Period
{
    private static readonly TimeSpan ShortestLead = TimeSpan.FromHours(1);
    private static readonly TimeSpan LongestGrace = TimeSpan.FromDays(7);

    private Period(PeriodKind kind, DateTimeOffset start)
    {
        Kind = kind;
        Start = start;
    }

    public PeriodKind Kind { get; }

    /// <summary>Midnight UTC.</summary>
    public DateTimeOffset Start { get; }

    /// <summary>Midnight UTC; the first moment that no longer belongs to the period.</summary>
    public DateTimeOffset Deadline => Kind switch
    {
        PeriodKind.Day => Start.AddDays(1),
        PeriodKind.Week => Start.AddDays(7),
        _ => Start.AddMonths(1),
    };

    public TimeSpan Length => Deadline - Start;

    /// <summary>How long before its start a period's key is live: an eighth of the period, at least an hour.</summary>
    public TimeSpan Lead
    {
        get
        {
            TimeSpan eighth = Length / 8;
            return eighth < ShortestLead ? ShortestLead : eighth;
        }
    }

    public DateTimeOffset IssueFrom => Start - Lead;

    /// <summary>How long after the deadline a token can be exchanged: one period, at most seven days.</summary>
    public TimeSpan Grace => Length < LongestGrace ? Length : LongestGrace;

    public DateTimeOffset ExchangeUntil => Deadline + Grace;

    public Period Next => new(Kind, Deadline);

    public Period Previous => Containing(Kind, Start.AddTicks(-1));

    /// <summary>The period that <paramref name="time"/> falls in.</summary>
    public static Period Containing(PeriodKind kind, DateTimeOffset time)
    {
        DateTimeOffset day = new(time.UtcDateTime.Date, TimeSpan.Zero);
        return kind switch
        {
            PeriodKind.Day => new Period(kind, day),
            PeriodKind.Week => new Period(kind, day.AddDays(-(((int)day.DayOfWeek + 6) % 7))),
            PeriodKind.Month => new Period(kind, new DateTimeOffset(day.Year, day.Month, 1, 0, 0, 0, TimeSpan.Zero)),
            _ => throw new ArgumentOutOfRangeException(nameof(kind)),
        };
    }

    /// <summary>The period that starts at exactly <paramref name="start"/>; false if none does.</summary>
    public static bool TryStartingAt(PeriodKind kind, DateTimeOffset start, out Period period)
    {
        period = default;
        if (kind is not (PeriodKind.Day or PeriodKind.Week or PeriodKind.Month) || start.Year is < 1970 or > 9000)
        {
            return false;
        }

        period = Containing(kind, start);
        return period.Start == start;
    }

    /// <summary>Whether the period's key may issue and redeem at <paramref name="time"/>.</summary>
    public bool IsLiveAt(DateTimeOffset time) => time >= IssueFrom && time < Deadline;
}

/// <summary>The names of periods in the directory and in settings: <c>day</c>, <c>week</c>, <c>month</c>.</summary>
public static class PeriodKinds
{
    public static string ToName(this PeriodKind kind) => kind switch
    {
        PeriodKind.Day => "day",
        PeriodKind.Week => "week",
        PeriodKind.Month => "month",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };

    public static bool TryParse(string? name, out PeriodKind kind)
    {
        (bool known, kind) = name switch
        {
            "day" => (true, PeriodKind.Day),
            "week" => (true, PeriodKind.Week),
            "month" => (true, PeriodKind.Month),
            _ => (false, default),
        };
        return known;
    }
}
