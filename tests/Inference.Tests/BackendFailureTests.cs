using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>What requests make of backends that fail them, on a clock that stands still.</summary>
public sealed class BackendFailureTests
{
    private const string Event = "data: {\"id\":1}\n\n";

    private static readonly TimeSpan Backoff = TimeSpan.FromSeconds(1);

    private readonly ManualTime _time = new();

    private static CancellationToken Test => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("reset")]
    [InlineData("500")]
    [InlineData("503")]
    [InlineData("408")]
    public async Task Only_backend_is_asked_again_after_a_wait_between_half_of_the_backoff_and_all_of_it(string failure)
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(Failing(failure), Failing(failure), exchange => exchange.EventsAsync(Event));
        await using RouterHarness harness = Harness(RouterHarness.Backend(provider.BaseUrl));
        Task<string> asked = harness.AskAsync(stream: true);
        for (int wait = 1; wait <= 2; wait++)
        {
            await harness.UntilAsync(backend => backend.Counts.Calls == wait && backend.Outstanding == 0);
            Assert.Equal(wait, provider.Requests.Count);
            _time.Advance((Backoff * wait / 2) - TimeSpan.FromTicks(1));
            await Task.Delay(20, Test);
            Assert.Equal(wait, provider.Requests.Count);
            await AdvanceUntilAsked(harness, wait);
            await UntilAsync(() => provider.Requests.Count > wait);
        }

        Assert.Equal(Event, await asked);
        Assert.Equal(3, provider.Requests.Count);
    }

    [Theory]
    [InlineData("403")]
    [InlineData("302")]
    [InlineData("401")]
    [InlineData("html")]
    public async Task Failure_that_a_wait_does_not_mend_is_told_at_once(string failure)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(Failing(failure));
        await using RouterHarness harness = Harness(RouterHarness.Backend(provider.BaseUrl));
        await harness.FailAsync();
        Assert.Single(provider.Requests);
    }

    [Fact]
    public async Task Other_backends_are_asked_without_a_wait()
    {
        await using ScriptedProvider first = ScriptedProvider.Start(Failing("reset"));
        await using ScriptedProvider second = ScriptedProvider.Start(exchange => exchange.EventsAsync(Event));
        await using RouterHarness harness = Harness(RouterHarness.Backend(first.BaseUrl), RouterHarness.Backend(second.BaseUrl));
        Assert.Equal(Event, await harness.AskAsync(stream: true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Stream_whose_first_event_is_late_is_asked_of_another_backend(bool sendsHead)
    {
        await using ScriptedProvider hung = ScriptedProvider.Start(async exchange =>
        {
            if (sendsHead)
            {
                await exchange.BeginEventsAsync();
            }

            await exchange.HangAsync();
        });
        await using ScriptedProvider well = ScriptedProvider.Start(exchange => exchange.EventsAsync(Event));
        await using RouterHarness harness = Harness(RouterHarness.Backend(hung.BaseUrl) with { Name = "hung" }, RouterHarness.Backend(well.BaseUrl));
        Task<string> asked = harness.AskAsync(stream: true);
        await UntilAsync(() => hung.Requests.Count == 1);
        _time.Advance(new ProviderBudgets().FirstByte);
        Assert.Equal(Event, await asked);
        BackendStatus status = await harness.UntilAsync(backend => backend.Outstanding == 0, "hung");
        Assert.Equal((BackendFault.Timeout, 1), (status.Fault, status.Counts.TimedOut));
    }

    [Fact]
    public async Task Reply_in_one_piece_that_is_late_is_nobodys_fault_and_asked_once()
    {
        await using ScriptedProvider hung = ScriptedProvider.Start(exchange => exchange.HangAsync());
        await using ScriptedProvider well = ScriptedProvider.Start(exchange => exchange.JsonAsync("{}"));
        await using RouterHarness harness = Harness(RouterHarness.Backend(hung.BaseUrl) with { Name = "hung" }, RouterHarness.Backend(well.BaseUrl));
        for (int i = 1; i <= 2 * new BreakerOptions().MinFailures; i++)
        {
            Task<(ProviderException Failure, string)> asked = harness.FailAsync();
            await UntilAsync(() => hung.Requests.Count == i);
            _time.Advance(new ProviderBudgets().FirstByteUnstreamed);
            Assert.Equal((ErrorCodes.ProviderTimeout, true), ((await asked).Failure.Error.Code, (await asked).Failure.ClientProvoked));
        }

        Assert.Empty(well.Requests);
        Assert.Equal((BreakerState.Closed, BackendFault.None), (harness.Router.Backends[0].Breaker, harness.Router.Backends[0].Fault));
    }

    [Fact]
    public async Task Backend_that_lies_about_its_health_is_taken_out_by_its_requests_and_let_in_by_one()
    {
        bool isWell = false;
        await using ScriptedProvider liar = ScriptedProvider.Start(exchange => exchange.Request.Line.StartsWith("GET", StringComparison.Ordinal)
            ? exchange.JsonAsync("{\"data\":[{\"id\":\"public-model\"}]}")
            : isWell ? exchange.EventsAsync(Event) : Failing("500")(exchange));
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(liar.BaseUrl, "1", "2", "3") with { Health = new HealthOptions() }] }, _time);
        await harness.UntilAsync(backend => backend.Health == HealthState.Up);
        for (int i = 1; i <= 5; i++)
        {
            // Three keys, three calls, one vote.
            Assert.Equal(BreakerState.Closed, harness.Router.Backends[0].Breaker);
            Assert.Equal(ErrorCodes.ProviderError, (await harness.FailAsync(stream: true)).Failure.Error.Code);
        }

        BackendStatus status = harness.Router.Backends[0];
        Assert.Equal((HealthState.Up, BreakerState.Open, BackendFault.Status, 15L, 1L), (status.Health, status.Breaker, status.Fault, status.Counts.Failed, status.Counts.Opened));
        Assert.True(harness.Router.IsServing);
        ProviderException failure = (await harness.FailAsync(stream: true)).Failure;
        Assert.Equal((ErrorCodes.BackendUnavailable, 503, false), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));

        // The trial fails: it is left alone for twice as long.
        _time.Advance(TimeSpan.FromSeconds(5.5));
        Assert.Equal(BreakerState.HalfOpen, harness.Router.Backends[0].Breaker);
        Assert.Equal(ErrorCodes.ProviderError, (await harness.FailAsync(stream: true)).Failure.Error.Code);
        _time.Advance(TimeSpan.FromSeconds(9.9));
        Assert.Equal(BreakerState.Open, harness.Router.Backends[0].Breaker);
        Assert.Equal(ErrorCodes.BackendUnavailable, (await harness.FailAsync(stream: true)).Failure.Error.Code);
        _time.Advance(TimeSpan.FromSeconds(1.1));
        isWell = true;
        Assert.Equal(Event, await harness.AskAsync(stream: true));
        status = harness.Router.Backends[0];
        Assert.Equal((BreakerState.Closed, BackendFault.None, 2L), (status.Breaker, status.Fault, status.Counts.Opened));
        Assert.Contains(harness.Logged, line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains("left alone", StringComparison.Ordinal));
        Assert.Contains(harness.Logged, line => line.Contains("answers requests again", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Request_that_comes_back_to_a_backend_after_a_wait_counts_once()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(Failing("500"));
        await using RouterHarness harness = Harness(RouterHarness.Backend(provider.BaseUrl) with { Breaker = new BreakerOptions { Window = TimeSpan.FromHours(1) } });
        for (int i = 0; i < new BreakerOptions().MinFailures - 1; i++)
        {
            Task<(ProviderException Failure, string)> failing = harness.FailAsync(stream: true);
            for (int wait = 1; wait <= 2; wait++)
            {
                int calls = (3 * i) + wait;
                await harness.UntilAsync(backend => backend.Counts.Calls == calls && backend.Outstanding == 0);
                await AdvanceUntilAsked(harness, calls);
            }

            Assert.Equal(ErrorCodes.ProviderError, (await failing).Failure.Error.Code);
            Assert.Equal(BreakerState.Closed, harness.Router.Backends[0].Breaker);
        }

        // The next one's first call is the last that is taken.
        Task<(ProviderException Failure, string)> last = harness.FailAsync(stream: true);
        BackendStatus status = await harness.UntilAsync(backend => backend.Breaker == BreakerState.Open);
        while (!last.IsCompleted)
        {
            _time.Advance(TimeSpan.FromMilliseconds(10));
            await Task.Delay(20, Test);
        }

        Assert.Equal(ErrorCodes.ProviderError, (await last).Failure.Error.Code);
        Assert.Equal((13L, 1L), (status.Counts.Failed, status.Counts.Opened));
        Assert.Equal(13, provider.Requests.Count);
    }

    [Fact]
    public async Task Trial_is_one_request_and_the_others_go_elsewhere()
    {
        bool isDead = true;
        var answer = new SemaphoreSlim(0);
        await using ScriptedProvider ill = ScriptedProvider.Start(async exchange =>
        {
            if (isDead)
            {
                exchange.Reset();
                return;
            }

            await answer.WaitAsync(exchange.Stopping);
            await exchange.EventsAsync(Event);
        });
        await using ScriptedProvider well = ScriptedProvider.Start(exchange => exchange.EventsAsync(Event));
        await using var harness = new RouterHarness(
            new InferenceOptions { Backends = [RouterHarness.Backend(ill.BaseUrl) with { Name = "ill" }, RouterHarness.Backend(well.BaseUrl) with { Name = "well" }] }, _time);
        for (int i = 0; i < 7; i++)
        {
            Assert.Equal(Event, await harness.AskAsync(stream: true));
        }

        Assert.Equal(5, ill.Requests.Count);
        isDead = false;
        _time.Advance(TimeSpan.FromSeconds(5.5));
        Task<string> trial = harness.AskAsync(stream: true);
        await UntilAsync(() => ill.Requests.Count == 6);
        Assert.Equal(Event, await harness.AskAsync(stream: true));
        Assert.Equal(6, ill.Requests.Count);
        answer.Release();
        Assert.Equal(Event, await trial);
        await harness.UntilAsync(backend => backend.Breaker == BreakerState.Closed, "ill");
        answer.Dispose();
    }

    [Fact]
    public async Task Replies_that_break_off_open_the_breaker()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(Event);
            exchange.Close();
        });
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl)] }, _time);
        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(ErrorCodes.ReplyInterrupted, (await harness.FailAsync(stream: true)).Failure.Error.Code);
        }

        BackendStatus status = await harness.UntilAsync(backend => backend.Breaker == BreakerState.Open);
        Assert.Equal((BackendFault.ConnectionLost, 5L, 5L), (status.Fault, status.Counts.Replies, status.Counts.BrokenOff));
    }

    [Fact]
    public async Task Refusals_of_requests_and_keys_open_nothing()
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn([.. Enumerable.Range(0, 40).Select(i => Failing(i % 2 == 0 ? "400" : "403")), exchange => exchange.EventsAsync(Event)]);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl)] }, _time);
        for (int i = 0; i < 40; i++)
        {
            await harness.FailAsync(stream: true);
        }

        Assert.Equal(Event, await harness.AskAsync(stream: true));
        Assert.Equal((BreakerState.Closed, 0L), (harness.Router.Backends[0].Breaker, harness.Router.Backends[0].Counts.Opened));
    }

    private static Func<ScriptedExchange, Task> Failing(string how) => how switch
    {
        "reset" => exchange =>
        {
            exchange.Reset();
            return Task.CompletedTask;
        }
        ,
        "html" => exchange => exchange.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}"),
        _ => exchange => exchange.JsonAsync("{}", int.Parse(how, System.Globalization.CultureInfo.InvariantCulture)),
    };

    private RouterHarness Harness(params BackendOptions[] backends) => new(new InferenceOptions { Backends = backends }, _time, Backoff);

    /// <summary>Until a call more than these was begun. No further: the budgets of that call are on the same clock, and its answer takes as long as the machine does.</summary>
    private async Task AdvanceUntilAsked(RouterHarness harness, long calls)
    {
        while (harness.Router.Backends[0].Counts.Calls == calls)
        {
            _time.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Delay(2, Test);
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(2, Test);
        }
    }
}
