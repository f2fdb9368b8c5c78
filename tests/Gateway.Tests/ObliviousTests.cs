using System.Text;
using Tacit.Gateway.Tests.Support;
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
        (await client.SendAsync("POST", Routes.ChatCompletions, TestGateway.Body())).IsError(401, ErrorCodes.TokenRequired, null);
        (await client.SendAsync("POST", Routes.Exchange, "{}")).IsError(400, ErrorCodes.InvalidJson, Routes.TokenUnspent);
    }

    private static Task<TestGateway> StartAsync(Action<TestGateway>? prepare = null) => TestGateway.CreateAsync(gateway =>
    {
        gateway.Configure = options => ObliviousClient.Sealed(options);
        prepare?.Invoke(gateway);
    });
}
