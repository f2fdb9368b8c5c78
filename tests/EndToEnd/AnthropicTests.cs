using System.Text.Json;
using Tacit.App;
using Tacit.Client;
using Tacit.EndToEnd.Support;
using Tacit.Protocol;

namespace Tacit.EndToEnd;

/// <summary>Anthropic's official SDK, unchanged, through the app and the gateway.</summary>
public sealed class AnthropicTests
{
    private static readonly Plan s_claude = WholeSystem.Chat with { Id = "claude", Models = [WholeSystem.Model + "-claude"] };

    [Fact]
    public async Task Anthropics_SDK_works_with_the_demo_model()
    {
        await using WholeSystem system = await WholeSystem.StartAsync();
        await using TacitClient client = await system.ClientAsync("user", credits: 50);
        await client.Filler.FillAsync("chat", 50);
        await using AppServer app = await system.AppAsync("user", client);

        JsonElement seen = await Node.RunAsync("anthropic.mjs", app.Address.ToString(), WholeSystem.Model);

        JsonElement plain = seen.GetProperty("plain");
        Assert.Equal(("message", "assistant", "end_turn"), (Text(plain, "type"), Text(plain, "role"), Text(plain, "stop")));
        Assert.Contains("asked for: a message, in one piece", Text(plain, "text"), StringComparison.Ordinal);
        // What the gateway saw of the SDK's headers: none of them.
        Assert.DoesNotContain("anthropic", Text(plain, "text"), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("api-key", Text(plain, "text"), StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("stainless", Text(plain, "text"), StringComparison.OrdinalIgnoreCase);
        Assert.Equal(
            ["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop"],
            seen.GetProperty("stream").GetProperty("events").EnumerateArray().Select(name => name.GetString()));
        Assert.Contains("a message, streamed", Text(seen.GetProperty("stream"), "text"), StringComparison.Ordinal);
        Assert.Equal("end_turn", Text(seen.GetProperty("tool"), "stop"));
        Assert.DoesNotContain("anthropic", Text(seen, "beta"), StringComparison.OrdinalIgnoreCase);
        Assert.Contains(WholeSystem.Model, seen.GetProperty("models").EnumerateArray().Select(model => model.GetString()));
        Assert.Contains("1 image", seen.GetProperty("image").GetString()!, StringComparison.Ordinal);
        AssertFailures(seen);
        PlanHoldings held = await WholeSystem.SettledAsync(client, "chat");
        // The refused request showed its token to the gateway without spending it.
        Assert.Equal((44, 5, 1), (held.Held, held.Spent, held.Returned));
    }

    [Fact]
    public async Task Anthropics_SDK_works_with_a_provider_that_speaks_its_API()
    {
        await using AnthropicProvider provider = await AnthropicProvider.StartAsync();
        await using WholeSystem system = await WholeSystem.StartAsync([s_claude], provider.Inference);
        await using TacitClient client = await system.ClientAsync("user", credits: 50);
        await client.Filler.FillAsync("claude", 50);
        await using AppServer app = await system.AppAsync("user", client);

        JsonElement seen = await Node.RunAsync("anthropic.mjs", app.Address.ToString(), s_claude.Models[0]);

        Assert.Equal(("Hello from Claude.", "end_turn"), (Text(seen.GetProperty("plain"), "text"), Text(seen.GetProperty("plain"), "stop")));
        JsonElement stream = seen.GetProperty("stream");
        Assert.Equal(("Hello from Claude.", "end_turn", "message_stop"), (Text(stream, "text"), Text(stream, "stop"), Text(stream, "last")));
        Assert.Equal((20, 5), (stream.GetProperty("usage").GetProperty("input_tokens").GetInt32(), stream.GetProperty("usage").GetProperty("output_tokens").GetInt32()));
        foreach (string way in (string[])["tool", "toolStream"])
        {
            JsonElement call = Assert.Single(seen.GetProperty(way).GetProperty("calls").EnumerateArray());
            Assert.Equal(("tool_use", "weather", "Paris"), (Text(seen.GetProperty(way), "stop"), Text(call, "name"), call.GetProperty("input").GetProperty("city").GetString()));
        }

        Assert.Equal(("It is sunny.", "An image of a cat."), (Text(seen, "toolResult"), Text(seen, "image")));
        AssertFailures(seen);
        AssertNothingElseWentOn(provider);
    }

    [Fact]
    public async Task Anthropics_SDK_understands_a_provider_that_fails()
    {
        await using AnthropicProvider provider = await AnthropicProvider.StartAsync();
        await using WholeSystem system = await WholeSystem.StartAsync([s_claude], provider.Inference);
        ClientOptions options = system.ClientOptions("user");
        await using TacitClient client = await TacitClient.CreateAsync(
            options with { Redemption = options.Redemption with { CancelGrace = TimeSpan.FromMilliseconds(200) } }, null, TimeProvider.System, system.Log);
        await client.Account.CreateAsync();
        await client.Account.DepositAsync(await system.VoucherAsync(10));
        await client.Filler.FillAsync("claude", 10);
        await using AppServer app = await system.AppAsync("user", client);

        JsonElement seen = await Node.RunAsync("anthropic-failures.mjs", app.Address.ToString(), s_claude.Models[0]);

        Assert.Equal("Hello from Claude.", Text(seen, "overloaded"));
        Assert.Equal(("APIError", "api_error", "reply_interrupted"), (Text(seen.GetProperty("broken"), "name"), Text(seen.GetProperty("broken"), "type"), Text(seen.GetProperty("broken"), "code")));
        Assert.Equal("APIUserAbortError", Text(seen, "cancelled"));
        Assert.Equal(("BadRequestError", 400, "output_cap_exceeded"), (Text(seen.GetProperty("tooMuch"), "name"), seen.GetProperty("tooMuch").GetProperty("status").GetInt32(), Text(seen.GetProperty("tooMuch"), "code")));

        // Who does not come back for a reply has it cancelled, at the provider too.
        await provider.Gone.WaitAsync(TestContext.Current.CancellationToken);
        // The overloaded provider gave the token back, and the SDK's repetition used the same one.
        // What was cancelled is settled behind the app's back.
        PlanHoldings held;
        do
        {
            await Task.Delay(20, TestContext.Current.CancellationToken);
            held = (await client.Wallet.GetStatusAsync()).Plans.Single(plan => plan.Plan == "claude");
        }
        while (held.Spent < 3);

        Assert.Equal((7, 3, 0), (held.Held, held.Spent, held.Returned));
    }

    [Fact]
    public async Task OpenAIs_SDK_works_with_a_provider_that_speaks_Anthropics_API()
    {
        await using AnthropicProvider provider = await AnthropicProvider.StartAsync();
        await using WholeSystem system = await WholeSystem.StartAsync([s_claude], provider.Inference);
        await using TacitClient client = await system.ClientAsync("user", credits: 50);
        await client.Filler.FillAsync("claude", 50);
        await using AppServer app = await system.AppAsync("user", client);

        JsonElement seen = await Node.RunAsync("openai-over-anthropic.mjs", new Uri(app.Address, "v1").ToString(), s_claude.Models[0]);

        Assert.Equal(("Hello from Claude.", "stop", 25), (Text(seen.GetProperty("plain"), "text"), Text(seen.GetProperty("plain"), "finish"), seen.GetProperty("plain").GetProperty("usage").GetInt32()));
        Assert.Equal(("Hello from Claude.", "stop", 25), (Text(seen, "stream"), Text(seen, "finish"), seen.GetProperty("usage").GetInt32()));
        foreach (string way in (string[])["calls", "streamedCalls"])
        {
            JsonElement call = Assert.Single(seen.GetProperty(way).EnumerateArray());
            Assert.Equal(("weather", "Paris"), (Text(call, "name"), call.GetProperty("input").GetProperty("city").GetString()));
        }

        Assert.Equal(("It is sunny.", "An image of a cat."), (Text(seen, "toolResult"), Text(seen, "image")));
        JsonElement refused = seen.GetProperty("untranslatable");
        Assert.Equal((400, "invalid_value", "seed"), (refused.GetProperty("status").GetInt32(), Text(refused, "code"), Text(refused, "param")));
        AssertNothingElseWentOn(provider);
    }

    /// <summary>Law 5: the provider got the gateway's own headers, and nothing that names a user or a cache.</summary>
    private static void AssertNothingElseWentOn(AnthropicProvider provider)
    {
        Assert.NotEmpty(provider.Requests);
        Assert.All(provider.Requests, request =>
        {
            Assert.Equal(
                ["accept", "anthropic-version", "content-length", "content-type", "host", "x-api-key"],
                request.Headers.Split('\n').Select(header => header.Split(':')[0].ToLowerInvariant()).Order());
            Assert.DoesNotContain("cache_control", request.Body, StringComparison.Ordinal);
            Assert.DoesNotContain("user_id", request.Body, StringComparison.Ordinal);
        });
    }

    private static void AssertFailures(JsonElement seen)
    {
        foreach ((string name, string type, int status, string kind, string code) in (ReadOnlySpan<(string, string, int, string, string)>)
        [
            ("unknownModel", "NotFoundError", 404, "not_found_error", "model_not_found"),
            ("stateful", "BadRequestError", 400, "invalid_request_error", "stateful_member_refused"),
            ("noPath", "NotFoundError", 404, "not_found_error", "not_found"),
        ])
        {
            JsonElement failure = seen.GetProperty(name);
            Assert.Equal((type, status, kind, code), (Text(failure, "name"), failure.GetProperty("status").GetInt32(), Text(failure, "type"), Text(failure, "code")));
        }
    }

    private static string Text(JsonElement element, string name) => element.GetProperty(name).GetString()!;
}
