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
}
