using System.Text;
using System.Text.Json;
using Tacit.Client.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Client.Tests;

/// <summary>A conversation that outgrows its plan: a larger plan pays, its oldest turns go, or it is asked about; and it is said.</summary>
public sealed class OutgrownTests : IAsyncLifetime
{
    private static readonly Plan s_small = TestOperator.Chat with { Id = "small", MaxInputBytes = 600 };
    private static readonly Plan s_large = TestOperator.Chat with { Id = "large", MaxInputBytes = 4000, MaxOutputTokens = 8000, Price = new Credits(3) };

    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _operator = await TestOperator.StartAsync(plans: [s_small, s_large]);

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Larger_plan_pays_and_says_so()
    {
        await using TacitClient client = await WalletAsync(OutgrownPlan.Larger);

        (int status, _, PromptReply reply) = await client.Redemption.AnswerAsync(Conversation(8), Token);
        Assert.Equal((200, "large", "small", 0), (status, reply.Plan, reply.Outgrown, reply.TrimmedMessages));
        (_, _, PromptReply fits) = await client.Redemption.AnswerAsync(Conversation(1), Token);
        Assert.Equal(("small", null), (fits.Plan, fits.Outgrown));
    }

    [Fact]
    public async Task Cheapest_plan_pays_whichever_is_listed_first_and_whatever_the_wallet_holds_more_of()
    {
        await using TestOperator other = await TestOperator.StartAsync(
            plans: [s_small with { Id = "dear", Price = new Credits(5) }, s_small with { Id = "cheap", Price = new Credits(2) }]);
        await using TacitClient client = await other.WalletAsync(_folder["other"], credits: 100, tokens: 5);
        await client.Filler.FillAsync("cheap", 1, cancellationToken: Token);

        Assert.Equal("cheap", (await client.Redemption.AnswerAsync(Prompts.Ask("One"), Token)).Reply.Plan);
    }

    [Fact]
    public async Task Larger_plan_pays_for_more_output_too()
    {
        await using TacitClient client = await WalletAsync(OutgrownPlan.Trim);
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{TestOperator.Model}}","max_tokens":5000,"messages":[{"role":"user","content":"Much."}]}""");

        (_, _, PromptReply reply) = await client.Redemption.AnswerAsync(new PromptRequest(PromptOperation.ChatCompletions, body), Token);

        Assert.Equal(("large", "small", 0), (reply.Plan, reply.Outgrown, reply.TrimmedMessages));
    }

    [Fact]
    public async Task Question_is_refused_with_the_larger_plans_name_where_the_user_wants_to_be_asked()
    {
        await using TacitClient client = await WalletAsync(OutgrownPlan.Ask);

        ClientException asked = await Assert.ThrowsAsync<ClientException>(() => client.Redemption.SendAsync(Conversation(8), Token));
        Assert.Equal((ClientError.PlanOutgrown, "plan_outgrown"), (asked.Error, asked.Code));
        Assert.Contains("large", asked.Message, StringComparison.Ordinal);
        Assert.Equal("large", (await client.Redemption.AnswerAsync(Conversation(8) with { Plan = "large" }, Token)).Reply.Plan);
    }

    [Fact]
    public async Task Oldest_turns_are_left_out_and_a_repetition_is_still_recognised()
    {
        await using TacitClient client = await WalletAsync(OutgrownPlan.Trim);

        (int status, _, PromptReply reply) = await client.Redemption.AnswerAsync(Conversation(8), Token);

        Assert.Equal((200, "small"), (status, reply.Plan));
        Assert.True(reply.TrimmedMessages > 0);
        byte[] sent = _operator.GatewayFront.SeenAt("/v1/chat/completions")[^1].Body;
        Assert.True(sent.Length <= s_small.MaxInputBytes);
        JsonElement[] messages = Messages(sent);
        Assert.Equal(("system", "Be brief."), (messages[0].GetProperty("role").GetString(), messages[0].GetProperty("content").GetString()));
        Assert.Equal("Question 7", messages[^1].GetProperty("content").GetString());

        // A reply that was not delivered: the same conversation, cut again, gets it without a new token.
        await using (PromptReply open = await client.Redemption.SendAsync(Conversation(9), Token))
        {
        }
        Assert.True((await client.Redemption.AnswerAsync(Conversation(9), Token)).Reply.IsRepetition);
    }

    [Fact]
    public void Trimming_never_splits_a_tools_call_from_its_result()
    {
        string filler = new('x', 100);
        string[] messages =
        [
            $$"""{"role":"system","content":"Stay."}""",
            $$"""{"role":"user","content":"One {{filler}}"}""",
            """{"role":"assistant","tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}}]}""",
            $$"""{"role":"tool","tool_call_id":"a","content":"{{filler}}"}""",
            $$"""{"role":"assistant","content":"{{filler}}"}""",
            $$"""{"role":"developer","content":"Stay too."}""",
            $$"""{"role":"user","content":"Two {{filler}}"}""",
            """{"role":"assistant","tool_calls":[{"id":"b","type":"function","function":{"name":"f","arguments":"{}"}}]}""",
            $$"""{"role":"tool","tool_call_id":"b","content":"{{filler}}"}""",
        ];
        byte[] whole = Encoding.UTF8.GetBytes($$"""{ "model": "m", "messages": [ {{string.Join(" , ", messages)}} ], "stream": true }""");
        int turns = 0;
        for (int room = whole.Length - 1; room > 0; room--)
        {
            using PromptBody body = PromptBody.Parse(whole, new byte[32]);
            if (!PromptTrimmer.TryTrim(body, PromptOperation.ChatCompletions, room))
            {
                Assert.Equal(whole, body.Content.ToArray());
                continue;
            }
            Assert.True(body.Content.Length <= room);
            string[] kept = [.. Messages(body.Content.ToArray()).Select(message => message.GetRawText())];
            Assert.Equal([messages[0], messages[5], messages[6], messages[7], messages[8]], kept);
            Assert.Equal(4, body.TrimmedMessages);
            turns++;
        }
        Assert.True(turns > 100);
    }

    [Fact]
    public void Trimming_knows_the_items_of_responses_and_leaves_other_bodies_alone()
    {
        string filler = new('x', 200);
        byte[] whole = Encoding.UTF8.GetBytes(
            $$"""
            {"model":"m","input":[{"role":"user","content":"{{filler}}"},{"type":"function_call","call_id":"a","name":"f","arguments":"{}"},
            {"type":"function_call_output","call_id":"a","output":"1"},{"role":"user","content":"Last"}]}
            """);
        using PromptBody body = PromptBody.Parse(whole, new byte[32]);
        Assert.True(PromptTrimmer.TryTrim(body, PromptOperation.Responses, 100));
        using JsonDocument json = JsonDocument.Parse(body.Content);
        Assert.Equal("Last", Assert.Single(json.RootElement.GetProperty("input").EnumerateArray()).GetProperty("content").GetString());

        byte[] messages = Encoding.UTF8.GetBytes(
            $$$"""
            {"model":"m","system":"s","messages":[{"role":"user","content":"{{{filler}}}"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"type":"tool_result"}}]},
            {"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[{"type":"text","text":"1"}]}]},{"role":"user","content":[{"type":"text","text":"Last"}]},
            {"role":"assistant","content":[{"type":"tool_use","id":"b","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"b"}]}]}
            """);
        // A tool's result is said by the user and yet begins no turn.
        using PromptBody message = PromptBody.Parse(messages, new byte[32]);
        Assert.True(PromptTrimmer.TryTrim(message, PromptOperation.Messages, 300));
        Assert.Equal(3, message.TrimmedMessages);
        Assert.Equal(["user", "assistant", "user"], Messages(message.Content.ToArray()).Select(kept => kept.GetProperty("role").GetString()));

        foreach ((PromptOperation operation, string text) in new[]
        {
            (PromptOperation.Embeddings, $$"""{"model":"m","input":["{{filler}}","b"]}"""),
            (PromptOperation.Responses, $$"""{"model":"m","input":"{{filler}}"}"""),
            (PromptOperation.ChatCompletions, $$"""{"model":"m","messages":[{"role":"user","content":"{{filler}}"}]}"""),
            (PromptOperation.ChatCompletions, $$"""{"model":"m","messages":[]}"""),
        })
        {
            using PromptBody other = PromptBody.Parse(Encoding.UTF8.GetBytes(text), new byte[32]);
            Assert.False(PromptTrimmer.TryTrim(other, operation, 50));
        }
    }

    private static JsonElement[] Messages(byte[] body)
    {
        using JsonDocument json = JsonDocument.Parse(body);
        return [.. json.RootElement.GetProperty("messages").EnumerateArray().Select(message => message.Clone())];
    }

    /// <summary>A system message and so many questions, all but the last answered.</summary>
    private static PromptRequest Conversation(int questions)
    {
        var messages = new StringBuilder("""{"role":"system","content":"Be brief."}""");
        for (int i = 0; i < questions; i++)
        {
            messages.Append($$""",{"role":"user","content":"Question {{i}}"}""");
            if (i < questions - 1)
            {
                messages.Append($$""",{"role":"assistant","content":"Answer {{i}} {{new string('y', 60)}}"}""");
            }
        }
        return new PromptRequest(PromptOperation.ChatCompletions, Encoding.UTF8.GetBytes($$"""{"model":"{{TestOperator.Model}}","messages":[{{messages}}]}"""));
    }

    private async Task<TacitClient> WalletAsync(OutgrownPlan policy)
    {
        TacitClient client = await _operator.WalletAsync(
            _folder["wallet"], credits: 100, tokens: 10, change: options => options with { Redemption = options.Redemption with { OutgrownPlan = policy } });
        await client.Filler.FillAsync("large", 5, cancellationToken: Token);
        return client;
    }
}
