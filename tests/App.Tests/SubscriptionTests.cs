using System.ClientModel;
using System.Text;
using OpenAI;
using OpenAI.Chat;
using Tacit.Client;
using Tacit.Client.Tests.Support;
using Tacit.Hosting;

namespace Tacit.App.Tests;

/// <summary>OpenAI's own library over a subscription, what the app says of it, and its management.</summary>
public sealed class SubscriptionTests : IAsyncLifetime
{
    private TestApp _app = null!;
    private ChatClient _chat = null!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        Assert.SkipUnless(TestSigner.HasPartiallyBlindKey, "the published vectors, which hold a key of safe primes, are not here");
        _app = await TestApp.StartAsync(tokens: 5, system: await TestOperator.StartAsync(plans: [TestOperator.Chat, TestOperator.Pro]));
        await _app.Client.Filler.SubscribeAsync("pro", cancellationToken: Token);
        _chat = new OpenAIClient(new ApiKeyCredential("sk-anything-at-all"), new OpenAIClientOptions { Endpoint = _app.BaseUrl }).GetChatClient(TestOperator.Model);
    }

    public ValueTask DisposeAsync() => _app?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Sdk_streams_and_asks_at_the_same_time_and_the_chain_pays_for_all()
    {
        Task<string>[] streams = [.. Enumerable.Range(0, 3).Select(StreamAsync)];
        ChatCompletion whole = await _chat.CompleteChatAsync([new UserChatMessage("All at once.")], cancellationToken: Token);

        Assert.All(await Task.WhenAll(streams), Assert.NotEmpty);
        Assert.NotEmpty(whole.Content[0].Text);
        WalletStatus status = await SettledAsync();
        Assert.Equal(1, status.Subscriptions.Single().Ready);
        Assert.Equal(5, status.Plans.Single().Held);
        Assert.Empty(_app.System.GatewayFront.SeenAt("/v1/exchange"));
    }

    [Fact]
    public async Task Sdk_that_breaks_off_does_not_hold_up_the_next_question()
    {
        using var gone = CancellationTokenSource.CreateLinkedTokenSource(Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (StreamingChatCompletionUpdate _ in _chat.CompleteChatStreamingAsync([new UserChatMessage("Broken off.")], cancellationToken: gone.Token))
            {
                await gone.CancelAsync();
            }
        });

        Assert.NotEmpty(await StreamAsync(1));
        Assert.Equal(1, (await SettledAsync()).Subscriptions.Single().Ready);
    }

    [Fact]
    public async Task Headers_say_which_plan_paid_what_is_left_and_until_when()
    {
        using HttpResponseMessage chain = await _app.AskAsync("Of the subscription.");
        using HttpResponseMessage token = await _app.AskAsync("Of the tokens.", change: request => request.Headers.Add("Tacit-Plan", "chat"));

        Assert.Equal(("pro", null, 200), (Header(chain, "Tacit-Plan"), Header(chain, "Tacit-Plan-Left"), (int)chain.StatusCode));
        Assert.Equal(("chat", "4"), (Header(token, "Tacit-Plan"), Header(token, "Tacit-Plan-Left")));
        string until = (await _app.Client.Wallet.GetStatusAsync(Token)).Subscriptions.Single().Until.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal((until, until), (Header(chain, "Tacit-Plan-Until"), Header(token, "Tacit-Plan-Until")));
        Assert.Null(Header(chain, "Tacit-Notice"));

        using HttpResponseMessage unknown = await _app.AskAsync("Of none.", change: request => request.Headers.Add("Tacit-Plan", "none"));
        Assert.Equal((404, "false"), ((int)unknown.StatusCode, Header(unknown, "x-should-retry")));
    }

    [Fact]
    public async Task Subscription_and_backup_go_over_the_socket()
    {
        using var socket = new ManagementClient(_app.DataDirectory, AppServer.Role);
        Assert.True((await socket.PostAsync("/wallet/unsubscribe", new PlanCommand("pro"), AppJson.Default.PlanCommand, AppJson.Default.UnsubscribeResult, Token)).WasSubscribed);
        Assert.False((await socket.GetAsync("/status", AppJson.Default.AppStatus, Token)).Wallet!.Subscriptions.Single().Renews);
        Assert.Equal(0, (await socket.PostAsync("/wallet/subscribe", new SubscribeCommand("pro", true), AppJson.Default.SubscribeCommand, AppJson.Default.SubscribeResult, Token)).Chains);
        await Assert.ThrowsAsync<ManagementException>(
            () => socket.PostAsync("/wallet/restart-chain", new PlanCommand("pro"), AppJson.Default.PlanCommand, AppJson.Default.SubscribeResult, Token));
        await Assert.ThrowsAsync<ManagementException>(
            () => socket.PostAsync("/wallet/backup", new BackupCommand("too short"), AppJson.Default.BackupCommand, AppJson.Default.BackupResult, Token));

        byte[] file = (await socket.PostAsync(
            "/wallet/backup", new BackupCommand("a passphrase that is long"), AppJson.Default.BackupCommand, AppJson.Default.BackupResult, Token)).File;

        string seed = _app.Client.Wallet.RevealSeed();
        Assert.DoesNotContain(seed, Encoding.Latin1.GetString(file), StringComparison.Ordinal);
        Assert.Contains(seed, Encoding.UTF8.GetString(WalletBackupFile.Open(file, "a passphrase that is long")), StringComparison.Ordinal);
        Assert.Equal(ClientError.BackupUnusable, Assert.Throws<ClientException>(() => WalletBackupFile.Open(file, "another passphrase")).Error);
        file[^1] ^= 1;
        Assert.Equal(ClientError.BackupUnusable, Assert.Throws<ClientException>(() => WalletBackupFile.Open(file, "a passphrase that is long")).Error);
        foreach (int length in new[] { 0, 10, 22, 24, 60, file.Length - 1 })
        {
            Assert.Equal(ClientError.BackupUnusable, Assert.Throws<ClientException>(() => WalletBackupFile.Open(file[..length], "a passphrase that is long")).Error);
        }
    }

    private async Task<string> StreamAsync(int number)
    {
        var text = new StringBuilder();
        await foreach (StreamingChatCompletionUpdate update in _chat.CompleteChatStreamingAsync([new UserChatMessage($"Stream {number}.")], cancellationToken: Token))
        {
            text.Append(string.Concat(update.ContentUpdate.Select(part => part.Text)));
        }
        return text.ToString();
    }

    private async Task<WalletStatus> SettledAsync()
    {
        WalletStatus status;
        for (int i = 0; (status = await _app.Client.Wallet.GetStatusAsync(Token)).Subscriptions.Single().Busy > 0 && i < 12_000; i++)
        {
            await Task.Delay(10, Token);
        }
        return status;
    }

    private static string? Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(",", values) : null;
}
