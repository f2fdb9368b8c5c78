using Tacit.Client.Policy;

namespace Tacit.Client.Tests;

/// <summary>What the wallet decides where issuer or gateway can see it.</summary>
public sealed class WalletPolicyTests
{
    private static readonly DateTimeOffset Deadline = new(2026, 4, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly KeyDeadline Key = new(Deadline, Deadline.AddDays(7));

    [Fact]
    public void Tokens_near_their_deadline_are_exchanged_one_by_one_over_hours_and_none_is_left()
    {
        const int tokens = 2000;
        FillOptions options = new();
        WalletPolicy policy = new(options, fillAtPrompt: true, Draws(1));
        int left = tokens;
        var exchanged = new List<int>();
        for (DateTimeOffset now = Deadline - Key.Ahead; now < Deadline; now += options.ExchangeInterval)
        {
            int due = Enumerable.Range(0, left).Count(_ => policy.IsExchangeDue(Key, isShown: false, isLive: false, forPrompt: false, now));
            left -= due;
            exchanged.Add(due);
        }

        Assert.Equal(0, left);
        Assert.InRange(exchanged.Take(12 * 3).Sum(), tokens * 0.55, tokens * 0.71); // 1 − 1/e in the mean time of three hours
        Assert.True(exchanged.Max() < tokens / 15);
        Assert.False(policy.IsExchangeDue(Key, isShown: false, isLive: false, forPrompt: true, Deadline - Key.Ahead - TimeSpan.FromTicks(1)));
    }

    [Fact]
    public void Token_that_was_shown_is_exchanged_once_its_conversation_is_over()
    {
        WalletPolicy policy = new(new FillOptions(), fillAtPrompt: true, Draws(2));
        DateTimeOffset early = Deadline.AddDays(-20);

        Assert.False(policy.IsExchangeDue(Key, isShown: true, isLive: true, forPrompt: false, early));
        Assert.True(policy.IsExchangeDue(Key, isShown: true, isLive: false, forPrompt: false, early));
    }

    [Fact]
    public void Pick_takes_any_token_of_the_oldest_key()
    {
        WalletPolicy policy = new(new FillOptions(), fillAtPrompt: true, Draws(3));
        HashSet<int> places = [];
        for (int i = 0; i < 200; i++)
        {
            (long deadline, int place) = policy.Pick([(20, 7), (10, 5)])!.Value;
            Assert.Equal(10, deadline);
            places.Add(place);
        }

        Assert.Equal([0, 1, 2, 3, 4], places.Order());
        Assert.Null(policy.Pick([]));
    }

    [Fact]
    public void Purchase_comes_after_an_exchange_and_only_if_it_may()
    {
        Assert.Equal(
            [TokenSource.Wallet, TokenSource.Exchange, TokenSource.Purchase, TokenSource.Restored], new WalletPolicy(new FillOptions(), fillAtPrompt: true).SourcesAtPrompt(mayBuy: true));
        Assert.DoesNotContain(TokenSource.Purchase, new WalletPolicy(new FillOptions(), fillAtPrompt: true).SourcesAtPrompt(mayBuy: false));
        Assert.DoesNotContain(TokenSource.Purchase, new WalletPolicy(new FillOptions(), fillAtPrompt: false).SourcesAtPrompt(mayBuy: true));
    }

    [Theory]
    [InlineData(false, 3600)]
    [InlineData(true, 15)]
    public void Renewal_that_does_not_come_is_asked_for_ever_more_seldom_and_not_on_the_beat(bool forPrompt, double longest)
    {
        WalletPolicy policy = new(new FillOptions(), fillAtPrompt: true, Draws(4));
        TimeSpan first = TimeSpan.FromSeconds(0.3);
        for (int failures = 1; failures < 100; failures++)
        {
            double most = Math.Min(0.3 * Math.Pow(2, failures - 1), longest);
            TimeSpan[] pauses = [.. Enumerable.Range(0, 20).Select(_ => policy.RenewalPause(failures, first, forPrompt))];
            Assert.All(pauses, pause => Assert.InRange(pause.TotalSeconds, most * 0.49, most * 1.01));
            Assert.Equal(20, pauses.Distinct().Count());
        }
        Assert.InRange(policy.RenewalPause(int.MaxValue, TimeSpan.FromSeconds(30), forPrompt).TotalSeconds, longest / 2, longest);
    }

    /// <summary>A small generator of known draws (xorshift64*).</summary>
    internal static Func<double> Draws(ulong seed)
    {
        ulong state = unchecked(seed * 0x9E3779B97F4A7C15);
        return () =>
        {
            unchecked
            {
                state ^= state >> 12;
                state ^= state << 25;
                state ^= state >> 27;
                return ((state * 0x2545F4914F6CDD1D) >> 11) * (1.0 / (1UL << 53));
            }
        };
    }
}
