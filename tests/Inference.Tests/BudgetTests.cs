using System.Text;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Budgets and cancelling. The clock stands still: a budget runs out when the test says so.</summary>
public sealed class BudgetTests : IDisposable
{
    private static readonly ProviderBudgets Budgets = new()
    {
        FirstByte = TimeSpan.FromSeconds(20),
        FirstByteUnstreamed = TimeSpan.FromSeconds(40),
        Idle = TimeSpan.FromSeconds(10),
        Total = TimeSpan.FromSeconds(100),
    };

    private readonly ManualTime _time = new();
    private readonly SemaphoreSlim _reached = new(0);
    private readonly SemaphoreSlim _gone = new(0);
    private readonly SemaphoreSlim _go = new(0);

    private static CancellationToken Test => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _reached.Dispose();
        _gone.Dispose();
        _go.Dispose();
    }

    [Theory]
    [InlineData(true, 20, false)]
    [InlineData(false, 40, true)]
    public async Task Provider_that_never_answers_runs_out_of_its_first_byte_budget(bool stream, int seconds, bool provoked)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(HangAsync);
        await using RouterHarness harness = Harness(provider);
        Task<(ProviderException Failure, string Before)> failing = harness.FailAsync(stream: stream);
        await _reached.WaitAsync(Test);
        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromTicks(1));
        Assert.False(_gone.Wait(0, Test));
        _time.Advance(TimeSpan.FromTicks(1));
        (ProviderException failure, _) = await failing;
        Assert.Equal((ErrorCodes.ProviderTimeout, 504, provoked), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));

        // The provider is let go, and no other is asked: the time is gone.
        await _gone.WaitAsync(Test);
        Assert.Single(provider.Requests);
    }

    [Theory]
    [InlineData("")]
    [InlineData(": thinking\n\n")]
    [InlineData("data: {\"id\"")]
    public async Task Stream_without_a_whole_event_runs_out_of_its_first_byte_budget(string sent)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.SendAsync(sent.Length == 0 ? "" : $"{sent.Length:x}\r\n{sent}\r\n");
            await HangAsync(exchange);
        });
        await using RouterHarness harness = Harness(provider);
        Task<ProviderReply> sending = harness.SendAsync(stream: true, cancellationToken: Test);
        await _reached.WaitAsync(Test);
        _time.Advance(TimeSpan.FromSeconds(20) - TimeSpan.FromTicks(1));
        Assert.False(sending.IsCompleted);
        _time.Advance(TimeSpan.FromTicks(1));
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(() => sending);
        Assert.Equal((ErrorCodes.ProviderTimeout, false), (failure.Error.Code, failure.ClientProvoked));
    }

    [Fact]
    public async Task Stream_that_stops_runs_out_of_its_idle_budget()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync("data: {}\n\n");
            await HangAsync(exchange);
        });
        await using RouterHarness harness = Harness(provider);
        await using ProviderReply reply = await harness.SendAsync(stream: true, cancellationToken: Test);
        using var text = new SensitiveBuffer();
        Assert.True(await reply.ReadAsync(text, Test));
        ProviderException failure = await RunOutAsync(reply, 10);
        Assert.Equal((ErrorCodes.ProviderTimeout, true), (failure.Error.Code, failure.ClientProvoked));
    }

    [Fact]
    public async Task Stream_that_keeps_coming_runs_out_of_the_total()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            for (int i = 0; i < 12; i++)
            {
                await exchange.ChunkAsync("data: {}\n\n");
                await _go.WaitAsync(exchange.Stopping);
            }

            await HangAsync(exchange);
        });
        await using RouterHarness harness = Harness(provider);
        await using ProviderReply reply = await harness.SendAsync(stream: true, cancellationToken: Test);
        using var text = new SensitiveBuffer();
        for (int i = 0; i < 11; i++)
        {
            Assert.True(await reply.ReadAsync(text, Test));
            _time.Advance(TimeSpan.FromSeconds(9));
            _go.Release();
        }

        Assert.True(await reply.ReadAsync(text, Test));
        ProviderException failure = await RunOutAsync(reply, 1);
        Assert.Equal((ErrorCodes.ProviderTimeout, true), (failure.Error.Code, failure.ClientProvoked));
    }

    [Fact]
    public async Task Json_reply_that_stops_after_its_head_runs_out_of_its_idle_budget()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n");
            await HangAsync(exchange);
        });
        await using RouterHarness harness = Harness(provider);
        await using ProviderReply reply = await harness.SendAsync(cancellationToken: Test);
        ProviderException failure = await RunOutAsync(reply, 10);
        Assert.Equal((ErrorCodes.ProviderTimeout, true), (failure.Error.Code, failure.ClientProvoked));
    }

    [Fact]
    public async Task Total_spans_every_attempt()
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(
            async exchange =>
            {
                _reached.Release();
                await _go.WaitAsync(exchange.Stopping);
                await exchange.JsonAsync("{}", 500);
            },
            HangAsync);
        await using var harness = new RouterHarness(
            new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "1", "2")], Budgets = Budgets with { FirstByteUnstreamed = TimeSpan.FromSeconds(90) } }, _time);
        Task<(ProviderException Failure, string Before)> failing = harness.FailAsync();
        await _reached.WaitAsync(Test);
        _time.Advance(TimeSpan.FromSeconds(80));
        _go.Release();
        await _reached.WaitAsync(Test);
        _time.Advance(TimeSpan.FromSeconds(20));
        (ProviderException failure, _) = await failing;
        Assert.Equal((ErrorCodes.ProviderTimeout, true), (failure.Error.Code, failure.ClientProvoked));
    }

    [Fact]
    public async Task Caller_that_cancels_before_the_reply_stops_the_provider()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(HangAsync);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "1", "2")] }, _time);
        using var cancel = new CancellationTokenSource();
        Task<ProviderReply> sending = harness.SendAsync(cancellationToken: cancel.Token);
        await _reached.WaitAsync(Test);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => sending);
        await _gone.WaitAsync(Test);
        Assert.Single(provider.Requests);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Caller_that_leaves_a_reply_stops_the_provider(bool cancels)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync("data: {}\n\n");
            await HangAsync(exchange);
        });
        await using RouterHarness harness = Harness(provider);
        ProviderReply reply = await harness.SendAsync(stream: true, cancellationToken: Test);
        using var text = new SensitiveBuffer();
        Assert.True(await reply.ReadAsync(text, Test));
        if (cancels)
        {
            using var cancel = new CancellationTokenSource();
            ValueTask<bool> reading = reply.ReadAsync(text, cancel.Token);
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await reading);
        }

        await reply.DisposeAsync();
        await _gone.WaitAsync(Test);
        Assert.Equal("data: {}\n\n", Encoding.UTF8.GetString(text.WrittenSpan));
    }

    private RouterHarness Harness(ScriptedProvider provider) =>
        new(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl)], Budgets = Budgets }, _time);

    /// <summary>Reads until the budget that is running ends the read, moving the clock no further than that.</summary>
    private async Task<ProviderException> RunOutAsync(ProviderReply reply, int seconds)
    {
        using var text = new SensitiveBuffer();
        Task<bool> reading = reply.ReadAsync(text, Test).AsTask();
        _time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromTicks(1));
        Assert.False(reading.IsCompleted);
        _time.Advance(TimeSpan.FromTicks(1));
        return await Assert.ThrowsAsync<ProviderException>(() => reading);
    }

    private async Task HangAsync(ScriptedExchange exchange)
    {
        _reached.Release();
        try
        {
            await exchange.HangAsync();
        }
        finally
        {
            _gone.Release();
        }
    }
}
