using Tacit.Client.Tests.Support;
using Tacit.Gateway.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>The wallet's own schedule: jittered, kept over restarts, moved by no prompt.</summary>
public sealed class RefillTests : IAsyncLifetime
{
    private static readonly DateTimeOffset Start = new(2026, 3, 10, 12, 0, 0, TimeSpan.Zero);

    private readonly TestFolder _folder = new();
    private readonly FakeTime _time = new(Start);
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _operator = await TestOperator.StartAsync(_time);

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Plan_that_ran_low_is_filled_at_the_next_look_and_not_before()
    {
        await using TacitClient client = await WalletAsync(tokens: 5);
        _operator.IssuerFront.Seen.Clear();
        DateTimeOffset next = await StartAsync(client);

        await client.Redemption.AnswerAsync(Prompts.Ask("One less."), Token);
        _time.Advance(next - _time.GetUtcNow() - TimeSpan.FromSeconds(1));
        await Task.Delay(50, Token);
        Assert.Empty(_operator.IssuerFront.Seen);
        _time.Advance(TimeSpan.FromSeconds(2));
        await UntilAsync(async () => (await client.HoldingsAsync()).Held == 14);

        Assert.True((await NextAsync(client, after: next)) > next);
        Assert.Single(_operator.IssuerFront.SeenAt("/token-request"));
    }

    [Fact]
    public async Task Schedule_outlives_a_disk_that_takes_nothing_for_a_while()
    {
        await using TacitClient client = await WalletAsync(tokens: 5);
        await client.Redemption.AnswerAsync(Prompts.Ask("One less."), Token);
        DateTimeOffset next = await StartAsync(client);
        Storage.Database disk = client.Wallet.Journal.Database;
        await disk.WriteAsync(
            session => session.Execute("CREATE TRIGGER full BEFORE UPDATE OF next_refill ON wallet BEGIN SELECT RAISE(ABORT, 'full'); END"), Token);
        _operator.IssuerFront.Seen.Clear();
        _time.Advance(next - _time.GetUtcNow() + TimeSpan.FromSeconds(1));
        await UntilAsync(() => Task.FromResult(client.Notices.Latest.Any(notice => notice.Kind == NoticeKind.RefillFailed)));
        Assert.Empty(_operator.IssuerFront.SeenAt("/token-request"));

        await disk.WriteAsync(session => session.Execute("DROP TRIGGER full"), Token);
        await UntilAsync(async () =>
        {
            // A request under way is not to be overtaken by its own time limit; if one was, on a machine that is slow enough, the next look asks again.
            if (_operator.IssuerFront.SeenAt("/token-request").All(asked => asked.Answer is not null))
            {
                _time.Advance(TimeSpan.FromMinutes(10));
            }

            return (await client.HoldingsAsync()).Held == 14;
        });
    }

    [Fact]
    public async Task Look_whose_time_falls_among_prompts_is_put_off()
    {
        await using TacitClient client = await WalletAsync(tokens: 5);
        DateTimeOffset next = await StartAsync(client);
        _operator.IssuerFront.Seen.Clear();
        await using (PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("One less."), Token))
        {
            _time.Advance(next - _time.GetUtcNow() + TimeSpan.FromSeconds(1));
            next = await NextAsync(client, after: next);
            Assert.Empty(_operator.IssuerFront.Seen);
        }

        // Nor right behind it: the times that are drawn are minutes apart.
        await client.Redemption.AnswerAsync(Prompts.Ask("And one."), Token);
        await UntilAsync(async () =>
        {
            if (_operator.IssuerFront.SeenAt("/token-request").All(asked => asked.Answer is not null))
            {
                _time.Advance(TimeSpan.FromMinutes(2));
            }

            return (await client.HoldingsAsync()).Held == 13;
        });
    }

    [Fact]
    public async Task Start_of_the_program_causes_no_call()
    {
        await using TacitClient client = await WalletAsync(tokens: 0);
        _operator.IssuerFront.Seen.Clear();

        client.Refills.Start();
        // While the clock stands: one in a few thousand draws is of a moment, and would be over when it moved.
        DateTimeOffset? next;
        while ((next = (await client.Wallet.GetStatusAsync(Token)).NextRefill) is null)
        {
            await Task.Delay(10, Token);
        }

        Assert.InRange(next.Value, Start, Start.AddHours(8));
        Assert.Empty(_operator.IssuerFront.Seen);
    }

    [Fact]
    public async Task Schedule_is_kept_over_a_restart_and_drawn_anew_after_a_look()
    {
        DateTimeOffset next;
        await using (TacitClient client = await WalletAsync(tokens: 5))
        {
            client.Refills.Start();
            // Far enough that the moments this takes are not beyond it.
            next = await NextAsync(client, after: Start.AddMinutes(1));
        }

        await using TacitClient again = await TacitClient.OpenAsync(
            Options(_operator.OptionsFor(_folder.Path)), _time, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance, Token);
        again.Refills.Start();
        await Task.Delay(50, Token);
        Assert.Equal(next, (await again.Wallet.GetStatusAsync(Token)).NextRefill);

        var intervals = new List<TimeSpan>();
        for (int i = 0; i < 6; i++)
        {
            _time.Advance(next - _time.GetUtcNow());
            DateTimeOffset later = await NextAsync(again, after: next);
            intervals.Add(later - next);
            next = later;
            await Task.Delay(100, Token);
        }
        Assert.All(intervals, interval => Assert.InRange(interval, TimeSpan.Zero, TimeSpan.FromHours(8.1)));
        Assert.True(intervals.Distinct().Count() > 3);
    }

    [Fact]
    public async Task Account_that_ran_out_is_told_and_nothing_breaks()
    {
        await using TacitClient client = await WalletAsync(tokens: 5, credits: 5);

        await client.Refills.RunOnceAsync(Token);

        Assert.Contains(client.Notices.Latest, notice => notice.Kind == NoticeKind.LowCredits);
        Assert.Equal(5, (await client.HoldingsAsync()).Held);
    }

    [Theory]
    [InlineData(1, false)]
    [InlineData(2, true)]
    public async Task Crowd_below_the_minimum_is_warned_of_once_in_a_period_as_what_the_issuer_says(long minimum, bool warns)
    {
        await using TacitClient client = await _operator.WalletAsync(
            _folder.Path, 50, 5, options => options with { Directory = options.Directory with { MinCrowd = minimum } }, _time);
        // Crowds are told anew once a day; this one is of one account.
        _time.Jump(TimeSpan.FromDays(1));
        await _operator.Issuer.RefreshKeysAsync(Token);
        await client.Refills.RunOnceAsync(Token);
        await client.Refills.RunOnceAsync(Token);

        Assert.Equal(1, Assert.Single((await client.Directory.GetAsync(Token)).Plans).LiveKeys[0].Accounts);
        Notice[] warnings = [.. client.Notices.Latest.Where(notice => notice.Kind == NoticeKind.SmallCrowd)];
        Assert.Equal(warns ? 1 : 0, warnings.Length);
        Assert.All(warnings, warning => Assert.StartsWith("The issuer says", warning.Text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Account_that_cannot_pay_the_next_fill_is_told_while_there_still_are_tokens()
    {
        await using TacitClient client = await WalletAsync(tokens: 5, credits: 20);
        await client.Redemption.AnswerAsync(Prompts.Ask("One less."), Token);
        await client.Refills.RunOnceAsync(Token);

        Assert.Equal(14, (await client.HoldingsAsync()).Held);
        Notice told = Assert.Single(client.Notices.Latest, notice => notice.Kind == NoticeKind.LowCredits);
        Assert.Contains("5 credits left", told.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Issuer_that_is_away_is_told_and_the_rest_is_done()
    {
        await using TacitClient client = await WalletAsync(tokens: 5);
        byte[] refused = """{"model":"tacit-demo","messages":[],"frobnicate":1}"""u8.ToArray();
        await client.Redemption.AnswerAsync(new PromptRequest(PromptOperation.ChatCompletions, refused), Token);
        _operator.IssuerFront.Decide = _ => Mishap.LoseRequest;

        await client.Refills.RunOnceAsync(Token);

        Assert.Contains(client.Notices.Latest, notice => notice.Kind == NoticeKind.RefillFailed);
        Assert.Equal((5, 0), (await client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Returned) : default);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Clock_that_jumps_a_year_and_is_put_right_costs_no_token(bool isIssuerThere)
    {
        // Of this machine alone. Without a seed to restore from, what the wallet lets go of is gone.
        var clock = new FakeTime(Start);
        await using TacitClient client = await _operator.WalletAsync(
            _folder.Path, credits: 20, tokens: 5, options => options with { Wallet = options.Wallet with { Recoverable = false } }, clock);
        _operator.IssuerFront.Decide = _ => isIssuerThere ? Mishap.None : Mishap.LoseRequest;
        clock.Jump(TimeSpan.FromDays(365));
        await client.Refills.RunOnceAsync(Token);
        clock.Jump(TimeSpan.FromDays(-365));

        PlanHoldings holdings = await client.HoldingsAsync();
        Assert.Equal((5, 0), (holdings.Held, holdings.Void));
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("What day is it?"), Token)).Status);
    }

    [Fact]
    public async Task Look_that_was_drawn_while_the_clock_was_ahead_is_drawn_anew()
    {
        var clock = new FakeTime(Start);
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, 50, 10, Options, clock);
        async Task<DateTimeOffset> NextOnceAsync(Func<DateTimeOffset, bool> condition)
        {
            for (int i = 0; ; i++)
            {
                if ((await client.Wallet.GetStatusAsync(Token)).NextRefill is DateTimeOffset next && condition(next))
                {
                    return next;
                }
                Assert.True(i < 400, "it never happened");
                await Task.Delay(10, Token);
                clock.Advance(TimeSpan.FromSeconds(30));
            }
        }

        client.Refills.Start();
        await NextOnceAsync(next => next > Start);
        clock.Jump(TimeSpan.FromDays(365));
        await NextOnceAsync(next => next > Start.AddDays(365));
        clock.Jump(TimeSpan.FromDays(-365));

        await NextOnceAsync(next => next < Start.AddDays(2));
    }

    private Task<TacitClient> WalletAsync(int tokens, long credits = 50) =>
        _operator.WalletAsync(_folder.Path, credits, tokens, Options, _time);

    private static ClientOptions Options(ClientOptions options) => options with { Fill = options.Fill with { Automatic = true, LowWater = 10, BatchSize = 10, RefillDelay = TimeSpan.Zero, Reserve = TimeSpan.Zero } };

    /// <summary>
    /// Starts the schedule with a look at a known time. One that is left to chance can fall upon the prompt, or into the minute after it, and is put off then.
    /// </summary>
    private static async Task<DateTimeOffset> StartAsync(TacitClient client)
    {
        DateTimeOffset next = Start.AddMinutes(40);
        await client.Wallet.Journal.SetNextRefillAsync(next, Token);
        client.Refills.Start();
        return next;
    }

    private async Task<DateTimeOffset> NextAsync(TacitClient client, DateTimeOffset after)
    {
        DateTimeOffset? next = null;
        await UntilAsync(async () => (next = (await client.Wallet.GetStatusAsync(Token)).NextRefill) > after);
        return next!.Value;
    }

    private async Task UntilAsync(Func<Task<bool>> condition)
    {
        for (int i = 0; !await condition(); i++)
        {
            Assert.True(i < 200, "it never happened");
            await Task.Delay(Math.Min(10 << Math.Min(i, 7), 1000), Token);
            // A wait that began just as the clock was moved begins at the new time. No faster than real time in the end, or requests would run out of theirs.
            _time.Advance(TimeSpan.FromSeconds(1));
        }
    }
}
