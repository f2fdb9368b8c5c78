using System.Reflection;
using Tacit.Bench.Privacy;
using Tacit.Client.Policy;

namespace Tacit.Client.Tests;

/// <summary>
/// A small piece of <c>bench/privacy</c>: that it judges the policy which the wallet runs, that its linkers find a wallet whose purchases follow its prompts, and
/// that they find little where the default policy may choose its times.
/// </summary>
public sealed class SimulatedYearTests
{
    private const int Days = 150;
    private const ulong Seed = 7;

    private static readonly int People = Environment.GetEnvironmentVariable("TACIT_SOAK") == "1" ? 4000 : 600;

    [Fact]
    public void Wallet_and_simulation_decide_by_the_same_class()
    {
        foreach (Type type in (Type[])[typeof(RefillService), typeof(WalletFiller), typeof(RedemptionClient), typeof(TokenExchanger), typeof(SimulatedWallet)])
        {
            Assert.Contains(type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic), field => field.FieldType == typeof(WalletPolicy));
        }
        Assert.True(typeof(WalletPolicy).IsSealed);
        Assert.Same(typeof(RefillService).Assembly, typeof(WalletPolicy).Assembly);
    }

    [Fact]
    public void Purchases_at_prompts_and_soon_after_use_are_found_and_the_default_tells_less()
    {
        double atPrompts = Advantage(Setting.AtPrompts with { Everybody = RunningHours.Always });
        double soonAfter = Advantage(Setting.AtOnce with { Options = Setting.AtOnce.Options with { Interval = TimeSpan.FromMinutes(30) }, Everybody = RunningHours.Always });
        double byDefault = Advantage(Setting.Default with { Everybody = RunningHours.Always });

        Assert.True(atPrompts > 0.5, $"{atPrompts}");
        Assert.True(soonAfter > 0.5, $"{soonAfter}");
        Assert.True(byDefault < 0.15, $"{byDefault}");
    }

    [Fact]
    public void Machine_that_runs_only_while_it_is_used_is_found_by_its_hours() =>
        Assert.True(Advantage(Setting.Default with { Everybody = RunningHours.WhileUsed }) > 0.25);

    [Fact]
    public void Account_is_named_out_of_the_crowd_where_each_prompt_causes_a_purchase_and_not_by_default()
    {
        Setting telling = new("each prompt", new FillOptions { LowWater = 0, Reserve = TimeSpan.Zero, BatchSize = 1 }, Everybody: RunningHours.Always);

        Assert.True(Games(telling).NameOne(100).Verdict.Advantage.Value > 0.5);
        Assert.True(Games(Setting.Default with { Everybody = RunningHours.Always }).NameOne(100).Verdict.Advantage.Value < 0.08);
    }

    [Fact]
    public void Same_seed_gives_the_same_year_and_no_token_is_used_twice()
    {
        (List<Account> accounts, Usability usability) = Year.Simulate(Setting.Default, 60, Days, Seed);
        (List<Account> again, _) = Year.Simulate(Setting.Default, 60, Days, Seed);

        Assert.Equal(accounts.SelectMany(account => account.Issuances), again.SelectMany(account => account.Issuances));
        Assert.True(usability.Prompts > 1000);
        Assert.True(usability.Bought > 0 && usability.Refused == 0);
        Assert.All(accounts.SelectMany(account => account.Sample), seen => Assert.Contains(accounts[seen.Account].Issuances, line => line.Plan == seen.Plan && line.At <= seen.At));
    }

    [Fact]
    public void Exchanges_counted_at_once_are_as_many_as_one_by_one()
    {
        DateTimeOffset deadline = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);
        KeyDeadline key = new(deadline, deadline.AddDays(7));
        WalletPolicy policy = new(new FillOptions(), fillAtPrompt: true, new Draws(Seed).Fraction);
        DateTimeOffset now = deadline.AddHours(-20);
        int counted = Enumerable.Range(0, 400).Sum(_ => policy.CountExchangesDue(200, key, now));
        int single = Enumerable.Range(0, 400 * 200).Count(_ => policy.IsExchangeDue(key, isShown: false, isLive: false, forPrompt: false, now));

        Assert.InRange(counted / (double)single, 0.9, 1.1);
        Assert.Equal(0, policy.CountExchangesDue(200, key, deadline.AddDays(-20)));
    }

    private static double Advantage(Setting setting) => Games(setting).TwoCandidates(alike: true).Advantage.Value;

    private static Games Games(Setting setting) => new(Year.Simulate(setting, People, Days, Seed).Accounts, Seed);
}
