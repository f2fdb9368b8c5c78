using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Sealed streams on real sockets: what they tell on the way, what may happen to them, and who they belong to.</summary>
public sealed class SealedStreamTests
{
    private static readonly string s_stream = TestGateway.Body(stream: true);

    [Fact]
    public async Task Chunks_of_different_answers_of_one_bucket_have_equal_sizes_on_the_wire()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        string[][] answers = [[new('a', 100), "b", "c", "d"], [new('x', 500), "", new('y', 700), "x"], [new('x', 200), "y", new('z', 80), "."]];
        List<int[]> sizes = [];
        foreach (string[] words in answers)
        {
            (ObliviousAnswer answer, string text) = await AskWordByWordAsync(gateway, client, words);
            Assert.True(answer.IsWhole);
            Assert.Equal(text, answer.Events());
            sizes.Add(answer.ChunkSizes());
        }

        // One chunk with head and first event, one for each further event, [DONE], the end. Those that would fit in less are as large as those before them.
        Assert.Equal(Enumerable.Repeat(1024 + 16, 6), sizes[0]);
        Assert.Equal(sizes[0], sizes[1]);
        Assert.Equal(sizes[0], sizes[2]);

        List<int> whole = [];
        foreach (bool isChunked in new[] { true, false })
        {
            foreach (string content in new[] { "four", "five thousand and twenty-three" })
            {
                gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, StubProvider.Reply.Replace("four", content, StringComparison.Ordinal));
                whole.Add((await client.AskAsync(gateway.Issuer.CreateToken("chat"), isChunked: isChunked)).Encapsulated.Length);
            }
        }

        Assert.Equal((whole[0], whole[2]), (whole[1], whole[3]));
    }

    [Fact]
    public async Task Real_answer_that_was_touched_on_its_way_is_never_taken_for_whole()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: true)!;
        using ObliviousClientExchange otherExchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: true)!;
        (ObliviousAnswer answer, _) = await AskWordByWordAsync(gateway, client, ["one", "two", "three"], exchange);
        (ObliviousAnswer other, _) = await AskWordByWordAsync(gateway, client, ["one", "two", "three"], otherExchange);
        byte[][] parts = answer.Parts();
        byte[][] foreign = other.Parts();
        Assert.Equal(6, parts.Length);
        Assert.True(Takes(parts));
        Assert.False(Takes(foreign));

        // Tampered: a bit of each part, in its length and in its last byte too. Truncated: behind each part and within it.
        for (int i = 0; i < parts.Length; i++)
        {
            foreach (int at in new[] { 0, parts[i].Length / 2, parts[i].Length - 1 })
            {
                byte[] changed = [.. parts[i]];
                changed[at] ^= 1;
                Assert.False(Takes([.. parts[..i], changed, .. parts[(i + 1)..]]), $"byte {at} of part {i}");
                Assert.False(Takes([.. parts[..i], parts[i][..at]]), $"cut at {at} of part {i}");
            }
        }

        for (int i = 1; i < parts.Length; i++)
        {
            Assert.False(Takes([.. parts[..i], .. parts[(i + 1)..]]), $"part {i} left out");
            Assert.False(Takes([.. parts[..i], parts[i], .. parts[i..]]), $"part {i} repeated");
            Assert.False(Takes([.. parts[..i], foreign[i], .. parts[(i + 1)..]]), $"part {i} spliced in");
            Assert.False(Takes([.. parts[..i], .. foreign[i..]]), $"end spliced in from part {i}");
            for (int j = i + 1; j < parts.Length; j++)
            {
                byte[][] moved = [.. parts];
                (moved[i], moved[j]) = (moved[j], moved[i]);
                Assert.False(Takes(moved), $"parts {i} and {j} exchanged");
            }
        }

        // The end of the stream marked sooner than it was.
        Assert.False(Takes([.. parts[..3], [0, .. parts[3][2..]]]));

        bool Takes(byte[][] pieces) => ObliviousClient.Read(exchange, [.. pieces.SelectMany(piece => piece)]).IsWhole;
    }

    [Fact]
    public async Task Client_that_vanishes_does_not_stop_the_reply_and_may_come_back_for_it()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        var gone = new TaskCompletionSource();
        gateway.Provider.Answer = StubProvider.AnswerInTwo(gone.Task);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using (ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: true)!)
        {
            byte[] request = ObliviousClient.SealRequest(exchange, "POST", Routes.ChatCompletions, s_stream, [new("authorization", token.Header)]);
            HttpResponseMessage response = await client.PostAsync(request, isChunked: true, TestContext.Current.CancellationToken);
            await using Stream stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
            Assert.True(await stream.ReadAsync(new byte[100], TestContext.Current.CancellationToken) > 0);
            response.Dispose();
        }

        gone.SetResult();
        ObliviousAnswer answer = await client.AskAsync(token, s_stream);

        Assert.True(answer.IsWhole);
        Assert.Equal(StubProvider.Event("one") + StubProvider.Event("two") + "data: [DONE]\n\n", answer.Events());
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Reader_whose_stream_another_one_took_over_knows_that_its_answer_is_not_whole()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        var second = new TaskCompletionSource();
        gateway.Provider.Answer = StubProvider.AnswerInTwo(second.Task);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: true)!;
        byte[] request = ObliviousClient.SealRequest(exchange, "POST", Routes.ChatCompletions, s_stream, [new("authorization", token.Header)]);
        using HttpResponseMessage response = await client.PostAsync(request, isChunked: true, TestContext.Current.CancellationToken);
        Task<ObliviousAnswer> newer = client.AskAsync(token, s_stream);
        ObliviousAnswer older = await ObliviousClient.ReadAsync(exchange, response);
        second.SetResult();

        Assert.False(older.IsWhole);
        Assert.Contains("one", older.Text, StringComparison.Ordinal);
        Assert.True((await newer).IsWhole);
        Assert.Contains("two", (await newer).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stream_is_cancelled_from_inside_and_says_so_inside()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "one");
            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        Task<ObliviousAnswer> asked = client.AskAsync(token, s_stream);
        ObliviousAnswer cancelled;
        do
        {
            cancelled = await client.SendAsync("POST", Routes.Cancel, headers: [new("authorization", token.Header)], isChunked: false);
        }
        while (cancelled.Text == "{\"cancelled\":false}");

        Assert.Equal("{\"cancelled\":true}", cancelled.Text);
        ObliviousAnswer answer = await asked;
        Assert.True(answer.IsWhole);
        Assert.Contains(ErrorCodes.RequestCancelled, answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Chain_is_renewed_inside_behind_a_stream_in_a_head_and_by_exchange()
    {
        await using TestGateway gateway = await StartAsync(gateway => gateway.Issuer.AddPlan(TestGateway.MonthlyPlan, TestGateway.March));
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        var chain = new TestChain(gateway);
        gateway.Provider.Answer = StubProvider.AnswerStreamAsync;
        ObliviousAnswer stream = await AskAsync(s_stream, isChunked: true);
        Assert.Contains("[DONE]", stream.Text, StringComparison.Ordinal);
        Assert.Null(stream.Header(Routes.RenewalTrailer));
        chain.Move(Renewal(stream.Trailer(Routes.RenewalTrailer)));

        gateway.Provider.Answer = StubProvider.AnswerJsonAsync;
        foreach (bool isChunked in new[] { true, false })
        {
            ObliviousAnswer whole = await AskAsync(TestGateway.Body(), isChunked);
            whole.IsReply();
            chain.Move(Renewal(whole.Header(Routes.RenewalTrailer) ?? whole.Trailer(Routes.RenewalTrailer)));
        }

        // What was bound with the request is what an exchange gives, as outside; nothing else.
        (await AskAsync(TestGateway.Body(), isChunked: true)).IsReply();
        byte[] outside = await chain.ExchangeUntilEndedAsync();
        byte[] body = System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(
            ExchangeRequest.Create(chain.Token.Token, chain.Token.Extensions, chain.Successor), GatewayJson.Default.ExchangeRequest);
        ObliviousAnswer exchanged = await client.SendAsync("POST", Routes.Exchange, System.Text.Encoding.UTF8.GetString(body));
        Assert.Equal(200, exchanged.Response!.Status);
        Assert.True(System.Text.Json.JsonSerializer.Deserialize(exchanged.Text, GatewayJson.Default.ExchangeResponse)!.TryDecode(out byte[]? inside));
        Assert.Equal(outside, inside);
        chain.Move(inside);

        Task<ObliviousAnswer> AskAsync(string prompt, bool isChunked) => client.SendAsync(
            "POST", Routes.ChatCompletions, prompt,
            [new("authorization", chain.Token.Header), new(Routes.SuccessorHeader, ChainHeaders.FormatSuccessor(chain.Successor))], isChunked);

        static byte[] Renewal(string? value)
        {
            Assert.True(ChainHeaders.TryParseRenewal(value, out byte[]? signature));
            return signature;
        }
    }

    [Fact]
    public async Task Request_that_another_instance_answers_is_passed_on_from_inside()
    {
        Tacit.Storage.Testing.TestPostgres.SkipUnlessInstalled();
        await using TestInstances instances = await TestInstances.StartAsync(
            2, new FakeTime(TestGateway.Start), configure: (_, options) => ObliviousClient.Sealed(options));
        using ObliviousClient first = await ObliviousClient.ConnectAsync(() => instances.Address(0));
        using ObliviousClient second = await ObliviousClient.ConnectAsync(() => instances.Address(1));
        Assert.Equal(Convert.ToHexString(first.Configuration.Encode()), Convert.ToHexString(second.Configuration.Encode()));
        instances.Provider.Answer = StubProvider.AnswerStreamAsync;
        TestToken token = instances.Issuer.CreateToken("chat");
        ObliviousAnswer answer = await first.AskAsync(token, s_stream);
        ObliviousAnswer again = await second.AskAsync(token, s_stream);

        Assert.True(answer.IsWhole && again.IsWhole);
        Assert.Equal(answer.Events(), again.Events());
        Assert.Equal(1, instances.Provider.Calls);
    }

    private static Task<TestGateway> StartAsync(Action<TestGateway>? prepare = null) => TestGateway.CreateAsync(gateway =>
    {
        gateway.Configure = options => ObliviousClient.Sealed(options);
        prepare?.Invoke(gateway);
    });

    /// <summary>A stream whose provider says the next word only once the one before has been seen at the client.</summary>
    private static async Task<(ObliviousAnswer Answer, string Text)> AskWordByWordAsync(
        TestGateway gateway, ObliviousClient client, string[] words, ObliviousClientExchange? exchange = null)
    {
        var next = new SemaphoreSlim(0);
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            foreach (string word in words)
            {
                await StubProvider.SendEventAsync(context, word);
                await next.WaitAsync(context.RequestAborted);
            }

            await StubProvider.EndStreamAsync(context);
        };
        using ObliviousClientExchange? own = exchange is null ? ObliviousClientExchange.TryCreate(client.Configuration, isChunked: true) : null;
        exchange ??= own!;
        byte[] request = ObliviousClient.SealRequest(
            exchange, "POST", Routes.ChatCompletions, s_stream, [new("authorization", gateway.Issuer.CreateToken("chat").Header)]);
        using HttpResponseMessage response = await client.PostAsync(request, isChunked: true, TestContext.Current.CancellationToken);
        int seen = 0;
        ObliviousAnswer answer = await ObliviousClient.ReadAsync(
            exchange, response,
            text =>
            {
                while (seen < words.Length && text.Split("\"content\"").Length - 1 > seen)
                {
                    seen++;
                    next.Release();
                }
            });
        return (answer, string.Concat(words.Select(StubProvider.Event)) + "data: [DONE]\n\n");
    }
}
