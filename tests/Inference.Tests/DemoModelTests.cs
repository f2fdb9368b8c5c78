using System.Globalization;
using System.Text.Json;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

public sealed class DemoModelTests
{
    private static readonly RequestFacts s_facts = new() { Items = [new("plan", "chat"), new("token type", "0x0002, key 1f2e…")] };

    [Fact]
    public async Task Chat_answer_tells_what_the_gateway_saw_and_repeats_nothing_of_the_prompt()
    {
        await using RouterHarness harness = Harness();
        using JsonDocument reply = JsonDocument.Parse(await harness.AskAsync(model: InferenceRouter.DemoModelName, facts: s_facts, extra: """,,"tools":[{"type":"function","function":{"name":"f"}}]"""[1..]));
        JsonElement root = reply.RootElement;
        Assert.Equal("chat.completion", root.GetProperty("object").GetString());
        JsonElement choice = Assert.Single(root.GetProperty("choices").EnumerateArray());
        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
        string text = choice.GetProperty("message").GetProperty("content").GetString()!;
        Assert.Contains("- plan: chat\n", text, StringComparison.Ordinal);
        Assert.Contains("- token type: 0x0002, key 1f2e…\n", text, StringComparison.Ordinal);
        Assert.Contains("1 message, 1 word,", text, StringComparison.Ordinal);
        Assert.Contains("1 tool,", text, StringComparison.Ordinal);
        Assert.DoesNotContain(RouterHarness.Prompt, root.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(
            root.GetProperty("usage").GetProperty("total_tokens").GetInt32(),
            root.GetProperty("usage").GetProperty("prompt_tokens").GetInt32() + root.GetProperty("usage").GetProperty("completion_tokens").GetInt32());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Chat_stream_carries_the_same_text_in_several_events(bool usage)
    {
        await using RouterHarness harness = Harness();
        string extra = usage ? ",\"n\":2,\"stream_options\":{\"include_usage\":true}" : ",\"n\":2";
        string[] data = Data(await harness.AskAsync(stream: true, model: InferenceRouter.DemoModelName, facts: s_facts, extra: extra));
        Assert.Equal("[DONE]", data[^1]);
        List<JsonElement> chunks = [.. data[..^1].Select(json => JsonDocument.Parse(json).RootElement)];
        Assert.All(chunks, chunk => Assert.Equal("chat.completion.chunk", chunk.GetProperty("object").GetString()));
        Assert.Single(chunks.Select(chunk => chunk.GetProperty("id").GetString()).Distinct());
        Assert.Equal(usage ? 1 : 0, chunks.Count(chunk => chunk.GetProperty("choices").GetArrayLength() == 0));
        Assert.Equal(usage, chunks[^1].TryGetProperty("usage", out JsonElement last) && last.ValueKind == JsonValueKind.Object);
        Assert.True(chunks.Count > 20);

        string whole = Text(await harness.AskAsync(model: InferenceRouter.DemoModelName, facts: s_facts, extra: extra)).Replace("in one piece", "streamed", StringComparison.Ordinal);
        for (int choice = 0; choice < 2; choice++)
        {
            JsonElement[] own = [.. chunks.SelectMany(chunk => chunk.GetProperty("choices").EnumerateArray()).Where(one => one.GetProperty("index").GetInt32() == choice)];
            Assert.Equal("assistant", own[0].GetProperty("delta").GetProperty("role").GetString());
            Assert.Equal("stop", own[^1].GetProperty("finish_reason").GetString());
            string text = string.Concat(own.Select(one => one.GetProperty("delta").TryGetProperty("content", out JsonElement content) ? content.GetString() : ""));

            // The one word apart from how it was asked for is the request's size.
            Assert.Equal(WithoutDigits(whole), WithoutDigits(text));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    public async Task Output_cap_ends_the_answer(int cap)
    {
        await using RouterHarness harness = Harness();
        string extra = ",\"max_tokens\":" + cap.ToString(CultureInfo.InvariantCulture);
        using JsonDocument reply = JsonDocument.Parse(await harness.AskAsync(model: InferenceRouter.DemoModelName, extra: extra));
        JsonElement choice = reply.RootElement.GetProperty("choices")[0];
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        Assert.Equal(cap, choice.GetProperty("message").GetProperty("content").GetString()!.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length);
        Assert.Equal(cap, reply.RootElement.GetProperty("usage").GetProperty("completion_tokens").GetInt32());

        string[] data = Data(await harness.AskAsync(Operation.Responses, stream: true, model: InferenceRouter.DemoModelName, extra: ",\"max_output_tokens\":" + cap.ToString(CultureInfo.InvariantCulture)));
        JsonElement last = JsonDocument.Parse(data[^1]).RootElement;
        Assert.Equal("response.incomplete", last.GetProperty("type").GetString());
        Assert.Equal("max_output_tokens", last.GetProperty("response").GetProperty("incomplete_details").GetProperty("reason").GetString());
    }

    [Fact]
    public async Task Response_stream_has_every_event_in_order()
    {
        await using RouterHarness harness = Harness();
        string events = await harness.AskAsync(Operation.Responses, stream: true, model: InferenceRouter.DemoModelName, facts: s_facts);
        JsonElement[] data = [.. Data(events).Select(json => JsonDocument.Parse(json).RootElement)];
        Assert.Equal(
            [
                "response.created", "response.in_progress", "response.output_item.added", "response.content_part.added", "response.output_text.delta",
                "response.output_text.done", "response.content_part.done", "response.output_item.done", "response.completed",
            ],
            data.Select(one => one.GetProperty("type").GetString()).Distinct());
        Assert.Equal(Enumerable.Range(0, data.Length), data.Select(one => one.GetProperty("sequence_number").GetInt32()));
        Assert.Equal(
            string.Concat(data.Where(one => one.GetProperty("type").GetString() == "response.output_text.delta").Select(one => one.GetProperty("delta").GetString())),
            data[^1].GetProperty("response").GetProperty("output")[0].GetProperty("content")[0].GetProperty("text").GetString());
        Assert.All(events.Split("\n\n", StringSplitOptions.RemoveEmptyEntries), one => Assert.StartsWith("event: response.", one, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(Operation.ChatCompletions)]
    [InlineData(Operation.Responses)]
    public async Task Demo_events_pass_the_reply_filter_unchanged(Operation operation)
    {
        await using RouterHarness harness = Harness();
        foreach (string json in Data(await harness.AskAsync(operation, stream: true, model: InferenceRouter.DemoModelName)).Where(json => json != "[DONE]"))
        {
            Assert.Equal(json, Filtered(json, ReplyShapes.OfEvent(operation)));
        }

        string whole = await harness.AskAsync(operation, model: InferenceRouter.DemoModelName);
        Assert.Equal(whole, Filtered(whole, ReplyShapes.OfReply(operation)));
    }

    [Theory]
    [InlineData("\"a\"", 1)]
    [InlineData("""["a"]""", 1)]
    [InlineData("""["a","b","a"]""", 3)]
    [InlineData("[1,2,3]", 1)]
    [InlineData("[[1,2],[3]]", 2)]
    public async Task Embeddings_are_unit_vectors_that_depend_on_the_text_alone(string input, int count)
    {
        await using RouterHarness harness = Harness();
        float[][] vectors = await EmbedAsync(harness, input, "");
        Assert.Equal(count, vectors.Length);
        Assert.All(vectors, vector => Assert.Equal(1.0, Math.Sqrt(vector.Sum(x => (double)x * x)), 1e-4));
        Assert.All(vectors, vector => Assert.Equal(64, vector.Length));
        Assert.Equal(vectors, await EmbedAsync(harness, input, ""));
        Assert.Equal(vectors, await EmbedAsync(harness, input, ",\"encoding_format\":\"base64\""));
        Assert.All(await EmbedAsync(harness, input, ",\"dimensions\":100"), vector => Assert.Equal(100, vector.Length));
        if (count == 3)
        {
            Assert.Equal(vectors[0], vectors[2]);
            Assert.NotEqual(vectors[0], vectors[1]);
        }
    }

    [Theory]
    [InlineData("5000")]
    [InlineData("-1")]
    [InlineData("1.5")]
    public async Task Embeddings_of_odd_dimensions_are_refused(string dimensions)
    {
        await using RouterHarness harness = Harness();
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(() => EmbedAsync(harness, "\"a\"", ",\"dimensions\":" + dimensions));
        Assert.Equal((ErrorCodes.InvalidValue, "dimensions", true), (failure.Error.Code, failure.Error.Param, failure.ClientProvoked));
    }

    [Theory]
    [InlineData("", 0)]
    [InlineData("   ", 0)]
    [InlineData("one", 1)]
    [InlineData(" one  two ", 2)]
    [InlineData("one\\ntwo\\tthree", 3)]
    [InlineData("a\\\\n b", 2)]
    [InlineData("\\u00e9t\\u00e9 \\\"x\\\"", 2)]
    public void Words_are_counted_as_people_do(string raw, int words) =>
        Assert.Equal(words, DemoPrompt.CountWords(System.Text.Encoding.UTF8.GetBytes(raw)));

    [Fact]
    public void Every_part_of_a_prompt_is_counted()
    {
        DemoPrompt prompt = DemoPrompt.Read("""{"model":"m","max_completion_tokens":9,"messages":[{"role":"system","content":"one two"},{"role":"user","name":"not counted","content":[{"type":"text","text":"three"},{"type":"image_url","image_url":{"url":"data:,not counted"}},{"type":"file","file":{"filename":"not counted"}}]}],"tools":[{},{}],"n":3,"stop":["not counted"]}"""u8);
        Assert.Equal((2, 3, 1, 1, 2, 3, 9), (prompt.Items, prompt.Words, prompt.Images, prompt.Attachments, prompt.Tools, prompt.Choices, prompt.OutputCap));
    }

    [Fact]
    public async Task Pause_between_events_follows_the_clock_and_ends_with_the_caller()
    {
        var time = new ManualTime();
        await using var harness = new RouterHarness(new InferenceOptions { DemoModel = true, DemoEventDelay = TimeSpan.FromSeconds(1) }, time);
        await using ProviderReply reply = await harness.SendAsync(stream: true, model: InferenceRouter.DemoModelName, cancellationToken: TestContext.Current.CancellationToken);
        using var text = new SensitiveBuffer();
        Assert.True(await reply.ReadAsync(text, TestContext.Current.CancellationToken));
        Task<bool> second = reply.ReadAsync(text, TestContext.Current.CancellationToken).AsTask();
        Assert.False(second.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(await second);
        using var cancel = new CancellationTokenSource();
        Task<bool> third = reply.ReadAsync(text, cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => third);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reply_that_was_read_whole_has_ended_whoever_cancels_behind_it(bool stream)
    {
        await using RouterHarness harness = Harness();
        await using ProviderReply reply = await harness.SendAsync(stream: stream, model: InferenceRouter.DemoModelName, cancellationToken: TestContext.Current.CancellationToken);
        using var cancel = new CancellationTokenSource();
        using var text = new SensitiveBuffer();
        do
        {
            Assert.True(await reply.ReadAsync(text, cancel.Token));
        }
        while (stream && !text.WrittenSpan.EndsWith("[DONE]\n\n"u8));

        await cancel.CancelAsync();
        Assert.False(await reply.ReadAsync(text, cancel.Token));
    }

    private static RouterHarness Harness() => new(new InferenceOptions { DemoModel = true });

    private static string Filtered(string json, Shape shape)
    {
        using var output = new SensitiveBuffer();
        Assert.True(ReplyFilter.TryFilter(System.Text.Encoding.UTF8.GetBytes(json), shape, output));
        return System.Text.Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static string[] Data(string events) =>
        [.. events.Split('\n').Where(line => line.StartsWith("data: ", StringComparison.Ordinal)).Select(line => line["data: ".Length..])];

    private static string Text(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString()!;
    }

    private static string WithoutDigits(string text) => string.Concat(text.Where(c => !char.IsAsciiDigit(c)));

    private static async Task<float[][]> EmbedAsync(RouterHarness harness, string input, string extra)
    {
        byte[] body = System.Text.Encoding.UTF8.GetBytes($$"""{"model":"tacit-demo","input":{{input}}{{extra}}}""");
        await using ProviderReply reply = await harness.Router.SendAsync(
            Operation.Embeddings, InferenceRouter.DemoModelName, false, body, RequestFacts.None, TestContext.Current.CancellationToken);
        using JsonDocument document = JsonDocument.Parse(await RouterHarness.ReadAllAsync(reply));
        return [.. document.RootElement.GetProperty("data").EnumerateArray().Select(one => Vector(one.GetProperty("embedding")))];
    }

    private static float[] Vector(JsonElement embedding)
    {
        if (embedding.ValueKind == JsonValueKind.Array)
        {
            return [.. embedding.EnumerateArray().Select(number => number.GetSingle())];
        }

        byte[] bytes = embedding.GetBytesFromBase64();
        return [.. Enumerable.Range(0, bytes.Length / 4).Select(i => BitConverter.ToSingle(bytes, i * 4))];
    }

    [Theory]
    [InlineData(Operation.Messages, "[{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"1\",\"name\":\"f\",\"input\":{\"\\ud800\":\"\\ud800\",\"type\":\"\\ud800\"}}]}]")]
    [InlineData(Operation.ChatCompletions, "[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"\\ud800\",\"logprobs\":{\"\\ud800\":1}}]}]")]
    public async Task Half_a_surrogate_pair_is_no_trouble_to_the_model_nor_to_the_moderation(Operation operation, string messages)
    {
        await using var router = new InferenceRouter(
            new InferenceOptions { DemoModel = true, Moderation = new ModerationOptions { Policies = [new ModerationPolicy { Name = "p", Rules = ["x"] }], Default = "p" } },
            TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLoggerFactory.Instance);
        using var body = new SensitiveBuffer();
        string request = $$"""{"model":"{{InferenceRouter.DemoModelName}}","messages":{{messages}}}""";
        Assert.Null(RequestFilter.Filter(operation, System.Text.Encoding.UTF8.GetBytes(request), new RequestLimits(10), body, out _));
        Assert.Null(await router.Moderator.JudgeAsync("plan", operation, body.WrittenMemory, TestContext.Current.CancellationToken));
        await using ProviderReply reply = await router.SendAsync(
            operation, InferenceRouter.DemoModelName, false, body.WrittenMemory, RequestFacts.None, TestContext.Current.CancellationToken);
        Assert.NotEmpty(await RouterHarness.ReadAllAsync(reply));
    }
}
