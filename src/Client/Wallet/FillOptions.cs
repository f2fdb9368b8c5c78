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

    /// <summary>How far a single look strays from the mean, as a share of it; drawn evenly. Default 0.5.</summary>
    public double Jitter { get; init; } = 0.5;

    /// <summary>A plan with fewer held tokens than this is filled at the next look. Default 20.</summary>
    public int LowWater { get; init; } = 20;

    /// <summary>How many tokens one fill buys, of <see cref="StandardSizes"/>; the next smaller one that the account can pay if it is short. Default 50.</summary>
    public int BatchSize { get; init; } = 50;

    /// <summary>The plans to keep filled; null keeps the cheapest plan of every model.</summary>
    public IReadOnlyList<string>? Plans { get; init; }

    /// <summary>The mean time between two looks for tokens to exchange. Default 5 min.</summary>
    public TimeSpan ExchangeInterval { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Longest wait before each exchange of a token, drawn evenly from zero. Default 30 s.</summary>
    public TimeSpan ExchangeSpacing { get; init; } = TimeSpan.FromSeconds(30);

    internal void Validate()
    {
        Check(Interval >= TimeSpan.FromMinutes(1) && Interval <= TimeSpan.FromDays(7), nameof(Interval), "between one minute and seven days");
        Check(Jitter is >= 0 and <= 0.9, nameof(Jitter), "between 0 and 0.9");
        Check(LowWater is >= 0 and <= 1000, nameof(LowWater), "between 0 and 1000");
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
