namespace Tacit.Inference.Tests;

/// <summary>The state machine of docs/operating.md, Backends, transition by transition.</summary>
public sealed class CircuitBreakerTests
{
    private static readonly BreakerOptions Options = new();

    private readonly ManualTime _time = new();
    private readonly CircuitBreaker _breaker;

    public CircuitBreakerTests() => _breaker = new CircuitBreaker(Options, _time);

    [Fact]
    public void Closed_opens_at_the_least_number_of_failures_and_not_before()
    {
        for (int i = 1; i < Options.MinFailures; i++)
        {
            Assert.False(Call(CallOutcome.Failure));
        }

        Assert.Equal(BreakerState.Closed, _breaker.State);
        Assert.True(Call(CallOutcome.Failure));
        Assert.Equal((BreakerState.Open, false, 1), (_breaker.State, _breaker.CanEnter, _breaker.Opened));
    }

    [Theory]
    [InlineData(5, 5, true)]
    [InlineData(6, 5, false)]
    [InlineData(1000, 999, false)]
    [InlineData(1000, 1000, true)]
    public void Closed_opens_by_the_share_of_failures(int successes, int failures, bool opens)
    {
        for (int i = 0; i < successes; i++)
        {
            Call(CallOutcome.Success);
        }

        for (int i = 0; i < failures; i++)
        {
            Call(CallOutcome.Failure);
        }

        Assert.Equal(opens, _breaker.State == BreakerState.Open);
    }

    [Fact]
    public void Failures_of_a_window_ago_do_not_count()
    {
        for (int i = 0; i < 20; i++)
        {
            Call(CallOutcome.Failure, open: false);
            _time.Advance(Options.Window / (Options.MinFailures - 1));
        }

        Assert.Equal(BreakerState.Closed, _breaker.State);
    }

    [Fact]
    public void Calls_that_say_nothing_of_the_backend_neither_open_nor_dilute()
    {
        for (int i = 0; i < 1000; i++)
        {
            Call(CallOutcome.Neutral);
        }

        Assert.Equal(BreakerState.Closed, _breaker.State);
        Break();
        Assert.Equal(BreakerState.Open, _breaker.State);
    }

    [Fact]
    public void Open_lets_one_trial_in_when_its_time_is_over()
    {
        Break();
        _time.Advance(Options.OpenFor - TimeSpan.FromMilliseconds(1));
        Assert.Equal((BreakerState.Open, false), (_breaker.State, _breaker.CanEnter));
        _time.Advance((Options.OpenFor / 10) + TimeSpan.FromMilliseconds(2));
        Assert.Equal((BreakerState.HalfOpen, true), (_breaker.State, _breaker.CanEnter));
        Assert.True(_breaker.Enter());
        Assert.False(_breaker.CanEnter);
        _breaker.Report(CallOutcome.Success, isTrial: true);
        Assert.Equal((BreakerState.Closed, true), (_breaker.State, _breaker.CanEnter));
    }

    [Fact]
    public void Trial_that_says_nothing_is_followed_by_another()
    {
        Break();
        OpenTimeOver(1);
        Assert.True(_breaker.Enter());
        _breaker.Report(CallOutcome.Neutral, isTrial: true);
        Assert.Equal((BreakerState.HalfOpen, true), (_breaker.State, _breaker.CanEnter));
    }

    [Fact]
    public void Results_of_calls_from_before_are_not_looked_at_while_it_is_open()
    {
        Break();
        _breaker.Report(CallOutcome.Success, isTrial: false);
        Assert.Equal(BreakerState.Open, _breaker.State);
        OpenTimeOver(1);
        Assert.False(_breaker.Report(CallOutcome.Failure, isTrial: false));
        Assert.Equal(BreakerState.HalfOpen, _breaker.State);
    }

    [Fact]
    public void Time_doubles_with_each_trial_that_fails_up_to_the_most()
    {
        Break();
        foreach (int times in (int[])[1, 2, 4, 8, 12, 12, 12])
        {
            TimeSpan openFor = Options.OpenFor * times;
            _time.Advance(openFor - TimeSpan.FromMilliseconds(1));
            Assert.Equal(BreakerState.Open, _breaker.State);
            _time.Advance((openFor / 10) + TimeSpan.FromMilliseconds(2));
            Assert.True(_breaker.CanEnter);
            Assert.True(_breaker.Enter());
            Assert.True(_breaker.Report(CallOutcome.Failure, isTrial: true));
        }

        Assert.Equal(8, _breaker.Opened);
    }

    [Fact]
    public void Time_is_short_again_only_after_a_whole_window_without_opening()
    {
        Break();
        OpenTimeOver(1);
        Assert.True(_breaker.Enter());
        _breaker.Report(CallOutcome.Success, isTrial: true);

        // It failed again right away: twice as long.
        Break();
        _time.Advance(Options.OpenFor * 1.2);
        Assert.Equal(BreakerState.Open, _breaker.State);
        OpenTimeOver(2);
        Assert.True(_breaker.Enter());
        _breaker.Report(CallOutcome.Success, isTrial: true);
        _time.Advance(Options.Window);
        Break();
        OpenTimeOver(1);
        Assert.Equal(BreakerState.HalfOpen, _breaker.State);
    }

    private void Break()
    {
        for (int i = 0; i < Options.MinFailures; i++)
        {
            Call(CallOutcome.Failure);
        }
    }

    private void OpenTimeOver(int times) => _time.Advance(Options.OpenFor * times * 1.1);

    private bool Call(CallOutcome outcome, bool open = true)
    {
        Assert.True(open || _breaker.CanEnter);
        return _breaker.Report(outcome, !_breaker.CanEnter ? false : _breaker.Enter());
    }
}
