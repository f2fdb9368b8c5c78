using Tacit.Client;

namespace Tacit.Bench.Privacy;

/// <summary>A way to set the wallet up, and whose it is.</summary>
/// <param name="Everybody">When everybody's machine runs; null for the mixture.</param>
internal sealed record Setting(string Name, FillOptions Options, bool FillAtPrompt = true, RunningHours? Everybody = null)
{
    public static Setting Default { get; } = new("default", new FillOptions());

    /// <summary>Low water so high that a refill follows use within minutes.</summary>
    public static Setting AtOnce { get; } = new(
        "refilled within ten minutes of use, by ten",
        new FillOptions { Interval = TimeSpan.FromMinutes(10), Jitter = 0, RefillDelay = TimeSpan.Zero, Reserve = TimeSpan.Zero, BatchSize = 10 });

    /// <summary>Nothing but what prompts cause.</summary>
    public static Setting AtPrompts { get; } = new("filled at prompts only, 10 tokens", new FillOptions { LowWater = 0, Reserve = TimeSpan.Zero, BatchSize = 10 });

    public static IReadOnlyList<Setting> All { get; } =
    [
        Default,
        new("default, machines that run day and night", new FillOptions(), Everybody: RunningHours.Always),
        new("default, machines that run in waking hours", new FillOptions(), Everybody: RunningHours.WakingHours),
        new("default, machines that run while used", new FillOptions(), Everybody: RunningHours.WhileUsed),
        new("after a day, batches for 180 days", new FillOptions { Reserve = TimeSpan.FromDays(180) }),
        new("after a day, batches of 50", new FillOptions { Reserve = TimeSpan.Zero, BatchSize = 50 }),
        new("hourly, batches for a year", new FillOptions { RefillDelay = TimeSpan.Zero }),
        new("hourly, batches of 50", new FillOptions { RefillDelay = TimeSpan.Zero, Reserve = TimeSpan.Zero, BatchSize = 50 }),
        AtPrompts,
    ];
}

/// <summary>A year of many wallets under one setting.</summary>
internal static class Year
{
    /// <summary>The days that are judged, after those in which wallets find their stride.</summary>
    public const int Days = 58 + 365;

    public static (List<Account> Accounts, Usability Usability) Simulate(Setting setting, int people, int days, ulong seed)
    {
        var world = new World(days);
        List<Account> accounts = new(people);
        Usability usability = new();
        for (int id = 0; id < people; id++)
        {
            // One conversation of each key: in every round each person counts the same.
            Account account = new SimulatedWallet(world, new Person(id, seed, world, setting.Everybody), setting.Options, setting.FillAtPrompt, seed).Run(1);
            usability.Add(account.Usability);
            accounts.Add(account);
        }
        return (accounts, usability);
    }
}
