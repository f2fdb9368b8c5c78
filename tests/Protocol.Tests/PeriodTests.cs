using FsCheck.Fluent;

namespace Tacit.Protocol.Tests;

public sealed class PeriodTests
{
    [Theory]
    [InlineData(PeriodKind.Day, "2026-11-20T23:59:59Z", "2026-11-20", "2026-11-21")]
    [InlineData(PeriodKind.Day, "2026-11-21T00:00:00Z", "2026-11-21", "2026-11-22")]
    [InlineData(PeriodKind.Day, "2026-11-21T01:30:00+02:00", "2026-11-20", "2026-11-21")]
    [InlineData(PeriodKind.Week, "2026-11-20T12:00:00Z", "2026-11-16", "2026-11-23")]
    [InlineData(PeriodKind.Week, "2026-11-22T23:59:59Z", "2026-11-16", "2026-11-23")]
    [InlineData(PeriodKind.Week, "2026-11-23T00:00:00Z", "2026-11-23", "2026-11-30")]
    [InlineData(PeriodKind.Week, "2027-01-01T00:00:00Z", "2026-12-28", "2027-01-04")]
    [InlineData(PeriodKind.Month, "2026-02-28T23:59:59Z", "2026-02-01", "2026-03-01")]
    [InlineData(PeriodKind.Month, "2028-02-29T12:00:00Z", "2028-02-01", "2028-03-01")]
    [InlineData(PeriodKind.Month, "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01")]
    public void Period_contains_its_moments(PeriodKind kind, string time, string start, string deadline)
    {
        Period period = Period.Containing(kind, Time(time));

        Assert.Equal(Time(start), period.Start);
        Assert.Equal(Time(deadline), period.Deadline);
        Assert.Equal(TimeSpan.Zero, period.Start.Offset);
    }

    [Theory]
    [InlineData(PeriodKind.Day, 3 * 60, 24 * 60)]
    [InlineData(PeriodKind.Week, 21 * 60, 7 * 24 * 60)]
    [InlineData(PeriodKind.Month, 31 * 3 * 60, 7 * 24 * 60)]
    public void Lead_is_an_eighth_and_grace_a_period_of_at_most_seven_days(PeriodKind kind, int leadMinutes, int graceMinutes)
    {
        Period period = Period.Containing(kind, Time("2026-12-02"));

        Assert.Equal(TimeSpan.FromMinutes(leadMinutes), period.Lead);
        Assert.Equal(TimeSpan.FromMinutes(graceMinutes), period.Grace);
        Assert.Equal(period.Start - period.Lead, period.IssueFrom);
        Assert.Equal(period.Deadline + period.Grace, period.ExchangeUntil);
    }

    [Fact]
    public void Periods_follow_each_other_without_gap_or_overlap() =>
        Property.Holds(
            from kind in Gen.Elements(PeriodKind.Day, PeriodKind.Week, PeriodKind.Month)
            from seconds in Gen.Choose(31 * 86400, int.MaxValue)
            select (kind, DateTimeOffset.FromUnixTimeSeconds(seconds)),
            moment =>
            {
                (PeriodKind kind, DateTimeOffset time) = moment;
                Period period = Period.Containing(kind, time);
                Assert.True(period.Start <= time && time < period.Deadline);
                Assert.Equal(period.Deadline, period.Next.Start);
                Assert.Equal(period, period.Next.Previous);
                Assert.Equal(period.Next, Period.Containing(kind, period.Deadline));
                Assert.Equal(period, Period.Containing(kind, period.Deadline.AddTicks(-1)));
                Assert.True(Period.TryStartingAt(kind, period.Start, out Period same));
                Assert.Equal(period, same);
                Assert.False(Period.TryStartingAt(kind, period.Start.AddSeconds(1), out _));
                Assert.True(period.Next.IssueFrom > period.Start, "only neighbours overlap");
            });

    [Fact]
    public void Key_lives_from_its_notBefore_to_the_second_of_its_deadline()
    {
        Period period = Period.Containing(PeriodKind.Month, Time("2026-12-02"));
        PlanKey key = new() { PlanId = "p", TokenKeyId = new byte[32], Period = period, NotBefore = period.IssueFrom };

        Assert.False(key.IsLiveAt(period.IssueFrom.AddTicks(-1)));
        Assert.True(key.IsLiveAt(period.IssueFrom));
        Assert.True(key.IsLiveAt(period.Deadline.AddTicks(-1)));
        Assert.False(key.IsLiveAt(period.Deadline));
        Assert.True(key.IsExchangeableAt(period.Deadline));
        Assert.True(key.IsExchangeableAt(period.ExchangeUntil.AddTicks(-1)));
        Assert.False(key.IsExchangeableAt(period.ExchangeUntil));
    }

    [Theory]
    [InlineData("day", PeriodKind.Day)]
    [InlineData("week", PeriodKind.Week)]
    [InlineData("month", PeriodKind.Month)]
    public void Names_are_read_and_written(string name, PeriodKind kind)
    {
        Assert.True(PeriodKinds.TryParse(name, out PeriodKind read));
        Assert.Equal(kind, read);
        Assert.Equal(name, kind.ToName());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("Day")]
    [InlineData("year")]
    public void Other_names_are_refused(string? name) => Assert.False(PeriodKinds.TryParse(name, out _));

    private static DateTimeOffset Time(string text) =>
        DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal);
}
