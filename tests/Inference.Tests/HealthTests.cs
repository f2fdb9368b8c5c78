using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>What the checks of each kind of server see, and what they change.</summary>
public sealed class HealthTests
{
    private static readonly HealthOptions Often = new() { Interval = TimeSpan.FromMilliseconds(100) };

    public static TheoryData<HealthKind, string, HealthState, BackendFault> Answers => new()
    {
        // kind; what each path answers, in order of asking; state; fault
        { HealthKind.LlamaCpp, "/health 200 {\"status\":\"ok\"}|/v1/models 200 {\"data\":[{\"id\":\"/models/a.gguf\"}]}", HealthState.Up, BackendFault.None },
        { HealthKind.LlamaCpp, "/health 503 {\"error\":{\"message\":\"Loading model\"}}", HealthState.Down, BackendFault.ModelLoading },
        { HealthKind.LlamaCpp, "/health 200 {\"status\":\"ok\"}|/v1/models 200 {\"data\":[]}", HealthState.Down, BackendFault.ModelMissing },
        { HealthKind.LlamaCpp, "/health 404 {}", HealthState.Down, BackendFault.Status },
        { HealthKind.Vllm, "/health 200 |/v1/models 200 {\"data\":[{\"id\":\"public-model\"}]}", HealthState.Up, BackendFault.None },
        { HealthKind.Vllm, "/health 200 |/v1/models 200 {\"data\":[{\"id\":\"another\"}]}", HealthState.Down, BackendFault.ModelMissing },
        { HealthKind.Vllm, "/health 503 ", HealthState.Down, BackendFault.Status },
        { HealthKind.Ollama, "/api/tags 200 {\"models\":[{\"name\":\"public-model:latest\"}]}", HealthState.Up, BackendFault.None },
        { HealthKind.Ollama, "/api/tags 200 {\"models\":[{\"name\":\"public-model:8b\"}]}", HealthState.Down, BackendFault.ModelMissing },
        { HealthKind.Models, "/v1/models 200 {\"object\":\"list\",\"data\":[{\"id\":\"public-model\"},{\"id\":\"b\"}]}", HealthState.Up, BackendFault.None },
        { HealthKind.Models, "/v1/models 200 {\"data\":\"public-model\"}", HealthState.Down, BackendFault.NotAnAnswer },
        { HealthKind.Models, "/v1/models 200 <html>", HealthState.Down, BackendFault.NotAnAnswer },
        { HealthKind.Models, "/v1/models 500 {}", HealthState.Down, BackendFault.Status },
        // Other keys may do, and the server is there.
        { HealthKind.Models, "/v1/models 401 {}", HealthState.Up, BackendFault.KeyRefused },
    };

    private static CancellationToken Test => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Check_of_each_kind_reads_what_its_server_says(HealthKind kind, string answers, HealthState state, BackendFault fault)
    {
        Queue<string[]> script = new(answers.Split('|').Select(answer => answer.Split(' ', 3)));
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange =>
        {
            string[] answer = script.Dequeue();
            Assert.Equal($"GET {answer[0]} HTTP/1.1", exchange.Request.Line);
            Assert.Equal("Bearer " + RouterHarness.Key, exchange.Request.Header("Authorization"));
            return exchange.JsonAsync(answer[2], int.Parse(answer[1], System.Globalization.CultureInfo.InvariantCulture));
        });
        await using RouterHarness harness = Harness(new ManualTime(), Backend(provider) with { Health = new HealthOptions { Kind = kind } });
        BackendStatus status = await harness.UntilAsync(backend => backend.Health != HealthState.Unknown);
        Assert.Equal((state, fault, 1L), (status.Health, status.Fault, status.Counts.Checks));
        Assert.Empty(script);
        Assert.Equal(state == HealthState.Up, harness.Router.IsServing);
    }

    [Fact]
    public async Task Model_that_a_backend_has_not_is_asked_of_another()
    {
        await using ScriptedProvider without = ScriptedProvider.Start(exchange => exchange.JsonAsync("{\"data\":[{\"id\":\"other\"}]}"));
        await using ScriptedProvider with = ScriptedProvider.Start(exchange => exchange.JsonAsync("{\"id\":1,\"data\":[{\"id\":\"public-model\"}]}"));
        await using RouterHarness harness = Harness(
            new ManualTime(),
            Backend(without) with { Name = "without", Health = new HealthOptions(), Models = new Dictionary<string, string> { [RouterHarness.Model] = RouterHarness.Model, ["o"] = "other" } },
            Backend(with) with { Name = "with", Health = new HealthOptions() });
        BackendStatus status = await harness.UntilAsync(backend => backend.Health == HealthState.Up, "without");
        Assert.Equal([RouterHarness.Model], status.MissingModels);
        await harness.AskAsync(Operation.Embeddings);
        Assert.Single(with.Requests, request => request.Line.StartsWith("POST", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Backend_is_down_after_the_set_number_of_failures_and_up_after_one_success()
    {
        var time = new ManualTime();
        bool isWell = true;
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange =>
            exchange.JsonAsync(exchange.Request.Line.StartsWith("POST", StringComparison.Ordinal) ? "{\"id\":1}" : "{\"data\":[{\"id\":\"public-model\"}]}", isWell ? 200 : 500));
        await using RouterHarness harness = Harness(time, Backend(provider) with { Health = new HealthOptions { Failures = 3, Timeout = TimeSpan.FromMinutes(5) } });
        await harness.UntilAsync(backend => backend.Health == HealthState.Up);
        isWell = false;
        BackendStatus status = null!;
        for (int i = 1; i <= 3; i++)
        {
            status = await NextCheckAsync();
            Assert.Equal((i < 3 ? HealthState.Up : HealthState.Down, BackendFault.Status, 500), (status.Health, status.Fault, status.FaultStatus));
        }

        // It is not asked while it is down.
        Assert.False(harness.Router.IsServing);
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.BackendUnavailable, 503, false), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));
        Assert.DoesNotContain(provider.Requests, request => request.Line.StartsWith("POST", StringComparison.Ordinal));

        isWell = true;
        Assert.Equal(HealthState.Up, (await NextCheckAsync()).Health);
        Assert.Equal("{\"id\":1}", await harness.AskAsync());

        async Task<BackendStatus> NextCheckAsync()
        {
            long before = harness.Router.Backends[0].Counts.Checks;
            await AdvanceUntilAsync(time, () => harness.Router.Backends[0].Counts.Checks != before);

            return harness.Router.Backends[0];
        }
    }

    [Theory]
    [InlineData("hang", BackendFault.Timeout)]
    [InlineData("reset", BackendFault.ConnectionLost)]
    [InlineData("nobody", BackendFault.Unreachable)]
    [InlineData("unknown name", BackendFault.NameUnknown)]
    public async Task Backend_that_does_not_answer_its_check_is_down(string how, BackendFault fault)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange =>
        {
            if (how == "hang")
            {
                return exchange.HangAsync();
            }

            exchange.Reset();
            return Task.CompletedTask;
        });
        Uri address = how switch
        {
            "nobody" => ScriptedProvider.UnusedAddress(),
            "unknown name" => new Uri("http://backend.invalid/v1"),
            _ => provider.BaseUrl,
        };
        await using RouterHarness harness = Harness(TimeProvider.System, RouterHarness.Backend(address) with
        {
            // As long as a slow machine needs to find out, but where nothing is to be found out.
            Health = Often with { Timeout = how == "hang" ? TimeSpan.FromMilliseconds(200) : TimeSpan.FromMinutes(5) },
            Budgets = new ProviderBudgets { Connect = TimeSpan.FromMinutes(5) },
        });
        BackendStatus status = await harness.UntilAsync(backend => backend.Health == HealthState.Down);
        Assert.Equal(fault, status.Fault);
    }

    /// <summary>Second by second, slower and slower: what has begun is to end before its own time on the same clock is over, however slow the machine is.</summary>
    private static async Task AdvanceUntilAsync(ManualTime time, Func<bool> condition)
    {
        for (double wait = 5; !condition(); wait = Math.Min(wait * 1.3, 1000))
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(TimeSpan.FromMilliseconds(wait), Test);
        }
    }

    [Fact]
    public async Task Those_who_wait_for_a_backend_that_goes_down_are_told()
    {
        var time = new ManualTime();
        bool isWell = true;
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.Request.Line.StartsWith("POST", StringComparison.Ordinal)
            ? exchange.HangAsync()
            : exchange.JsonAsync("{\"data\":[{\"id\":\"public-model\"}]}", isWell ? 200 : 500));
        await using RouterHarness harness = Harness(time, Backend(provider) with { MaxConcurrency = 1, Health = new HealthOptions { Failures = 1 } });
        await harness.UntilAsync(backend => backend.Health == HealthState.Up);
        using var leaves = new CancellationTokenSource();
        Task<ProviderReply> asked = harness.SendAsync(cancellationToken: leaves.Token);
        await harness.UntilAsync(backend => backend.Outstanding == 1);
        Task<(ProviderException Failure, string)> waiting = harness.FailAsync();
        await harness.UntilAsync(backend => backend.Queued == 1);
        isWell = false;
        await AdvanceUntilAsync(time, () => harness.Router.Backends[0].Health == HealthState.Down);

        Assert.Equal(ErrorCodes.BackendUnavailable, (await waiting).Failure.Error.Code);
        await leaves.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
    }

    private static BackendOptions Backend(ScriptedProvider provider) => RouterHarness.Backend(provider.BaseUrl);

    private static RouterHarness Harness(TimeProvider time, params BackendOptions[] backends) => new(new InferenceOptions { Backends = backends }, time);
}
