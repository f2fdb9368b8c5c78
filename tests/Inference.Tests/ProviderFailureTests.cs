using System.Text;
using Tacit.Protocol;

namespace Tacit.Inference.Tests;

/// <summary>Providers that hang, reset, lie and flood. Each ends in one typed error, and says whether the token may be given back.</summary>
public sealed class ProviderFailureTests
{
    private const string First = "data: {\"id\":1}\n\n";

    public static TheoryData<string, bool, string, bool> Answers => new()
    {
        // status line and headers, then body; streamed?; code; provoked by the client?
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{\"id\":1}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\n{\"id\":1}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{}{}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 17\r\n\r\n{\"id\":1,\"id\":100}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n{}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 10\r\n\r\ndata: {}\n\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 204 No Content\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/9.9 200 OK\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "SSH-2.0-OpenSSH_9.2\r\n", false, ErrorCodes.ProviderError, false },
        { "\0\0\0\0\0\0\0\0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 402 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 408 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.GatewayBusy, false },
        { "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 400 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderRejected, true },
        { "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderRejected, true },
        { "HTTP/1.1 413 No\r\nContent-Length: 0\r\n\r\n", false, ErrorCodes.ProviderRejected, true },
        { "HTTP/1.1 422 No\r\nContent-Length: 9\r\n\r\nnot whole", false, ErrorCodes.ProviderRejected, true },
        { "HTTP/1.1 400 No\r\nContent-Length: 900\r\n\r\n{", false, ErrorCodes.ProviderRejected, true },

        { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 0\r\n\r\n", true, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 8\r\n\r\ndata: {}", true, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 11\r\n\r\ndata: {}{\n\n", true, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 12\r\n\r\ndata: hello\n\n", true, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 8\r\n\r\n: only\n\n", true, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n", true, ErrorCodes.ProviderError, false },
        { "HTTP/1.1 500 No\r\nContent-Type: text/event-stream\r\nContent-Length: 10\r\n\r\ndata: {}\n\n", true, ErrorCodes.ProviderError, false },
    };

    /// <summary>How a stream goes wrong after its first event; what is sent is one chunk, and the socket is closed after it.</summary>
    public static TheoryData<string> Endings =>
    [
        "6\r\ndata: \r\n0\r\n\r\n",
        "b\r\ndata: {\"id\"\r\n",
        "zz\r\n",
        "",
        "e\r\ndata: nope\n\n\n\n\r\n0\r\n\r\n",
        "9\r\ndata: {}\n\r\n0\r\n\r\n",
        "c\r\ndata: \"\u00ff\"\n\n\r\n0\r\n\r\n",
    ];

    [Theory]
    [MemberData(nameof(Answers))]
    public async Task Answer_that_is_no_reply_ends_in_one_typed_error(string answer, bool stream, string code, bool provoked)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.SendAsync(answer);
            exchange.Close();
        });
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, string before) = await harness.FailAsync(stream: stream);
        Assert.Equal((code, provoked, ""), (failure.Error.Code, failure.ClientProvoked, before));
        Assert.Equal(code, failure.Message);
        Assert.Single(provider.Requests);
        if (code == ErrorCodes.ProviderRejected)
        {
            Assert.Equal(answer.Split(' ')[1], failure.Error.Status.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        else
        {
            Assert.Equal(ErrorCodes.StatusOf(code), failure.Error.Status);
        }
    }

    [Theory]
    [MemberData(nameof(Endings))]
    public async Task Stream_that_breaks_off_keeps_its_whole_events_and_ends_in_an_error(string ending)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(First);
            await exchange.SendAsync(Encoding.Latin1.GetBytes(ending));
            exchange.Close();
        });
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, string before) = await harness.FailAsync(stream: true);

        // A broken chunk right behind a whole one may be met in the same read: then nothing was handed on yet, and the error says so.
        Assert.Equal(before.Length == 0 ? ErrorCodes.ProviderError : ErrorCodes.ReplyInterrupted, failure.Error.Code);
        Assert.True(before is First || (before.Length == 0 && ending.StartsWith("zz", StringComparison.Ordinal)), before);
    }

    [Fact]
    public async Task Stream_without_framing_that_ends_before_its_last_event_is_an_error()
    {
        const string Head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";
        await using ScriptedProvider provider = ScriptedProvider.InTurn(
            async exchange =>
            {
                await exchange.SendAsync(Head + First);
                exchange.Close();
            },
            async exchange =>
            {
                await exchange.SendAsync(Head + First + "data: [DONE]\n\n");
                exchange.Close();
            });
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, string before) = await harness.FailAsync(stream: true);
        Assert.Equal((ErrorCodes.ReplyInterrupted, First), (failure.Error.Code, before));
        Assert.Equal(First + "data: [DONE]\n\n", await harness.AskAsync(stream: true));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Reset_before_the_reply_is_not_repeated_with_the_only_key(bool stream)
    {
        await using ScriptedProvider provider = ScriptedProvider.InTurn(
            exchange => exchange.JsonAsync("{}"),
            exchange =>
            {
                exchange.Reset();
                return Task.CompletedTask;
            });
        await using var harness = new RouterHarness(provider);

        // The second request goes out on a connection that has served before: the handler must not resend it on a fresh one by itself.
        await harness.AskAsync();
        (ProviderException failure, _) = await harness.FailAsync(stream: stream);
        Assert.Equal((ErrorCodes.ProviderError, false), (failure.Error.Code, failure.ClientProvoked));
        Assert.Equal(2, provider.Requests.Count);
    }

    [Fact]
    public async Task Reset_in_a_stream_is_an_interruption()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.BeginEventsAsync();
            await exchange.ChunkAsync(First);
            await Task.Delay(50, exchange.Stopping);
            exchange.Reset();
        });
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, string before) = await harness.FailAsync(stream: true);
        Assert.Equal(before.Length == 0 ? ErrorCodes.ProviderError : ErrorCodes.ReplyInterrupted, failure.Error.Code);
        Assert.True(before is "" or First);
    }

    [Fact]
    public async Task Redirect_is_not_followed()
    {
        await using ScriptedProvider target = ScriptedProvider.Start(exchange => exchange.JsonAsync("{}"));
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync("{}", 307, $"Location: {target.BaseUrl}/chat/completions\r\n"));
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderError, false), (failure.Error.Code, failure.ClientProvoked));
        Assert.Empty(target.Requests);
    }

    [Fact]
    public async Task Endless_header_is_cut_off()
    {
        long sent = 0;
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.SendAsync("HTTP/1.1 200 OK\r\nX: ");
            byte[] piece = new byte[64 << 10];
            Array.Fill(piece, (byte)'x');
            while (exchange.Sent < 1L << 30)
            {
                // Before the piece: on a busy machine the other side may have hung up before its first is taken.
                Volatile.Write(ref sent, exchange.Sent);
                await exchange.SendAsync(piece);
            }
        });
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal(ErrorCodes.ProviderError, failure.Error.Code);
        Assert.InRange(Volatile.Read(ref sent), 1, 32 << 20);
    }

    public static TheoryData<string, string, bool> Floods => new()
    {
        { "Content-Type: application/json\r\nContent-Length: 1073741824", "x", false },
        { "Content-Type: application/json\r\nTransfer-Encoding: chunked", "10000\r\n" + new string('x', 0x10000) + "\r\n", false },
        { "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked", "10000\r\n" + new string('x', 0x10000) + "\r\n", true },
        { "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked", "10000\r\n" + new string('\n', 0x10000) + "\r\n", true },
        { "Content-Type: text/event-stream\r\nContent-Length: 1073741824", ": comment\n\n", true },
        { "Content-Type: text/event-stream\r\nContent-Length: 1073741824", "data: {\"id\":1}\n\n", true },
    };

    [Theory]
    [MemberData(nameof(Floods))]
    public async Task Reply_of_a_gigabyte_is_cut_off_at_the_limit(string headers, string piece, bool stream)
    {
        long sent = 0;
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.SendAsync($"HTTP/1.1 200 OK\r\n{headers}\r\n\r\n");
            byte[] bytes = Encoding.ASCII.GetBytes(piece.Length > 1000 ? piece : string.Concat(Enumerable.Repeat(piece, 2000)));
            while (exchange.Sent < 1L << 30)
            {
                await exchange.SendAsync(bytes);
                Volatile.Write(ref sent, exchange.Sent);
            }
        });
        await using var harness = new RouterHarness(new InferenceOptions { Backends = [RouterHarness.Backend(provider.BaseUrl)], MaxReplyBytes = 1 << 20, MaxEventBytes = 1 << 18 });
        (ProviderException failure, string before) = await harness.FailAsync(stream: stream);
        Assert.Equal((ErrorCodes.ReplyTooLarge, true), (failure.Error.Code, failure.ClientProvoked));
        Assert.InRange(before.Length, 0, 1 << 20);

        // What the provider could get rid of is the limit and what fits the sockets between, not the gigabyte.
        Assert.InRange(Volatile.Read(ref sent), 0, 32 << 20);
    }

    [Fact]
    public async Task Caller_sets_a_lower_limit_than_the_options()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync("{\"id\":\"" + new string('x', 5000) + "\"}"));
        await using var harness = new RouterHarness(provider);
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{RouterHarness.Model}}","input":"x"}""");
        await using ProviderReply reply = await harness.Router.SendAsync(
            Operation.Embeddings, RouterHarness.Model, false, body, RequestFacts.None, TestContext.Current.CancellationToken, maxReplyBytes: 4096);
        using var text = new SensitiveBuffer();
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(async () => await reply.ReadAsync(text, TestContext.Current.CancellationToken));
        Assert.Equal(ErrorCodes.ReplyTooLarge, failure.Error.Code);
        Assert.Equal(0, text.WrittenCount);
    }

    [Fact]
    public async Task Large_request_answered_before_it_is_read_is_passed_on()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(async exchange =>
        {
            await exchange.JsonAsync("{\"error\":{\"message\":\"too long\"}}", 413);
            await exchange.HangAsync();
        }).LeavingBodies();
        await using var harness = new RouterHarness(provider);
        byte[] body = Encoding.UTF8.GetBytes($$"""{"model":"{{RouterHarness.Model}}","input":"{{new string('x', 1 << 20)}}"}""");
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(() => harness.Router.SendAsync(
            Operation.Embeddings, RouterHarness.Model, false, body, RequestFacts.None, TestContext.Current.CancellationToken));
        Assert.Contains(failure.Error.Code, new[] { ErrorCodes.ProviderRejected, ErrorCodes.ProviderTimeout, ErrorCodes.ProviderError });
    }

    [Theory]
    [InlineData("""{"error":{"message":"m too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}""", "m too long (provider's code: context_length_exceeded)", "invalid_request_error", "messages")]
    [InlineData("""{"error":"plain"}""", "plain", "invalid_request_error", null)]
    [InlineData("""{"message":"at the top","type":7,"param":"a b"}""", "at the top", "invalid_request_error", null)]
    [InlineData("""{"error":{"message":"Incorrect key sk-canary-key-77aa given"}}""", "The provider refuses this request.", "invalid_request_error", null)]
    [InlineData("<html>", "The provider refuses this request.", "invalid_request_error", null)]
    [InlineData("""["x"]""", "The provider refuses this request.", "invalid_request_error", null)]
    [InlineData("""{"error":{"message":"\ud800"}}""", "The provider refuses this request.", "invalid_request_error", null)]
    public async Task Refusal_tells_the_caller_what_the_provider_said(string body, string message, string type, string? param)
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync(body, 400));
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal((ErrorCodes.ProviderRejected, 400, message, type, param), (failure.Error.Code, failure.Error.Status, failure.Error.Message, failure.Error.Type, failure.Error.Param));
    }

    [Fact]
    public async Task Refusal_of_any_length_is_told_in_4_KiB()
    {
        await using ScriptedProvider provider = ScriptedProvider.Start(exchange => exchange.JsonAsync("{\"error\":{\"message\":\"" + new string('x', 50_000) + "\"}}", 400));
        await using var harness = new RouterHarness(provider);
        (ProviderException failure, _) = await harness.FailAsync();
        Assert.Equal(new string('x', 4096), failure.Error.Message);
    }

    [Fact]
    public async Task Unknown_model_is_not_found()
    {
        await using var harness = new RouterHarness(new InferenceOptions { DemoModel = true });
        ProviderException failure = await Assert.ThrowsAsync<ProviderException>(() => harness.SendAsync(model: "other", cancellationToken: TestContext.Current.CancellationToken));
        Assert.Equal((ErrorCodes.ModelNotFound, 404, true), (failure.Error.Code, failure.Error.Status, failure.ClientProvoked));
    }
}
