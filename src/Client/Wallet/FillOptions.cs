namespace Tacit.Client;

/// <summary>When and how the wallet buys tokens by itself.</summary>
public sealed record FillOptions
{
    /// <summary>Sizes in which wallets buy, so that a purchase tells as little as possible of what was used.</summary>
    public static IReadOnlyList<int> StandardSizes { get; } = [1, 2, 5, 10, 50, 100, 250, 1000];

    /// <summary>Whether the wallet looks after itself at all. Default true.</summary>
    public bool Automatic { get; init; } = true;

    /// <summary>The mean time between two looks. Default 1 h.</summary>
    public TimeSpan Interval { get; init; } = TimeSpan.FromHours(1);

    /// <summary>
    /// How much of a wait is left to chance. 0 waits exactly the mean. At 1, the default, a wait has no memory: when it ends tells nothing of when it began, so
    /// neither of the look before nor of the start of the program.
    /// </summary>
    public double Jitter { get; init; } = 1;

    /// <summary>
    /// A plan with fewer held tokens than this, or than a quarter of <see cref="Reserve"/> needs, is filled at one of the next looks; 0 fills none by itself.
    /// Default 20.
    /// </summary>
    public int LowWater { get; init; } = 20;

    /// <summary>
    /// How many tokens one fill buys at least, of <see cref="StandardSizes"/>; the next smaller one that the account can pay if it is short. Default 100.
    /// </summary>
    public int BatchSize { get; init; } = 100;

    /// <summary>How long, in the mean, a plan stays low before it is filled; drawn at each look. Up to <see cref="Interval"/> fills at the next look. Default 24 h.</summary>
    public TimeSpan RefillDelay { get; init; } = TimeSpan.FromHours(24);

    /// <summary>
    /// How long one fill should last, by what was used in the last weeks; 0 always buys <see cref="BatchSize"/>. Each purchase is a time and a place in a log:
    /// few and large ones tell the least. Default a year.
    /// </summary>
    public TimeSpan Reserve { get; init; } = TimeSpan.FromDays(365);

    /// <summary>The plans to keep filled; null keeps the cheapest plan of every model.</summary>
    public IReadOnlyList<string>? Plans { get; init; }

    /// <summary>The mean time between two looks for tokens to exchange. Default 5 min.</summary>
    public TimeSpan ExchangeInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Longest wait before each exchange of a token, drawn evenly from zero. Default 30 s.</summary>
    public TimeSpan ExchangeSpacing { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate()
    {
        Check(Interval >= TimeSpan.FromMinutes(1) && Interval <= TimeSpan.FromDays(7), nameof(Interval), "between one minute and seven days");
        Check(Jitter is >= 0 and <= 1, nameof(Jitter), "between 0 and 1");
        Check(Reserve >= TimeSpan.Zero && Reserve <= TimeSpan.FromDays(366), nameof(Reserve), "between 0 and a year");
        Check(LowWater is >= 0 and <= 1000, nameof(LowWater), "between 0 and 1000");
        Check(RefillDelay >= TimeSpan.Zero && RefillDelay <= TimeSpan.FromDays(30), nameof(RefillDelay), "between 0 and 30 days");
        Check(StandardSizes.Contains(BatchSize), nameof(BatchSize), "one of " + string.Join(", ", StandardSizes));
        Check(ExchangeInterval >= TimeSpan.FromSeconds(10) && ExchangeInterval <= TimeSpan.FromDays(7), nameof(ExchangeInterval), "between ten seconds and seven days");
        Check(ExchangeSpacing >= TimeSpan.Zero && ExchangeSpacing <= TimeSpan.FromHours(1), nameof(ExchangeSpacing), "between 0 and one hour");

        static void Check(bool fine, string name, string range)
        {
            if (!fine)
            {
                throw new ClientException(ClientError.InvalidSetting, $"The setting {name} must be {range}.");
            }
        }
    }
}

/// <summary>What a fill brought.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="Received">Tokens that are held now and were not before.</param>
/// <param name="Pending">Tokens that were asked for and not answered; they are asked for again by themselves.</param>
/// <param name="Credits">The account's credits before the fill.</param>
public sealed record FillResult(string Plan, int Received, int Pending, long Credits);
