using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>What each key of a provider may use up, and what is counted as used.</summary>
public sealed class KeyBudgetTests : IDisposable
{
    private const string Usage = """{"id":"1","usage":{"prompt_tokens":30,"completion_tokens":12,"total_tokens":42,"prompt_tokens_details":{"cached_tokens":8}}}""";

    private readonly string _folder = Directory.CreateTempSubdirectory("tacit-usage-").FullName;
    private readonly ManualTime _time = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Key_that_reached_its_requests_is_skipped_until_the_day_is_over()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(Usage));
        await using var harness = new RouterHarness(Options(provider, new KeyBudget { RequestsPerDay = 2 }, "key-1", "key-2"), _time);
        for (int i = 0; i < 4; i++)
        {
            await harness.AskAsync();
        }

        Assert.Equal(2, provider.Requests.Count(request => request.Header("Authorization") == "Bearer key-1"));
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.False(failure.ClientProvoked);
        Assert.Equal(4, provider.Requests.Count);
        Assert.All(harness.Router.Usage, key => Assert.True(key.IsUsedUp));

        _time.Advance(TimeSpan.FromHours(12));
        await harness.AskAsync();
        Assert.Equal([(1, 3), (0, 2)], harness.Router.Usage.OrderByDescending(key => key.Month.Requests).Select(key => ((int)key.Day.Requests, (int)key.Month.Requests)));
    }

    [Fact]
    public async Task Bound_of_the_month_outlasts_the_day()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(Usage));
        await using var harness = new RouterHarness(Options(provider, new KeyBudget { TokensPerMonth = 42 }, "key-1"), _time);
        await harness.AskAsync();
        _time.Advance(TimeSpan.FromDays(20));
        await harness.FailAsync();
        _time.Advance(TimeSpan.FromDays(10));
        await harness.AskAsync();
    }

    [Theory]
    [InlineData("chat", false)]
    [InlineData("chat", true)]
    [InlineData("responses", false)]
    [InlineData("responses", true)]
    public async Task Tokens_and_money_are_what_the_provider_says(string api, bool stream)
    {
        Operation operation = api == "chat" ? Operation.ChatCompletions : Operation.Responses;
        const string responsesUsage = "\"usage\":{\"input_tokens\":30,\"output_tokens\":12}";
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => (operation, stream) switch
        {
            (Operation.ChatCompletions, false) => exchange.JsonAsync(Usage),
            (Operation.ChatCompletions, true) => exchange.EventsAsync(
                "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"usage\\\":\"}}],\"usage\":null}\n\ndata: " + Usage + "\n\ndata: [DONE]\n\n"),
            (_, false) => exchange.JsonAsync("{\"id\":\"1\"," + responsesUsage + "}"),
            _ => exchange.EventsAsync(
                "data: {\"type\":\"response.created\",\"response\":{\"id\":\"1\",\"usage\":null}}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"1\"," + responsesUsage + "}}\n\n"),
        });
        await using var harness = new RouterHarness(Options(provider, new KeyBudget { MoneyPerMonth = 1 }, "key-1"), _time);
        await harness.AskAsync(operation, stream);
        ProviderKeyUsage used = Assert.Single(harness.Router.Usage);
        Assert.Equal(new UsageTotals(1, 42, (30 * 0.15m + 12 * 0.6m) / 1_000_000), used.Day);
        Assert.False(used.IsUsedUp);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reply_without_usage_is_estimated(bool stream)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => stream
            ? exchange.EventsAsync("data: {\"id\":\"1\"}\n\ndata: {\"id\":\"1\"}\n\ndata: [DONE]\n\n")
            : exchange.JsonAsync("""{"id":"1234567890"}"""));
        await using var harness = new RouterHarness(Options(provider, new KeyBudget { TokensPerDay = 1_000_000 }, "key-1"), _time);
        await harness.AskAsync(stream: stream);
        long tokens = Assert.Single(harness.Router.Usage).Day.Tokens;
        Assert.InRange(tokens, 10, 100);
    }

    [Fact]
    public async Task Money_runs_out()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync("""{"id":"1","usage":{"prompt_tokens":1000000,"completion_tokens":1000000}}"""));
        await using var harness = new RouterHarness(Options(provider, new KeyBudget { MoneyPerDay = 1.5m }, "key-1"), _time);
        await harness.AskAsync();
        await harness.AskAsync();
        await harness.FailAsync();
        Assert.Equal(1.5m, Assert.Single(harness.Router.Usage).Day.Money);
    }

    [Fact]
    public async Task Usage_is_kept_over_restarts_and_holds_nothing_but_counts()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(Usage));
        string path = Path.Combine(_folder, "usage.json");
        InferenceOptions options = Options(provider, new KeyBudget { RequestsPerDay = 2 }, "key-1") with { UsagePath = path };
        await using (var harness = new RouterHarness(options, _time))
        {
            await harness.AskAsync();
        }

        string kept = await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken);
        Assert.DoesNotContain("key-1", kept, StringComparison.Ordinal);
        Assert.DoesNotContain(":00", kept, StringComparison.Ordinal);
        await using (var harness = new RouterHarness(options, _time))
        {
            await harness.AskAsync();
            await harness.FailAsync();
            Assert.Equal(84, Assert.Single(harness.Router.Usage).Month.Tokens);
        }

        // A file that cannot be read stops nothing.
        await File.WriteAllTextAsync(path, "{", TestContext.Current.CancellationToken);
        await using var last = new RouterHarness(options, _time);
        await last.AskAsync();
        Assert.Contains(last.Logged, line => line.Contains("usage.json", StringComparison.Ordinal));
    }

    [Fact]
    public void Budget_of_money_without_a_price_is_refused()
    {
        var options = new InferenceOptions
        {
            Backends = [RouterHarness.Backend(new Uri("http://127.0.0.1:1/v1")) with { KeyBudget = new KeyBudget { MoneyPerDay = 1 } }],
        };
        ArgumentException error = Assert.Throws<ArgumentException>(options.Validate);
        Assert.Contains("Prices", error.Message, StringComparison.Ordinal);
    }

    private static InferenceOptions Options(ScriptedProvider provider, KeyBudget budget, params string[] keys) => new()
    {
        Backends =
        [
            RouterHarness.Backend(provider.BaseUrl, keys) with
            {
                KeyBudget = budget,
                Prices = new Dictionary<string, TokenPrice> { [RouterHarness.Model] = new() { Input = 0.15m, Output = 0.6m } },
            },
        ],
    };
}
