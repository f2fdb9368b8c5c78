using Tacit.Gateway.Tests.Support;

namespace Tacit.Gateway.Tests;

/// <summary>Apart from the other tests of stopping, because it has to outlast a real server's patience.</summary>
public sealed class DrainTests
{
    [Fact]
    public async Task Stop_lets_a_stream_go_on_for_the_whole_drain_time()
    {
        await using TestGateway gateway = await TestGateway.CreateAsync();
        var go = new TaskCompletionSource();
        gateway.Provider.Answer = StubProvider.AnswerInTwo(go.Task);
        using HttpResponseMessage response = await gateway.AskAsync(gateway.Issuer.CreateToken("chat"), TestGateway.Body(stream: true));
        Task stopping = gateway.Server.StopAsync(TestContext.Current.CancellationToken);
        await Task.Delay(TimeSpan.FromSeconds(6), TestContext.Current.CancellationToken);
        go.SetResult();
        Assert.EndsWith("data: [DONE]\n\n", await response.TextAsync(), StringComparison.Ordinal);
        await stopping;
    }
}
