using Tacit.Protocol;

namespace Tacit.Signer;

/// <summary>Which keys have to exist when. Pure: the same for every signer of an issuer.</summary>
internal static class KeySchedule
{
    /// <summary>How long before it goes live a 0x0002 key is made; making one takes a fraction of a second.</summary>
    public static readonly TimeSpan BlindRsaAhead = TimeSpan.FromHours(1);

    /// <summary>How long before it goes live a 0xDA7A key is made; the search for safe primes takes up to minutes.</summary>
    public static readonly TimeSpan PartiallyBlindRsaAhead = TimeSpan.FromDays(2);

    /// <summary>
    /// How long a key stays on the disk, unused, after it was first found to be past its grace: a clock that jumped ahead, however far, and was put right
    /// within this time must not have cost a key whose tokens are still out.
    /// </summary>
    public static readonly TimeSpan RemovalDelay = TimeSpan.FromDays(1);

    private const int MonthsPerQuarter = 3;

    /// <summary>The periods of a plan whose keys have to exist at <paramref name="time"/>: the current one, and those that go live soon.</summary>
    public static IEnumerable<Period> NeededPeriods(Plan plan, DateTimeOffset time)
    {
        TimeSpan ahead = plan.TokenType == TokenType.PartiallyBlindRsa ? PartiallyBlindRsaAhead : BlindRsaAhead;
        Period period = Period.Containing(plan.Period, time);
        yield return period;
        while (period.Next.IssueFrom <= time + ahead)
        {
            period = period.Next;
            yield return period;
        }
    }

    /// <summary>The epochs of a kind of pseudonym whose keys have to exist at <paramref name="time"/>; null stands for the one that never ends.</summary>
    public static IEnumerable<Period?> NeededEpochs(PseudonymOffer offer, PseudonymKind kind, DateTimeOffset time)
    {
        if (kind == PseudonymKind.Permanent)
        {
            yield return null;
            yield break;
        }

        Period epoch = Period.Containing(offer.Period, time);
        yield return epoch;
        if (epoch.Next.IssueFrom <= time + BlindRsaAhead)
        {
            yield return epoch.Next;
        }
    }

    /// <summary>
    /// The periods that a key serves: those that start within the range. 0x0002 has a key per period. One 0xDA7A key serves all plans for a quarter of
    /// a year; a period belongs to the quarter it starts in, so that its metadata are signed by one key only.
    /// </summary>
    public static (DateTimeOffset From, DateTimeOffset Until) ServiceOf(TokenType type, Period period)
    {
        if (type == TokenType.BlindRsa)
        {
            return (period.Start, period.Deadline);
        }

        int month = ((period.Start.Month - 1) / MonthsPerQuarter * MonthsPerQuarter) + 1;
        DateTimeOffset quarter = new(period.Start.Year, month, 1, 0, 0, 0, TimeSpan.Zero);
        return (quarter, quarter.AddMonths(MonthsPerQuarter));
    }
}
