using Microsoft.Extensions.Logging.Abstractions;
using Tacit.Client.Tests.Support;

namespace Tacit.Client.Tests;

/// <summary>A wallet that comes back from a backup: what was used since is found out without showing a prompt, and nothing is bought twice.</summary>
public sealed class BackupTests : IAsyncLifetime
{
    private const string Prompt = "/v1/chat/completions";

    private readonly TestFolder _folder = new();
    private TestOperator _operator = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        _operator = await TestOperator.StartAsync(plans: [TestOperator.Chat, TestOperator.Pro]);
    }

    public async ValueTask DisposeAsync()
    {
        if (_operator is not null)
        {
            await _operator.DisposeAsync();
        }
        _folder.Dispose();
    }

    [Fact]
    public async Task Chain_of_a_fresh_backup_is_exchanged_before_a_prompt_is_shown_and_goes_on()
    {
        byte[] backup;
        await using (TacitClient client = await WalletAsync())
        {
            Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Before."), Token)).Status);
            backup = await client.Wallet.ExportAsync(Token);
        }

        await using TacitClient restored = await RestoreAsync(backup);
        _operator.GatewayFront.Seen.Clear();
        Assert.Equal(200, (await restored.Redemption.AnswerAsync(Prompts.Ask("After."), Token)).Status);

        Assert.Equal(["/v1/exchange", Prompt], _operator.GatewayFront.Seen.Select(seen => seen.Path));
        Assert.Equal((1, 0), (await restored.ChainsAsync()) is var chains ? (chains.Ready, chains.Lost) : default);
    }

    [Fact]
    public async Task Chain_that_went_on_since_the_backup_is_lost_and_no_prompt_was_shown_with_it()
    {
        await using TacitClient client = await WalletAsync();
        byte[] backup = await client.Wallet.ExportAsync(Token);
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Since."), Token)).Status);
        _operator.GatewayFront.Seen.Clear();

        await using TacitClient restored = await RestoreAsync(backup);
        ClientException lost = await Assert.ThrowsAsync<ClientException>(() => restored.Redemption.AnswerAsync(Prompts.Ask("A secret.") with { Plan = "pro" }, Token));

        Assert.Equal(ClientError.WalletEmpty, lost.Error);
        Assert.Equal(1, (await restored.ChainsAsync()).Lost);
        Assert.Contains(restored.Notices.Latest, notice => notice.Kind == NoticeKind.ChainLost);
        Assert.Empty(_operator.GatewayFront.SeenAt(Prompt));
        Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("Still there."), Token)).Status);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Chain_backed_up_in_the_middle_of_a_request_comes_back_while_its_successor_is_the_bound_one(bool wentOn)
    {
        await using TacitClient client = await WalletAsync();
        byte[] backup;
        await using (PromptReply reply = await client.Redemption.SendAsync(Prompts.Ask("In the middle.", stream: true), Token))
        {
            backup = await client.Wallet.ExportAsync(Token);
            await reply.ReadAllAsync();
            await reply.CompleteAsync(Token);
        }
        if (wentOn)
        {
            Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask("One more."), Token)).Status);
        }

        await using TacitClient restored = await RestoreAsync(backup);
        _operator.GatewayFront.Seen.Clear();
        Exception? error = await Record.ExceptionAsync(() => restored.Redemption.AnswerAsync(Prompts.Ask("Restored.") with { Plan = "pro" }, Token));

        Assert.Equal(wentOn, error is ClientException);
        Assert.Equal(wentOn ? (0, 1) : (1, 0), (await restored.ChainsAsync()) is var chains ? (chains.Ready, chains.Lost) : default);
        Assert.Equal(wentOn ? 0 : 1, _operator.GatewayFront.SeenAt(Prompt).Count);
    }

    [Fact]
    public async Task Tokens_used_or_bought_since_the_backup_are_neither_trusted_nor_bought_again()
    {
        await using TacitClient client = await WalletAsync();
        await client.Filler.FillAsync("chat", 5, cancellationToken: Token);
        byte[] backup = await client.Wallet.ExportAsync(Token);
        await client.Filler.FillAsync("chat", 5, cancellationToken: Token);
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(200, (await client.Redemption.AnswerAsync(Prompts.Ask($"Used {i}") with { Plan = "chat" }, Token)).Status);
        }

        await using TacitClient restored = await RestoreAsync(backup);
        Assert.Equal((0, 5), (await restored.HoldingsAsync()) is var before ? (before.Held, before.Unknown) : default);
        // The next purchase asks first for what was bought before, so that what it brings is new.
        await restored.Filler.FillAsync("chat", 5, cancellationToken: Token);
        Assert.Equal((5, 10), (await restored.HoldingsAsync()) is var after ? (after.Held, after.Unknown) : default);
        int answered = 0;
        for (int i = 0; i < 12; i++)
        {
            answered += (await restored.Redemption.AnswerAsync(Prompts.Ask($"Again {i}") with { Plan = "chat" }, Token)).Status == 200 ? 1 : 0;
        }
        Assert.Equal(12, answered);
        Assert.Equal(0, (await restored.HoldingsAsync()) is var end ? end.Held + end.Unknown : -1);
    }

    [Fact]
    public async Task Backup_holds_no_prompt_and_is_put_only_where_no_wallet_is()
    {
        await using TacitClient client = await WalletAsync();
        PromptReply open = await client.Redemption.SendAsync(Prompts.Ask("canary-in-the-body", stream: true), Token);
        byte[] backup = await client.Wallet.ExportAsync(Token);
        await open.DisposeAsync();

        using var json = System.Text.Json.JsonDocument.Parse(backup);
        Assert.False(json.RootElement.GetProperty("tables").TryGetProperty("request", out _));
        ClientException exists = await Assert.ThrowsAsync<ClientException>(() => TacitClient.RestoreAsync(
            _operator.OptionsFor(_folder["wallet"]), backup, TimeProvider.System, NullLoggerFactory.Instance, Token));
        Assert.Equal(ClientError.WalletExists, exists.Error);
        ClientException damaged = await Assert.ThrowsAsync<ClientException>(() => RestoreAsync(backup[..^20]));
        Assert.Equal(ClientError.BackupUnusable, damaged.Error);
        Assert.False(Wallet.Exists(_folder["restored"]));
    }

    private async Task<TacitClient> WalletAsync()
    {
        TacitClient client = await _operator.WalletAsync(_folder["wallet"], credits: 30);
        await client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        return client;
    }

    private Task<TacitClient> RestoreAsync(byte[] backup) =>
        TacitClient.RestoreAsync(_operator.OptionsFor(_folder["restored"]), backup, TimeProvider.System, NullLoggerFactory.Instance, Token);
}
