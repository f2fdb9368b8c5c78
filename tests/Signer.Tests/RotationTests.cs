using Tacit.Protocol;
using Tacit.Tests;

namespace Tacit.Signer.Tests;

public sealed class RotationTests
{
    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);

    private static readonly Plan s_daily = TestPlans.Chat with { Id = "daily", Period = PeriodKind.Day };
    private static readonly Plan s_weekly = TestPlans.Chat with { Id = "weekly", Period = PeriodKind.Week };

    public static TheoryData<PeriodKind, string, string, string> Edges => new()
    {
        // Kind, start of the next period, its first live second (an eighth of the period before), end of the first one's grace.
        { PeriodKind.Day, "2026-11-21T00:00:00Z", "2026-11-20T21:00:00Z", "2026-11-22T00:00:00Z" },
        { PeriodKind.Week, "2026-11-23T00:00:00Z", "2026-11-22T03:00:00Z", "2026-11-30T00:00:00Z" },
        { PeriodKind.Month, "2026-12-01T00:00:00Z", "2026-11-27T03:00:00Z", "2026-12-08T00:00:00Z" },
    };

    [Theory]
    [MemberData(nameof(Edges))]
    public async Task Keys_issue_and_are_exchanged_to_the_second(PeriodKind kind, string nextStart, string nextLive, string graceEnd)
    {
        Plan plan = TestPlans.Chat with { Period = kind };
        DateTimeOffset next = Parse(nextStart);
        await using TestSigner signer = await TestSigner.StartAsync(Parse("2026-11-20T12:00:00Z"), plan);
        (SignerKey first, PlanKey firstPlan) = Assert.Single((await signer.KeysAsync()).Select(key => (key, key.Plans.Single())));
        Assert.Equal(next, firstPlan.Deadline);

        // The next key exists before it is live, and signs from its first live second on.
        await signer.MoveToAsync(Parse(nextLive) - s_second);
        (SignerKey second, PlanKey secondPlan) = await signer.KeyAsync(plan.Id, next);
        Assert.Equal(Parse(nextLive), secondPlan.NotBefore);
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(second, secondPlan));
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(second, secondPlan, SigningPurpose.Exchange));
        signer.Time.Advance(s_second);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(second, secondPlan));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(first, firstPlan));

        // At its deadline the first one issues no more, and is only exchanged.
        signer.Time.MoveTo(next - s_second);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(first, firstPlan));
        signer.Time.Advance(s_second);
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(first, firstPlan));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(first, firstPlan, SigningPurpose.Exchange));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(second, secondPlan));

        // When the grace is over, not even that.
        await signer.MoveToAsync(Parse(graceEnd) - s_second);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(first, firstPlan, SigningPurpose.Exchange));
        signer.Time.Advance(s_second);
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(first, firstPlan, SigningPurpose.Exchange));
        Assert.DoesNotContain(await signer.KeysAsync(), key => key.TokenKeyId.AsSpan().SequenceEqual(first.TokenKeyId));

        // A day after that was noticed the key is gone for good.
        await signer.MoveToAsync(Parse(graceEnd));
        await signer.MoveToAsync(Parse(graceEnd) + KeySchedule.RemovalDelay);
        Assert.Equal(SignStatus.UnknownKey, await signer.TrySignAsync(first, firstPlan, SigningPurpose.Exchange));
    }

    [Fact]
    public async Task Rotation_happens_by_itself_as_time_passes()
    {
        await using TestSigner signer = await TestSigner.StartAsync(Parse("2026-11-20T12:00:00Z"), s_daily);
        DateTimeOffset next = Parse("2026-11-21T00:00:00Z");
        signer.Time.MoveTo(next - TimeSpan.FromHours(3.5));
        for (int i = 0; !(await signer.KeysAsync()).Any(key => key.Plans[0].Start == next); i++)
        {
            Assert.True(i < 3000, "What was waited for did not happen.");
            await Task.Delay(20, TestSigner.Token);
            signer.Time.Advance(TimeSpan.FromSeconds(1));
        }
    }

    [Fact]
    public async Task No_plan_ever_has_more_than_two_live_keys_and_no_two_keys_share_a_truncated_id()
    {
        Plan[] plans = [.. Enumerable.Range(0, 3).Select(i => s_daily with { Id = $"daily-{i}" }), s_weekly];
        await using TestSigner signer = await TestSigner.StartAsync(Parse("2026-11-20T12:00:00Z"), plans);
        for (int i = 0; i < 12; i++)
        {
            await signer.MoveToAsync(signer.Time.GetUtcNow() + TimeSpan.FromHours(5));
            DateTimeOffset now = signer.Time.GetUtcNow();
            IReadOnlyList<SignerKey> keys = await signer.KeysAsync();
            Assert.Equal(keys.Count, keys.Select(key => key.TruncatedKeyId).Distinct().Count());
            foreach (Plan plan in plans)
            {
                Assert.InRange(keys.SelectMany(key => key.Plans).Count(use => use.PlanId == plan.Id && use.IsLiveAt(now)), 1, 2);
            }
        }
    }

    [Theory]
    [InlineData(PeriodKind.Day, TokenType.BlindRsa)]
    [InlineData(PeriodKind.Day, TokenType.PartiallyBlindRsa)]
    [InlineData(PeriodKind.Week, TokenType.BlindRsa)]
    [InlineData(PeriodKind.Week, TokenType.PartiallyBlindRsa)]
    [InlineData(PeriodKind.Month, TokenType.BlindRsa)]
    [InlineData(PeriodKind.Month, TokenType.PartiallyBlindRsa)]
    public void Keys_of_every_live_period_were_needed_an_hour_before_all_through_five_years(PeriodKind kind, TokenType type)
    {
        Plan plan = TestPlans.Chat with { Period = kind, TokenType = type };
        DateTimeOffset end = Parse("2029-12-31T00:00:00Z");
        for (DateTimeOffset now = Parse("2024-12-31T00:00:00Z"); now < end; now += TimeSpan.FromMinutes(61))
        {
            Period[] earlier = [.. KeySchedule.NeededPeriods(plan, now - TimeSpan.FromMinutes(59))];
            Period current = Period.Containing(kind, now);
            Period[] live = [.. new[] { current.Previous, current, current.Next, current.Next.Next }.Where(period => period.IsLiveAt(now))];
            Assert.InRange(live.Length, 1, 2);
            Assert.Subset(earlier.ToHashSet(), live.ToHashSet());
            Assert.All(live, period =>
            {
                (DateTimeOffset from, DateTimeOffset until) = KeySchedule.ServiceOf(type, period);
                Assert.True(from <= period.Start && period.Start < until);
            });
        }
    }

    [Fact]
    public async Task Clock_that_jumps_a_year_and_is_put_right_costs_no_key()
    {
        DateTimeOffset start = Parse("2026-11-20T12:00:00Z");
        await using TestSigner signer = await TestSigner.StartAsync(start, s_daily);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync(s_daily.Id, Parse("2026-11-20T00:00:00Z"));
        foreach (int years in (int[])[1, -1])
        {
            await signer.MoveToAsync(start.AddYears(years));
            Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(key, plan));
            (SignerKey other, PlanKey otherPlan) = await signer.KeyAsync(s_daily.Id, Parse("2026-11-20T00:00:00Z").AddYears(years));
            Assert.Equal(SignStatus.Success, await signer.TrySignAsync(other, otherPlan));

            // Half a day of it, with a restart, is not enough to lose anything.
            await signer.MoveToAsync(start.AddYears(years).AddHours(12));
            await signer.CloseAsync();
            await signer.OpenAsync();
            await signer.MoveToAsync(start);
            Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan));
        }
    }

    [Fact]
    public async Task Plan_taken_off_the_list_sells_nothing_more_but_is_still_exchanged()
    {
        await using TestSigner signer = await TestSigner.StartAsync(Parse("2026-11-20T12:00:00Z"), s_daily, s_weekly);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync(s_daily.Id, Parse("2026-11-20T00:00:00Z"));
        await signer.CloseAsync();
        await signer.OpenAsync(options => options with { Plans = [s_weekly] });
        Assert.Equal(SignStatus.PlanNotLive, await signer.TrySignAsync(key, plan));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Exchange));
    }

    [Fact]
    public async Task Plan_that_changes_its_period_goes_on_under_the_metadata_it_had()
    {
        // The week from November 23rd and the month of November do not end together; the week before March 1st of 2027 and February do.
        Plan weekly = TestPlans.Large with { Period = PeriodKind.Week };
        await using TestSigner signer = await TestSigner.StartAsync(Parse("2027-02-24T12:00:00Z"), weekly);
        await signer.Service.AllKeysReady.WaitAsync(TestSigner.Token);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync(weekly.Id, Parse("2027-02-22T00:00:00Z"));
        await signer.CloseAsync();
        await signer.OpenAsync(options => options with { Plans = [TestPlans.Large] });
        (SignerKey same, PlanKey monthly) = await signer.KeyAsync(weekly.Id, Parse("2027-02-01T00:00:00Z"));
        Assert.Equal(key.TokenKeyId, same.TokenKeyId);
        Assert.Equal(plan.Extensions, monthly.Extensions);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(same, monthly));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan, SigningPurpose.Exchange));
    }

    [Fact]
    public async Task Partially_blind_key_serves_a_quarter_and_is_replaced_ahead_of_the_next()
    {
        await using TestSigner signer = await TestSigner.StartAsync(Parse("2026-12-20T12:00:00Z"), TestPlans.Large, s_weekly with
        {
            Id = "weekly-large",
            TokenType = TokenType.PartiallyBlindRsa,
        });
        await signer.Service.AllKeysReady.WaitAsync(TestSigner.Token);
        SignerKey first = Assert.Single(await signer.KeysAsync());
        Assert.Equal(["chat-large", "weekly-large"], first.Plans.Select(plan => plan.PlanId).Distinct().Order());

        // The week from December 28th begins in the old quarter and stays with its key; January gets the next one.
        await signer.MoveToAsync(Parse("2026-12-28T12:00:00Z"));
        DateTimeOffset january = Parse("2027-01-01T00:00:00Z");
        for (int i = 0; !(await signer.KeysAsync()).Any(key => key.Plans.Any(plan => plan.Start == january)); i++)
        {
            // A search whose length is left to chance: seconds, or as many minutes on a busy machine.
            Assert.True(i < 24_000, "What was waited for did not happen.");
            await Task.Delay(50, TestSigner.Token);
        }

        (SignerKey second, PlanKey secondPlan) = await signer.KeyAsync("chat-large", january);
        Assert.NotEqual(first.TokenKeyId, second.TokenKeyId);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(second, secondPlan));
        (SignerKey lastWeek, PlanKey lastWeekPlan) = await signer.KeyAsync("weekly-large", Parse("2026-12-28T00:00:00Z"));
        Assert.Equal(first.TokenKeyId, lastWeek.TokenKeyId);
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(lastWeek, lastWeekPlan));
        Assert.True((await signer.KeysAsync()).Count <= 2);
    }

    [Fact]
    public async Task Search_for_a_partially_blind_key_does_not_hold_up_the_other_plans()
    {
        await using TestSigner signer = await TestSigner.StartAsync(Parse("2026-11-20T12:00:00Z"), TestPlans.Chat, TestPlans.Large);
        (SignerKey key, PlanKey plan) = await signer.KeyAsync("chat", Parse("2026-11-01T00:00:00Z"));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(key, plan));
        await signer.Service.AllKeysReady.WaitAsync(TestSigner.Token);
        (SignerKey large, PlanKey largePlan) = await signer.KeyAsync("chat-large", Parse("2026-11-01T00:00:00Z"));
        Assert.Equal(SignStatus.Success, await signer.TrySignAsync(large, largePlan));
    }

    private static DateTimeOffset Parse(string text) => DateTimeOffset.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
