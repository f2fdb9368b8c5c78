using System.Net.Sockets;
using System.Text;
using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

/// <summary>How often a reply can be had again.</summary>
public sealed class KeptReplyTests
{
    /// <summary>Or a token that was paid for once would fetch a large reply for ten minutes without end.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Kept_reply_is_sent_over_so_often_and_then_counts_as_gone(bool stream)
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        string filler = new('x', 40_000);
        gateway.Provider.Answer = async context =>
        {
            if (!stream)
            {
                await StubProvider.WriteJsonAsync(context, StubProvider.Reply.Replace("four", filler, StringComparison.Ordinal));
                return;
            }

            await StubProvider.BeginStreamAsync(context);
            await StubProvider.SendEventAsync(context, filler);
            await StubProvider.EndStreamAsync(context);
        };
        TestToken token = gateway.Issuer.CreateToken("chat");
        string body = TestGateway.Body(stream: stream);
        int sent = 0;
        while (true)
        {
            using HttpResponseMessage response = await gateway.AskAsync(token, body);
            if (!response.IsSuccessStatusCode)
            {
                await response.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
                break;
            }

            Assert.Contains(filler, await response.TextAsync(), StringComparison.Ordinal);
            Assert.InRange(++sent, 1, 100);
        }

        // Its own length so often, and the megabyte that lets a short reply be had oftener.
        Assert.InRange(sent, 64, 64 + 27);
        using HttpResponseMessage other = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), body);
        Assert.True(other.IsSuccessStatusCode);
        Assert.Equal(2, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Reader_that_reads_nothing_is_let_go_and_the_room_of_its_reply_with_it()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync(prepare =>
        {
            prepare.Configure = options => options with
            {
                ReplyMemoryBytes = 20 << 20,
                MaxReplyBytes = 16 << 20,
                Limits = new GatewayLimits { MinResponseBytesPerSecond = 1 << 30, ResponseGracePeriod = TimeSpan.FromSeconds(1.1) },
            };
            prepare.Issuer.RemovePlan("chat");
            prepare.Issuer.AddPlan(TestGateway.ChatPlan with { MaxOutputTokens = 30_000 }, TestGateway.March);
        });
        var done = new TaskCompletionSource();
        gateway.Provider.Answer = async context =>
        {
            await StubProvider.StreamEightMegabytesAsync(context);
            done.SetResult();
        };
        string body = TestGateway.Body(stream: true);
        using var reader = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        // Eight megabytes are more than the sockets hold.
        reader.ReceiveBufferSize = 4096;
        await reader.ConnectAsync(gateway.Address.Host, gateway.Address.Port, TestContext.Current.CancellationToken);
        await reader.SendAsync(
            Encoding.ASCII.GetBytes(
                $"POST {Routes.ChatCompletions} HTTP/1.1\r\nHost: g\r\nContent-Type: application/json\r\n"
                + $"Authorization: {gateway.Issuer.CreateToken("chat").Header}\r\nContent-Length: {body.Length}\r\n\r\n{body}"),
            TestContext.Current.CancellationToken);
        await done.Task.WaitAsync(TimeSpan.FromMinutes(3), TestContext.Current.CancellationToken);

        // The reply is kept no longer, and as long as somebody reads it there is no room for another.
        gateway.Provider.Answer = StubProvider.AnswerInTwo(Task.CompletedTask);
        TestToken token = gateway.Issuer.CreateToken("chat");
        for (int i = 0; ; i++)
        {
            gateway.Time.Advance(TimeSpan.FromMinutes(1));
            using HttpResponseMessage response = await gateway.AskAsync(token, body);
            if (response.IsSuccessStatusCode)
            {
                break;
            }

            await response.IsErrorAsync(503, ErrorCodes.GatewayBusy, Routes.TokenUnspent);
            // Far less than the five minutes that the default rate allows.
            Assert.InRange(i, 0, 1200);
            await Task.Delay(100, TestContext.Current.CancellationToken);
        }
    }
}
