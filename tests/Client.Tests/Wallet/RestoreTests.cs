using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>A wallet made again from its seed gets back what it bought, finds out one prompt at a time what was spent, and debits nothing.</summary>
public sealed class RestoreTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _operator = await TestOperator.StartAsync();

    public async ValueTask DisposeAsync()
    {
        await _operator.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Restored_tokens_pay_for_prompts_and_the_spent_ones_turn_out_one_at_a_time()
    {
        await using TacitClient restored = await LoseAsync(bought: 5, spent: 3);
        _operator.GatewayFront.Seen.Clear();

        Assert.Equal(5, await restored.Filler.RestoreAsync(Token));
        Assert.Equal((0, 5), (await restored.HoldingsAsync()) is var before ? (before.Held, before.Unknown) : default);
        Assert.Empty(_operator.GatewayFront.Seen);

        int answered = 0;
        for (int i = 0; i < 4; i++)
        {
            Exception? error = await Record.ExceptionAsync(async () =>
                answered += (await restored.Redemption.AnswerAsync(Prompts.Ask($"Which is left? {i}"), Token)).Status == 200 ? 1 : 0);
            Assert.True(error is null or ClientException { Error: ClientError.WalletEmpty });
        }

        Assert.Equal(2, answered);
        Assert.Equal((0, 5), (await restored.HoldingsAsync()) is var after ? (after.Unknown, after.Spent) : default);
        Assert.Equal(5, _operator.GatewayFront.SeenAt("/v1/chat/completions").Count);
    }

    [Fact]
    public async Task One_prompt_tries_few_restored_tokens()
    {
        await using TacitClient restored = await LoseAsync(bought: 10, spent: 10);
        await restored.Filler.RestoreAsync(Token);
        _operator.GatewayFront.Seen.Clear();

        (int status, _, _) = await restored.Redemption.AnswerAsync(Prompts.Ask("All gone?"), Token);

        Assert.Equal(409, status);
        Assert.Equal(4, _operator.GatewayFront.Seen.Count);
    }

    [Fact]
    public async Task Prompt_with_fresh_tokens_at_hand_tries_one_restored_token()
    {
        await using TacitClient restored = await LoseAsync(bought: 5, spent: 5, credits: 10);
        await restored.Filler.RestoreAsync(Token);
        await restored.Filler.FillAsync("chat", 5, cancellationToken: Token);
        _operator.GatewayFront.Seen.Clear();

        (int status, _, _) = await restored.Redemption.AnswerAsync(Prompts.Ask("Mixed."), Token);

        Assert.Equal(200, status);
        Assert.Equal(2, _operator.GatewayFront.Seen.Count);
        Assert.Equal((4, 4, 2), (await restored.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Unknown, holdings.Spent) : default);
    }

    [Fact]
    public async Task Restoring_debits_nothing_and_twice_is_the_same()
    {
        await using TacitClient restored = await LoseAsync(bought: 5, spent: 0, credits: 12);
        long before = (await restored.Account.GetAsync(Token)).Credits;

        Assert.Equal(5, await restored.Filler.RestoreAsync(Token));
        Assert.Equal(0, await restored.Filler.RestoreAsync(Token));

        Assert.Equal(7, before);
        Assert.Equal(before, (await restored.Account.GetAsync(Token)).Credits);
    }

    [Fact]
    public async Task New_tokens_after_a_restore_are_not_the_old_ones()
    {
        await using TacitClient restored = await LoseAsync(bought: 5, spent: 5, credits: 10);
        await restored.Filler.RestoreAsync(Token);

        await restored.Filler.FillAsync("chat", 5, cancellationToken: Token);

        Assert.Equal(0, (await restored.Account.GetAsync(Token)).Credits);
        Assert.Equal((5, 5), (await restored.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Unknown) : default);
    }

    [Fact]
    public async Task Restore_touches_no_token_that_the_wallet_knows()
    {
        await using TacitClient client = await _operator.WalletAsync(_folder["known"], credits: 10, tokens: 5);
        await client.Redemption.AnswerAsync(Prompts.Ask("Spend one."), Token);

        Assert.Equal(0, await client.Filler.RestoreAsync(Token));

        Assert.Equal((4, 1, 0), (await client.HoldingsAsync()) is var holdings ? (holdings.Held, holdings.Spent, holdings.Unknown) : default);
    }

    [Fact]
    public async Task Wallet_with_fresh_randomness_works_but_cannot_be_restored()
    {
        await using TacitClient client = await _operator.WalletAsync(
            _folder["fresh"], credits: 10, tokens: 5, change: options => options with { Wallet = options.Wallet with { Recoverable = false } });
        _operator.IssuerFront.Decide = FillTests.Once("/token-request", Mishap.LoseReply);
        await Assert.ThrowsAsync<ClientException>(() => client.Filler.FillAsync("chat", 5, cancellationToken: Token));

        Assert.Equal(5, await client.Filler.ResumeAsync(Token));
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Fresh."), Token)).Status);
        Assert.Equal(ClientError.SeedUnusable, (await Assert.ThrowsAsync<ClientException>(() => client.Filler.RestoreAsync(Token))).Error);
        Assert.Equal(0, (await client.Account.GetAsync(Token)).Credits);
    }

    /// <summary>A wallet that bought and spent, and another made from its seed and account key after it was lost.</summary>
    private async Task<TacitClient> LoseAsync(int bought, int spent, long credits = 10)
    {
        string seed;
        string account;
        await using (TacitClient lost = await _operator.WalletAsync(_folder["lost"], credits))
        {
            await lost.Filler.FillAsync("chat", bought, cancellationToken: Token);
            for (int i = 0; i < spent; i++)
            {
                await lost.Redemption.AnswerAsync(Prompts.Ask($"Before the loss {i}."), Token);
            }
            seed = lost.Wallet.RevealSeed();
            account = await lost.Account.RevealKeyAsync(Token);
        }
        ClientOptions options = _operator.OptionsFor(_folder["again"]);
        TacitClient again = await TacitClient.CreateAsync(
            options with { Redemption = options.Redemption with { FillAtPrompt = false } }, seed, TimeProvider.System, NullLoggerFactory.Instance, Token);
        await again.Account.ImportAsync(account, Token);
        return again;
    }
}
