using Tacit.Client.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>The whole path: voucher, credits, tokens, prompt, reply.</summary>
public sealed class PathTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;

    public async ValueTask InitializeAsync() => _operator = await TestOperator.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Prompt_with_a_filled_wallet_is_answered_for_one_token()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder.Path, credits: 30, tokens: 10);

        (int status, string body, PromptReply reply) = await client.Redemption.AnswerAsync(Prompts.Ask("What did you see?"), TestContext.Current.CancellationToken);

        Assert.Equal(200, status);
        Assert.Contains("\"choices\"", body, StringComparison.Ordinal);
        Assert.Equal("chat", reply.Plan);
        Assert.Equal(TokenOutcome.Spent, reply.Token);
        PlanHoldings holdings = await client.HoldingsAsync();
        Assert.Equal((9, 1, 0), (holdings.Held, holdings.Spent, holdings.Presented));
        Assert.Equal(20, (await client.Account.GetAsync(TestContext.Current.CancellationToken)).Credits);
        Assert.Empty(await client.Redemption.GetPendingAsync(TestContext.Current.CancellationToken));
    }
}
