using Tacit.Gateway.Tests.Support;
using Tacit.Protocol;

namespace Tacit.Gateway.Tests;

public sealed class RedemptionTests
{
    [Fact]
    public async Task Redemption_of_a_fresh_token_brings_the_providers_reply()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"));
        await response.IsReplyAsync();
        Assert.Equal(1, gateway.Provider.Calls);
    }

    [Fact]
    public async Task Redemption_of_one_token_by_five_hundred_at_once_asks_the_provider_once()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        TestToken token = gateway.Issuer.CreateToken("chat");
        HttpResponseMessage[] responses = await Task.WhenAll(Enumerable.Range(0, 500).Select(
            i => gateway.AskAsync(token, TestGateway.Body(i % 2 == 0 ? "2+2?" : $"{i}"))));

        Assert.Equal(1, gateway.Provider.Calls);
        int replies = 0;
        foreach (HttpResponseMessage response in responses)
        {
            if (response.IsSuccessStatusCode)
            {
                await response.IsReplyAsync();
                replies++;
            }
            else
            {
                await response.IsErrorAsync(409, ErrorCodes.TokenSpent, Routes.TokenSpent);
            }

            response.Dispose();
        }

        Assert.True(replies is 250 or 1, $"{replies} replies");
    }

    [Fact]
    public async Task Stream_reaches_the_reader_event_by_event()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var second = new TaskCompletionSource();
        gateway.Provider.Answer = StubProvider.AnswerInTwo(second.Task);
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(stream: true));
        Assert.Equal(Routes.TokenSpent, response.TokenState());
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType?.MediaType);
        await using Stream stream = await response.Content.ReadAsStreamAsync(TestContext.Current.CancellationToken);
        using var reader = new StreamReader(stream);
        Assert.Contains("one", await reader.ReadLineAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
        second.SetResult();
        string rest = await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Contains("two", rest, StringComparison.Ordinal);
        Assert.EndsWith("data: [DONE]\n\n", rest, StringComparison.Ordinal);
    }
}
