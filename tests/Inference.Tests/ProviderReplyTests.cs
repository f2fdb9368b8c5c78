using System.Diagnostics;
using System.Text;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>What passes to a provider and back when all goes well.</summary>
public sealed class ProviderReplyTests
{
    private const string Chat = """{"id":"c-1","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"hi","x":1},"finish_reason":"stop"}],"usage":{"total_tokens":3}}""";

    [Theory]
    [InlineData(Operation.ChatCompletions, false, "/v1/chat/completions", "application/json")]
    [InlineData(Operation.ChatCompletions, true, "/v1/chat/completions", "text/event-stream")]
    [InlineData(Operation.Responses, false, "/v1/responses", "application/json")]
    [InlineData(Operation.Embeddings, false, "/v1/embeddings", "application/json")]
    public async Task Provider_sees_the_filtered_body_and_no_header_beyond_the_list(Operation operation, bool stream, string path, string accept)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange =>
            stream ? exchange.EventsAsync("data: {}\n\ndata: [DONE]\n\n") : exchange.JsonAsync("{}"));
        await using var harness = new RouterHarness(provider);

        // Whatever ambient trace the process has must not leak out with the request.
        using var activity = new Activity("canary-trace");
        activity.AddBaggage("canary", "canary");
        activity.TraceStateString = "canary=1";
        activity.Start();
        await harness.AskAsync(operation, stream);
        activity.Stop();

        ScriptedRequest request = Assert.Single(provider.Requests);
        Assert.Equal($"POST {path} HTTP/1.1", request.Line);
        Assert.Equal(
            [
                ("Accept", accept),
                ("Authorization", "Bearer " + RouterHarness.Key),
                ("Content-Length", request.Body.Length.ToString(System.Globalization.CultureInfo.InvariantCulture)),
                ("Content-Type", "application/json"),
                ("Host", provider.BaseUrl.Authority),
            ],
            request.Headers.Select(header => (header.Key, header.Value)).Order());
        Assert.Contains(RouterHarness.Prompt, request.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Backend_without_keys_is_asked_without_authorization()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync("{}"));
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl) with { Keys = [] }] });
        await harness.AskAsync();
        Assert.Null(provider.Requests[0].Header("Authorization"));
    }

    [Theory]
    [InlineData(RouterHarness.Model, null, "", """{"model":"public-model","max_completion_tokens":4096,""")]
    [InlineData("up/stream-é", null, "", """{"model":"up/stream-é","max_completion_tokens":4096,""")]
    [InlineData("up", "max_tokens", "", """{"model":"up","max_tokens":4096,""")]
    [InlineData("up", "max_tokens", ",\"max_completion_tokens\":17", """{"model":"up","max_tokens":17,""")]
    [InlineData("up", null, ",\"max_tokens\":17", """{"model":"up","max_tokens":17,""")]
    [InlineData(RouterHarness.Model, "max_tokens", ",\"max_tokens\":17", """{"model":"public-model","max_tokens":17,""")]
    public async Task Backend_gets_its_own_names_for_model_and_cap(string upstream, string? capMember, string extra, string head)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync("{}"));
        await using var harness = new RouterHarness(new InferenceOptions
        {
            Backends =
            [
                RouterHarness.Backend(provider.BaseUrl) with
                {
                    Models = new Dictionary<string, string> { [RouterHarness.Model] = upstream },
                    OutputCapMember = capMember,
                },
            ],
        });
        await harness.AskAsync(extra: extra);
        Assert.Equal($"{head}\"messages\":{RouterHarness.Messages},\"stream\":false,\"store\":false}}", provider.Requests[0].Text);
    }

    [Fact]
    public async Task Json_reply_without_unknown_members_is_the_same_bytes()
    {
        string json = "{\n  \"id\" : \"\\u0063\", \"choices\":[ ] , \"usage\":{\"cost\":1.50}\n}\n";
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(json));
        await using var harness = new RouterHarness(provider);
        Assert.Equal(json, await harness.AskAsync());
    }

    [Theory]
    [InlineData(Operation.ChatCompletions, """{"id":1,"x":2}""", """{"id":1}""")]
    [InlineData(Operation.ChatCompletions, """{"x":2,"id":1}""", """{"id":1}""")]
    [InlineData(Operation.ChatCompletions, """{"x":{"id":[1,{}]},"y":2, "id":1 ,"z":3,"choices":[{"x":1}], "w":[4] }""", """{"id":1 ,"choices":[{"x":1}]}""")]
    [InlineData(Operation.ChatCompletions, """{"x":2}""", """{}""")]
    [InlineData(Operation.ChatCompletions, """{"i\u0064":2,"user":"u"}""", """{}""")]
    [InlineData(Operation.Responses, """{"id":1,"user":"u","metadata":{},"output":[],"conversation":{"id":"c"},"previous_response_id":"r","safety_identifier":"s","prompt_cache_key":"k"}""", """{"id":1,"output":[]}""")]
    [InlineData(Operation.Embeddings, """{"id":1,"data":[],"created":2}""", """{"data":[]}""")]
    public async Task Unknown_member_of_a_reply_is_cut_out(Operation operation, string sent, string received)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(sent));
        await using var harness = new RouterHarness(provider);
        Assert.Equal(received, await harness.AskAsync(operation));
    }

    [Fact]
    public async Task Cookie_set_by_a_provider_is_never_sent_back()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(Chat, headers: "Set-Cookie: canary=1; Path=/\r\n"));
        await using var harness = new RouterHarness(provider);
        Assert.Equal(Chat, await harness.AskAsync());
        Assert.Equal(Chat, await harness.AskAsync());
        Assert.All(provider.Requests, request => Assert.Null(request.Header("Cookie")));
        Assert.Equal(1, provider.Connections);
    }

    [Theory]
    [InlineData("data: {\"id\":\"1\"}\n\ndata: [DONE]\n\n")]
    [InlineData("data: {\"id\":\"1\"}\r\n\r\ndata: [DONE]\r\n\r\n")]
    [InlineData("data:{\"id\":\"é\\u00e9\"}\n\nevent: x.y_z\ndata: {\"choices\":[]}\n\ndata: [DONE]\n\n")]
    [InlineData("event: error\ndata: {\"error\":{\"message\":\"m\"}}\n\n")]
    public async Task Plain_events_are_the_same_bytes(string events)
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(
            exchange => exchange.EventsAsync(events),
            async exchange =>
            {
                // The same again, byte for byte on the wire.
                await exchange.BeginEventsAsync();
                foreach (byte b in Encoding.UTF8.GetBytes(events))
                {
                    await exchange.ChunkAsync([b]);
                }

                await exchange.EndChunksAsync();
            });
        await using var harness = new RouterHarness(provider);
        Assert.Equal(events, await harness.AskAsync(stream: true));
        Assert.Equal(events, await harness.AskAsync(stream: true));
    }

    [Theory]
    [InlineData("\uFEFFdata: {}\n\n", "data: {}\n\n")]
    [InlineData(": keep-alive\n\n: more\ndata: {}\n\n", "data: {}\n\n")]
    [InlineData("id: 7\nretry: 10\ndata: {}\n\n", "data: {}\n\n")]
    [InlineData("event: a b\ndata: {}\n\n", "data: {}\n\n")]
    [InlineData("event: ping\n\ndata: {}\n\n", "data: {}\n\n")]
    [InlineData("\n\n\ndata: {}\n\n", "data: {}\n\n")]
    [InlineData("data: {\"id\":1,\ndata:  \"x\":2}\n\n", "data: {\"id\":1}\n\n")]
    [InlineData("data\ndata: {\"id\":1}\n\n", "data: {\"id\":1}\n\n")]
    [InlineData("data: {\"id\":1,\"trace\":\"t\"}\n\n", "data: {\"id\":1}\n\n")]
    [InlineData("event: e\ndata: {\"trace\":\"t\"}\n\n", "event: e\ndata: {}\n\n")]
    [InlineData("data: {}\r\rdata: {}\n\n", "data: {}\r\rdata: {}\n\n")]
    [InlineData("data: {}\n\ndata: [DONE]\n\ndata: {\"id\":\"late\"}\n\n", "data: {}\n\ndata: [DONE]\n\n")]
    public async Task Events_lose_what_is_not_on_the_list(string sent, string received)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.EventsAsync(sent));
        await using var harness = new RouterHarness(provider);
        Assert.Equal(received, await harness.AskAsync(stream: true));
    }

    [Fact]
    public async Task Response_inside_an_event_loses_who_asked()
    {
        const string Sent = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"user\":\"u\",\"metadata\":{}},\"sequence_number\":0}\n\n";
        const string Received = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\"},\"sequence_number\":0}\n\n";
        const string Last = "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\"},\"sequence_number\":1}\n\n";
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.EventsAsync(Sent + Last));
        await using var harness = new RouterHarness(provider);
        Assert.Equal(Received + Last, await harness.AskAsync(Operation.Responses, stream: true));
    }

    [Fact]
    public async Task Events_are_handed_on_as_they_complete()
    {
        var go = new SemaphoreSlim(0);
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync("data: {\"id\":1}\n\ndata: {\"i");
            await go.WaitAsync(exchange.Stopping);
            await exchange.ChunkAsync("d\":2}\n\ndata: [DONE]\n\n");
            await exchange.EndChunksAsync();
        });
        await using var harness = new RouterHarness(provider);
        await using ProviderReply reply = await harness.SendAsync(stream: true, cancellationToken: TestContext.Current.CancellationToken);
        using var text = new SensitiveBuffer();
        Assert.True(await reply.ReadAsync(text, TestContext.Current.CancellationToken));
        Assert.Equal("data: {\"id\":1}\n\n", Encoding.UTF8.GetString(text.WrittenSpan));
        go.Release();
        text.Clear();
        Assert.True(await reply.ReadAsync(text, TestContext.Current.CancellationToken));
        Assert.Equal("data: {\"id\":2}\n\ndata: [DONE]\n\n", Encoding.UTF8.GetString(text.WrittenSpan));
        text.Clear();
        Assert.False(await reply.ReadAsync(text, TestContext.Current.CancellationToken));
        Assert.Equal(0, text.WrittenCount);
    }

    [Fact]
    public async Task Interim_responses_are_passed_over()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.SendAsync("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
            await exchange.JsonAsync(Chat);
        });
        await using var harness = new RouterHarness(provider);
        Assert.Equal(Chat, await harness.AskAsync());
    }

    [Fact]
    public async Task Server_that_cannot_stream_answers_whole()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(Chat));
        await using var harness = new RouterHarness(provider);
        await using ProviderReply reply = await harness.SendAsync(stream: true, cancellationToken: TestContext.Current.CancellationToken);
        Assert.False(reply.IsEventStream);
        Assert.Equal(Chat, await RouterHarness.ReadAllAsync(reply));
    }

    [Fact]
    public async Task Finished_streams_give_their_connection_back()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.EventsAsync("data: {}\n\ndata: [DONE]\n\n"));
        await using var harness = new RouterHarness(provider);
        for (int i = 0; i < 5; i++)
        {
            await harness.AskAsync(stream: true);
        }

        Assert.Equal(1, provider.Connections);
    }
}
