using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tacit.Gateway.Tests.Support;
using Tacit.Gateway.Work;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>Prompts through <c>POST /ohttp</c>, on real sockets.</summary>
public sealed class ObliviousTests
{
    private static readonly string[] s_parts = ["one", "two", "three"];

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Prompt_is_answered_inside_as_outside(bool isChunked)
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        TestToken token = gateway.Issuer.CreateToken("chat");

        ObliviousAnswer answer = await client.AskAsync(token, isChunked: isChunked);

        answer.IsReply();
        Assert.Equal((200, isChunked ? MediaTypes.ObliviousChunkedResponse : MediaTypes.ObliviousResponse), (answer.OuterStatus, answer.OuterType));
        Assert.Equal(256, answer.PlaintextSize);
        // The same token and body, in another encapsulation or in none, is the same request; another body is not.
        (await client.AskAsync(token, isChunked: !isChunked)).IsReply();
        using HttpResponseMessage outside = await gateway.AskAsync(token);
        await outside.IsReplyAsync();
        (await client.AskAsync(token, TestGateway.Body("3+3?"), isChunked)).IsError(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Streamed_prompt_is_answered_event_by_event()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        var next = new SemaphoreSlim(0);
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.BeginStreamAsync(context);
            foreach (string content in s_parts)
            {
                await StubProvider.SendEventAsync(context, content);
                await next.WaitAsync(context.RequestAborted);
            }

            await StubProvider.EndStreamAsync(context);
        };
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: true)!;
        byte[] request = ObliviousClient.SealRequest(
            exchange, "POST", Routes.ChatCompletions, TestGateway.Body(stream: true), [new("authorization", gateway.Issuer.CreateToken("chat").Header)]);
        using HttpResponseMessage response = await client.PostAsync(request, isChunked: true, TestContext.Current.CancellationToken);
        int seen = 0;
        ObliviousAnswer answer = await ObliviousClient.ReadAsync(
            exchange, response,
            text =>
            {
                // The provider goes on only once what it said has been seen at the other end.
                if (seen < 3 && text.Contains(s_parts[seen], StringComparison.Ordinal))
                {
                    seen++;
                    next.Release();
                }
            });

        Assert.Equal(3, seen);
        Assert.True(answer.IsWhole);
        Assert.Equal(200, answer.Response!.Status);
        Assert.Equal("text/event-stream", answer.Header("content-type")![..17]);
        Assert.Equal(string.Concat(s_parts.Select(StubProvider.Event)) + "data: [DONE]\n\n", answer.Events());
    }

    [Fact]
    public async Task Models_directory_exchange_and_cancel_work_inside_and_nothing_else_does()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        foreach (string path in new[] { Routes.Models, Routes.Models + "/" + TestGateway.Model, Routes.IssuerDirectory })
        {
            using HttpResponseMessage outside = await gateway.SendAsync(HttpMethod.Get, path);
            ObliviousAnswer inside = await client.SendAsync("GET", path, isChunked: path == Routes.Models);
            Assert.Equal((200, await outside.TextAsync()), (inside.Response!.Status, inside.Text));
        }

        TestToken token = gateway.Issuer.CreateToken("chat");
        ObliviousAnswer cancelled = await client.SendAsync("POST", Routes.Cancel, headers: [new("authorization", token.Header)]);
        Assert.Equal((200, "{\"cancelled\":false}"), (cancelled.Response!.Status, cancelled.Text));
        foreach (string path in new[] { "/", "/nothing", Routes.Oblivious, Routes.SealingKeys, Routes.HealthReady })
        {
            (await client.SendAsync("POST", path)).IsError(404, ErrorCodes.NotFound, null);
        }

        (await client.SendAsync("GET", Routes.ChatCompletions)).IsError(405, ErrorCodes.MethodNotAllowed, null);
        (await client.SendAsync("POST", Routes.Models)).IsError(405, ErrorCodes.MethodNotAllowed, null);
        foreach (string path in new[] { Routes.ChatCompletions, Routes.Responses, Routes.Embeddings, Routes.Messages })
        {
            Assert.Equal(401, (await client.SendAsync("POST", path, TestGateway.Body())).Response!.Status);
        }

        (await client.SendAsync("POST", Routes.Exchange, "{}")).IsError(400, ErrorCodes.InvalidJson, Routes.TokenUnspent);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_cannot_be_opened_is_the_key_problem_of_the_standard(bool isChunked)
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        Func<byte[], byte[]>[] changes =
        [
            request => [(byte)(request[0] ^ 0x64), .. request[1..]],   // a key that there is not
            request => [.. request[..1], 0xff, 0xff, .. request[3..]], // a KEM that there is not
            request => [.. request[..5], 0xff, 0xff, .. request[7..]], // an AEAD that there is not
            request => [.. request[..7], .. new byte[32], .. request[39..]], // an encapsulated key that is none
            request => [.. request[..^1], (byte)(request[^1] ^ 1)],
            request => request[..^1],
            request => request[..40],
            request => request[..7],
            request => request[..3],
            _ => [],
        ];
        foreach (Func<byte[], byte[]> change in changes)
        {
            ObliviousAnswer answer = await client.SendAsync("POST", Routes.ChatCompletions, TestGateway.Body(), isChunked: isChunked, change: change);
            Assert.Equal((400, MediaTypes.ProblemJson), (answer.OuterStatus, answer.OuterType));
            Assert.Equal(
                "{\"type\":\"https://iana.org/assignments/http-problem-types#ohttp-key\",\"title\":\"key identifier unknown\",\"status\":400}",
                Encoding.UTF8.GetString(answer.Encapsulated));
        }

        // Sealed for one media type and sent as the other.
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked)!;
        byte[] request = ObliviousClient.SealRequest(exchange, "GET", Routes.Models, null, []);
        using HttpResponseMessage crossed = await client.PostAsync(request, !isChunked, TestContext.Current.CancellationToken);
        Assert.Equal(400, (int)crossed.StatusCode);
        Assert.Equal(0, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Hostile_requests_get_typed_errors_outside_before_they_are_open_and_inside_after()
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        using (HttpResponseMessage wrongType = await gateway.SendAsync(HttpMethod.Post, Routes.Oblivious, "{}"))
        {
            await wrongType.IsErrorAsync(415, ErrorCodes.UnsupportedMediaType, null);
        }

        using (HttpResponseMessage get = await gateway.SendAsync(HttpMethod.Get, Routes.Oblivious))
        {
            await get.IsErrorAsync(405, ErrorCodes.MethodNotAllowed, null);
        }

        // The largest plan takes 4 KiB; with head and padding a request never comes near this.
        ObliviousAnswer large = await client.SendAsync("POST", Routes.ChatCompletions, new string('x', 200_000));
        Assert.Equal(413, large.OuterStatus);
        Assert.Contains(ErrorCodes.RequestTooLarge, Encoding.UTF8.GetString(large.Encapsulated), StringComparison.Ordinal);

        TestToken token = gateway.Issuer.CreateToken("chat");
        foreach (bool isChunked in new[] { true, false })
        {
            // No binary HTTP at all, cut short, and of the wrong kind.
            foreach (string hex in new[] { "", "ffff", "00034745540568747470", "0140c8", "000347455405687474707300012f0000ff" })
            {
                using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked)!;
                System.Buffers.ArrayBufferWriter<byte> sealedBytes = new();
                if (isChunked)
                {
                    exchange.SealChunk(Convert.FromHexString(hex), isFinal: true, sealedBytes);
                }
                else
                {
                    exchange.SealRequest(Convert.FromHexString(hex), sealedBytes);
                }

                using HttpResponseMessage response = await client.PostAsync(sealedBytes.WrittenSpan.ToArray(), isChunked, TestContext.Current.CancellationToken);
                (await ObliviousClient.ReadAsync(exchange, response)).IsError(400, ErrorCodes.BadRequest, null);
            }

            // A request of the whole server, which has no path (RFC 9110, section 7.1).
            (await client.SendAsync("OPTIONS", "*", isChunked: isChunked)).IsError(404, ErrorCodes.NotFound, null);

            // The rules for headers and bodies are those of outside.
            BinaryHttpField authorization = new("authorization", token.Header);
            (await client.SendAsync("POST", Routes.ChatCompletions, TestGateway.Body(), [authorization, new("cookie", "a=b")], isChunked))
                .IsError(400, ErrorCodes.LinkedCredentials, Routes.TokenUnspent);
            (await client.SendAsync("POST", Routes.ChatCompletions, "{", [authorization], isChunked)).IsError(400, ErrorCodes.InvalidJson, Routes.TokenUnspent);
            (await client.SendAsync("POST", Routes.ChatCompletions, TestGateway.Body(new string('x', 9000)), [authorization], isChunked))
                .IsError(413, ErrorCodes.RequestTooLarge, Routes.TokenUnspent);
        }

        (await client.AskAsync(token)).IsReply();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Nothing_of_the_outer_request_is_seen_inside()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.Configure = options => ObliviousClient.Sealed(options));
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: false)!;
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway.Address, Routes.Oblivious))
        {
            Content = new ByteArrayContent(ObliviousClient.SealRequest(exchange, "POST", Routes.ChatCompletions, TestGateway.Body(), [new("authorization", token.Header)])),
        };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", "Message/OHTTP-req; of=nothing");
        // Outside it would be refused, beside a token of a request plan.
        request.Headers.TryAddWithoutValidation(Routes.SuccessorHeader, "AAAA");
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseCookies = false });
        using HttpResponseMessage response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        (await ObliviousClient.ReadAsync(exchange, response)).IsReply();
    }

    [Theory]
    [InlineData("Cookie", "session=alice")]
    [InlineData("Authorization", "Bearer of-alice")]
    [InlineData("Proxy-Authorization", "Basic YTpi")]
    [InlineData("x-api-key", "sk-alice")]
    public async Task Credential_beside_a_sealed_request_is_refused_and_nothing_is_spent(string name, string value)
    {
        await using TestGateway gateway = await StartAsync();
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        TestToken token = gateway.Issuer.CreateToken("chat");
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: false)!;
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(gateway.Address, Routes.Oblivious))
        {
            Content = new ByteArrayContent(ObliviousClient.SealRequest(exchange, "POST", Routes.ChatCompletions, TestGateway.Body(), [new("authorization", token.Header)])),
        };
        request.Content.Headers.TryAddWithoutValidation("Content-Type", MediaTypes.ObliviousRequest);
        request.Headers.TryAddWithoutValidation(name, value);
        using var http = new HttpMessageInvoker(new SocketsHttpHandler { UseCookies = false });
        using HttpResponseMessage response = await http.SendAsync(request, TestContext.Current.CancellationToken);
        await response.IsErrorAsync(400, ErrorCodes.LinkedCredentials, null);
        Assert.Equal(0, gateway.Provider.Calls);

        (await client.AskAsync(token, TestGateway.Body("3+3?"))).IsReply();
    }

    [Fact]
    public async Task Work_that_is_asked_of_sealed_requests_stands_beside_them_and_is_for_one_alone()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare => prepare.Configure = options =>
            ObliviousClient.Sealed(options) with { Work = new WorkOptions { For = [WorkKinds.Sealed], MinBits = 6 } });
        using ObliviousClient client = await ObliviousClient.ConnectAsync(gateway);
        using ObliviousClientExchange exchange = ObliviousClientExchange.TryCreate(client.Configuration, isChunked: false)!;
        byte[] request = ObliviousClient.SealRequest(exchange, "GET", Routes.Models, null, []);
        using HttpResponseMessage refused = await client.PostAsync(request, isChunked: false, TestContext.Current.CancellationToken);
        Assert.Equal(428, (int)refused.StatusCode);
        using JsonDocument document = JsonDocument.Parse(await refused.TextAsync());
        JsonElement work = document.RootElement.GetProperty("error").GetProperty("work");
        byte[] challenge = Base64Url.DecodeFromChars(work.GetProperty("challenge").GetString());
        byte[] digest = SHA256.HashData(request.AsSpan(ObliviousRequestHeader.SizeInBytes));
        Assert.True(new WorkStamp(challenge, 1).TrySolve(digest, work.GetProperty("bits").GetInt32(), 100_000, out WorkStamp stamp));

        using HttpResponseMessage answered = await client.PostAsync(request, isChunked: false, TestContext.Current.CancellationToken, stamp.ToString());
        Assert.Equal(200, (await ObliviousClient.ReadAsync(exchange, answered)).Response!.Status);
        using HttpResponseMessage again = await client.PostAsync(request, isChunked: false, TestContext.Current.CancellationToken, stamp.ToString());
        Assert.Equal(428, (int)again.StatusCode);
    }

    [Fact]
    public async Task Gateway_without_sealing_keys_has_no_such_resource()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        using HttpResponseMessage response = await gateway.SendAsync(HttpMethod.Post, Routes.Oblivious, "x");
        await response.IsErrorAsync(404, ErrorCodes.NotFound, null);
    }

    private static Task<TestGateway> StartAsync(Action<TestGateway>? prepare = null) => TestGateway.CreateAsync(gateway =>
    {
        gateway.Configure = options => ObliviousClient.Sealed(options);
        prepare?.Invoke(gateway);
    });
}
