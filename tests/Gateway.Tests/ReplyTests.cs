using System.IO.Pipelines;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Tacit.Gateway.Admission;
using Tacit.Gateway.Replies;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Who gets which reply, and what stops it.</summary>
public sealed class ReplyTests
{
    private static readonly SignsOfLife s_signs = new(TimeSpan.FromSeconds(15), TimeProvider.System);

    [Fact]
    public async Task Kept_reply_is_given_again_until_its_time_is_over()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage first = await gateway.AskAsync(token);
        await first.IsReplyAsync();
        gateway.Time.Advance(TimeSpan.FromMinutes(9));
        using HttpResponseMessage kept = await gateway.AskAsync(token);
        await kept.IsReplyAsync();
        gateway.Time.Advance(TimeSpan.FromMinutes(2));
        using HttpResponseMessage gone = await gateway.AskAsync(token);
        await gone.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Contains("no longer kept", await gone.TextAsync(), StringComparison.Ordinal);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Kept_stream_is_given_again_whole()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            for (int i = 0; i < 100; i++)
            {
                await StubProvider.SendEventAsync(context, $"event {i}");
            }

            await StubProvider.EndStreamAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: true);
        using HttpResponseMessage first = await gateway.AskAsync(token, body);
        string text = await first.TextAsync();
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        Assert.Contains("event 99", text, StringComparison.Ordinal);
        using HttpResponseMessage again = await gateway.AskAsync(token, body);
        Assert.Equal(text, await again.TextAsync());
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Second_reader_of_a_live_stream_gets_all_of_it_and_the_first_is_cut_off()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var second = new TaskCompletionSource();
        gateway.Provider.Answer = StubProvider.AnswerInTwo(second.Task);
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: true);
        using HttpResponseMessage older = await gateway.AskAsync(token, body);
        await using Stream olderStream = await older.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        byte[] buffer = new byte[4096];
        Assert.True(await olderStream.ReadAsync(buffer, TestContext.Current.CancellationToken) > 0);

        using HttpResponseMessage newer = await gateway.AskAsync(token, body);
        await Assert.ThrowsAnyAsync<IOException>(async () =>
        {
            while (await olderStream.ReadAsync(buffer, TestContext.Current.CancellationToken) > 0)
            {
            }
        });
        second.SetResult();
        string text = await newer.TextAsync();
        Assert.Contains("one", text, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Silent_stream_says_that_it_lives_and_its_reply_is_what_it_was(bool kept)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var go = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "one");
            await go.Task;
            await StubProvider.SendEventAsync(context, "two");
            await StubProvider.EndStreamAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: true);
        using HttpResponseMessage response = await gateway.AskAsync(token, body);
        await using Stream stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        var text = new StringBuilder();
        byte[] buffer = new byte[4096];
        for (int comments = 0; comments < 3;)
        {
            Task<int> next = stream.ReadAsync(buffer, TestContext.Current.CancellationToken).AsTask();
            while (!next.IsCompleted)
            {
                gateway.Time.Advance(TimeSpan.FromSeconds(15));
                await Task.WhenAny(next, Task.Delay(100, TestContext.Current.CancellationToken));
            }

            text.Append(Encoding.UTF8.GetString(buffer, 0, await next));
            comments = text.ToString().Split(":\n\n").Length - 1;
        }

        go.SetResult();
        string whole = StubProvider.Event("one") + StubProvider.Event("two") + "data: [DONE]\n\n";
        if (kept)
        {
            using HttpResponseMessage again = await gateway.AskAsync(token, body);
            Assert.Equal(whole, await again.TextAsync());
        }
        else
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, TestContext.Current.CancellationToken)) > 0)
            {
                text.Append(Encoding.UTF8.GetString(buffer, 0, read));
            }

            // Comments stand between events.
            Assert.Equal(whole, string.Concat(text.ToString().Split("\n\n", StringSplitOptions.RemoveEmptyEntries).Where(part => part != ":").Select(part => part + "\n\n")));
        }

        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Reader_that_lost_a_stream_before_its_first_byte_gets_the_whole_reply()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var begin = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await begin.Task;
            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, "one");
            await StubProvider.EndStreamAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: true);
        Task<HttpResponseMessage>[] asked = [.. Enumerable.Range(0, 5).Select(_ => gateway.AskAsync(token, body))];
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        begin.SetResult();
        foreach (HttpResponseMessage response in await Task.WhenAll(asked))
        {
            Assert.EndsWith("data: [DONE]\n\n", await response.TextAsync(), StringComparison.Ordinal);
            response.Dispose();
        }

        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Client_that_vanishes_does_not_stop_the_reply(bool stream)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var go = new TaskCompletionSource();
        bool aborted = false;
        gateway.Provider.Answer = async context =>
        {
            context.RequestAborted.Register(() => aborted = true);
            await go.Task;
            if (stream)
            {
                await StubProvider.BeginStreamAsync(context);
                await StubProvider.SendEventAsync(context, "one");
                await StubProvider.EndStreamAsync(context);
            }
            else
            {
                await StubProvider.AnswerJsonAsync(context);
            }
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: stream);
        using (var gone = new CancellationTokenSource())
        {
            Task<HttpResponseMessage> asked = gateway.AskUntilAsync(token, body, gone.Token);
            await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked);
        }

        go.SetResult();
        using HttpResponseMessage again = await gateway.AskAsync(token, body);
        string text = await again.TextAsync();
        Assert.Equal(200, (int)again.StatusCode);
        Assert.Contains(stream ? "one" : "four", text, StringComparison.Ordinal);
        Assert.False(aborted);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Cancel_stops_the_provider_and_leaves_the_token_spent(bool afterFirstEvent)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var aborted = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            context.RequestAborted.Register(aborted.SetResult);
            if (afterFirstEvent)
            {
                await StubProvider.BeginStreamAsync(context);
                await StubProvider.SendEventAsync(context, "one");
            }

            await Task.Delay(Timeout.Infinite, context.RequestAborted);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: true);
        Task<HttpResponseMessage> asked = gateway.AskAsync(token, body);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        if (afterFirstEvent)
        {
            _ = await asked;
        }

        using HttpResponseMessage cancelled = await gateway.SendAsync(HttpMethod.Post, Routes.Cancel, authorization: token.Header);
        Assert.Equal("""{"cancelled":true}""", await cancelled.TextAsync());
        Assert.Equal(Routes.TokenSpent, cancelled.TokenState());
        await aborted.Task.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
        using HttpResponseMessage response = await asked;
        Assert.Contains(ErrorCodes.RequestCancelled, await response.TextAsync(), StringComparison.Ordinal);
        Assert.Equal(Routes.TokenSpent, response.TokenState());
        using HttpResponseMessage other = await gateway.AskAsync(token, TestGateway.Body("other"));
        await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        using HttpResponseMessage late = await gateway.SendAsync(HttpMethod.Post, Routes.Cancel, authorization: token.Header);
        Assert.Equal("""{"cancelled":false}""", await late.TextAsync());
    }

    [Fact]
    public async Task Cancel_by_someone_who_knows_only_the_token_input_does_nothing()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var answer = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await answer.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        Task<HttpResponseMessage> asked = gateway.AskAsync(token);
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        using HttpResponseMessage forged = await gateway.SendAsync(
            HttpMethod.Post, Routes.Cancel, authorization: token.With(bytes => bytes[200] ^= 1).Header);
        await forged.IsErrorAsync(401, ErrorCodes.TokenInvalid, Routes.TokenUnspent);
        answer.SetResult();
        using HttpResponseMessage response = await asked;
        await response.IsReplyAsync();
    }

    [Fact]
    public async Task Slow_reader_does_not_hold_the_provider_back()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
        {
            prepare.Configure = options => options with { MaxReplyBytes = 16 << 20 };
            prepare.Issuer.RemovePlan("chat");
            prepare.Issuer.AddPlan(TestGateway.ChatPlan with { MaxOutputTokens = 30_000 }, TestGateway.March);
        });
        var done = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.StreamEightMegabytesAsync(context);
            done.SetResult();
        };
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(stream: true));

        // Eight megabytes are more than the sockets hold, and nobody reads yet.
        await done.Task.WaitAsync(TimeSpan.FromMinutes(3), TestContext.Current.CancellationToken);
        string text = await response.TextAsync();
        Assert.EndsWith("data: [DONE]\n\n", text, StringComparison.Ordinal);
        Assert.True(text.Length > 8_000_000);
    }

    [Fact]
    public async Task Reply_beyond_its_room_is_cut_and_the_token_stays_spent()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
            prepare.Configure = options => options with { MaxReplyBytes = 8192 });
        TestToken token = gateway.Issuer.CreateToken("chat");
        gateway.Provider.Answer = context => StubProvider.WriteJsonAsync(context, StubProvider.Reply.Replace("four", new string('x', 10_000), StringComparison.Ordinal));
        using HttpResponseMessage response = await gateway.AskAsync(token);
        await response.IsErrorAsync(502, ErrorCodes.ReplyTooLarge, Routes.TokenSpent);
        using HttpResponseMessage other = await gateway.AskAsync(token, TestGateway.Body("other"));
        await other.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
    }

    [Fact(Timeout = 300_000)]
    public async Task Request_without_room_for_its_reply_spends_nothing()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
        {
            prepare.Configure = options => options with { ReplyMemoryBytes = 1 << 20, MaxReplyBytes = 700_000 };
            prepare.Issuer.RemovePlan("chat");
            prepare.Issuer.AddPlan(TestGateway.ChatPlan with { MaxOutputTokens = 30_000 }, TestGateway.March);
        });
        var answer = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await answer.Task;
            await StubProvider.AnswerJsonAsync(context);
        };
        Task<HttpResponseMessage> first = gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await TestGateway.UntilAsync(() => gateway.Provider.Calls == 1);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using HttpResponseMessage busy = await gateway.AskAsync(token);
        await busy.IsErrorAsync(503, ErrorCodes.GatewayBusy, Routes.TokenUnspent);
        answer.SetResult();
        using HttpResponseMessage done = await first;
        await done.IsReplyAsync();

        // The first took far less than was reserved for it. What it did not need is given back just behind its end.
        HttpResponseMessage again;
        while ((again = await gateway.AskAsync(token, TestGateway.Body("other"))).StatusCode == HttpStatusCode.ServiceUnavailable)
        {
            again.Dispose();
        }

        using HttpResponseMessage answered = again;
        await answered.IsReplyAsync();
    }

    [Fact]
    public async Task Reader_that_reads_nothing_holds_little_of_a_long_reply()
    {
        byte[] key = new byte[TokenKeys.KeySizeInBytes];
        Reply reply = CreateReply(new SealedBlocks(), key);
        reply.Append(new byte[4 << 20]);
        reply.End();
        var pipe = new Pipe(new PipeOptions(pauseWriterThreshold: 1, resumeWriterThreshold: 1));
        using ReplyReader reader = Assert.IsType<ReplyReader>(reply.Attach());

        ValueTask<bool> copying = reader.CopyAsync(pipe.Writer, key, s_signs, TestContext.Current.CancellationToken);
        Assert.False(copying.IsCompleted);
        Assert.True(pipe.Reader.TryRead(out ReadResult held));
        long size = held.Buffer.Length;
        Assert.InRange(size, 1, 128 << 10);
        pipe.Reader.AdvanceTo(held.Buffer.End);

        long read = size;
        while (read < 4 << 20)
        {
            ReadResult more = await pipe.Reader.ReadAsync(TestContext.Current.CancellationToken);
            read += more.Buffer.Length;
            pipe.Reader.AdvanceTo(more.Buffer.End);
        }

        Assert.True(await copying);
    }

    [Fact]
    public async Task Reply_that_is_let_go_is_still_read_to_its_end_by_who_reads_it()
    {
        byte[] key = new byte[TokenKeys.KeySizeInBytes];
        var blocks = new SealedBlocks();
        Reply reply = CreateReply(blocks, key);
        byte[] content = RandomNumberGenerator.GetBytes(300_000);
        reply.Append(content);
        reply.End();
        ReplyReader reader = Assert.IsType<ReplyReader>(reply.Attach());
        reply.Release();
        Assert.Null(reply.Attach());

        // What others write meanwhile must not land where this reply still lies.
        for (int i = 0; i < 20; i++)
        {
            Reply other = CreateReply(blocks, key);
            other.Append(new byte[200_000]);
            other.End();
            other.Release();
        }

        var output = new MemoryStream();
        Assert.True(await reader.CopyAsync(PipeWriter.Create(output), key, s_signs, TestContext.Current.CancellationToken));
        Assert.Equal(content, output.ToArray());
        reader.Dispose();
    }

    [Fact]
    public async Task Reply_that_is_let_go_stays_counted_until_its_last_reader_has_gone()
    {
        var time = new FakeTime(DateTimeOffset.UnixEpoch);
        var room = new MemoryRoom(1 << 20);
        await using var store = new ReplyStore(room, TimeSpan.FromMinutes(10), time);
        Assert.True(store.TryReserve(500_000, out long reserved));
        Reply reply = CreateReply(store.Blocks, new byte[TokenKeys.KeySizeInBytes], reserved);
        Assert.True(store.TryAdd(reply));
        reply.Append(new byte[200_000]);
        reply.End();
        store.Keep(reply);
        ReplyReader first = reply.Attach()!;
        ReplyReader second = reply.Attach()!;

        time.Advance(TimeSpan.FromMinutes(11));
        Assert.Equal(0, store.Count);
        first.Dispose();
        Assert.InRange(room.Taken, 200_000, 201_000);
        second.Dispose();
        Assert.Equal(0, room.Taken);
    }

    [Fact]
    public async Task Kept_reply_lies_in_memory_sealed_under_its_token()
    {
        byte[] key = RandomNumberGenerator.GetBytes(TokenKeys.KeySizeInBytes);
        var blocks = new SealedBlocks();
        Reply reply = CreateReply(blocks, key);
        byte[] content = RandomNumberGenerator.GetBytes(10_000);
        reply.Append(content);
        reply.End();

        // The slab that it lies in, whole.
        byte[] slab = blocks.Rent(1).Slab.Bytes;
        for (int at = 0; at + 16 <= content.Length; at += 16)
        {
            Assert.Equal(-1, slab.AsSpan().IndexOf(content.AsSpan(at, 16)));
        }

        using (ReplyReader thief = reply.Attach()!)
        {
            byte[] other = [.. key];
            other[0] ^= 1;
            await Assert.ThrowsAnyAsync<CryptographicException>(
                async () => await thief.CopyAsync(PipeWriter.Create(new MemoryStream()), other, s_signs, TestContext.Current.CancellationToken));
        }

        using ReplyReader owner = reply.Attach()!;
        var output = new MemoryStream();
        Assert.True(await owner.CopyAsync(PipeWriter.Create(output), key, s_signs, TestContext.Current.CancellationToken));
        Assert.Equal(content, output.ToArray());
    }

    [Fact]
    public void Slabs_of_replies_that_were_let_go_are_used_again()
    {
        var blocks = new SealedBlocks();
        var slabs = new HashSet<SealedBlocks.Slab>();
        var kept = new Queue<SealedBlock>();
        for (int i = 0; i < 20_000; i++)
        {
            SealedBlock block = blocks.Rent(4000);
            slabs.Add(block.Slab);
            kept.Enqueue(block);
            if (kept.Count > 500)
            {
                blocks.Release(kept.Dequeue());
            }
        }

        // Five hundred blocks fit in two slabs; eighty megabytes have gone through.
        Assert.InRange(slabs.Count, 2, 5);
    }

    private static Reply CreateReply(SealedBlocks blocks, byte[] key, long reserved = 0) =>
        new(new SpendId(new byte[SpendId.SizeInBytes]), new byte[TokenKeys.RequestTagSizeInBytes], key, reserved, blocks);
}
