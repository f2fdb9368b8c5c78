using System.Collections.Concurrent;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Who is chosen, who waits, and for how long.</summary>
public sealed class QueueTests
{
    private readonly ManualTime _time = new();

    private static CancellationToken Test => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Backend_with_the_fewest_requests_is_asked()
    {
        await using var first = new HeldProvider();
        await using var second = new HeldProvider();
        await using RouterHarness harness = Harness(first.Backend("a"), second.Backend("b"));
        var asked = new List<Task<string>>();
        for (int i = 1; i <= 10; i++)
        {
            asked.Add(harness.AskAsync());
            await Until(() => first.Arrived + second.Arrived == i);
            Assert.InRange(first.Arrived - second.Arrived, 0, 1);
        }

        // Two places come free at the second: the next two go there.
        second.Answer(2);
        await harness.UntilAsync(backend => backend.Outstanding == 3, "b");
        asked.Add(harness.AskAsync());
        asked.Add(harness.AskAsync());
        await Until(() => first.Arrived + second.Arrived == 12);
        Assert.Equal((5, 7), (first.Arrived, second.Arrived));
        first.Answer(100);
        second.Answer(100);
        await Task.WhenAll(asked);
        Assert.All(harness.Router.Backends, backend => Assert.Equal((0, 0), (backend.Outstanding, backend.Queued)));
    }

    [Fact]
    public async Task Later_priority_is_asked_only_when_those_before_are_full()
    {
        await using var own = new HeldProvider();
        await using var provider = new HeldProvider();
        await using RouterHarness harness = Harness(provider.Backend("provider") with { Priority = 1 }, own.Backend("own") with { MaxConcurrency = 2 });
        Task<string>[] asked = [harness.AskAsync(), harness.AskAsync(), harness.AskAsync()];
        await Until(() => own.Arrived + provider.Arrived == 3);
        Assert.Equal((2, 1), (own.Arrived, provider.Arrived));
        own.Answer(100);
        provider.Answer(100);
        await Task.WhenAll(asked);
    }

    [Fact]
    public async Task Requests_beyond_the_bound_wait_in_order_and_never_reach_the_backend_together()
    {
        await using var provider = new HeldProvider();
        await using RouterHarness harness = Harness(provider.Backend("a") with { MaxConcurrency = 2 });
        var asked = new List<Task<string>>();
        for (int i = 0; i < 20; i++)
        {
            asked.Add(harness.AskAsync(extra: $",\"seed\":{i}"));
            int expected = Math.Max(0, i - 1);
            await harness.UntilAsync(backend => backend.Queued == expected && backend.Outstanding == Math.Min(i + 1, 2));
        }

        for (int i = 0; i < 20; i++)
        {
            int arrived = Math.Min(i + 2, 20);
            await Until(() => provider.Arrived >= arrived);
            Assert.Equal(arrived, provider.Arrived);
            provider.Answer(1);
            await Until(() => asked.Count(task => task.IsCompleted) == i + 1);
        }

        await Task.WhenAll(asked);
        Assert.Equal(Enumerable.Range(0, 20), provider.Seeds.Skip(2).Prepend(Math.Max(provider.Seeds[0], provider.Seeds[1])).Prepend(Math.Min(provider.Seeds[0], provider.Seeds[1])));
    }

    [Fact]
    public async Task Full_queue_is_told_at_once_and_gives_the_token_back()
    {
        await using var provider = new HeldProvider();
        await using RouterHarness harness = Harness(provider.Backend("a") with { MaxConcurrency = 1, QueueLength = 2 });
        Task<string>[] asked = [harness.AskAsync(), harness.AskAsync(), harness.AskAsync()];
        await harness.UntilAsync(backend => backend is { Outstanding: 1, Queued: 2 });
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.BackendBusy, 503, false), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));
        Assert.Equal(1, Assert.Single(harness.Router.Backends).Counts.QueueFull);
        provider.Answer(100);
        await Task.WhenAll(asked);
    }

    [Fact]
    public async Task Wait_ends_at_its_deadline()
    {
        await using var provider = new HeldProvider();
        await using RouterHarness harness = Harness(provider.Backend("a") with { MaxConcurrency = 1, QueueTimeout = TimeSpan.FromSeconds(7) });
        Task<string> asked = harness.AskAsync();
        await harness.UntilAsync(backend => backend.Outstanding == 1);
        Task<(ProviderException Failure, string)> waiting = harness.FailAsync();
        await harness.UntilAsync(backend => backend.Queued == 1);
        _time.Advance(TimeSpan.FromSeconds(7) - TimeSpan.FromTicks(1));
        Assert.Equal(1, Assert.Single(harness.Router.Backends).Queued);
        await Advance(waiting);
        (ProviderException failure, _) = await waiting;
        Assert.Equal((ErrorCodes.BackendBusy, false), (failure.Error.Code, failure.ClientProvoked));
        Assert.Equal((0, 1L), (Assert.Single(harness.Router.Backends).Queued, Assert.Single(harness.Router.Backends).Counts.QueueTimeouts));
        provider.Answer(1);
        await asked;
    }

    [Fact]
    public async Task Wait_for_a_place_takes_nothing_of_the_time_for_the_reply()
    {
        await using var provider = new HeldProvider();
        TimeSpan total = TimeSpan.FromMinutes(1);
        var budgets = new ProviderBudgets { Total = total };
        await using var harness = new RouterHarness(
            new InferenceOptions { Budgets = budgets, Backends = [provider.Backend("a") with { MaxConcurrency = 1, QueueTimeout = 4 * total }] }, _time);
        provider.Answer(1);
        ProviderReply first = await harness.SendAsync(cancellationToken: Test);
        Task<string> waiting = harness.AskAsync();
        await harness.UntilAsync(backend => backend.Queued == 1);
        _time.Advance(2 * total);
        await first.DisposeAsync();
        await Until(() => provider.Arrived == 2);
        provider.Answer(1);
        Assert.Contains("{\"id\":1}", await waiting, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Caller_that_cancels_leaves_the_queue()
    {
        await using var provider = new HeldProvider();
        await using RouterHarness harness = Harness(provider.Backend("a") with { MaxConcurrency = 1, QueueLength = 1 });
        Task<string> asked = harness.AskAsync();
        await harness.UntilAsync(backend => backend.Outstanding == 1);
        for (int i = 0; i < 3; i++)
        {
            using var cancel = new CancellationTokenSource();
            Task<ProviderReply> waiting = harness.SendAsync(cancellationToken: cancel.Token);
            await harness.UntilAsync(backend => backend.Queued == 1);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
            Assert.Equal(0, Assert.Single(harness.Router.Backends).Queued);
        }

        provider.Answer(1);
        await asked;
    }

    [Fact]
    public async Task Request_waits_for_all_backends_at_once_and_takes_the_first_place()
    {
        await using var first = new HeldProvider();
        await using var second = new HeldProvider();
        await using RouterHarness harness = Harness(first.Backend("a") with { MaxConcurrency = 1 }, second.Backend("b") with { MaxConcurrency = 1 });
        Task<string>[] asked = [harness.AskAsync(), harness.AskAsync(), harness.AskAsync()];
        await harness.UntilAsync(backend => backend.Queued == 1, "a");
        await harness.UntilAsync(backend => backend.Queued == 1, "b");
        second.Answer(1);
        await Until(() => second.Arrived == 2 && first.Arrived > 0);
        Assert.Equal(1, first.Arrived);
        Assert.All(harness.Router.Backends, backend => Assert.Equal(0, backend.Queued));
        first.Answer(1);
        second.Answer(1);
        await Task.WhenAll(asked);
    }

    [Fact]
    public async Task Place_is_held_until_the_reply_has_ended()
    {
        await using var provider = new HeldProvider();
        await using RouterHarness harness = Harness(provider.Backend("a") with { MaxConcurrency = 1 });
        provider.Answer(2);
        ProviderReply reply = await harness.SendAsync(cancellationToken: Test);
        Task<string> waiting = harness.AskAsync();
        await harness.UntilAsync(backend => backend.Queued == 1);
        Assert.Equal(1, provider.Arrived);
        await reply.DisposeAsync();
        await waiting;
        await reply.DisposeAsync();
        Assert.Equal(0, Assert.Single(harness.Router.Backends).Outstanding);
    }

    private RouterHarness Harness(params BackendOptions[] backends) => new(new InferenceOptions { Backends = backends }, _time);

    /// <summary>A last tick, as often as it takes: whoever waits may not have begun to when the clock was moved.</summary>
    private async Task Advance(Task until)
    {
        while (!until.IsCompleted)
        {
            _time.Advance(TimeSpan.FromTicks(1));
            await Task.WhenAny(until, Task.Delay(5, Test));
        }
    }

    private static async Task Until(Func<bool> condition)
    {
        while (!condition())
        {
            await Task.Delay(2, Test);
        }
    }

    /// <summary>A provider that answers as many requests as the test says.</summary>
    private sealed class HeldProvider : IAsyncDisposable
    {
        private readonly ScriptedProvider _provider;
        private readonly SemaphoreSlim _answers = new(0);
        private readonly ConcurrentQueue<int> _seeds = new();

        public HeldProvider() => _provider = ScriptedProvider.Start(async exchange =>
        {
            using (JsonDocument body = JsonDocument.Parse(exchange.Request.Body))
            {
                _seeds.Enqueue(body.RootElement.TryGetProperty("seed", out JsonElement seed) ? seed.GetInt32() : 0);
            }

            await _answers.WaitAsync(exchange.Stopping);
            await exchange.JsonAsync("{\"id\":1}");
        });

        public int Arrived => _provider.Requests.Count;

        public IReadOnlyList<int> Seeds => [.. _seeds];

        public void Answer(int count) => _answers.Release(count);

        public BackendOptions Backend(string name) => RouterHarness.Backend(_provider.BaseUrl) with { Name = name };

        public async ValueTask DisposeAsync()
        {
            await _provider.DisposeAsync();
            _answers.Dispose();
        }
    }
}
