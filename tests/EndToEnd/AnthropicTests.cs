using System.Text.Json;
using Tacit.App;
using Tacit.Client;
using Tacit.EndToEnd.Support;

namespace Tacit.EndToEnd;

/// <summary>Anthropic's official SDK, unchanged, through the app and the gateway.</summary>
public sealed class AnthropicTests
{
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
        Assert.Contains("1 image", seen.GetProperty("image").GetString()!, StringComparison.Ordinal);
        AssertFailures(seen);
        PlanHoldings held = (await client.Wallet.GetStatusAsync()).Plans.Single(plan => plan.Plan == "chat");
        // The refused request showed its token to the gateway without spending it.
        Assert.Equal((45, 4, 1), (held.Held, held.Spent, held.Returned));
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
