using System.Text;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Who is asked next, and when nobody is.</summary>
public sealed class FailoverTests
{
    private static readonly Func<ScriptedExchange, Task> Ok = exchange => exchange.JsonAsync("{\"id\":1}");

    private static readonly Func<ScriptedExchange, Task> Reset = exchange =>
    {
        exchange.Reset();
        return Task.CompletedTask;
    };

    public static TheoryData<string> Retryable => ["401", "402", "403", "429", "500", "502", "503", "504", "302", "408", "reset", "html"];

    [Theory]
    [MemberData(nameof(Retryable))]
    public async Task Next_key_is_asked_when_the_first_fails_before_the_reply(string failure)
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(Failing(failure), Ok);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "key-1", "key-2")] });
        Assert.Equal("{\"id\":1}", await harness.AskAsync());
        Assert.Equal(["Bearer key-1", "Bearer key-2"], Keys(provider));
        Assert.Equal(provider.Requests[0].Body, provider.Requests[1].Body);
    }

    [Theory]
    [MemberData(nameof(Retryable))]
    public async Task Next_backend_is_asked_when_the_first_has_no_key_left(string failure)
    {
        await using ScriptedProvider first = ScriptedProvider.Start(Failing(failure));
        await using ScriptedProvider second = ScriptedProvider.Start(Ok);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(first.BaseUrl, "key-1"), RouterHarness.Backend(second.BaseUrl, "key-2")] });
        Assert.Equal("{\"id\":1}", await harness.AskAsync());
        Assert.Equal(["Bearer key-1"], Keys(first));
        Assert.Equal(["Bearer key-2"], Keys(second));
    }

    [Fact]
    public async Task Backend_that_cannot_be_reached_is_skipped_with_all_its_keys()
    {
        await using ScriptedProvider second = ScriptedProvider.Start(Ok);
        await using var harness = new RouterHarness(new InferenceOptions
        {
            Backends = [RouterHarness.Backend(ScriptedProvider.UnusedAddress(), "a", "b", "c", "d"), RouterHarness.Backend(second.BaseUrl, "key-2")],
        });
        Assert.Equal("{\"id\":1}", await harness.AskAsync());
        Assert.Equal("{\"id\":1}", await harness.AskAsync());
    }

    [Theory]
    [InlineData("http://127.0.0.1:1/v1")]
    [InlineData("http://backend.invalid/v1")]
    [InlineData("https://127.0.0.1:1/v1")]
    public async Task No_backend_in_reach_is_told_as_such(string address)
    {
        await using var harness = new RouterHarness(new Uri(address));
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderUnreachable, 502, false), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));
    }

    [Fact]
    public async Task Server_without_tls_behind_an_https_address_is_unreachable()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(Ok);
        await using var harness = new RouterHarness(new InferenceOptions
        {
            Backends = [RouterHarness.Backend(new UriBuilder(provider.BaseUrl) { Scheme = "https" }.Uri)],
            Budgets = new ProviderBudgets { Connect = TimeSpan.FromMilliseconds(200) },
        });
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderUnreachable, false), (failure.Error.Code, failure.ClientProvoked));
        Assert.Empty(provider.Requests);
    }

    [Theory]
    [InlineData("400")]
    [InlineData("404")]
    [InlineData("413")]
    [InlineData("422")]
    public async Task Refusal_of_the_request_itself_is_final(string status)
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(Failing(status), Ok);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "key-1", "key-2")] });
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderRejected, true), (failure.Error.Code, failure.ClientProvoked));
        Assert.Single(provider.Requests);
    }

    [Fact]
    public async Task Nobody_else_is_asked_once_a_stream_has_begun()
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(
            async exchange =>
            {
                await exchange.BeginEventsAsync();
                await exchange.ChunkAsync("data: {\"id\":1}\n\n");
                exchange.Close();
            },
            Ok);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "key-1", "key-2")] });
        (ProviderException failure, string before) = await harness.FailAsync(stream: true);
        Assert.Equal((ErrorCodes.ReplyInterrupted, false, "data: {\"id\":1}\n\n"), (failure.Error.Code, failure.ClientProvoked, before));
        Assert.Single(provider.Requests);
    }

    [Theory]
    [InlineData("")]
    [InlineData(": thinking\n\n")]
    [InlineData("data: {\"id\"")]
    public async Task Head_of_a_stream_without_an_event_is_no_beginning(string sent)
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(
            async exchange =>
            {
                await exchange.BeginEventsAsync();
                await exchange.SendAsync(sent.Length == 0 ? "" : $"{sent.Length:x}\r\n{sent}\r\n");
                exchange.Close();
            },
            exchange => exchange.EventsAsync("data: {\"id\":2}\n\n"));
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "key-1", "key-2")] });
        Assert.Equal("data: {\"id\":2}\n\n", await harness.AskAsync(stream: true));
        Assert.Equal(2, provider.Requests.Count);
    }

    [Fact]
    public async Task One_request_causes_at_most_the_set_number_of_calls()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(Failing("500"));
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "1", "2", "3", "4", "5")] });
        await harness.FailAsync();
        Assert.Equal(3, provider.Requests.Count);
    }

    [Fact]
    public async Task Keys_take_turns()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(Ok);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "1", "2", "3")] });
        for (int i = 0; i < 6; i++)
        {
            await harness.AskAsync();
        }

        Assert.Equal(["Bearer 1", "Bearer 2", "Bearer 3", "Bearer 1", "Bearer 2", "Bearer 3"], Keys(provider));
    }

    [Fact]
    public async Task Refused_key_is_left_alone_for_five_minutes_and_told_once()
    {
        var time = new ManualTime();
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange =>
            exchange.Request.Header("Authorization") == "Bearer bad" ? Failing("401")(exchange) : Ok(exchange));
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "bad", "good")] }, time);
        for (int i = 0; i < 4; i++)
        {
            await harness.AskAsync();
        }

        Assert.Equal(["Bearer bad", "Bearer good", "Bearer good", "Bearer good", "Bearer good"], Keys(provider));
        Assert.Single(harness.Logged, line => line.StartsWith("Warning", StringComparison.Ordinal));
        time.Advance(TimeSpan.FromMinutes(5));
        await harness.AskAsync();
        await harness.AskAsync();

        Assert.Equal(2, Keys(provider).Count(key => key == "Bearer bad"));
    }

    [Fact]
    public async Task Refused_keys_are_told_apart_from_busy_ones_while_they_are_left_alone()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(Failing("401"));
        await using var harness = new RouterHarness(provider);
        for (int i = 0; i < 2; i++)
        {
            (ProviderException failure, _) = await harness.FailAsync();
            Assert.Equal((ErrorCodes.ProviderError, false), (failure.Error.Code, failure.ClientProvoked));
        }

        Assert.Single(provider.Requests);
    }

    [Theory]
    [InlineData("Retry-After: 20\r\n", 20)]
    [InlineData("Retry-After: Mon, 05 Jan 2026 12:00:30 GMT\r\n", 30)]
    [InlineData("Retry-After: 86400\r\n", 60)]
    [InlineData("Retry-After: -5\r\n", 1)]
    [InlineData("Retry-After: soon\r\n", 1)]
    [InlineData("", 1)]
    public async Task Busy_key_rests_as_long_as_the_provider_says_but_not_for_ever(string header, int seconds)
    {
        var time = new ManualTime();
        await using ScriptedProvider provider = ScriptedProvider.InTurn(exchange => exchange.JsonAsync("{}", 429, header), Ok);
        await using var harness = new RouterHarness(provider, time);
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.GatewayBusy, 503, false), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));

        time.Advance(TimeSpan.FromSeconds(seconds) - TimeSpan.FromTicks(1));
        (failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.GatewayBusy, false), (failure.Error.Code, failure.ClientProvoked));
        Assert.Single(provider.Requests);

        time.Advance(TimeSpan.FromTicks(1));
        Assert.Equal("{\"id\":1}", await harness.AskAsync());
    }

    [Fact]
    public async Task Prompt_that_a_provider_forbids_benches_no_key()
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(Failing("403"), Failing("403"), Ok);
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl, "1", "2")] });
        await harness.FailAsync();
        Assert.Equal("{\"id\":1}", await harness.AskAsync());
    }

    [Fact]
    public void Wrong_settings_are_named()
    {
        var good = RouterHarness.Backend(new Uri("https://api.example.org/v1"));
        new InferenceOptions { Backends = [good] }.Validate();
        Wrong(new InferenceOptions { MaxAttempts = 0 }, "MaxAttempts");
        Wrong(new InferenceOptions { MaxReplyBytes = 1 }, "MaxReplyBytes");
        Wrong(new InferenceOptions { Budgets = new ProviderBudgets { Idle = TimeSpan.Zero } }, "Budgets:Idle");
        Wrong(new InferenceOptions { Backends = [good, good] }, "Backends:1:Name");
        Wrong(new InferenceOptions { Backends = [good with { Name = " " }] }, "Backends:0:Name");
        Wrong(new InferenceOptions { Backends = [good with { BaseUrl = new Uri("ftp://x/") }] }, "Backends:0:BaseUrl");
        Wrong(new InferenceOptions { Backends = [good with { BaseUrl = new Uri("https://x/v1?key=1") }] }, "Backends:0:BaseUrl");
        Wrong(new InferenceOptions { Backends = [good with { BaseUrl = new Uri("https://u:p@x/v1") }] }, "Backends:0:BaseUrl");
        Wrong(new InferenceOptions { Backends = [good with { Models = new Dictionary<string, string>() }] }, "Backends:0:Models");
        Wrong(new InferenceOptions { Backends = [good with { Models = new Dictionary<string, string> { ["a"] = "b\"c" } }] }, "Backends:0:Models");
        Wrong(new InferenceOptions { Backends = [good with { Models = new Dictionary<string, string> { [InferenceRouter.DemoModelName] = "b" } }] }, "Backends:0:Models");
        Wrong(new InferenceOptions { Backends = [good with { OutputCapMember = "max" }] }, "Backends:0:OutputCapMember");

        static void Wrong(InferenceOptions options, string setting) =>
            Assert.Contains(setting + " ", Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    [InlineData("a b")]
    [InlineData("a\r\nX: y")]
    [InlineData("ключ")]
    public void Key_that_cannot_stand_in_a_header_is_refused_unrepeated(string key)
    {
        ArgumentException failure = Assert.Throws<ArgumentException>(() => new ProviderKey(Encoding.UTF8.GetBytes(key)));
        Assert.True(key.Trim().Length == 0 || !failure.Message.Contains(key, StringComparison.Ordinal));
        Assert.Equal("[scrubbed]", new ProviderKey("key\n"u8).ToString());
    }

    private static Func<ScriptedExchange, Task> Failing(string how) => how switch
    {
        "reset" => Reset,
        "html" => exchange => exchange.SendAsync("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}"),
        _ => exchange => exchange.JsonAsync("{}", int.Parse(how, System.Globalization.CultureInfo.InvariantCulture), how == "302" ? "Location: /\r\n" : ""),
    };

    private static IEnumerable<string?> Keys(ScriptedProvider provider) => provider.Requests.Select(request => request.Header("Authorization"));
}
