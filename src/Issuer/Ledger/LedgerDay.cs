namespace Tacit.Issuer.Ledger;

/// <summary>The ledger's finest time: days since 1970-01-01, UTC.</summary>
internal static class LedgerDay
{
    private static readonly int s_epoch = new DateOnly(1970, 1, 1).DayNumber;

    public static long Of(DateTimeOffset time) => Of(DateOnly.FromDateTime(time.UtcDateTime));

    public static long Of(DateOnly date) => date.DayNumber - s_epoch;

    public static DateOnly ToDate(long day) => DateOnly.FromDayNumber(checked((int)day) + s_epoch);
}
